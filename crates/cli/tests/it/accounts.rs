//! The acceptance tests of signing in with and without a subscription.

use std::sync::Arc;

use engine::view::AccountView;
use engine::{
    Clock, Config, Connection, Mode, Observer, Places, Request, SecretChoice, SignInKeep, View,
};
use testkit::{Server, scratch};

use crate::device::{ANA, Device, SOON, files};
use crate::syncing::{Stage, stage};

/// What a person without a subscription has to read, wherever they meet the refusal.
const REFUSAL: &str = "\
✗ Subscription Required
Active subscription required for CLI access
Subscribe at: https://basicmemory.com/subscribe
Once you have an active subscription, run bm-cloud login again.
";

#[tokio::test]
async fn without_a_subscription_login_refuses_and_cloud_mode_stays_off() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    let device = Device::new("laptop");
    let said = device.sign_in(&server).await;
    assert_eq!(said.code, Some(3), "{said:#?}");
    assert!(
        said.err.contains(&format!("✓ Signed in as {ANA}")),
        "{said:#?}"
    );
    assert!(said.err.ends_with(REFUSAL), "{said:#?}");
    assert!(!said.err.contains("panicked") && !said.err.contains("backtrace"));
    assert_eq!(said.last_json()["code"], "subscription_required");
    let status = device.run(&["status"]).await;
    assert_eq!(status.code, Some(3), "{status:#?}");
    assert!(
        status.out.starts_with("Mode: Local (disabled)\n"),
        "{status:#?}"
    );
    assert_eq!(status.err, REFUSAL);
    let setup = device.run(&["setup", "--folder", device.folder()]).await;
    assert_eq!((setup.code, setup.err.as_str()), (Some(3), REFUSAL));
    assert!(!device.notes().exists());
}

#[tokio::test]
async fn with_a_subscription_login_enables_cloud_mode() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    let said = device.sign_in(&server).await;
    assert_eq!(said.code, Some(0), "{said:#?}");
    assert!(said.err.contains("\n✓ Cloud mode enabled\n"), "{said:#?}");
    let status = device.ok(&["status"]).await;
    assert!(
        status.out.starts_with("Mode: Cloud (enabled)\n"),
        "{status:#?}"
    );
    assert!(
        status
            .out
            .contains(&format!("Account: {ANA} on {}", server.url))
    );
    assert!(
        status.out.contains("active until 1 Jan 2099"),
        "{status:#?}"
    );
    let setup = device.ok(&["setup", "--folder", device.folder()]).await;
    assert!(setup.err.contains("✓ Folder: "), "{setup:#?}");
}

#[tokio::test]
async fn an_expired_subscription_closes_the_cloud_and_a_renewed_one_opens_it() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    device.set_up(&server, "safe").await;
    server.expire(ANA).await;
    let status = device.run(&["status"]).await;
    assert_eq!((status.code, status.err.as_str()), (Some(3), REFUSAL));
    assert!(
        status.out.starts_with("Mode: Cloud (read-only)\n"),
        "{status:#?}"
    );
    assert!(status.out.contains("ended 1 Jan 2001"), "{status:#?}");
    device.ok(&["logout"]).await;
    let again = device.sign_in(&server).await;
    assert_eq!(again.code, Some(3), "{again:#?}");
    assert!(again.err.ends_with(REFUSAL), "{again:#?}");
    let status = device.run(&["status"]).await;
    assert!(
        status.out.starts_with("Mode: Local (disabled)\n"),
        "{status:#?}"
    );

    server.activate(ANA).await;
    let renewed = device.ok(&["login", "--server", &server.url]).await;
    assert!(renewed.err.contains("✓ Cloud mode enabled"), "{renewed:#?}");
    let status = device.ok(&["status"]).await;
    assert!(
        status.out.starts_with("Mode: Cloud (enabled)\n"),
        "{status:#?}"
    );
}

#[tokio::test]
async fn a_second_login_on_the_same_server_asks_for_no_code() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    let device = Device::new("laptop");
    device.sign_in(&server).await;
    let refused = device.run(&["login"]).await;
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    assert!(
        refused.err.starts_with("✓ Already signed in as"),
        "{refused:#?}"
    );
    server.activate(ANA).await;
    let said = device.ok(&["login", "--json"]).await;
    assert_eq!(said.last_json()["cloudMode"], true);
    assert!(!said.out.contains("userCode"), "{said:#?}");
}

