//! Deliveries of the payment provider, who delivers again until it hears that all is well.

use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Stop, wait_until};

use super::{Round, Victim, points};
use crate::deployment::cloud::{self, deliver, subscription};
use crate::deployment::{Database, SOON, StorageKind};

async fn is_active(database: &Database, user: &str) -> bool {
    let sql = format!(
        "select count(*) from subscriptions \
         where workos_user_id = '{user}' and status = 'active' and current_period_end > 0"
    );
    database.number(&sql).await == 1
}

async fn is_settled(database: &Database, delivery: &str) -> bool {
    let sql = format!(
        "select count(*) from inbox_event where delivery_id = '{delivery}' and state = 'done'"
    );
    database.number(&sql).await == 1
}

/// What a delivery changes, in its own words.
const PARTS: &[&str] = &[
    "insert into inbox_event",
    "into polar_customer",
    "into polar_subscription",
    "into subscriptions",
    "insert into audit",
];

async fn killed_at_every_statement(stop: Stop) {
    let mut victim = Victim::start(StorageKind::Embedded).await;
    let mut killed = Vec::new();
    for (part, nth) in points(PARTS) {
        let (email, id) = delivery(killed.len());
        let payload = subscription(&email, "active");
        let work = deliver(victim.cloud.url.clone(), id.clone(), payload.clone());
        let user = cloud::subject(&email);
        let over = async |database: &Database| {
            is_active(database, &user).await && is_settled(database, &id).await
        };
        let fits = move |text: &str| part.is_none_or(|part| text.contains(part));
        let round = victim.kill_at((stop, nth), fits, work, over).await;
        let answer = deliver(victim.cloud.url.clone(), id.clone(), payload).await;
        assert_eq!(answer.unwrap(), StatusCode::ACCEPTED, "{round:?}");
        killed.push(round.clone());
        if round == Round::OutOfStatements {
            assert_eq!(part, None, "{killed:#?}");
            break;
        }
    }
    let database = &victim.database;
    for (number, round) in killed.iter().enumerate() {
        let (email, id) = delivery(number);
        let user = cloud::subject(&email);
        wait_until(SOON, async || {
            is_active(database, &user).await && is_settled(database, &id).await
        })
        .await;
        for (what, sql) in [
            (
                "delivery",
                format!("inbox_event where delivery_id = '{id}'"),
            ),
            (
                "customer",
                format!("polar_customer where external_id = '{user}'"),
            ),
            (
                "subscription",
                format!("polar_subscription where id = 'sub_{user}'"),
            ),
            (
                "change in the audit",
                format!("audit where target = '{user}'"),
            ),
        ] {
            let count = database
                .number(&format!("select count(*) from {sql}"))
                .await;
            assert_eq!(count, 1, "{what} after {round:?}");
        }
    }
}

/// The person and the id of a round's delivery.
fn delivery(nth: usize) -> (String, String) {
    (format!("person{nth}@example.org"), format!("msg_{nth}"))
}

#[tokio::test]
async fn a_kill_before_any_statement_of_a_delivery_loses_and_doubles_nothing() {
    killed_at_every_statement(Stop::Before).await;
}

#[tokio::test]
async fn a_kill_after_any_statement_of_a_delivery_loses_and_doubles_nothing() {
    killed_at_every_statement(Stop::After).await;
}

#[tokio::test]
async fn a_forged_delivery_leaves_nothing() {
    let victim = Victim::start(StorageKind::Embedded).await;
    let payload: Value = subscription("ana@example.org", "active");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(format!("{}/api/webhooks/polar", victim.cloud.url))
        .header("webhook-id", "msg_1")
        .header(
            "webhook-timestamp",
            time::OffsetDateTime::now_utc().unix_timestamp(),
        )
        .header("webhook-signature", "v1,AAAA")
        .json(&payload);
    let status = request.send().await.unwrap().status();
    assert!(status.is_client_error(), "{status}");
    let sql = "select count(*) from inbox_event";
    assert_eq!(victim.database.number(sql).await, 0);
}
