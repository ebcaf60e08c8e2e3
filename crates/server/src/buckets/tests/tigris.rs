use std::collections::HashSet;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::mock_tigris::{Fault, MockTigris};
use super::{grant, named, repeats};
use crate::buckets::{
    Access, AdminKey, BucketError, Buckets, Endpoint, FoundKey, IssuedKey, KeyRef,
    NotificationTarget, Notifications, Repeats, StrayKey, TigrisBuckets, Unattached,
};
use crate::clock::{parse_rfc3339, system_clock};

const BUCKET: &str = "basic-memory-1";

async fn tigris_with(unattached: Unattached, repeats: Repeats) -> (MockTigris, TigrisBuckets) {
    let mock = MockTigris::default();
    let url = mock.serve().await;
    let at = || Endpoint {
        url: url.clone(),
        region: "auto".to_owned(),
    };
    let key = AdminKey {
        access_key: "tid_admin".to_owned(),
        secret: "tsec_admin".to_owned().into(),
    };
    let clock = system_clock();
    let buckets = TigrisBuckets::new(at(), at(), at(), &key, unattached, &clock, repeats);
    (mock, buckets.unwrap())
}

async fn tigris() -> (MockTigris, TigrisBuckets) {
    tigris_with(Unattached::Remove, repeats()).await
}

fn key_ref(name: &str, key: &IssuedKey) -> KeyRef {
    KeyRef {
        name: name.to_owned(),
        access_key: Some(key.access_key.clone()),
        policy_arn: Some(key.policy_arn.clone()),
    }
}

#[tokio::test]
async fn a_key_is_made_in_three_calls_and_removed_with_all_that_carries_its_name() {
    let (mock, tigris) = tigris().await;
    let key = tigris.issue_key(&grant("bm-1", BUCKET)).await.unwrap();
    let calls = mock.look(|ledger| std::mem::take(&mut ledger.calls));
    assert_eq!(
        calls,
        ["CreatePolicy", "CreateAccessKey", "AttachUserPolicy"]
    );
    assert_eq!(key.policy_arn, "arn:aws:iam::org_1:policy/bm-1");
    assert_eq!(key.secret.expose_secret(), "tsec_1+/");
    assert_eq!(
        mock.who_may("s3:PutObject", BUCKET),
        std::slice::from_ref(&key.access_key)
    );
    let other = tigris.issue_key(&grant("bm-2", BUCKET)).await.unwrap();
    tigris.issue_key(&grant("bm-3", "other")).await.unwrap();
    let found = tigris.list_keys("bm-").await.unwrap();
    let names: Vec<_> = found.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["bm-1", "bm-2", "bm-3"]);

    for _ in 0..2 {
        tigris.revoke_key(&key_ref("bm-1", &key)).await.unwrap();
    }
    assert_eq!(
        mock.who_may("s3:GetObject", BUCKET),
        std::slice::from_ref(&other.access_key)
    );
    tigris.revoke_key(&named("bm-2")).await.unwrap();
    mock.look(|ledger| {
        assert_eq!(ledger.policies.len(), 1);
        assert_eq!(ledger.keys.len(), 1);
    });
}

#[tokio::test]
async fn throttling_and_lost_answers_are_ridden_out_without_a_second_effect() {
    let (mock, tigris) = tigris().await;
    mock.fail("CreatePolicy", &[Fault::Throttled, Fault::FailedAfter]);
    mock.fail("CreateAccessKey", &[Fault::Throttled]);
    mock.fail(
        "AttachUserPolicy",
        &[Fault::FailedAfter, Fault::FailedBefore],
    );
    let key = tigris.issue_key(&grant("bm-1", BUCKET)).await.unwrap();
    mock.look(|ledger| {
        assert_eq!(ledger.policies.len(), 1);
        assert_eq!(ledger.keys.len(), 1);
    });
    for operation in ["DeleteAccessKey", "DetachUserPolicy", "DeletePolicy"] {
        mock.fail(operation, &[Fault::FailedAfter, Fault::Throttled]);
    }
    tigris.revoke_key(&key_ref("bm-1", &key)).await.unwrap();
    mock.look(|ledger| {
        assert!(ledger.policies.is_empty());
        assert!(ledger.keys.is_empty());
    });
}

#[tokio::test]
async fn whatever_goes_wrong_nothing_that_opens_a_bucket_is_left_after_the_clean_up() {
    let quick = Repeats {
        attempts: 1,
        answer_within: std::time::Duration::from_millis(300),
        ..repeats()
    };
    for operation in ["CreatePolicy", "CreateAccessKey", "AttachUserPolicy"] {
        for fault in [
            Fault::Throttled,
            Fault::FailedBefore,
            Fault::FailedAfter,
            Fault::Silent,
            Fault::WrongBody,
            Fault::CutBody,
        ] {
            let (mock, tigris) = tigris_with(Unattached::Remove, quick).await;
            mock.fail(operation, &[fault]);
            let failed = tigris.issue_key(&grant("bm-1", BUCKET)).await;
            let error = failed.expect_err("the call went wrong");
            assert!(error.is_transient(), "{operation} {fault:?}: {error}");
            assert!(!format!("{error:?}").contains("tsec"), "{error:?}");
            tigris.revoke_key(&named("bm-1")).await.unwrap();
            assert_eq!(
                mock.who_may("s3:GetObject", BUCKET),
                [""; 0],
                "{operation} {fault:?}"
            );
            assert_eq!(tigris.list_keys("bm-").await.unwrap(), []);
            let strays = tigris.stray_keys(&HashSet::new()).await.unwrap();
            for stray in &strays {
                tigris.remove_stray(stray).await.unwrap();
            }
            mock.look(|ledger| assert!(ledger.keys.is_empty(), "{operation} {fault:?}"));
        }
    }
}

