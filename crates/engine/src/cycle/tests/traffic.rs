use std::time::{Duration, UNIX_EPOCH};

use super::rig::map;
use super::*;
use crate::RunKind;
use crate::view::{ChangeAction, ProfileName};

#[tokio::test(flavor = "multi_thread")]
async fn carries_notes_both_ways_and_then_rests() {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    let desktop = Device::new("desktop", &cloud).await;
    laptop.save("Über/plan & ziele #1.md", "# Plan\n");
    laptop.save("daily.md", "one\n");
    desktop.save("recipes/soup.md", "water\n");

    let first = laptop.sync().await;
    assert_eq!(
        (first.uploaded, first.downloaded, first.conflicts),
        (2, 0, 0)
    );
    let second = desktop.sync().await;
    assert_eq!(
        (second.uploaded, second.downloaded, second.conflicts),
        (1, 2, 0)
    );
    laptop.sync().await;

    let all = map(&[
        ("Über/plan & ziele #1.md", "# Plan\n"),
        ("daily.md", "one\n"),
        ("recipes/soup.md", "water\n"),
    ]);
    assert_eq!(laptop.files(), all);
    assert_eq!(desktop.files(), all);
    assert_eq!(cloud.files().await, all);
    for device in [&laptop, &desktop] {
        assert!(
            !device.sync().await.carried,
            "{} had nothing to carry",
            device.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn carries_edits_deletes_and_renames() {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    let desktop = Device::new("desktop", &cloud).await;
    for number in 0..10 {
        laptop.save(&format!("n{number}.md"), &format!("text {number}\n"));
    }
    laptop.sync().await;
    desktop.sync().await;

    laptop.save("n0.md", "edited in place\n");
    laptop.save_atomically("n1.md", "edited atomically\n");
    laptop.delete("n2.md");
    laptop.save("moved/n3.md", "text 3\n");
    laptop.delete("n3.md");
    let sent = laptop.sync().await;
    assert_eq!(
        (sent.uploaded, sent.removed_in_cloud, sent.conflicts),
        (3, 2, 0)
    );
    let got = desktop.sync().await;
    assert_eq!((got.downloaded, got.removed_here, got.conflicts), (3, 2, 0));
    assert_eq!(desktop.files(), laptop.files());
    assert_eq!(cloud.files().await, laptop.files());
    let mut kept = desktop.history();
    kept.sort();
    assert_eq!(kept, ["text 0\n", "text 1\n", "text 2\n", "text 3\n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_of_two_full_sides_is_a_union() {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    let desktop = Device::new("desktop", &cloud).await;
    laptop.save("same.md", "equal\n");
    laptop.save("mine.md", "laptop\n");
    laptop.sync().await;
    desktop.save("same.md", "equal\n");
    desktop.save("yours.md", "desktop\n");
    let joined = desktop.sync().await;
    assert_eq!(
        (joined.uploaded, joined.downloaded, joined.conflicts),
        (1, 1, 0)
    );
    let all = map(&[
        ("mine.md", "laptop\n"),
        ("same.md", "equal\n"),
        ("yours.md", "desktop\n"),
    ]);
    assert_eq!(desktop.files(), all);
    assert_eq!(cloud.files().await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resync_adopts_and_overwrites_nothing() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    laptop.save("a.md", "a\n");
    laptop.save("b.md", "b\n");
    laptop.sync().await;
    laptop.save("b.md", "b, edited\n");
    laptop.kind = RunKind::Resync;
    let tally = laptop.sync().await;
    assert_eq!(
        tally.conflicts, 1,
        "without a baseline a difference is a conflict"
    );
    let texts: Vec<String> = laptop.files().into_values().collect();
    assert_eq!(texts.len(), 3);
    assert!(texts.contains(&"b, edited\n".to_owned()) && texts.contains(&"b\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_and_changes_nothing() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    let desktop = Device::new("desktop", &cloud).await;
    desktop.save("theirs.md", "t\n");
    desktop.save("same.md", "s\n");
    desktop.save("both.md", "one\n");
    desktop.sync().await;
    laptop.save("mine.md", "m\n");
    laptop.save("same.md", "s\n");
    laptop.save("both.md", "two\n");
    laptop.kind = RunKind::DryRun;
    let before = (laptop.files(), cloud.files().await);
    let preview = laptop.sync().await.preview.unwrap();
    let told: Vec<(&str, ChangeAction)> = preview
        .changes
        .iter()
        .map(|change| (change.path.as_str(), change.action))
        .collect();
    assert_eq!(
        told,
        [
            ("both.md", ChangeAction::Conflict),
            ("mine.md", ChangeAction::Upload),
            ("theirs.md", ChangeAction::Download)
        ]
    );
    assert_eq!(preview.identical, 1);
    assert_eq!((laptop.files(), cloud.files().await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_out_what_the_filters_exclude() {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    laptop.save("note.md", "n\n");
    laptop.save(".git/config", "[core]\n");
    laptop.save("node_modules/x/index.js", "x\n");
    laptop.save("deep/.DS_Store", "x\n");
    laptop.sync().await;
    assert_eq!(cloud.files().await, map(&[("note.md", "n\n")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_of_any_time_travel_once_and_then_rest() {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    let desktop = Device::new("desktop", &cloud).await;
    let day = Duration::from_secs(24 * 3600);
    for (name, time) in [
        ("before.md", UNIX_EPOCH - day),
        ("zero.md", UNIX_EPOCH),
        ("odd.md", UNIX_EPOCH + Duration::from_nanos(1_234_567_891)),
        ("future.md", UNIX_EPOCH + 60_000 * day),
    ] {
        laptop.save(name, &format!("{name}\n"));
        laptop.set_time(name, time);
    }
    laptop.sync().await;
    assert_eq!(desktop.sync().await.downloaded, 4);
    assert_eq!(laptop.files(), desktop.files());
    for device in [&laptop, &desktop] {
        assert!(!device.sync().await.carried, "{}", device.name);
    }
    desktop.save("future.md", "edited\n");
    desktop.sync().await;
    let tally = laptop.sync().await;
    assert_eq!((tally.downloaded, tally.conflicts), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_pass_costs_one_listing_and_an_edit_one_upload_more() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    laptop.profile = ProfileName::Balanced;
    for number in 0..50 {
        laptop.save(&format!("n{number}.md"), &format!("{number}\n"));
    }
    laptop.sync().await;
    let count = || {
        let c = laptop.bucket.requests();
        (c.list, c.head + c.get, c.put, c.delete + c.copy)
    };
    let before = count();
    laptop.sync().await;
    let quiet = count();
    assert_eq!(quiet, (before.0 + 1, before.1, before.2, before.3));
    laptop.save("n7.md", "seven\n");
    let tally = laptop.sync().await;
    assert_eq!(tally.uploaded, 1);
    let edited = count();
    assert_eq!(edited, (quiet.0 + 1, quiet.1, quiet.2 + 1, quiet.3));
}
