//! Who is signed in, what they have, and a server that is not always there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::view::{AccountView, ProfileName, RunResult, SecretStoreView, Status};
use engine::{Observer, Request, RunKind, SignInKeep, Step};
use tempfile::TempDir;
use testkit::{Server, wait_until};

use super::device::{Home, LONG, is_running, is_signed_in};
use super::member::Member;

const ANA: &str = "ana@example.org";
const BEN: &str = "ben@example.org";

async fn server() -> (Server, TempDir) {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    (server, state)
}

fn passphrase(text: &str) -> Request {
    Request::OpenSecrets {
        passphrase: text.to_owned().into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_after_each_start_and_sync_goes_on_with_it() {
    let (server, _state) = server().await;
    let home = Home::in_background("laptop", Duration::from_secs(1));
    home.save("note.md", "first\n");
    let device = home.open().await;
    device.ask(passphrase("correct horse")).await;
    device.sign_in(&server, ANA).await;
    device.set_up(&home.vault(), ProfileName::Safe).await;
    device.close().await;

    let device = home.open().await;
    let view = device
        .until(|view| view.secret_store == SecretStoreView::FileLocked)
        .await;
    assert_eq!(view.headline, "Sync waits for your passphrase");
    assert!(is_signed_in(&view, ANA), "{:#?}", view.account);
    let told = |view: &engine::View| {
        let mut titles = view.notices.iter().map(|notice| notice.title.clone());
        titles.any(|title| title == "Sync waits for your passphrase")
    };
    device.until(|view| told(view)).await;
    home.save("note.md", "second\n");
    let wrong = device.try_ask(passphrase("wrong")).await.unwrap_err();
    assert_eq!(
        (wrong.code.as_str(), wrong.field.as_deref()),
        ("wrong_passphrase", Some("passphrase"))
    );

    device.ask(passphrase("correct horse")).await;
    let view = device.until(|view| view.status == Status::Idle).await;
    assert_eq!(view.secret_store, SecretStoreView::EncryptedFile);
    device.until(|view| !told(view)).await;
    device.settle().await;
    let bucket = Member::sign_in(&server, ANA).await.bucket().await;
    assert_eq!(bucket["note.md"], home.digests()["note.md"]);
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_passphrase_signs_in_again_and_the_folder_stays() {
    let (server, _state) = server().await;
    let home = Home::new("laptop");
    home.save("note.md", "kept\n");
    let device = home.open().await;
    device.ask(passphrase("correct horse")).await;
    device.sign_in(&server, ANA).await;
    device.set_up(&home.vault(), ProfileName::Safe).await;
    let open = device.try_ask(Request::ForgetSecrets).await.unwrap_err();
    assert_eq!(open.code, "secrets_open");
    device.close().await;

    let device = home.open().await;
    let refused = device.try_ask(Request::CheckSubscription).await;
    assert_eq!(refused.unwrap_err().code, "passphrase_needed");
    device.ask(Request::ForgetSecrets).await;
    let view = device
        .until(|view| matches!(view.account, AccountView::SignedOut { .. }))
        .await;
    assert_eq!(view.secret_store, SecretStoreView::EncryptedFile);
    assert_eq!(home.read("note.md").as_deref(), Some("kept\n"));

    device.sign_in(&server, ANA).await;
    device.until(|view| view.pairs.len() == 1).await;
    device.settle().await;
    assert!(device.view().conflicts.is_empty());
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_on_the_same_device_sees_and_mixes_nothing() {
    let (server, _state) = server().await;
    server.activate(BEN).await;
    let home = Home::new("laptop");
    home.save("ana.md", "ana's note\n");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    let anas = device.view();

    device.sign_in(&server, BEN).await;
    let view = device.view();
    assert!(view.pairs.is_empty(), "{:#?}", view.pairs);
    assert!(view.activity.is_empty(), "{:#?}", view.activity);
    assert!(view.conflicts.is_empty(), "{:#?}", view.conflicts);
    let taken = Request::SetUp {
        folder: home.vault(),
        profile: ProfileName::Safe,
        instead_of: None,
        mount: None,
    };
    assert_eq!(
        device.try_ask(taken).await.unwrap_err().code,
        "folder_taken"
    );
    let sync = Request::SyncNow {
        pair: None,
        run: RunKind::Sync,
    };
    assert_eq!(
        device.try_ask(sync.clone()).await.unwrap_err().code,
        "not_set_up"
    );
    let foreign = Request::SyncNow {
        pair: Some(anas.pairs[0].id.clone()),
        run: RunKind::Sync,
    };
    assert_eq!(device.try_ask(foreign).await.unwrap_err().code, "not_found");
    let bens_notes = home.root().join("Ben");
    device.set_up(&bens_notes, ProfileName::Safe).await;
    super::device::write(&bens_notes.join("ben.md"), "ben's note\n");
    device.settle().await;
    assert_ne!(device.view().pairs[0].bucket, anas.pairs[0].bucket);
    home.save("ana.md", "ana's note, edited while ben was here\n");

    device.sign_in(&server, ANA).await;
    let view = device.view();
    assert_eq!(view.pairs.len(), 1);
    assert_eq!(view.pairs[0].folder, anas.pairs[0].folder);
    assert_eq!(view.pairs[0].bucket, anas.pairs[0].bucket);
    device.settle().await;
    assert!(device.view().conflicts.is_empty());

    for (email, notes) in [(ANA, vec!["ana.md"]), (BEN, vec!["ben.md"])] {
        let mut bucket = Member::sign_in(&server, email).await.bucket().await;
        bucket.remove(".basic-memory-sync");
        assert_eq!(bucket.into_keys().collect::<Vec<_>>(), notes, "{email}");
    }
    assert_eq!(home.notes().into_keys().collect::<Vec<_>>(), ["ana.md"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_leaves_the_folder_and_stops_sync() {
    let (server, _state) = server().await;
    let home = Home::in_background("laptop", Duration::from_millis(300));
    let other_home = Home::new("desktop");
    home.save("note.md", "first\n");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    let other = other_home.join(&server, ANA, ProfileName::Safe).await;

    device.ask(Request::SignOut).await;
    let view = device.view();
    assert_eq!(view.account, AccountView::SignedOut { reason: None });
    assert_eq!((view.status, view.pairs.len()), (Status::SignedOut, 0));
    assert_eq!(home.read("note.md").as_deref(), Some("first\n"));
    let sync = Request::SyncNow {
        pair: None,
        run: RunKind::Sync,
    };
    assert_eq!(device.try_ask(sync).await.unwrap_err().code, "signed_out");
    home.save("note.md", "edited while signed out\n");
    assert!(
        device
            .stays_without(Duration::from_secs(1), is_running)
            .await
    );
    other.sync().await;
    assert_eq!(other_home.read("note.md").as_deref(), Some("first\n"));

    device.sign_in(&server, ANA).await;
    device.until(|view| view.status == Status::Idle).await;
    other.settle().await;
    assert_eq!(
        other_home.read("note.md").as_deref(),
        Some("edited while signed out\n")
    );
    assert!(device.view().conflicts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ended_by_the_server_is_told_and_edits_wait_for_the_next() {
    let (server, state) = server().await;
    let home = Home::new("laptop");
    let other_home = Home::new("desktop");
    home.save("note.md", "first\n");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    device.close().await;
    end_all_sessions(&state);
    let other = other_home.join(&server, ANA, ProfileName::Safe).await;
    other_home.save("other.md", "from the desktop\n");
    other.settle().await;

    home.save("note.md", "edited\n");
    let device = home.open().await;
    device
        .ask(Request::SyncNow {
            pair: None,
            run: RunKind::Sync,
        })
        .await;
    let view = device.until(|view| view.status == Status::SignedOut).await;
    let reason = match &view.account {
        AccountView::SignedOut { reason } => reason.clone().unwrap_or_default(),
        account @ (AccountView::SigningIn { .. }
        | AccountView::AwaitingBrowser { .. }
        | AccountView::SignedIn { .. }) => panic!("{account:?}"),
    };
    assert!(reason.contains("session"), "{reason:?}");
    assert_eq!(home.read("note.md").as_deref(), Some("edited\n"));

    device.sign_in(&server, ANA).await;
    device.settle().await;
    other.settle().await;
    assert_eq!(other_home.read("note.md").as_deref(), Some("edited\n"));
    assert_eq!(home.notes(), other_home.notes());
    assert!(device.view().conflicts.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_bucket_key_is_replaced_unnoticed() {
    let (server, _state) = server().await;
    let mut home = Home::new("laptop");
    let other_home = Home::new("desktop");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    let other = other_home.join(&server, ANA, ProfileName::Safe).await;
    home.save("note.md", "note\n");
    let member = Member::sign_in(&server, ANA).await;
    member.revoke_all_keys().await;
    assert_eq!(device.run().await.result, RunResult::Synced);
    assert_eq!(other.run().await.result, RunResult::Synced);
    assert_eq!(home.notes(), other_home.notes());

    // Again, in the middle of a run.
    device.close().await;
    other_home.save("note.md", "better\n");
    home.save("more.md", "more\n");
    home.observer = once_at(Step::MirrorFilled, async move || {
        member.revoke_all_keys().await
    });
    let device = home.open().await;
    device.settle().await;
    other.settle().await;
    device.settle().await;
    assert_eq!(home.notes(), other_home.notes());
    assert_eq!(
        (home.notes().len(), &*home.notes()["note.md"]),
        (2, "better\n")
    );
    assert!(device.view().conflicts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_subscription_downloads_go_on_and_edits_wait() {
    let (server, _state) = server().await;
    let home = Home::new("laptop");
    let other_home = Home::new("desktop");
    home.save("mine.md", "mine\n");
    home.save("theirs.md", "theirs\n");
    home.save("both.md", "both\n");
    home.save("gone.md", "gone\n");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    let other = other_home.join(&server, ANA, ProfileName::Safe).await;
    other_home.save("theirs.md", "theirs, edited\n");
    other_home.save("new.md", "new\n");
    other_home.save("both.md", "both, edited there\n");
    other.settle().await;
    home.save("mine.md", "mine, edited\n");
    home.save("more.md", "more\n");
    home.save("both.md", "both, edited here\n");
    home.delete("gone.md");

    server.expire(ANA).await;
    device.run().await;
    let view = device.view();
    assert_eq!(view.status, Status::Expired, "{view:#?}");
    assert!(
        view.subscription
            .as_ref()
            .is_some_and(|subscription| !subscription.current)
    );
    assert_eq!(view.pairs[0].waiting, 4, "{view:#?}");
    assert_eq!(home.read("both.md").as_deref(), Some("both, edited here\n"));
    assert_eq!(home.read("gone.md"), None);
    assert_eq!(home.read("theirs.md").as_deref(), Some("theirs, edited\n"));
    assert_eq!(home.read("new.md").as_deref(), Some("new\n"));
    assert_eq!(home.read("mine.md").as_deref(), Some("mine, edited\n"));
    other.run().await;
    assert_eq!(other_home.read("mine.md").as_deref(), Some("mine\n"));
    assert_eq!(other.view().status, Status::Expired);

    server.activate(ANA).await;
    device.settle().await;
    other.settle().await;
    assert_eq!(
        (device.view().status, device.view().pairs[0].waiting),
        (Status::Attention, 0)
    );
    assert_eq!(device.view().headline, "1 conflict to review");
    assert_eq!(home.notes(), other_home.notes());
    assert_eq!(home.notes().len(), 6);
    assert_eq!(home.read("gone.md"), None);
    assert_eq!(
        other_home.read("mine.md").as_deref(),
        Some("mine, edited\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_ends_in_the_middle_of_a_run_loses_nothing() {
    let (server, _state) = server().await;
    let server = Arc::new(server);
    let mut home = Home::new("laptop");
    let other_home = Home::new("desktop");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    let other = other_home.join(&server, ANA, ProfileName::Safe).await;
    device.close().await;
    home.save("mine.md", "mine\n");
    other_home.save("theirs.md", "theirs\n");
    other.settle().await;
    let ending = Arc::clone(&server);
    home.observer = once_at(Step::MirrorFilled, async move || ending.expire(ANA).await);
    let device = home.open().await;
    device.run().await;
    home.save("later.md", "later\n");
    device.run().await;
    let view = device.view();
    assert_eq!(
        (view.status, view.pairs[0].waiting > 0),
        (Status::Expired, true),
        "{view:#?}"
    );
    assert_eq!(home.read("theirs.md").as_deref(), Some("theirs\n"));

    server.activate(ANA).await;
    device.settle().await;
    other.settle().await;
    assert_eq!(home.notes(), other_home.notes());
    assert_eq!(home.notes().len(), 3);
    assert!(device.view().conflicts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_is_told_and_heals_by_itself() {
    let (mut server, _state) = server().await;
    let home = Home::in_background("laptop", Duration::from_millis(500));
    let other_home = Home::in_background("desktop", Duration::from_millis(500));
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    let other = other_home.join(&server, ANA, ProfileName::Safe).await;
    device.until(|view| view.status == Status::Idle).await;

    server.kill();
    home.save("note.md", "written offline\n");
    let waits = |view: &engine::View| view.pairs[0].waiting == 1;
    let view = device
        .until(|view| view.status == Status::Offline && waits(view))
        .await;
    assert_eq!(view.headline, "Connection lost · 1 change waiting");
    let failed = view.pairs[0].last_run.as_ref().unwrap();
    assert!(
        matches!(
            failed.result,
            RunResult::Failed {
                transient: true,
                ..
            }
        ),
        "{failed:#?}"
    );

    let server = server.restart().await;
    device
        .until(|view| view.status == Status::Idle && !waits(view))
        .await;
    wait_until(LONG, async || other_home.read("note.md").is_some()).await;
    other.until(|view| view.status == Status::Idle).await;
    assert!(is_signed_in(&device.view(), ANA));
    drop(server);
}

/// Does something, and waits for it, the first time that a run reaches the step.
fn once_at<F>(step: Step, work: impl FnOnce() -> F + Send + 'static) -> Observer
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Handle::current();
    let work = Mutex::new(Some(work));
    Observer::new(move |reached| {
        if reached == step
            && let Some(work) = work.lock().unwrap().take()
        {
            let runtime = runtime.clone();
            std::thread::spawn(move || runtime.block_on(work()))
                .join()
                .unwrap();
        }
    })
}

fn end_all_sessions(state: &TempDir) {
    let database = rusqlite::Connection::open(state.path().join("identity.db")).unwrap();
    let ended = database.execute(
        "update session set revoked_at = 1, revoke_reason = 'test'",
        (),
    );
    assert!(ended.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_no_server_s_address_is_refused_at_its_field_and_ends_no_session() {
    let (server, _state) = server().await;
    let home = Home::new("laptop");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    let before = device.view().account.clone();
    for address in ["two words", "http://example.org", ""] {
        let request = Request::SignIn {
            server_url: address.to_owned(),
            open_browser: false,
            keep: SignInKeep::Now,
        };
        let refusal = device.try_ask(request).await.unwrap_err();
        let told = (refusal.code.as_str(), refusal.field.as_deref());
        assert_eq!(told, ("bad_url", Some("serverUrl")), "{address}");
        assert!(refusal.hint.is_some(), "{refusal:?}");
    }
    assert_eq!(device.view().account, before);
    device.close().await;
}