#[tokio::test]
async fn keys_without_a_policy_are_found_and_left_alone_unless_told_otherwise() {
    let (mock, tigris) = tigris_with(Unattached::Report, repeats()).await;
    let key = tigris.issue_key(&grant("bm-1", BUCKET)).await.unwrap();
    mock.look(|ledger| {
        for id in ["tid_admin", "tid_lost", "tid_known"] {
            ledger.keys.insert(id.to_owned(), Default::default());
        }
    });
    let known = HashSet::from(["tid_known".to_owned()]);
    let stray = StrayKey {
        access_key: "tid_lost".to_owned(),
        created_at: parse_rfc3339("2026-11-22T00:00:30Z").unwrap(),
    };
    let strays = tigris.stray_keys(&known).await.unwrap();
    assert_eq!(strays, std::slice::from_ref(&stray));
    tigris.remove_stray(&stray).await.unwrap();
    mock.look(|ledger| {
        assert!(ledger.keys.contains_key("tid_lost"));
        assert!(ledger.keys.contains_key(&key.access_key));
    });
}

#[tokio::test]
async fn writing_is_taken_away_and_given_back_by_a_change_of_policies() {
    let (mock, tigris) = tigris().await;
    let issued = tigris.issue_key(&grant("bm-1", BUCKET)).await.unwrap();
    let key = key_ref("bm-1", &issued);
    let id = [issued.access_key.clone()];
    for (access, writers) in [
        (Access::ReadOnly, &id[..0]),
        (Access::ReadOnly, &id[..0]),
        (Access::ReadWrite, &id[..]),
        (Access::ReadWrite, &id[..]),
        (Access::ReadOnly, &id[..0]),
    ] {
        mock.fail("AttachUserPolicy", &[Fault::FailedAfter]);
        mock.fail("DetachUserPolicy", &[Fault::FailedAfter]);
        tigris
            .set_access(&key, &grant("bm-1", BUCKET), access)
            .await
            .unwrap();
        assert_eq!(mock.who_may("s3:PutObject", BUCKET), writers, "{access:?}");
        assert_eq!(mock.who_may("s3:GetObject", BUCKET), id, "{access:?}");
    }
    let found = FoundKey {
        name: "bm-1".to_owned(),
        policy_arn: Some(issued.policy_arn.clone()),
    };
    assert_eq!(tigris.list_keys("bm-").await.unwrap(), [found]);
    tigris.revoke_key(&named("bm-1")).await.unwrap();
    mock.look(|ledger| {
        assert!(ledger.policies.is_empty());
        assert!(ledger.keys.is_empty());
    });
}

#[tokio::test]
async fn a_secret_that_clients_cannot_save_is_replaced() {
    let (mock, tigris) = tigris().await;
    mock.look(|ledger| ledger.secrets = vec!["tsec_%1".to_owned(), "tsec_fine".to_owned()]);
    let key = tigris.issue_key(&grant("bm-1", BUCKET)).await.unwrap();
    assert_eq!(key.secret.expose_secret(), "tsec_fine");
    mock.look(|ledger| assert_eq!(ledger.keys.len(), 1));
}

#[tokio::test]
async fn buckets_are_made_once_with_snapshots_and_report_changes() {
    let (mock, tigris) = tigris().await;
    mock.fail("PUT bucket", &[Fault::FailedAfter, Fault::Throttled]);
    for _ in 0..2 {
        tigris.ensure_bucket(BUCKET).await.unwrap();
    }
    mock.look(|ledger| assert_eq!(ledger.buckets.len(), 1));
    let target = NotificationTarget {
        url: "https://api.example.org/webhooks/tigris/t".to_owned(),
        token: "hook-token".to_owned().into(),
    };
    let set = tigris.notify(BUCKET, &target).await.unwrap();
    assert_eq!(set, Notifications::Set);
    let sent = mock.look(|ledger| ledger.buckets[BUCKET][0].clone());
    assert_eq!(
        serde_json::from_str::<Value>(&sent).unwrap(),
        json!({ "object_notifications": {
            "enabled": true,
            "web_hook": "https://api.example.org/webhooks/tigris/t",
            "filter": "",
            "auth": { "token": "hook-token" },
        }})
    );
    let refused = tigris.notify("other", &target).await.unwrap_err();
    assert!(matches!(refused, BucketError::Refused { status: 404, .. }));
}
