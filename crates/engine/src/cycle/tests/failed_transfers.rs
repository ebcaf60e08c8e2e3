//! Empty notes whose transfer fails: rclone has been seen to write them down as carried.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use testkit::{Fate, HttpRelay};

use super::rig::write;
use super::*;
use crate::cycle::CycleFailure;

const EMPTY: &str = "empty.md";
const SOON: Duration = Duration::from_secs(60);

/// Before the store, with one fate for whatever is asked of the empty note by `method`.
async fn before(cloud: &Cloud, method: &'static str, fate: Fate) -> HttpRelay {
    let relay = HttpRelay::start(&cloud.behind).await;
    relay.decide(move |seen| {
        if seen.method == method && seen.path.contains(EMPTY) {
            fate.clone()
        } else {
            Fate::Pass
        }
    });
    relay
}

fn refusal() -> Fate {
    Fate::Answer {
        status: 403,
        headers: vec![("content-type", "application/xml".to_owned())],
        body: "<Error><Code>AccessDenied</Code><Message>no</Message></Error>".to_owned(),
    }
}

/// Whether the device takes the empty note for equal on both sides.
async fn is_known(device: &Device) -> bool {
    let path = EMPTY.to_owned();
    let state = device.state();
    let nodes = state.with(move |state| state.nodes("pair_test", [&path]));
    nodes.await.unwrap().contains_key(EMPTY)
}

/// Two devices with one note on both.
async fn two_devices() -> (Cloud, Device, Device) {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    laptop.save("note.md", "text\n");
    laptop.sync().await;
    let desktop = Device::new("desktop", &cloud).await;
    desktop.sync().await;
    (cloud, laptop, desktop)
}

/// What was in doubt is carried by the next runs, and is taken for deleted on no side.
async fn everything_is_carried(cloud: &Cloud, laptop: &Device, desktop: &Device) {
    laptop.sync().await;
    desktop.sync().await;
    laptop.sync().await;
    assert_eq!(cloud.files().await[EMPTY], "");
    assert_eq!(laptop.files(), cloud.files().await);
    assert_eq!(desktop.files(), cloud.files().await);
    assert!(is_known(laptop).await && is_known(desktop).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_note_that_the_store_refuses_is_not_taken_for_synced() {
    let (cloud, laptop, desktop) = two_devices().await;
    laptop.save(EMPTY, "");
    laptop.save("note.md", "edited\n");
    let relay = before(&cloud, "PUT", refusal()).await;
    let refused = laptop.through(cloud.bucket_at(&relay.url)).await;
    refused.failure().await;
    assert!(!is_known(&laptop).await);
    assert!(!cloud.files().await.contains_key(EMPTY));
    everything_is_carried(&cloud, &laptop, &desktop).await;
    assert_eq!(desktop.read("note.md").as_deref(), Some("edited\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_note_that_does_not_come_down_is_not_taken_for_synced() {
    let (cloud, laptop, desktop) = two_devices().await;
    laptop.save(EMPTY, "");
    laptop.sync().await;
    let relay = before(&cloud, "GET", refusal()).await;
    let refused = desktop.through(cloud.bucket_at(&relay.url)).await;
    refused.failure().await;
    assert!(!is_known(&desktop).await);
    assert_eq!(desktop.read(EMPTY), None);
    everything_is_carried(&cloud, &laptop, &desktop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_in_the_middle_of_an_empty_note_does_not_take_it_for_synced() {
    let (cloud, laptop, desktop) = two_devices().await;
    laptop.save(EMPTY, "");
    let relay = before(&cloud, "PUT", Fate::HoldBefore).await;
    let held = laptop.through(cloud.bucket_at(&relay.url)).await;
    let ((_, result), ()) = tokio::join!(held.run(), async {
        relay.held(SOON).await;
        held.cancel.cancel();
        relay.resume();
    });
    assert!(matches!(result, Err(CycleFailure::Stopped)), "{result:?}");
    // It may have gone up after all, by another try of the same run.
    let stored = cloud.files().await.contains_key(EMPTY);
    assert_eq!(is_known(&laptop).await, stored);
    everything_is_carried(&cloud, &laptop, &desktop).await;
}

/// Gives the device an rclone that leaves the empty note where it is, says that all went well, and
/// lists it on both sides.
async fn boasts(device: &mut Device) {
    let program = device.home.join("rclone");
    let script = format!(
        "#!/bin/sh\n\
         [ \"$1\" = bisync ] || exec '{rclone}' \"$@\"\n\
         '{rclone}' \"$@\" --exclude /{EMPTY} || exit\n\
         for list in '{work}'/*.lst; do\n\
         echo '- 0 md5:d41d8cd98f00b204e9800998ecf8427e - 0001-01-01T00:00:00.000000000+0000 \
         \"{EMPTY}\"' >> \"$list\"\n\
         done\n",
        rclone = testkit::rclone().display(),
        work = device.home.join("state/work").display(),
    );
    write(&program, script);
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    device.rclone = rclone::find(&[program]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_has_an_empty_note_which_was_not_carried_is_not_believed() {
    let (cloud, mut laptop, mut desktop) = two_devices().await;
    let honest = laptop.rclone.clone();
    boasts(&mut laptop).await;
    boasts(&mut desktop).await;
    laptop.save(EMPTY, "");
    laptop.save("note.md", "edited\n");
    let (tally, result) = laptop.run().await;
    assert!(matches!(result, Err(CycleFailure::Unsettled)), "{result:?}");
    assert_eq!(tally.uploaded, 1, "the other note's edit");
    assert!(!is_known(&laptop).await);
    laptop.rclone = honest.clone();
    laptop.sync().await;

    let failure = desktop.failure().await;
    assert!(matches!(failure, CycleFailure::Unsettled), "{failure:?}");
    assert!(!is_known(&desktop).await);
    assert_eq!(desktop.read("note.md").as_deref(), Some("edited\n"));
    desktop.rclone = honest;
    everything_is_carried(&cloud, &laptop, &desktop).await;
}
