//! An engine that works by itself: by file events and by its interval.

use std::time::Duration;

use engine::Request;
use engine::view::{ProfileName, RunResult, Status, SyncSwitch};
use tempfile::TempDir;
use testkit::{Server, wait_until};

use super::device::{Device, Home, LONG, is_running, last_number};

const ANA: &str = "ana@example.org";
/// So far away that only file events start runs.
const NEVER: Duration = Duration::from_secs(3600);

async fn server() -> (Server, TempDir) {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    (server, state)
}

/// Waits until no run goes on and none follows from what the last one did.
async fn calm(device: &Device) -> u64 {
    loop {
        let view = device.until(|view| !is_running(view)).await;
        let number = last_number(&view);
        let busy = |view: &engine::View| is_running(view) || last_number(view) > number;
        if device
            .stays_without(Duration::from_millis(1500), busy)
            .await
        {
            return number;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_on_one_device_arrives_on_the_other_unasked() {
    let (server, _state) = server().await;
    let laptop = Home::in_background("laptop", NEVER);
    let desktop = Home::in_background("desktop", Duration::from_secs(1));
    let one = laptop.join(&server, ANA, ProfileName::Safe).await;
    let other = desktop.join(&server, ANA, ProfileName::Safe).await;

    laptop.save("plans.md", "plans\n");
    wait_until(LONG, async || {
        desktop.read("plans.md").as_deref() == Some("plans\n")
    })
    .await;
    laptop.save_atomically("plans.md", "better plans\n");
    wait_until(LONG, async || {
        desktop.read("plans.md").as_deref() == Some("better plans\n")
    })
    .await;
    laptop.save("deep/down/note.md", "in a new folder\n");
    wait_until(LONG, async || desktop.read("deep/down/note.md").is_some()).await;
    laptop.delete("plans.md");
    wait_until(LONG, async || desktop.read("plans.md").is_none()).await;

    for device in [&one, &other] {
        let view = device.until(|view| view.status == Status::Idle).await;
        assert_eq!(view.headline, "Up to date");
        assert!(view.conflicts.is_empty(), "{:#?}", view.conflicts);
    }
    one.close().await;
    other.close().await;
    assert_eq!((laptop.programs(), desktop.programs()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_saves_makes_few_runs_and_then_silence() {
    let (server, _state) = server().await;
    let laptop = Home::in_background("laptop", NEVER);
    let desktop = Home::new("desktop");
    let device = laptop.join(&server, ANA, ProfileName::Safe).await;
    let before = calm(&device).await;
    for number in 0..200 {
        laptop.save(&format!("burst-{}.md", number % 50), &format!("{number}\n"));
        if number % 20 == 0 {
            laptop.save_atomically("often.md", &format!("{number}\n"));
        }
    }
    device
        .until(|view| view.pairs[0].files == 51 && !is_running(view))
        .await;
    let after = calm(&device).await;
    assert!(after - before <= 8, "{} runs for one burst", after - before);
    let other = desktop.join(&server, ANA, ProfileName::Safe).await;
    other.settle().await;
    assert_eq!(desktop.notes(), laptop.notes());
}

#[tokio::test(flavor = "multi_thread")]
async fn off_means_off_and_on_carries_what_waited() {
    let (server, _state) = server().await;
    let interval = Duration::from_millis(500);
    let laptop = Home::in_background("laptop", interval);
    let desktop = Home::in_background("desktop", interval);
    let one = laptop.join(&server, ANA, ProfileName::Safe).await;
    let other = desktop.join(&server, ANA, ProfileName::Safe).await;

    one.ask(Request::SetSync { on: false }).await;
    let view = one
        .until(|view| view.sync == SyncSwitch::Off && !is_running(view))
        .await;
    assert_eq!(
        (view.status, view.headline.as_str()),
        (Status::Paused, "Sync is off")
    );
    let before = last_number(&view);
    laptop.save("mine.md", "mine\n");
    desktop.save("theirs.md", "theirs\n");
    other.until(|view| view.pairs[0].files == 1).await;
    assert!(
        one.stays_without(interval * 4, |view| last_number(view) > before)
            .await
    );
    assert_eq!(
        (laptop.read("theirs.md"), desktop.read("mine.md")),
        (None, None)
    );

    // It stays off after a restart.
    one.close().await;
    let one = laptop.open().await;
    assert_eq!(one.view().sync, SyncSwitch::Off);
    assert!(
        one.stays_without(interval * 4, |view| last_number(view) > before)
            .await
    );

    one.ask(Request::SetSync { on: true }).await;
    wait_until(LONG, async || {
        laptop.notes().len() == 2 && desktop.notes().len() == 2
    })
    .await;
    assert_eq!(laptop.notes(), desktop.notes());
    one.until(|view| view.status == Status::Idle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_joins_and_the_last_one_leaves_nothing() {
    let (server, _state) = server().await;
    let laptop = Home::in_background("laptop", NEVER);
    let tray = laptop.join(&server, ANA, ProfileName::Safe).await;
    let terminal = laptop.open().await;
    assert!(!tray.is_shared() && terminal.is_shared());
    laptop.save("note.md", "note\n");
    let run = terminal.sync().await;
    let seen = tray.until(|view| last_number(view) >= run.number).await;
    assert_eq!(seen.pairs[0].files, 1);
    assert_eq!(terminal.sync().await.result, RunResult::Verified);

    // The terminal leaves, the tray's engine goes on.
    terminal.close().await;
    laptop.save("more.md", "more\n");
    tray.until(|view| view.pairs[0].files == 2).await;
    tray.close().await;
    assert_eq!(laptop.programs(), Vec::<i32>::new());
    let alone = laptop.open().await;
    assert!(!alone.is_shared());
    alone.close().await;
}

/// Work that was cut short by the end of the program is done after the next start, unasked.
#[tokio::test(flavor = "multi_thread")]
async fn edits_made_while_nothing_ran_go_up_after_the_start() {
    let (server, _state) = server().await;
    let laptop = Home::in_background("laptop", NEVER);
    let device = laptop.join(&server, ANA, ProfileName::Safe).await;
    device.close().await;
    laptop.save("offline.md", "written on the train\n");
    let device = laptop.open().await;
    device
        .until(|view| view.pairs[0].files == 1 && view.status == Status::Idle)
        .await;

    for number in 0..300 {
        laptop.save(&format!("many/{number}.md"), &format!("{number}\n"));
    }
    device.until(|view| view.status == Status::Syncing).await;
    device.close().await;
    assert_eq!(laptop.programs(), Vec::<i32>::new());
    let device = laptop.open().await;
    device
        .until(|view| view.pairs[0].files == 301 && view.status == Status::Idle)
        .await;
    device.close().await;
}