#[tokio::test]
async fn login_keeps_the_sign_in_of_a_window_that_is_being_set_up() {
    const WAITS: &str = "Sign-in: in memory until a folder is set up";
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    let window = Connection::open(config(&device)).await.unwrap();
    let request = Request::SignIn {
        server_url: server.url.clone(),
        open_browser: false,
        keep: SignInKeep::WithSetUp,
    };
    window.send(request).await.unwrap();
    let is_waiting = |view: &View| matches!(view.account, AccountView::AwaitingBrowser { .. });
    let view = seen(&window, is_waiting).await;
    if let AccountView::AwaitingBrowser { user_code, .. } = &view.account {
        server.approve(user_code, ANA).await;
    }
    let is_signed_in = |view: &View| matches!(view.account, AccountView::SignedIn { .. });
    seen(&window, is_signed_in).await;

    let status = device.ok(&["status"]).await;
    assert!(status.out.contains(WAITS), "{status:#?}");
    let said = device.ok(&["login"]).await;
    assert!(said.err.starts_with("✓ Already signed in as"), "{said:#?}");
    let status = device.ok(&["status"]).await;
    assert!(!status.out.contains(WAITS), "{status:#?}");
    window.close().await;
    let status = device.ok(&["status"]).await;
    assert!(
        status.out.contains(&format!("Account: {ANA} on")),
        "{status:#?}"
    );
}

/// The engine of the tray app on this device.
fn config(device: &Device) -> Config {
    let home = device.home().to_owned();
    let places = Places::resolve(|name| match name {
        "HOME" => Some(home.clone().into()),
        "XDG_RUNTIME_DIR" => Some(home.join("run").into()),
        _ => None,
    });
    Config {
        places: places.unwrap(),
        device: "laptop".to_owned(),
        clock: Clock::system(),
        mode: Mode::OnRequest,
        secrets: SecretChoice::File,
        rclone: Some(testkit::rclone()),
        path_variable: None,
        observer: Observer::none(),
    }
}

async fn seen(window: &Connection, wanted: impl FnMut(&View) -> bool) -> Arc<View> {
    let view = tokio::time::timeout(SOON, window.wait_for(wanted)).await;
    view.expect("in time").expect("the engine lives")
}

#[tokio::test]
async fn signing_out_leaves_nothing_of_ours_in_the_folder() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    desktop.write("a.md", "replaced\n");
    desktop.write("New/c.md", "c\n");
    std::fs::remove_file(desktop.notes().join("Deep/er/b.md")).unwrap();
    desktop.ok(&["bisync"]).await;
    laptop.ok(&["bisync"]).await;
    laptop.ok(&["check"]).await;
    laptop.ok(&["restore", "a.md"]).await;
    laptop.ok(&["logout"]).await;

    let left: Vec<String> = files(laptop.notes())
        .iter()
        .map(|file| file.strip_prefix(laptop.notes()).unwrap())
        .map(|file| file.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(left, ["New/c.md", "a.md"]);
    let mut top: Vec<String> = std::fs::read_dir(laptop.notes())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "Deep")
        .collect();
    top.sort();
    assert_eq!(top, ["New", "a.md"], "no folder of ours either");
}

#[tokio::test]
async fn signing_out_leaves_the_notes_and_can_be_said_twice() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let device = Device::new("laptop");
    device.write("a.md", "kept");
    device.set_up(&server, "safe").await;
    let said = device.ok(&["logout"]).await;
    assert!(
        said.err
            .contains(&format!("Your notes stay in {}", device.folder()))
    );
    assert_eq!(device.read("a.md").as_deref(), Some("kept"));
    device.ok(&["logout"]).await;
    for words in [
        &["bisync"][..],
        &["setup"],
        &["status"],
        &["bisync", "--watch"],
    ] {
        let said = device.run(words).await;
        assert_eq!(said.code, Some(4), "{words:?}: {said:#?}");
        assert!(said.err.contains("hint: Run `bm-cloud login`"), "{said:#?}");
    }
    device.set_up(&server, "safe").await;
    let said = device.ok(&["bisync"]).await;
    assert!(said.out.starts_with("Up to date · 1 note · "), "{said:#?}");
}
