use std::fs;

use guard::Access;

use super::rig::map;
use super::*;
use crate::cycle::{Confirmed, CycleFailure};
use crate::view::ProfileName;

async fn filled(cloud: &Cloud, count: usize) -> Device {
    let device = Device::new("laptop", cloud).await;
    for number in 0..count {
        device.save(&format!("n{number:02}.md"), &format!("{number}\n"));
    }
    device.sync().await;
    device
}

fn halt_code(failure: &CycleFailure) -> String {
    failure.halt().expect("this is a halt").code
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_emptied_folder_halts_and_deletes_nothing() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 5).await;
    let away = device.home.join("away");
    super::rig::move_folder(&device.vault, &away);
    assert_eq!(halt_code(&device.failure().await), "RootMissing");
    fs::create_dir(&device.vault).unwrap();
    assert_eq!(halt_code(&device.failure().await), "RootReplaced");
    assert_eq!(cloud.files().await.len(), 5);
    fs::remove_dir(&device.vault).unwrap();
    super::rig::move_folder(&away, &device.vault);
    assert!(!device.sync().await.carried, "all is as before");
    for number in 0..5 {
        device.delete(&format!("n{number:02}.md"));
    }
    assert_eq!(halt_code(&device.failure().await), "RootEmptied");
    assert_eq!(cloud.files().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deletes_wait_for_a_person() {
    let cloud = Cloud::start().await;
    let mut device = filled(&cloud, 20).await;
    for number in 0..6 {
        device.delete(&format!("n{number:02}.md"));
    }
    device.profile = ProfileName::Balanced;
    assert_eq!(halt_code(&device.failure().await), "TooManyDeletes");
    assert_eq!(cloud.files().await.len(), 20);
    device.confirmed = Confirmed::Yes;
    assert_eq!(device.sync().await.removed_in_cloud, 6);
    assert_eq!(cloud.files().await, device.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_bucket_than_before_halts() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 5).await;
    let sentinel = device
        .bucket
        .head(crate::plan::SENTINEL)
        .await
        .unwrap()
        .unwrap();
    device
        .bucket
        .delete(&sentinel.key, &sentinel.etag)
        .await
        .unwrap();
    device.save("n00.md", "edited\n");
    assert_eq!(halt_code(&device.failure().await), "AccessCheckFailed");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_brings_downloads_and_keeps_edits_waiting() {
    let cloud = Cloud::start().await;
    let mut device = filled(&cloud, 3).await;
    let other = Device::new("desktop", &cloud).await;
    other.sync().await;
    other.save("news.md", "news\n");
    other.sync().await;
    device.save("n00.md", "waits\n");
    device.delete("n01.md");
    device.access = Access::ReadOnly;
    let tally = device.sync().await;
    assert_eq!((tally.downloaded, tally.uploaded, tally.waiting), (1, 0, 2));
    assert_eq!(device.read("news.md").as_deref(), Some("news\n"));
    assert_eq!(cloud.files().await["n00.md"], "0\n");
    device.access = Access::ReadWrite;
    let tally = device.sync().await;
    assert_eq!((tally.uploaded, tally.removed_in_cloud), (1, 1));
    assert_eq!(cloud.files().await, device.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_told_and_loses_nothing() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 3).await;
    device.save("n00.md", "offline edit\n");
    drop(cloud);
    let failure = device.failure().await;
    assert!(failure.is_offline(), "{failure}");
    assert_eq!(device.read("n00.md").as_deref(), Some("offline edit\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_memory_means_comparing_again() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 3).await;
    device.state().forget_baseline("pair_test").await.unwrap();
    let tally = device.sync().await;
    assert_eq!(
        (tally.uploaded, tally.downloaded, tally.conflicts),
        (0, 0, 0)
    );
    assert_eq!(
        device.files(),
        map(&[("n00.md", "0\n"), ("n01.md", "1\n"), ("n02.md", "2\n")])
    );
}
