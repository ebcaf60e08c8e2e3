//! Edits that have to wait: offline, in a pause; and what a person chose for all folders.

use std::time::Duration;

use engine::view::{Limits, ProfileName, SettingsView, Status, SyncSwitch};
use engine::{Clock, Request};
use testkit::Server;

use super::device::Home;
use super::member::Member;

const ANA: &str = "ana@example.org";
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn edits_made_offline_are_counted_and_go_up_on_return_without_a_person() {
    let state = testkit::scratch();
    let mut server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let laptop = Home::in_background("laptop", SECOND);
    let desktop = Home::new("desktop");
    let device = laptop.join(&server, ANA, ProfileName::Safe).await;
    let other = desktop.join(&server, ANA, ProfileName::Safe).await;
    server.kill();
    for number in 0..3 {
        laptop.save(&format!("{number}.md"), "written on the train\n");
    }
    let view = device
        .until(|view| view.status == Status::Offline && view.pairs[0].waiting == 3)
        .await;
    assert_eq!(view.headline, "Connection lost · 3 changes waiting");
    let _server = server.restart().await;
    device
        .until(|view| view.status == Status::Idle && view.pairs[0].waiting == 0)
        .await;
    other.settle().await;
    assert_eq!(desktop.notes(), laptop.notes());
    device.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timed_pause_holds_edits_back_and_ends_by_itself() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    // Only the end of the pause can start a run.
    let laptop = Home::in_background("laptop", 3600 * SECOND);
    let device = laptop.join(&server, ANA, ProfileName::Safe).await;
    let until_ms = Clock::system().now_ms() + 6000;
    device.ask(Request::PauseUntil { until_ms }).await;
    let view = device.until(|view| view.status == Status::Paused).await;
    assert_eq!(view.sync, SyncSwitch::PausedUntil { until_ms });
    laptop.save("later.md", "later\n");
    let view = device
        .until(|view| view.activity.iter().any(|line| line.path == "later.md"))
        .await;
    assert_eq!(view.sync, SyncSwitch::On);
    assert!(Clock::system().now_ms() >= until_ms, "it waited");
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_chosen_holds_at_once_and_after_a_restart() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let laptop = Home::new("laptop");
    let device = laptop.join(&server, ANA, ProfileName::Safe).await;
    let chosen = SettingsView {
        limits: Limits {
            upload_kib_s: Some(100),
            download_kib_s: None,
        },
        history_days: 7,
        ..SettingsView::default()
    };
    let settings = SettingsView {
        interval_s: 0,
        ..chosen.clone()
    };
    let refusal = device
        .try_ask(Request::ChangeSettings { settings })
        .await
        .unwrap_err();
    assert_eq!(refusal.field.as_deref(), Some("intervalS"));
    assert_eq!(device.view().settings, SettingsView::default());

    let settings = chosen.clone();
    device.ask(Request::ChangeSettings { settings }).await;
    assert_eq!(device.view().settings, chosen);
    laptop.save("slow.txt", &"0123456789".repeat(20_000));
    let run = device.sync().await;
    assert!(run.duration_ms > 1500, "{run:#?}");
    device.close().await;
    let device = laptop.open().await;
    assert_eq!(device.view().settings, chosen);
    let settings = SettingsView::default();
    device.ask(Request::ChangeSettings { settings }).await;
    laptop.save("fast.txt", &"9876543210".repeat(20_000));
    device.sync().await;
    device.close().await;
}

/// A person who copies a bucket by hand has sync's own objects in the folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_marker_neither_waits_nor_stops_the_notes() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let laptop = Home::new("laptop");
    laptop.save("first.md", "one\n");
    let device = laptop.join(&server, ANA, ProfileName::Safe).await;
    for name in [".basic-memory-sync", ".basic-memory-p1/history/old.md"] {
        let place = laptop.vault().join(name);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        laptop.save(name, "copied\n");
    }
    laptop.save("second.md", "two\n");
    device.settle().await;
    let bucket = Member::sign_in(&server, ANA).await.bucket().await;
    let keys: Vec<&str> = bucket.keys().map(String::as_str).collect();
    assert_eq!(keys, [".basic-memory-sync", "first.md", "second.md"]);
    assert_eq!(
        laptop.read(".basic-memory-sync").as_deref(),
        Some("copied\n")
    );
    device.close().await;
}
