use sha2::{Digest, Sha256};
use sqlx::Executor;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqlitePoolOptions;

use super::origin;
use crate::polar::Products;
use crate::store::{
    Accounts, Aligned, Alignment, Inbox, RecurringJob, Subscription, postgres, sqlite,
};

/// The newest migration that each release had, and the digest of all its texts up to there.
///
/// Texts of a release never change: databases out there were made by them.
const RELEASED: &[(&str, i64, &str)] = &[(
    "the first shape",
    1,
    "e823235405a06499d88709637caeb1d6227b13e43010caa2189c3749749e1d83",
)];

fn names(migrations: &Migrator) -> Vec<(i64, String)> {
    migrations
        .iter()
        .map(|migration| (migration.version, migration.description.to_string()))
        .collect()
}

#[test]
fn both_databases_have_the_same_migrations() {
    assert_eq!(names(&sqlite::MIGRATIONS), names(&postgres::MIGRATIONS));
}

#[test]
fn released_migrations_keep_their_text() {
    for (release, newest, digest) in RELEASED {
        let mut hash = Sha256::new();
        for migration in sqlite::MIGRATIONS.iter() {
            if migration.version <= *newest {
                hash.update(migration.sql.as_str());
            }
        }
        assert_eq!(&hex::encode(hash.finalize()), digest, "{release}");
    }
}

#[tokio::test]
async fn a_database_of_every_release_is_brought_up_with_its_rows() {
    for (release, newest, _) in RELEASED {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.db");
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let old = SqlitePoolOptions::new().connect(&url).await.unwrap();
        let mut released = Migrator::DEFAULT;
        released.migrations = sqlite::MIGRATIONS
            .iter()
            .filter(|migration| migration.version <= *newest)
            .cloned()
            .collect();
        released.run(&old).await.unwrap();
        old.execute(
            "insert into user_profile values ('p', 'user_1', 'ana@example.org', null, 1, 1);
             insert into tenant values ('t', 'p', 'notes', 'notes', 'auto', 1, 1);
             update user_profile set tenant_id = 't';
             insert into subscriptions values ('user_1', 'active', 'plus', 9000, 1, 1);
             insert into tenant_mount_credentials (id, tenant_id, access_key, policy_arn, created_at, updated_at)
             values ('c', 't', 'tid_1', 'policy', 1, 1);",
        )
        .await
        .unwrap();
        old.close().await;

        let store = sqlite::SqliteStore::open(&file).await.unwrap();
        let standing = store.standing("user_1").await.unwrap();
        let bought = Subscription {
            status: "active".to_owned(),
            plan: Some("plus".to_owned()),
            current_period_end: Some(9000),
        };
        assert_eq!(standing.subscription, Some(bought), "{release}");
        let tenant = standing.tenant.unwrap();
        assert_eq!(
            (tenant.id.as_str(), tenant.bucket_name.as_deref()),
            ("t", Some("notes")),
            "{release}"
        );
        let keys: Vec<(String, String)> = sqlx::query_as(
            "select access_key, name from tenant_mount_credentials where issued_at = 1",
        )
        .fetch_all(store.reader())
        .await
        .unwrap();
        assert_eq!(
            keys,
            [("tid_1".to_owned(), "tid_1".to_owned())],
            "{release}"
        );
    }
}

#[tokio::test]
async fn purchases_of_before_keep_what_they_open_and_their_products_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let old = SqlitePoolOptions::new().connect(&url).await.unwrap();
    let mut before = Migrator::DEFAULT;
    let earlier = sqlite::MIGRATIONS.iter().filter(|one| one.version <= 10);
    before.migrations = earlier.cloned().collect();
    before.run(&old).await.unwrap();
    old.execute(
        "insert into polar_customer values ('c1', 'user_1', 1, 1, 1);
         insert into polar_subscription
             (id, customer_id, revision, told_at, status, current_period_end,
              cancel_at_period_end, pause_at_period_end, created_at, updated_at)
         values ('s1', 'c1', 1, 1, 'active', 9000, 0, 0, 1, 1);
         insert into subscriptions (workos_user_id, status, current_period_end, subscription_id,
             created_at, updated_at) values ('user_1', 'active', 9000, 's1', 1, 1);
         update recurring_job set next_at = 4000000000000 where name = 'polar.sweep';",
    )
    .await
    .unwrap();
    old.close().await;

    let store = sqlite::SqliteStore::open(&file).await.unwrap();
    let paid = Products::of(["c3f9a1de-0a67-4a0e-9a52-2f3c4a5b6c7d"]).unwrap();
    let aligned = store.align_people(&paid, &origin(10)).await.unwrap();
    assert_eq!(aligned, Aligned::default());
    let standing = store.standing("user_1").await.unwrap();
    assert_eq!(standing.subscription.unwrap().status, "active");
    let job = RecurringJob::SweepPolar;
    assert!(store.claim_recurring_job(job, 10, 20).await.unwrap());
}
