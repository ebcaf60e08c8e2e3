//! What plain `rclone bisync` does to notes, shown with the same rclone and store, and what we do
//! in the same place (`docs/reliability.md`, dangers).

mod bucket;
mod plain;
mod standstill;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use testkit::{Fate, HttpRelay, wait_until};

use super::absence::without;
use super::rig::move_folder;
use super::*;
use crate::RunKind;
use crate::view::ProfileName;
use plain::Plain;

const SOON: Duration = Duration::from_secs(60);
/// So long that a person can save meanwhile, on a busy machine too.
const WHILE: Duration = Duration::from_secs(2);

/// Makes the first request for a note wait.
async fn slow(cloud: &Cloud, method: &'static str, note: &'static str) -> HttpRelay {
    let relay = HttpRelay::start(&cloud.behind).await;
    let mut slowed = false;
    relay.decide(move |seen| {
        if !slowed && seen.method == method && seen.path.contains(note) {
            slowed = true;
            return Fate::Delay(WHILE);
        }
        Fate::Pass
    });
    relay
}

async fn is_asked(relay: &HttpRelay, method: &str, note: &str) {
    let fits = |seen: &testkit::Seen| seen.method == method && seen.path.contains(note);
    wait_until(SOON, async || relay.seen().iter().any(fits)).await;
}

/// Runs once; another try later is all that it may ask for.
async fn carry(device: &Device) {
    if let (_, Err(failure)) = device.run().await {
        assert!(
            failure.heals_at_once() || failure.is_transient(),
            "{failure}"
        );
    }
}

/// Begins a run of ours and leaves it in the middle; its rclone is killed with it.
async fn left(device: &Device, until: impl Future<Output = ()>) {
    tokio::select! {
        ended = device.run() => panic!("it ended before: {ended:?}"),
        () = until => {}
    }
}

async fn texts(cloud: &Cloud, device: &Device) -> BTreeSet<String> {
    let mut texts: BTreeSet<String> = cloud.files().await.into_values().collect();
    texts.extend(device.files().into_values());
    texts
}

fn notes(device: &Device, count: usize) {
    for number in 0..count {
        device.save(&format!("n{number}.md"), &format!("{number}\n"));
    }
}

