//! A set-up that is left: until something is set up, the sign-in is in memory only.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use engine::view::{AccountView, MountProfileName, MountSupport, ProfileName};
use engine::{Config, Mode, Observer, Request, SecretChoice, SignInKeep, View};
use rustix::process::{Signal, getpid, kill_process};
use tempfile::TempDir;
use testkit::{MountPoint, Server, keyring_items, lock_keyring, program, wait_until};

use super::device::{Device, Home, LONG, config, files_below, is_signed_in};
use super::member::Member;

const ANA: &str = "ana@example.org";

async fn server() -> (Server, TempDir) {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    (server, state)
}

fn keep(view: &View) -> Option<SignInKeep> {
    match view.account {
        AccountView::SignedIn { keep, .. } => Some(keep),
        AccountView::SignedOut { .. }
        | AccountView::SigningIn { .. }
        | AccountView::AwaitingBrowser { .. } => None,
    }
}

fn is_signed_out(view: &View) -> bool {
    matches!(view.account, AccountView::SignedOut { reason: None })
}

/// Settings, account, secrets, state, history, folders: all of a device but its caches.
fn on_disk(root: &Path) -> BTreeMap<String, String> {
    let mut files = files_below(root);
    files.retain(|path, _| !path.contains("/.cache/") && !path.starts_with(".cache"));
    let databases: Vec<String> = files
        .keys()
        .filter(|path| path.ends_with("state.db"))
        .cloned()
        .collect();
    // What is in its journal and what is in the file itself is no difference.
    files.retain(|path, _| !path.contains("state.db"));
    for path in databases {
        let rows = rows(&root.join(&path));
        files.insert(path, rows);
    }
    for entry in walkdir::WalkDir::new(root.join("Notes"))
        .into_iter()
        .flatten()
    {
        let path = entry.path().strip_prefix(root).unwrap();
        files.entry(path.display().to_string()).or_default();
    }
    files
}

