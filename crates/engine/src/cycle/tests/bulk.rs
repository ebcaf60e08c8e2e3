//! Many new notes at once: they go ahead of bisync, and nothing but that is different.

use std::collections::BTreeMap;

use super::*;
use crate::config::{Observer, Step};
use crate::cycle::CycleFailure;

const MANY: usize = 300;

fn path(number: usize) -> String {
    format!("{}/n{number:03}.md", number % 7)
}

fn text(number: usize) -> String {
    format!("# Note {number}\n")
}

fn save_many(device: &Device) {
    for number in 0..MANY {
        device.save(&path(number), &text(number));
    }
}

/// An rclone that cannot do anything: what works then works without it.
fn break_rclone(device: &mut Device) {
    device.rclone.path = device.home.join("no rclone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_first_upload_is_one_request_a_note_and_needs_no_rclone() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    break_rclone(&mut laptop);
    save_many(&laptop);
    let before = laptop.bucket.requests();
    let tally = laptop.sync().await;
    let sent = laptop.bucket.requests();
    assert_eq!((tally.uploaded, tally.conflicts), (MANY as u64, 0));
    // The sentinel, and what trying the store takes.
    assert!(sent.put - before.put <= MANY as u64 + 12, "{sent:?}");
    assert!(sent.head - before.head <= 12, "{sent:?}");
    assert_eq!(cloud.files().await, laptop.files());
    assert!(!laptop.sync().await.carried);
    // Times go along, as with every upload.
    let object = laptop.bucket.head(&path(1)).await.unwrap().unwrap();
    let here = std::fs::metadata(laptop.vault.join(path(1))).unwrap();
    let modified = crate::clock::unix_ms(here.modified().unwrap());
    assert_eq!(object.mtime_ms, Some(modified));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_equal_notes_on_both_sides_are_adopted_and_the_rest_is_bisync_s() {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    let desktop = Device::new("desktop", &cloud).await;
    save_many(&laptop);
    laptop.save("of the laptop.md", "laptop\n");
    laptop.sync().await;
    save_many(&desktop);
    desktop.save("of the desktop.md", "desktop\n");
    // As long as the other version, so that only its bytes tell.
    desktop.save(&path(5), "# Note X\n");
    let before = desktop.bucket.requests();
    let tally = desktop.sync().await;
    let sent = desktop.bucket.requests();
    assert_eq!(
        (tally.uploaded, tally.downloaded, tally.conflicts),
        (1, 1, 1)
    );
    assert!(sent.get - before.get <= 4, "{sent:?}");
    laptop.sync().await;
    assert_eq!(laptop.files(), desktop.files());
    assert_eq!(cloud.files().await, laptop.files());
    let texts: Vec<String> = laptop.files().into_values().collect();
    for expected in ["# Note X\n", "# Note 5\n", "laptop\n", "desktop\n"] {
        assert!(texts.iter().any(|text| text == expected), "{expected}");
    }
    for device in [&laptop, &desktop] {
        assert!(!device.sync().await.carried, "{}", device.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_meanwhile_becomes_a_conflict_and_loses_nothing() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    save_many(&laptop);
    let other = cloud.bucket();
    // Between the comparison and the uploads, another device stores two of the names.
    laptop.at_step(Step::SentinelReady, move || {
        let put = async move {
            for (key, text) in [(path(3), "of another\n".to_owned()), (path(4), text(4))] {
                let body = guard::Body::from(text.into_bytes());
                let when = guard::Precondition::Absent;
                other.put(&key, body, when, &[]).await.unwrap();
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(put));
    });
    let tally = laptop.sync().await;
    assert_eq!(
        (tally.uploaded, tally.conflicts),
        (MANY as u64 - 1, 1),
        "equal bytes are no conflict: they are taken for a request that arrived twice"
    );
    let files = laptop.files();
    assert_eq!(files.len(), MANY + 1);
    assert_eq!(cloud.files().await, files);
    let texts: Vec<&String> = files.values().collect();
    assert!(texts.contains(&&"of another\n".to_owned()) && texts.contains(&&text(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_got_through_before_a_stop_is_known_and_not_sent_again() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    save_many(&laptop);
    let cancel = laptop.cancel.clone();
    let sent = std::sync::atomic::AtomicUsize::new(0);
    laptop.observer = Observer::new(move |step| {
        if step == Step::LaneUploaded
            && sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 99
        {
            cancel.cancel();
        }
    });
    let failure = laptop.failure().await;
    assert!(matches!(failure, CycleFailure::Stopped), "{failure}");
    let known = laptop
        .state()
        .with(|state| state.extent("pair_test"))
        .await
        .unwrap()
        .files;
    let there: BTreeMap<String, String> = cloud.files().await;
    assert!((100..MANY).contains(&there.len()), "{}", there.len());
    assert_eq!(known, there.len() as u64);
    laptop.cancel = tokio_util::sync::CancellationToken::new();
    laptop.observer = Observer::none();
    let rest = laptop.sync().await;
    assert_eq!(rest.uploaded as usize, MANY - there.len());
    assert_eq!(rest.conflicts, 0);
    assert_eq!(cloud.files().await, laptop.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_before_the_commit_finds_its_uploads_to_be_equal() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    save_many(&laptop);
    laptop.observer = Observer::new(|step| {
        assert!(step != Step::BeforeCommit, "the process dies here");
    });
    let failure = laptop.failure().await;
    assert!(
        matches!(failure, CycleFailure::Panicked { .. }),
        "{failure}"
    );
    assert_eq!(cloud.files().await.len(), MANY);
    laptop.observer = Observer::none();
    let tally = laptop.sync().await;
    assert_eq!((tally.uploaded, tally.conflicts), (0, 0));
    assert_eq!(cloud.files().await, laptop.files());
    assert!(!laptop.sync().await.carried);
}

/// A laptop whose many notes are in the cloud, and a desktop that has none of them.
async fn laptop_and_empty_desktop(cloud: &Cloud) -> (Device, Device) {
    let laptop = Device::new("laptop", cloud).await;
    save_many(&laptop);
    laptop.sync().await;
    let desktop = Device::new("desktop", cloud).await;
    (laptop, desktop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_first_download_is_one_request_a_note_and_needs_no_rclone() {
    let cloud = Cloud::start().await;
    let (laptop, mut desktop) = laptop_and_empty_desktop(&cloud).await;
    break_rclone(&mut desktop);
    let before = desktop.bucket.requests();
    let tally = desktop.sync().await;
    let sent = desktop.bucket.requests();
    assert_eq!((tally.downloaded, tally.conflicts), (MANY as u64, 0));
    // The marker, and what trying the store takes.
    assert!(sent.get - before.get <= MANY as u64 + 12, "{sent:?}");
    assert!(sent.put - before.put <= 12, "{sent:?}");
    assert_eq!(laptop.files(), desktop.files());
    let time_of = |device: &Device| {
        let there = std::fs::metadata(device.vault.join(path(1))).unwrap();
        crate::clock::unix_ms(there.modified().unwrap())
    };
    assert_eq!(time_of(&laptop), time_of(&desktop), "times come along");
    assert!(!desktop.sync().await.carried);
    assert!(!laptop.sync().await.carried);
    // What came is known: an edit of it is an edit.
    desktop.save(&path(7), "edited\n");
    desktop.delete(&path(8));
    desktop.rclone = laptop.rclone.clone();
    let tally = desktop.sync().await;
    assert_eq!(
        (tally.uploaded, tally.removed_in_cloud, tally.conflicts),
        (1, 1, 0)
    );
    assert_eq!(cloud.files().await, desktop.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_saves_while_it_comes_down_is_kept_beside_it() {
    let cloud = Cloud::start().await;
    let (laptop, mut desktop) = laptop_and_empty_desktop(&cloud).await;
    let vault = desktop.vault.clone();
    desktop.at_step(Step::ApplyStaged, move || {
        for (number, text) in [(3, "of the desktop\n".to_owned()), (4, text(4))] {
            let note = vault.join(path(number));
            std::fs::create_dir_all(note.parent().unwrap()).unwrap();
            rig::write(&note, &text);
        }
    });
    let tally = desktop.sync().await;
    assert_eq!(tally.conflicts, 1, "equal bytes are none");
    let files = desktop.files();
    assert_eq!(files.len(), MANY + 1);
    let texts: Vec<&String> = files.values().collect();
    assert!(texts.contains(&&"of the desktop\n".to_owned()) && texts.contains(&&text(3)));
    assert_eq!(cloud.files().await, files);
    laptop.sync().await;
    assert_eq!(laptop.files(), files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_before_the_commit_finds_its_downloads_to_be_equal() {
    let cloud = Cloud::start().await;
    let (laptop, mut desktop) = laptop_and_empty_desktop(&cloud).await;
    for step in [Step::ApplyStaged, Step::ApplySwapped, Step::BeforeCommit] {
        desktop.observer = Observer::new(move |reached| {
            assert!(reached != step, "the process dies here");
        });
        let failure = desktop.failure().await;
        assert!(
            matches!(failure, CycleFailure::Panicked { .. }),
            "{failure}"
        );
    }
    desktop.observer = Observer::none();
    assert_eq!(laptop.files(), desktop.files());
    let before = desktop.bucket.requests();
    let tally = desktop.sync().await;
    let sent = desktop.bucket.requests();
    assert_eq!(
        (tally.uploaded, tally.downloaded, tally.conflicts),
        (0, 0, 0)
    );
    assert!(sent.get - before.get <= 12, "{sent:?}");
    assert_eq!(cloud.files().await, desktop.files());
    assert!(!desktop.sync().await.carried);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_of_some_notes_stops_no_others() {
    let cloud = Cloud::start().await;
    let (laptop, desktop) = laptop_and_empty_desktop(&cloud).await;
    desktop.save("3", "a file where a folder would be\n");
    let tally = desktop.sync().await;
    let mut expected = laptop.files();
    let all = expected.len();
    expected.retain(|path, _| !path.starts_with("3/"));
    let blocked = all - expected.len();
    assert_eq!(tally.downloaded as usize, expected.len());
    expected.insert(
        "3".to_owned(),
        "a file where a folder would be\n".to_owned(),
    );
    assert_eq!(desktop.files(), expected);
    assert_eq!(tally.problems.len(), blocked, "{:?}", tally.problems);
    let mut in_cloud = laptop.files();
    in_cloud.extend(expected);
    assert_eq!(cloud.files().await, in_cloud);
}