/// The same folder of notes for plain bisync and for us, each with a bucket of its own.
async fn pair_of(count: usize) -> [(Cloud, Device); 2] {
    let mut pair = Vec::new();
    for _ in 0..2 {
        let cloud = Cloud::start().await;
        let device = Device::new("laptop", &cloud).await;
        notes(&device, count);
        pair.push((cloud, device));
    }
    pair.try_into().ok().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_of_two_edits_at_once_plain_bisync_loses_one() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let there = Device::new("desktop", &cloud).await;
    let slowed = slow(&cloud, "PUT", "n1.md").await;
    let first = Plain::new(&cloud, &here.vault, &here.home);
    let second = Plain::new(&cloud, &there.vault, &there.home);
    first.begins().await;
    second.begins().await;
    here.save("n1.md", "from here\n");
    there.save("n1.md", "from there\n");
    let slow_one = Plain::at(&cloud, &slowed.url, &here.vault, &here.home);
    tokio::join!(slow_one.run(&[]), async {
        is_asked(&slowed, "PUT", "n1.md").await;
        second.run(&[]).await;
    });
    first.run(&[]).await;
    second.run(&[]).await;
    let mut left = texts(&cloud, &here).await;
    left.extend(texts(&cloud, &there).await);
    assert!(!left.contains("from there\n"), "{left:?}");

    laptop.sync().await;
    let desktop = Device::new("desktop", &ours).await;
    desktop.sync().await;
    laptop.save("n1.md", "from here\n");
    desktop.save("n1.md", "from there\n");
    let slowed = slow(&ours, "PUT", "n1.md").await;
    let slow_one = laptop.through(ours.bucket_at(&slowed.url)).await;
    tokio::join!(carry(&slow_one), async {
        is_asked(&slowed, "PUT", "n1.md").await;
        desktop.sync().await;
    });
    laptop.sync().await;
    desktop.sync().await;
    for device in [&laptop, &desktop] {
        let kept: BTreeSet<String> = device.files().into_values().collect();
        for text in ["from here\n", "from there\n"] {
            assert!(kept.contains(text), "{text:?} in {kept:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_save_during_a_download_is_overwritten_by_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    Plain::new(&cloud, &here.vault, &here.home).begins().await;
    cloud.put("n1.md", "from the cloud\n").await;
    let slowed = slow(&cloud, "GET", "n1.md").await;
    let plain = Plain::at(&cloud, &slowed.url, &here.vault, &here.home);
    tokio::join!(plain.run(&[]), async {
        is_asked(&slowed, "GET", "n1.md").await;
        here.save("n1.md", "saved meanwhile\n");
    });
    plain.run(&[]).await;
    let left = texts(&cloud, &here).await;
    assert!(!left.contains("saved meanwhile\n"), "{left:?}");

    laptop.sync().await;
    ours.put("n1.md", "from the cloud\n").await;
    let slowed = slow(&ours, "GET", "n1.md").await;
    let slow_one = laptop.through(ours.bucket_at(&slowed.url)).await;
    tokio::join!(carry(&slow_one), async {
        is_asked(&slowed, "GET", "n1.md").await;
        laptop.save("n1.md", "saved meanwhile\n");
    });
    laptop.sync().await;
    let kept = texts(&ours, &laptop).await;
    for text in ["saved meanwhile\n", "from the cloud\n"] {
        assert!(kept.contains(text), "{text:?} in {kept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_save_during_a_run_is_deleted_by_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(6).await;
    Plain::new(&cloud, &here.vault, &here.home).begins().await;
    cloud.put("n2.md", "slow\n").await;
    cloud.remove("n1.md").await;
    let slowed = slow(&cloud, "GET", "n2.md").await;
    let plain = Plain::at(&cloud, &slowed.url, &here.vault, &here.home);
    tokio::join!(plain.run(&[]), async {
        is_asked(&slowed, "GET", "n2.md").await;
        here.save("n1.md", "saved meanwhile\n");
    });
    plain.run(&[]).await;
    let left = texts(&cloud, &here).await;
    assert!(!left.contains("saved meanwhile\n"), "{left:?}");

    laptop.sync().await;
    ours.put("n2.md", "slow\n").await;
    ours.remove("n1.md").await;
    let slowed = slow(&ours, "GET", "n2.md").await;
    let slow_one = laptop.through(ours.bucket_at(&slowed.url)).await;
    tokio::join!(carry(&slow_one), async {
        is_asked(&slowed, "GET", "n2.md").await;
        laptop.save("n1.md", "saved meanwhile\n");
    });
    laptop.sync().await;
    assert_eq!(laptop.read("n1.md").as_deref(), Some("saved meanwhile\n"));
    assert_eq!(ours.files().await, laptop.files());
}

/// An edit that keeps size and time, as some programs make it on purpose.
fn edit_unseen(device: &Device) {
    let path = device.vault.join("n1.md");
    let time = path.metadata().unwrap().modified().unwrap();
    device.save("n1.md", "!\n");
    device.set_time("n1.md", time);
}

#[tokio::test(flavor = "multi_thread")]
async fn b7_an_edit_of_same_size_and_time_is_never_seen_by_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    edit_unseen(&here);
    plain.run(&[]).await;
    assert_eq!(cloud.files().await["n1.md"], "1\n");
    cloud.put("n1.md", "from the cloud\n").await;
    plain.run(&[]).await;
    let left = texts(&cloud, &here).await;
    assert!(!left.contains("!\n"), "{left:?}");

    laptop.sync().await;
    edit_unseen(&laptop);
    laptop.sync().await;
    assert_eq!(ours.files().await["n1.md"], "!\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_a_conflict_takes_the_notes_name_away_with_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    here.save("n1.md", "from here\n");
    cloud.put("n1.md", "from the cloud\n").await;
    plain.run(&[]).await;
    assert_eq!(here.read("n1.md"), None);
    assert!(!cloud.files().await.contains_key("n1.md"));

    laptop.sync().await;
    laptop.save("n1.md", "from here\n");
    ours.put("n1.md", "from the cloud\n").await;
    laptop.sync().await;
    assert_eq!(laptop.read("n1.md").as_deref(), Some("from the cloud\n"));
    assert!(texts(&ours, &laptop).await.contains("from here\n"));
}

fn edit_an_hour_ago(device: &Device, now: SystemTime) {
    device.save("n1.md", "from here\n");
    device.set_time("n1.md", now - Duration::from_secs(3600));
}

#[tokio::test(flavor = "multi_thread")]
async fn b10_the_older_version_of_a_conflict_is_gone_with_plain_bisync() {
    let [(cloud, here), (ours, mut laptop)] = pair_of(3).await;
    let now = crate::Clock::system().now();
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    edit_an_hour_ago(&here, now);
    cloud.put("n1.md", "from the cloud\n").await;
    let rule = ["--conflict-resolve", "newer", "--conflict-loser", "delete"];
    plain.run(&rule).await;
    let left = texts(&cloud, &here).await;
    assert!(!left.contains("from here\n"), "{left:?}");

    laptop.profile = ProfileName::Balanced;
    laptop.sync().await;
    edit_an_hour_ago(&laptop, now);
    ours.put("n1.md", "from the cloud\n").await;
    laptop.sync().await;
    assert_eq!(laptop.read("n1.md").as_deref(), Some("from the cloud\n"));
    assert!(laptop.history().contains(&"from here\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_a_resync_of_plain_bisync_overwrites_one_side_and_revives_deletes() {
    let [(cloud, here), (ours, mut laptop)] = pair_of(4).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    here.save("n1.md", "from here\n");
    cloud.put("n1.md", "from the cloud\n").await;
    plain.begins().await;
    let left = texts(&cloud, &here).await;
    assert!(!left.contains("from the cloud\n"), "{left:?}");
    here.delete("n2.md");
    plain.begins().await;
    assert_eq!(here.read("n2.md").as_deref(), Some("2\n"), "it is back");

    laptop.sync().await;
    laptop.save("n1.md", "from here\n");
    ours.put("n1.md", "from the cloud\n").await;
    laptop.kind = RunKind::Resync;
    laptop.sync().await;
    let kept = texts(&ours, &laptop).await;
    for text in ["from here\n", "from the cloud\n"] {
        assert!(kept.contains(text), "{text:?} in {kept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_two_folders_share_a_state_in_plain_bisync_and_one_deletes_the_others_notes() {
    let [(cloud, here), (ours, laptop)] = pair_of(5).await;
    let spaced = here.home.join("a b");
    let other = here.home.join("a_b");
    move_folder(&here.vault, &spaced);
    // A copy of the folder, as another program made it, without the newest note.
    let fewer = Device::new("desktop", &cloud).await;
    notes(&fewer, 4);
    for number in 0..4 {
        let note = format!("n{number}.md");
        let time = spaced.join(&note).metadata().unwrap().modified().unwrap();
        fewer.set_time(&note, time);
    }
    move_folder(&fewer.vault, &other);
    let plain = Plain::new(&cloud, &spaced, &here.home);
    plain.begins().await;
    assert_eq!(cloud.files().await.len(), 5);
    assert!(plain.on(&other).run(&[]).await);
    assert!(!cloud.files().await.contains_key("n4.md"));

    laptop.sync().await;
    let desktop = Device::new("desktop", &ours).await;
    notes(&desktop, 4);
    desktop.sync().await;
    assert_eq!(ours.files().await.len(), 5);
    assert_eq!(desktop.files(), laptop.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_a_note_that_a_listing_leaves_out_is_deleted_by_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(5).await;
    Plain::new(&cloud, &here.vault, &here.home).begins().await;
    let short = without(&cloud, "n1.md").await;
    let plain = Plain::at(&cloud, &short.url, &here.vault, &here.home);
    assert!(plain.run(&[]).await);
    assert_eq!(here.read("n1.md"), None);

    laptop.sync().await;
    let short = without(&ours, "n1.md").await;
    laptop
        .through(ours.bucket_at(&short.url))
        .await
        .sync()
        .await;
    assert_eq!(laptop.read("n1.md").as_deref(), Some("1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn b15_nearly_half_of_all_notes_are_deleted_by_plain_bisync_without_a_question() {
    let [(cloud, here), (ours, laptop)] = pair_of(10).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    for number in 0..4 {
        here.delete(&format!("n{number}.md"));
        laptop.delete(&format!("n{number}.md"));
    }
    assert!(plain.run(&[]).await);
    assert_eq!(cloud.files().await.len(), 6);

    let halt = laptop.failure().await.halt().unwrap();
    assert_eq!(
        (halt.code.as_str(), halt.evidence_count),
        ("TooManyDeletes", 4)
    );
    assert_eq!(ours.files().await.len(), 10);
}

fn folder_becomes_a_link(device: &Device) {
    let away = device.home.join("away");
    move_folder(&device.vault.join("d"), &away);
    std::os::unix::fs::symlink(&away, device.vault.join("d")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b26_a_folder_that_becomes_a_link_is_deleted_by_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(6).await;
    for device in [&here, &laptop] {
        device.save("d/one.md", "one\n");
        device.save("d/two.md", "two\n");
    }
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    folder_becomes_a_link(&here);
    folder_becomes_a_link(&laptop);
    assert!(plain.run(&[]).await);
    assert_eq!(cloud.files().await.len(), 6);

    laptop.sync().await;
    assert_eq!(ours.files().await.len(), 8);
    assert!(laptop.vault.join("d").is_symlink());
}
