//! What may stand in the way, from its cause over what a person reads to its end.

use std::time::Duration;

use engine::view::{HaltAction, HaltView, ProfileName, RunResult};
use engine::{Clock, Request};
use testkit::{Server, SmallDisk};

use super::super::device::{Device, Home, is_running, rename, write};
use super::super::storm::City;
use super::ANA;

fn halted(code: &str) -> RunResult {
    let code = code.to_owned();
    RunResult::Halted { code }
}

fn halt(device: &Device) -> HaltView {
    device.view().pairs[0]
        .halt
        .clone()
        .expect("there is a halt")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_forgets_versions_takes_new_notes_and_asks_about_the_rest() {
    let city = City::build().await;
    let home = Home::new("laptop");
    let device = home.open().await;
    city.sign_in(&device).await;
    device.set_up(&home.vault(), ProfileName::Safe).await;
    let bucket = device.view().pairs[0].bucket.clone();
    city.version(&bucket, "Suspended").await;
    for note in ["a.md", "b.md", "c.md"] {
        home.save(note, "first\n");
    }
    assert_eq!(device.sync().await.uploaded, 3, "new notes replace nothing");

    home.save("a.md", "second\n");
    home.delete("b.md");
    home.save("d.md", "first\n");
    let run = device.run().await;
    assert_eq!(run.result, halted("VersioningOff"));
    assert_eq!(run.uploaded, 1, "the rest goes on");
    let told = halt(&device);
    assert_eq!(told.evidence, ["a.md", "b.md"]);
    assert_eq!(told.actions, [HaltAction::Confirm]);

    // Versions are kept from now on: that is noticed at once.
    city.version(&bucket, "Enabled").await;
    let run = device.sync().await;
    assert_eq!((run.uploaded, run.removed_in_cloud), (1, 1));
    assert_eq!(device.view().pairs[0].halt, None);

    city.rclone_agrees(&home.vault(), &bucket).await;
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_go_on_without_versions() {
    let city = City::build().await;
    let home = Home::new("laptop");
    let device = home.open().await;
    city.sign_in(&device).await;
    device.set_up(&home.vault(), ProfileName::Safe).await;
    let bucket = device.view().pairs[0].bucket.clone();
    city.version(&bucket, "Suspended").await;
    home.save("a.md", "first\n");
    device.sync().await;
    home.save("a.md", "second\n");
    assert_eq!(device.run().await.result, halted("VersioningOff"));
    let pair = device.view().pairs[0].id.clone();
    device.ask(Request::ConfirmHalt { pair }).await;
    device
        .until(|view| view.pairs[0].halt.is_none() && !is_running(view))
        .await;
    // It is asked once.
    home.save("a.md", "third\n");
    assert_eq!(device.sync().await.uploaded, 1);
    city.rclone_agrees(&home.vault(), &bucket).await;
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_holds_downloads_and_edits_still_go_up() {
    let Some(disk) = SmallDisk::mount("size=48m") else {
        return;
    };
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let (home, desktop) = (Home::on("laptop", disk.path()), Home::new("desktop"));
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    let other = desktop.join(&server, ANA, ProfileName::Safe).await;
    desktop.save("big.txt", &"0123456789".repeat(300_000));
    other.settle().await;

    let junk = disk.path().join("junk");
    let space = rustix::fs::statvfs(disk.path()).unwrap();
    let free = usize::try_from(space.f_bavail * space.f_frsize).unwrap();
    write(&junk, &"x".repeat(free - 5_000_000));
    home.save("mine.md", "mine\n");
    let run = device.run().await;
    assert_eq!(run.result, halted("DiskFull"));
    assert_eq!((run.uploaded, run.downloaded), (1, 0));
    let told = halt(&device);
    assert_eq!(
        (&told.evidence[..], told.evidence_count),
        (&["big.txt".to_owned()][..], 1)
    );
    assert_eq!(told.actions, []);
    assert!(told.hint.contains("sync goes on by itself"), "{told:?}");
    other.settle().await;
    assert_eq!(desktop.read("mine.md").as_deref(), Some("mine\n"));

    write(&junk, "");
    assert_eq!(device.sync().await.downloaded, 1);
    assert_eq!(device.view().pairs[0].halt, None);
    assert_eq!(home.notes(), desktop.notes());
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_folder_takes_the_place_of_one_that_is_missing() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let home = Home::new("laptop");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    home.save("note.md", "note\n");
    device.settle().await;
    let old = device.view().pairs[0].id.clone();
    let elsewhere = home.root().join("Elsewhere");
    let choose = || Request::SetUp {
        folder: elsewhere.clone(),
        profile: ProfileName::Safe,
        instead_of: Some(old.clone()),
        mount: None,
    };
    let refusal = device.try_ask(choose()).await.unwrap_err();
    assert_eq!(refusal.code, "not_halted");

    rename(&home.vault(), &home.root().join("Away"));
    assert_eq!(device.run().await.result, halted("RootMissing"));
    assert!(halt(&device).actions.contains(&HaltAction::ChooseFolder));
    device.ask(choose()).await;
    let view = device
        .until(|view| view.pairs[0].id != old && view.pairs[0].checked_at_ms.is_some())
        .await;
    assert_eq!(view.pairs.len(), 1, "{:#?}", view.pairs);
    assert_eq!(view.pairs[0].halt, None);
    let note = std::fs::read_to_string(elsewhere.join("note.md")).unwrap();
    assert_eq!(note, "note\n");
    let away = std::fs::read_to_string(home.root().join("Away/note.md")).unwrap();
    assert_eq!(away, "note\n", "the old folder stays as it is");
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_named_and_edits_wait_until_it_is_right() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let mut home = Home::new("laptop");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    device.close().await;
    home.save("note.md", "waits\n");
    let right = home.clock.clone();
    let slow = right.clone();
    home.clock = Clock::new(move || slow.now() - Duration::from_secs(20 * 60 + 30));
    let device = home.open().await;
    assert_eq!(device.run().await.result, halted("ClockSkew"));
    let told = halt(&device);
    assert_eq!(told.message, "This computer's clock is 20 minutes behind");
    assert_eq!((&told.evidence[..], &told.actions[..]), (&[][..], &[][..]));
    assert_eq!(home.read("note.md").as_deref(), Some("waits\n"));
    device.close().await;

    home.clock = right;
    let device = home.open().await;
    assert_eq!(device.sync().await.uploaded, 1);
    assert_eq!(device.view().pairs[0].halt, None);
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_differ_in_capitals_wait_for_a_rename_and_the_rest_goes_on() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let home = Home::new("laptop");
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    for (path, text) in [
        ("Note.md", "one\n"),
        ("note.md", "two\n"),
        ("rest.md", "rest\n"),
    ] {
        home.save(path, text);
    }
    assert_eq!(device.sync().await.uploaded, 1);
    let told = halt(&device);
    assert_eq!(told.code, "CaseCollision");
    assert_eq!(told.evidence, ["Note.md", "note.md"]);
    assert_eq!(told.actions, []);
    let problems = &device.view().problems;
    assert_eq!(problems.len(), 2, "{problems:#?}");

    home.rename("note.md", "other note.md");
    assert_eq!(device.sync().await.uploaded, 2);
    let view = device.view();
    assert_eq!((&view.pairs[0].halt, view.problems.len()), (&None, 0));
    assert_eq!(home.read("Note.md").as_deref(), Some("one\n"));
    device.close().await;
}
