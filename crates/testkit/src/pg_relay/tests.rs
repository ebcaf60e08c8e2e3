use super::*;
use crate::{Child, Postgres, postgres, postgres_programs, program};

const SOON: Duration = Duration::from_secs(20);

fn psql(url: &str, orders: &[&str]) -> Child {
    let mut psql = program(postgres_programs().join("psql")).args(["-qAtX", url]);
    for order in orders {
        psql = psql.args(["-c", order]);
    }
    psql.spawn()
}

async fn with_a_table() -> (Postgres, PgRelay) {
    let database = postgres().await;
    psql(&database.url, &["create table note (id text)"])
        .success(SOON)
        .await;
    let relay = PgRelay::start(&database.url).await;
    (database, relay)
}

async fn notes(database: &Postgres) -> String {
    psql(&database.url, &["select count(*) from note"])
        .success(SOON)
        .await
}

#[tokio::test]
async fn statements_pass_and_are_written_down() {
    let (database, relay) = with_a_table().await;
    let orders = ["insert into note values ('a')", "select id from note"];
    assert_eq!(psql(&relay.url, &orders).success(SOON).await, "a\n");
    assert_eq!(relay.statements(), orders);
    assert_eq!(notes(&database).await, "1\n");
}

#[tokio::test]
async fn a_client_can_be_killed_before_a_statement() {
    let (database, relay) = with_a_table().await;
    relay.stop_at(Stop::Before, 2, |text| text.starts_with("insert"));
    let mut client = psql(
        &relay.url,
        &[
            "insert into note values ('a')",
            "insert into note values ('b')",
        ],
    );
    assert_eq!(relay.held(SOON).await, "insert into note values ('b')");
    client.kill();
    relay.resume();
    assert_eq!(notes(&database).await, "1\n");
    assert_eq!(
        psql(&relay.url, &["select 'on'"]).success(SOON).await,
        "on\n"
    );
}

#[tokio::test]
async fn a_client_can_be_killed_after_a_statement_that_it_did_not_hear_of() {
    let (database, relay) = with_a_table().await;
    relay.stop_at(Stop::After, 1, |text| text.starts_with("insert"));
    let mut client = psql(&relay.url, &["insert into note values ('a')"]);
    relay.held(SOON).await;
    assert!(client.ended().is_none());
    client.kill();
    relay.resume();
    assert_eq!(notes(&database).await, "1\n");
}
