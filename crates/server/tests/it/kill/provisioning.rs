//! Tenants made for people who ask again until they have one.

use reqwest::{Client, StatusCode};
use testkit::{Fate, Stop, python, wait_until};

use super::credentials::{Outside, on_aws};
use super::{Round, Victim, points};
use crate::deployment::cloud::subject;
use crate::deployment::{Database, SOON, StorageKind, sign_in};

/// What provisioning changes, in its own words.
const PARTS: &[&str] = &[
    "insert into tenant",
    "insert into workflow",
    "set tigris_bucket_name",
    "insert into tenant_instance",
    "set ready_at",
];

fn email(number: usize) -> String {
    format!("person{number}@example.org")
}

fn of_person(number: usize) -> String {
    let user = subject(&email(number));
    format!(
        "from tenant join user_profile on user_profile.id = tenant.owner_profile_id \
         where user_profile.workos_user_id = '{user}'"
    )
}

async fn is_ready(database: &Database, number: usize) -> bool {
    let of_person = of_person(number);
    let sql = format!("select count(*) {of_person} and tenant.ready_at is not null");
    database.number(&sql).await == 1
}

async fn set_up(url: String, token: String) -> Result<StatusCode, reqwest::Error> {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{url}/tenants/setup"));
    Ok(request.bearer_auth(token).send().await?.status())
}

/// Somebody who has paid and has no tenant yet; the token.
async fn subscriber(victim: &Victim, number: usize) -> String {
    let cloud = &victim.cloud;
    cloud.subscribe(&email(number)).await;
    let user = subject(&email(number));
    sign_in(&cloud.url, async |code| {
        cloud.provider.approve(&code, &user).await;
    })
    .await
}

async fn killed_at_every_statement(stop: Stop) {
    let mut victim = Victim::start(StorageKind::Embedded).await;
    let mut killed = Vec::new();
    for (part, nth) in points(PARTS) {
        let number = killed.len();
        let token = subscriber(&victim, number).await;
        let work = set_up(victim.cloud.url.clone(), token.clone());
        let over = async |database: &Database| is_ready(database, number).await;
        let fits = move |text: &str| part.is_none_or(|part| text.contains(part));
        let round = victim.kill_at((stop, nth), fits, work, over).await;
        let again = set_up(victim.cloud.url.clone(), token).await.unwrap();
        assert!(again.is_success(), "{again} after {round:?}");
        killed.push(round.clone());
        if round == Round::OutOfStatements {
            assert_eq!(part, None, "{killed:#?}");
            break;
        }
    }
    let database = &victim.database;
    let folder = victim.cloud.folder.path().join("state/buckets/store.db");
    let buckets = Database::Sqlite(folder);
    for (number, round) in killed.iter().enumerate() {
        wait_until(SOON, async || is_ready(database, number).await).await;
        let of_person = of_person(number);
        for (what, sql) in [
            ("tenant", format!("select count(*) {of_person}")),
            (
                "instance",
                format!(
                    "select count(*) from tenant_instance where state = 'ready' \
                     and tenant_id in (select tenant.id {of_person})"
                ),
            ),
        ] {
            assert_eq!(database.number(&sql).await, 1, "{what} after {round:?}");
        }
    }
    let people = i64::try_from(killed.len()).unwrap();
    let tenants = database.number("select count(*) from tenant").await;
    let made = buckets.number("select count(*) from buckets").await;
    assert_eq!((tenants, made), (people, people), "{killed:#?}");
    // Asking again while the work ends may have it looked through once more, never at once.
    let open = "select count(*) from workflow where kind = 'provision' and status <> 'done'";
    wait_until(SOON, async || database.number(open).await == 0).await;
}

#[tokio::test]
async fn a_kill_before_any_statement_of_provisioning_ends_in_one_tenant() {
    killed_at_every_statement(Stop::Before).await;
}

#[tokio::test]
async fn a_kill_after_any_statement_of_provisioning_ends_in_one_tenant() {
    killed_at_every_statement(Stop::After).await;
}

#[tokio::test]
async fn a_kill_around_any_call_for_a_bucket_ends_in_one_tenant_with_one_bucket() {
    let (mut victim, outside) = on_aws().await;
    let Outside::Aws(aws) = &outside else {
        unreachable!("it was just made");
    };
    let (moto, relay) = &**aws;
    let mut people = 0;
    for fate in [Fate::HoldBefore, Fate::HoldAfter] {
        for nth in 1.. {
            let number = people;
            people += 1;
            let token = subscriber(&victim, number).await;
            let work = set_up(victim.cloud.url.clone(), token.clone());
            let over = async |database: &Database| is_ready(database, number).await;
            let at = (fate.clone(), nth);
            let held = victim.kill_around(relay, at, work, over).await;
            let again = set_up(victim.cloud.url.clone(), token).await.unwrap();
            assert!(again.is_success(), "{again} after {held:?}");
            if held.is_none() {
                // The bucket and its versions at the least.
                assert!(nth > 2, "{nth}");
                break;
            }
        }
    }
    let database = &victim.database;
    for number in 0..people {
        wait_until(SOON, async || is_ready(database, number).await).await;
    }
    let names = "select tigris_bucket_name from tenant order by tigris_bucket_name";
    let args = [&moto.endpoint, &moto.access_key, &moto.secret_key];
    let mut listing = python("list_buckets.py", args).spawn();
    let listed = listing.success(SOON).await;
    let expected: Vec<String> = database.texts(names).await;
    let expected: Vec<String> = expected
        .iter()
        .map(|name| format!("{name} Enabled"))
        .collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
    assert_eq!(expected.len(), people);
}
