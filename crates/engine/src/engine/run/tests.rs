use std::path::Path;
use std::sync::Arc;

use guard::{Bucket, BucketConfig, Credentials};

use super::*;
use crate::account::SignedOutReason;
use crate::config::{Mode, Observer};
use crate::state::State;
use crate::vault::Kept;
use crate::view::AccountView;
use crate::{Clock, Places, SecretChoice};

const SERVER: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn a_run_of_the_account_before_leaves_nothing_to_the_one_that_is_signed_in_now() {
    let home = tempfile::tempdir().unwrap();
    let mut core = core(home.path()).await;
    let shown = core.model.account.clone();
    let mut ended = ended("ben");
    ended.link = Some(Link::over(bucket()).await.unwrap());
    ended.standing = Some(standing("ben"));
    ended.failure = Some(RunFailure::Auth(AuthError::SignedOut {
        reason: SignedOutReason::SessionEnded,
    }));
    core.end_run(ended).await;
    assert!(
        core.link.is_none(),
        "ana's folders never go to ben's bucket"
    );
    assert!(core.account.is_some(), "ana is signed in as before");
    assert_eq!(core.model.account, shown);
    assert!(core.model.subscription.is_none(), "what ben has, ben has");
}

#[tokio::test]
async fn a_run_tells_the_account_that_it_ran_for() {
    let home = tempfile::tempdir().unwrap();
    let mut core = core(home.path()).await;
    let mut run = ended("ana");
    run.link = Some(Link::over(bucket()).await.unwrap());
    run.standing = Some(standing("ana"));
    core.end_run(run).await;
    assert!(core.link.is_some());
    assert!(core.model.subscription.is_some());
    let mut run = ended("ana");
    run.failure = Some(RunFailure::Auth(AuthError::SignedOut {
        reason: SignedOutReason::SessionEnded,
    }));
    core.end_run(run).await;
    assert!(core.account.is_none() && core.link.is_none());
}

#[tokio::test]
async fn a_key_of_another_account_is_not_taken_for_ones_own() {
    let home = tempfile::tempdir().unwrap();
    let mut core = core(home.path()).await;
    let (answer, _answered) = tokio::sync::oneshot::channel();
    let link = Link::over(bucket()).await.unwrap();
    core.take_new_key(Ok(link), answer);
    assert!(core.link.is_none());
}

fn ended(user: &str) -> Ended {
    let run = QueuedRun {
        number: 1,
        pair: "pair_a".into(),
        kind: RunKind::Sync,
        confirmed: Confirmed::No,
        accepted: None,
    };
    Ended::begun(&format!("{SERVER}|{user}"), run)
}

/// An engine of ana's, as it starts.
async fn core(home: &Path) -> Core {
    core_until(home, CancellationToken::new()).await
}

async fn core_until(home: &Path, stop: CancellationToken) -> Core {
    let places = Places {
        config: home.join("config"),
        state: home.join("state"),
        data: home.join("data"),
        cache: home.join("cache"),
        runtime: home.join("run"),
    };
    places.create().unwrap();
    let record = format!(
        r#"{{"server_url":"{SERVER}","issuer":"{SERVER}","client_id":"app",
        "token_endpoint":"{SERVER}/token","user_id":"ana","email":null,"cloud_mode":true}}"#
    );
    crate::secrets::write_private(&places.config.join("account.json"), record.as_bytes()).unwrap();
    let config = Config {
        places,
        device: "laptop".into(),
        clock: Clock::system(),
        mode: Mode::OnRequest,
        secrets: SecretChoice::File,
        rclone: None,
        path_variable: None,
        observer: Observer::none(),
    };
    let core = Core::open(config, None, stop);
    let core = core.await.unwrap_or_else(|error| panic!("{error}"));
    assert!(
        matches!(core.model.account, AccountView::SignedIn { .. }),
        "ana is signed in"
    );
    core
}

fn bucket() -> Bucket {
    let config = BucketConfig {
        endpoint: SERVER.parse().unwrap(),
        region: "auto".into(),
        bucket: "ben".into(),
        credentials: Credentials {
            access_key: "key".into(),
            secret_key: "secret".to_owned().into(),
        },
    };
    Bucket::new(config, Arc::new(|| Clock::system().now())).unwrap()
}

fn standing(user: &str) -> SubscriptionOut {
    serde_json::from_value(serde_json::json!({
        "account": {"id": user, "email": null},
        "current": true,
        "status": "active",
        "plan": null,
        "current_period_end": null,
        "subscribe_url": SERVER,
        "manage_url": null,
    }))
    .unwrap()
}

/// A clock that jumped ahead makes everything old: history waits until a store believed the clock.
#[tokio::test]
async fn history_is_tidied_only_after_a_run_that_the_store_answered() {
    let home = tempfile::tempdir().unwrap();
    let mut core = core(home.path()).await;
    let mut run = ended("ana");
    run.failure = Some(RunFailure::Cycle(CycleFailure::ClockSkew {
        ahead_ms: Some(400 * 86_400_000),
    }));
    core.end_run(run).await;
    assert!(!core.has_tidied());
    core.end_run(ended("ana")).await;
    assert!(core.has_tidied());
}

/// A command runs once and ends: tidying has no other time.
#[tokio::test]
async fn an_engine_that_ends_has_tidied_history_first() {
    let home = tempfile::tempdir().unwrap();
    let (stop, state) = (CancellationToken::new(), home.path().join("state/state.db"));
    let mut core = core_until(home.path(), stop.clone()).await;
    let kept = Kept {
        file: home
            .path()
            .join("data/.basic-memory-cloud/history/1/old.md"),
        md5: String::new(),
        size: 3,
    };
    let add = core
        .state
        .with(move |state| state.add_version("pair_a", "old.md", &kept, 1));
    add.await.unwrap();
    core.end_run(ended("ana")).await;
    stop.cancel();
    let (_asks, asked) = tokio::sync::mpsc::channel(1);
    core.run(asked, None).await;
    let left = State::open(&state).unwrap().held(&["pair_a".to_owned()]);
    assert_eq!(left.unwrap().bytes, 0);
}