fn rows(path: &Path) -> String {
    let database = rusqlite::Connection::open(path).unwrap();
    let mut tables = database
        .prepare("select name from sqlite_master where type = 'table' order by name")
        .unwrap();
    let tables: Vec<String> = tables
        .query_map((), |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let count = |table: &String| {
        let query = format!("select count(*) from \"{table}\"");
        let rows: i64 = database.query_row(&query, (), |row| row.get(0)).unwrap();
        format!("{table}: {rows}\n")
    };
    tables.iter().map(count).collect()
}

/// Sessions that the sign-in provider would still go on with.
fn sessions(state: &TempDir) -> i64 {
    let database = rusqlite::Connection::open(state.path().join("identity.db")).unwrap();
    database.busy_timeout(LONG).unwrap();
    let query = "select count(*) from session where revoked_at is null";
    database.query_row(query, (), |row| row.get(0)).unwrap()
}

async fn preview(device: &Device, folder: PathBuf) {
    device
        .ask(Request::PreviewSetUp {
            folder,
            instead_of: None,
        })
        .await;
}

fn set_up(folder: PathBuf) -> Request {
    Request::SetUp {
        folder,
        profile: ProfileName::Safe,
        instead_of: None,
        mount: None,
    }
}

/// A device on which an engine has run, and nobody has signed in.
async fn untouched() -> (Home, BTreeMap<String, String>) {
    let home = Home::new("laptop");
    home.save("note.md", "here before\n");
    home.open().await.close().await;
    let before = on_disk(home.root());
    (home, before)
}

#[tokio::test(flavor = "multi_thread")]
async fn left_after_the_preview_nothing_is_here_and_nothing_at_the_server() {
    let (server, state) = server().await;
    for leave in ["cancel", "quit"] {
        let (home, before) = untouched().await;
        let device = home.open().await;
        let passphrase = "correct horse".to_owned().into();
        device.ask(Request::OpenSecrets { passphrase }).await;
        device.sign_in_provisionally(&server, ANA).await;
        assert_eq!(keep(&device.view()), Some(SignInKeep::WithSetUp));
        preview(&device, home.vault()).await;
        preview(&device, home.root().join("not/there")).await;
        device.ask(Request::CheckSubscription).await;
        assert_eq!(sessions(&state), 1, "{leave}");
        assert_eq!(on_disk(home.root()), before, "{leave}");
        if leave == "cancel" {
            device.ask(Request::SignOut).await;
            device.until(is_signed_out).await;
        }
        device.close().await;
        assert_eq!(sessions(&state), 0, "{leave}");
        assert_eq!(on_disk(home.root()), before, "{leave}");
        let device = home.open().await;
        assert!(is_signed_out(&device.view()), "{leave}");
        device.close().await;
        assert_eq!(on_disk(home.root()), before, "{leave}");
    }
    let left = Member::sign_in(&server, ANA).await.keys().await;
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_killed_leaves_nobody_signed_in_and_nothing_on_disk() {
    const TEST: &str =
        "leaving::an_engine_that_is_killed_leaves_nobody_signed_in_and_nothing_on_disk";
    const ROOT: &str = "BM_TEST_ROOT";
    if let Some(root) = std::env::var_os(ROOT).map(PathBuf::from) {
        let (server, _state) = server().await;
        let config = config(&root, "laptop", Mode::OnRequest, Observer::none());
        let device = Device::open(config).await;
        device.sign_in_provisionally(&server, ANA).await;
        preview(&device, root.join("Notes")).await;
        kill_process(getpid(), Signal::KILL).unwrap();
    }
    let (home, before) = untouched().await;
    let mut child = program(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture", "--test-threads", "1"])
        .env(ROOT, home.root())
        .spawn();
    let status = child.exit(LONG).await;
    assert_eq!(status.signal(), Some(9), "{}", child.stderr());
    assert_eq!(on_disk(home.root()), before);
    let device = home.open().await;
    assert!(is_signed_out(&device.view()));
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_first_folder_the_sign_in_is_kept() {
    let (server, state) = server().await;
    let home = Home::new("laptop");
    home.save("note.md", "mine\n");
    let device = home.open().await;
    device.sign_in_provisionally(&server, ANA).await;
    preview(&device, home.vault()).await;
    device.set_up(&home.vault(), ProfileName::Safe).await;
    assert_eq!(keep(&device.view()), Some(SignInKeep::Now));
    device.close().await;

    let device = home.open().await;
    assert!(is_signed_in(&device.view(), ANA));
    device.settle().await;
    let member = Member::sign_in(&server, ANA).await;
    assert!(member.bucket().await.contains_key("note.md"));
    assert_eq!(sessions(&state), 2, "this device's and the person's own");

    // Whose folder is here signs in for good, whoever asks.
    device.ask(Request::SignOut).await;
    device.sign_in_provisionally(&server, ANA).await;
    assert_eq!(keep(&device.view()), Some(SignInKeep::Now));
    device.close().await;
    assert!(is_signed_in(&home.open().await.view(), ANA));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_first_drive_the_sign_in_is_kept() {
    let (server, _state) = server().await;
    let home = Home::new("laptop");
    let drive = MountPoint::new(home.root().join("Drive"));
    let device = home.open().await;
    device.sign_in_provisionally(&server, ANA).await;
    let mount = |folder: PathBuf| Request::Mount {
        folder,
        profile: MountProfileName::Balanced,
    };
    if let MountSupport::Missing { .. } = &device.view().mount_support {
        let refused = device.try_ask(mount(drive.folder().to_owned())).await;
        assert_eq!(refused.unwrap_err().code, "mount_unsupported");
        assert_eq!(keep(&device.view()), Some(SignInKeep::WithSetUp));
        return device.close().await;
    }
    let refused = device.try_ask(mount(home.root().to_owned())).await;
    assert!(refused.is_err());
    assert_eq!(keep(&device.view()), Some(SignInKeep::WithSetUp));
    device.ask(mount(drive.folder().to_owned())).await;
    assert_eq!(keep(&device.view()), Some(SignInKeep::Now));
    device.close().await;
    let device = home.open().await;
    assert!(is_signed_in(&device.view(), ANA));
    assert_eq!(device.view().mounts.len(), 1);
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_that_the_server_refuses_changes_nothing() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    let (home, before) = untouched().await;
    let device = home.open().await;
    device.sign_in_provisionally(&server, ANA).await;
    let refused = device
        .try_ask(set_up(home.root().join("New/Notes")))
        .await
        .unwrap_err();
    assert_eq!(refused.code, "subscription_required");
    assert_eq!(keep(&device.view()), Some(SignInKeep::WithSetUp));
    assert_eq!(on_disk(home.root()), before);
    assert!(!home.root().join("New").exists());
    server.activate(ANA).await;
    device.set_up(&home.vault(), ProfileName::Safe).await;
    assert_eq!(keep(&device.view()), Some(SignInKeep::Now));
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_by_itself_is_kept_and_keeps_that_of_the_window_beside_it() {
    let (server, state) = server().await;
    let home = Home::new("laptop");
    let window = home.open().await;
    window.sign_in_provisionally(&server, ANA).await;
    let terminal = home.open().await;
    assert!(terminal.is_shared());
    assert_eq!(keep(&terminal.view()), Some(SignInKeep::WithSetUp));
    terminal.ask(Request::KeepSignIn).await;
    assert_eq!(keep(&window.view()), Some(SignInKeep::Now));
    window.close().await;
    let window = home.open().await;
    assert!(is_signed_in(&window.view(), ANA));

    window.sign_in_provisionally(&server, ANA).await;
    assert_eq!(
        keep(&window.view()),
        Some(SignInKeep::Now),
        "it is known here"
    );
    window.ask(Request::SignOut).await;
    assert_eq!(sessions(&state), 0);

    // A lasting one takes the place of a provisional one, whose session ends.
    window.sign_in_provisionally(&server, ANA).await;
    window.sign_in(&server, ANA).await;
    window
        .until(|view| keep(view) == Some(SignInKeep::Now))
        .await;
    wait_until(LONG, async || sessions(&state) == 1).await;
    window.close().await;
    let window = home.open().await;
    assert!(is_signed_in(&window.view(), ANA));
    window.ask(Request::CheckSubscription).await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_keyring_refuses_the_set_up_and_nothing_is_half_done() {
    const TEST: &str = "leaving::a_locked_keyring_refuses_the_set_up_and_nothing_is_half_done";
    const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";
    const CHILD: &str = "BM_TEST_KEYRING_CHILD";
    if std::env::var_os(CHILD).is_none() {
        // The keyring's address is the environment's, which is the whole process's.
        let bus = testkit::private_bus().await;
        let _keyring = testkit::keyring(&bus).await;
        let mut child = program(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture", "--test-threads", "1"])
            .env(BUS, &bus.address)
            .env(CHILD, "1")
            .spawn();
        let exit = child.exit(LONG).await;
        let passed = exit.success() && child.stdout().contains("1 passed");
        assert!(passed, "{}\n{}", child.stdout(), child.stderr());
        return;
    }
    let (server, state) = server().await;
    let home = Home::new("laptop");
    let config = || Config {
        secrets: SecretChoice::Keyring,
        ..config(home.root(), "laptop", Mode::OnRequest, Observer::none())
    };
    Device::open(config()).await.close().await;
    let (before, items_before) = (on_disk(home.root()), keyring_items().await);
    let device = Device::open(config()).await;
    device.sign_in_provisionally(&server, ANA).await;
    preview(&device, home.vault()).await;
    assert_eq!(keyring_items().await, items_before);

    lock_keyring().await;
    let refused = device.try_ask(set_up(home.vault())).await.unwrap_err();
    assert_eq!(refused.code, "keyring_locked");
    assert!(refused.hint.is_some());
    assert_eq!(keep(&device.view()), Some(SignInKeep::WithSetUp));
    assert!(device.view().pairs.is_empty());
    assert_eq!(on_disk(home.root()), before);

    device.ask(Request::SignOut).await;
    device.close().await;
    assert_eq!(sessions(&state), 0);
    assert_eq!(on_disk(home.root()), before);
    assert_eq!(keyring_items().await, items_before);
    let left = Member::sign_in(&server, ANA).await.keys().await;
    assert_eq!(left, Vec::<String>::new());
}
