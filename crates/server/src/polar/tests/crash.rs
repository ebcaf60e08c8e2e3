//! The server dies at a statement of acting on a delivery; Polar delivers again.

use std::sync::Arc;
use std::time::Duration;

use testkit::{PgRelay, Stop};

use super::payload::Said;
use super::{NOW_MS, polar};
use crate::store::{PostgresSettings, PostgresStore, Store};

const SOON: Duration = Duration::from_secs(20);

async fn store(url: &str) -> Arc<dyn Store> {
    let settings = PostgresSettings {
        url: url.to_owned().into(),
        max_connections: 4,
    };
    Arc::new(PostgresStore::open(&settings).await.unwrap())
}

#[tokio::test]
async fn dying_at_any_statement_loses_and_doubles_nothing() {
    let database = testkit::postgres().await;
    let relay = PgRelay::start(&database.url).await;
    let healthy = store(&database.url).await;
    let after_the_lease = polar(Arc::clone(&healthy), Arc::new(|| NOW_MS + 60_000), None);
    let dying = polar(store(&relay.url).await, Arc::new(|| NOW_MS), None);

    relay.forget();
    let body = Said::new("subscription.active", "active", 1)
        .of("-0")
        .body();
    dying.take("e-0", body.as_bytes()).await.unwrap();
    let statements = relay.statements().len();
    assert!(statements > 8, "{:?}", relay.statements());

    for nth in 1..=statements {
        for stop in [Stop::Before, Stop::After] {
            let suffix = format!("-{nth}-{stop:?}");
            let body = Said::new("subscription.active", "active", 1)
                .of(&suffix)
                .body();
            let id = format!("e{suffix}");
            relay.stop_at(stop, nth, |_| true);
            {
                let mut taking = std::pin::pin!(dying.take(&id, body.as_bytes()));
                // Whoever waits for the answer is gone together with the server.
                tokio::select! {
                    _ = &mut taking => {}
                    _ = relay.held(SOON) => {}
                }
            }
            relay.resume();

            // What came through is acted on by another replica; what did not, Polar repeats.
            after_the_lease.take(&id, body.as_bytes()).await.unwrap();
            let subject = format!("user_1{suffix}");
            // The database takes a moment to drop what the dead one holds.
            testkit::wait_until(SOON, async || {
                after_the_lease.work_inbox().await.unwrap();
                let standing = healthy.standing(&subject).await.unwrap();
                standing
                    .subscription
                    .is_some_and(|bought| bought.status == "active")
            })
            .await;
        }
    }
    let counts = healthy.count_inbox_events().await.unwrap();
    assert_eq!((counts.queued, counts.parked, counts.unreadable), (0, 0, 0));
    // One audit event for each person: nothing was done twice.
    let pool = sqlx::PgPool::connect(&database.url).await.unwrap();
    let doubled: Vec<String> = sqlx::query_scalar(
        "select target from audit where action = 'subscription.put'
         group by target having count(*) <> 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(doubled, Vec::<String>::new());
    let people: i64 = sqlx::query_scalar("select count(*) from subscriptions")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(people, i64::try_from(1 + 2 * statements).unwrap());
}
