use secrecy::ExposeSecret as _;

use super::*;
use crate::buckets::NotificationTarget;
use crate::buckets::ledger::{Fault, Ledger};
use crate::events::{Hooks, token_hash};
use crate::provisioning::BucketReports as _;
use crate::store::tests::on_both;

on_both!(a_bucket_always_has_a_token_that_is_let_in);

async fn a_bucket_always_has_a_token_that_is_let_in(fixture: Fixture) {
    ana(&fixture).await;
    let store = &fixture.store;
    let buckets = Arc::new(Ledger::default());
    let hooks = Hooks {
        store: Arc::clone(store),
        buckets: buckets.clone(),
        public_url: "https://api.example.org/".to_owned(),
        clock: Arc::new(|| NOW_MS),
    };
    let known = async |target: &NotificationTarget| {
        let hook = store.find_hook(TENANT).await.unwrap().unwrap();
        let hash = token_hash(target.token.expose_secret());
        hook.token_hashes.contains(&hash)
    };
    hooks.ensure(TENANT, "bucket").await.unwrap();
    let first = buckets.target("bucket").unwrap();
    assert_eq!(
        first.url,
        format!("https://api.example.org/webhooks/tigris/{TENANT}")
    );
    assert!(known(&first).await);

    buckets.script([Some(Fault::Before)]);
    assert!(hooks.ensure(TENANT, "bucket").await.is_err());
    let same = buckets.target("bucket").unwrap();
    assert_eq!(same.token.expose_secret(), first.token.expose_secret());
    assert!(known(&same).await);

    buckets.script([Some(Fault::After)]);
    assert!(hooks.ensure(TENANT, "bucket").await.is_err());
    assert!(known(&buckets.target("bucket").unwrap()).await);

    hooks.ensure(TENANT, "bucket").await.unwrap();
    assert!(known(&buckets.target("bucket").unwrap()).await);
    assert!(!known(&first).await);
}
