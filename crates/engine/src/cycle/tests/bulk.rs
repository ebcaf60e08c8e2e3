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
