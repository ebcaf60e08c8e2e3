use std::fs;

use guard::Access;

use super::rig::map;
use super::*;
use crate::cycle::{self, Confirmed, CycleFailure};
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

/// What a person confirms is what they were shown, and not what came after.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_after_a_halt_was_shown_asks_again() {
    let cloud = Cloud::start().await;
    let mut device = filled(&cloud, 20).await;
    for number in 0..6 {
        device.delete(&format!("n{number:02}.md"));
    }
    let shown = device.failure().await.halt().unwrap();
    for number in 6..12 {
        device.delete(&format!("n{number:02}.md"));
    }
    (device.confirmed, device.accepted) = (Confirmed::Yes, Some(shown));
    let shown = device.failure().await.halt().unwrap();
    assert_eq!(shown.code, "TooManyDeletes");
    assert_eq!(shown.evidence_count, 12);
    for number in 12..18 {
        device.save_bytes(&format!("n{number:02}.md"), &noise(number));
    }
    device.accepted = Some(shown);
    let shown = device.failure().await.halt().unwrap();
    assert_eq!(shown.code, "MassRewrite");
    assert_eq!(cloud.files().await.len(), 20);
    device.accepted = Some(shown);
    let tally = device.sync().await;
    assert_eq!((tally.uploaded, tally.removed_in_cloud), (6, 12));
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
    other.delete("n02.md");
    other.sync().await;
    device.save("n00.md", "waits\n");
    device.delete("n01.md");
    device.access = Access::ReadOnly;
    let tally = device.sync().await;
    assert_eq!((tally.downloaded, tally.uploaded, tally.waiting), (1, 0, 2));
    assert_eq!(device.read("news.md").as_deref(), Some("news\n"));
    assert_eq!(cloud.files().await["n00.md"], "0\n");
    assert_eq!(
        device.read("n02.md").as_deref(),
        Some("2\n"),
        "nothing is deleted"
    );
    device.access = Access::ReadWrite;
    let tally = device.sync().await;
    assert_eq!((tally.uploaded, tally.removed_in_cloud), (1, 1));
    assert_eq!(tally.removed_here, 1);
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

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_in_place_is_not_fetched_again_and_again() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 3).await;
    let other = Device::new("desktop", &cloud).await;
    other.sync().await;
    other.save("n00.md", "theirs\n");
    other.save("taken", "a file\n");
    other.sync().await;
    fs::create_dir(device.vault.join("taken")).unwrap();
    let writer = fs::File::options()
        .append(true)
        .open(device.vault.join("n00.md"))
        .unwrap();
    for _ in 0..2 {
        let before = device.bucket.requests().get;
        let tally = device.sync().await;
        assert_eq!(device.bucket.requests().get, before, "nothing is fetched");
        assert!(!tally.carried);
        let mut codes: Vec<&str> = tally.problems.iter().map(|it| it.code.as_str()).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["file_in_use", "not_a_file"]);
    }
    drop(writer);
    fs::remove_dir(device.vault.join("taken")).unwrap();
    let tally = device.sync().await;
    assert_eq!((tally.downloaded, tally.problems.len()), (2, 0));
    assert_eq!(device.files(), other.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_takes_a_folders_name_arrives_in_one_pass() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 3).await;
    device.save("swap/a.md", "a\n");
    device.sync().await;
    let other = Device::new("desktop", &cloud).await;
    other.sync().await;
    device.delete("swap/a.md");
    fs::remove_dir(device.vault.join("swap")).unwrap();
    device.save("swap", "now a file\n");
    device.sync().await;
    let tally = other.sync().await;
    assert_eq!((tally.removed_here, tally.downloaded), (1, 1));
    assert_eq!(other.files(), device.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_takes_a_notes_name_arrives_in_one_pass() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 3).await;
    device.save("swap", "a file\n");
    device.sync().await;
    let other = Device::new("desktop", &cloud).await;
    other.sync().await;
    device.delete("swap");
    device.save("swap/a.md", "a\n");
    let tally = device.sync().await;
    assert_eq!((tally.uploaded, tally.removed_in_cloud), (1, 1));
    assert_eq!(cloud.files().await, device.files());
    let tally = other.sync().await;
    assert_eq!((tally.removed_here, tally.downloaded), (1, 1));
    assert!(tally.problems.is_empty(), "{:?}", tally.problems);
    assert_eq!(other.files(), device.files());
    assert!(other.history().contains(&"a file\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_elsewhere_of_a_note_whose_name_a_folder_took_waits_in_the_cloud() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 3).await;
    let other = Device::new("desktop", &cloud).await;
    other.sync().await;
    device.delete("n00.md");
    device.save("n00.md/a.md", "a\n");
    other.save("n00.md", "edited\n");
    other.sync().await;
    let tally = device.sync().await;
    let codes: Vec<&str> = tally.problems.iter().map(|it| it.code.as_str()).collect();
    assert_eq!((tally.uploaded, codes), (1, vec!["not_a_file"]));
    let stored = cloud.files().await;
    assert_eq!(
        (stored["n00.md"].as_str(), stored["n00.md/a.md"].as_str()),
        ("edited\n", "a\n")
    );
}

/// What encryption makes of a note.
pub(super) fn noise(seed: u32) -> Vec<u8> {
    use md5::Digest as _;
    let parts =
        (0..64_u32).flat_map(|n| md5::Md5::digest([seed, n].map(u32::to_le_bytes).concat()));
    parts.chain([0xff, 0xfe]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn held_deletes_do_not_stop_the_rest_and_renames_do_not_count() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 20).await;
    let other = Device::new("desktop", &cloud).await;
    other.sync().await;
    for number in 0..4 {
        device.delete(&format!("n{number:02}.md"));
    }
    device.save("new.md", "new\n");
    other.save("theirs.md", "theirs\n");
    other.sync().await;
    let (tally, result) = device.run().await;
    let halt = result.unwrap_err().halt().unwrap();
    assert_eq!(
        (halt.code.as_str(), halt.evidence_count),
        ("TooManyDeletes", 4)
    );
    assert_eq!(halt.evidence[0], "n00.md");
    assert_eq!((tally.uploaded, tally.downloaded, tally.waiting), (1, 1, 4));
    assert_eq!(cloud.files().await.len(), 22);
    // Two come back under other names: renames, and the two that are left are few.
    device.save("moved/a.md", "0\n");
    device.save("moved/b.md", "1\n");
    device.save("n02.md", "2\n");
    let tally = device.sync().await;
    assert_eq!(tally.removed_in_cloud, 3);
    assert_eq!(cloud.files().await, device.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_one_after_the_other_are_counted_together() {
    let cloud = Cloud::start().await;
    let mut device = filled(&cloud, 20).await;
    for number in 0..2 {
        device.delete(&format!("n{number:02}.md"));
        device.sync().await;
    }
    device.delete("n02.md");
    assert_eq!(halt_code(&device.failure().await), "TooManyDeletes");
    assert_eq!(cloud.files().await.len(), 18);
    device.confirmed = Confirmed::Yes;
    device.sync().await;
    assert_eq!(cloud.files().await, device.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_that_become_unreadable_at_once_do_not_go_up() {
    let cloud = Cloud::start().await;
    let mut device = filled(&cloud, 10).await;
    let other = Device::new("desktop", &cloud).await;
    other.sync().await;
    other.save("theirs.md", "theirs\n");
    other.sync().await;
    for number in 0..6 {
        device.save_bytes(&format!("n{number:02}.md"), &noise(number));
    }
    let (tally, result) = device.run().await;
    let halt = result.unwrap_err().halt().unwrap();
    assert_eq!(
        (halt.code.as_str(), halt.evidence_count),
        ("MassRewrite", 6)
    );
    assert_eq!((tally.uploaded, tally.downloaded, tally.waiting), (0, 1, 6));
    assert_eq!(cloud.files().await["n00.md"], "0\n");
    device.confirmed = Confirmed::Yes;
    assert_eq!(device.sync().await.uploaded, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readable_edits_and_few_unreadable_ones_go_up() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 10).await;
    for number in 0..8 {
        device.save(&format!("n{number:02}.md"), &format!("edited {number}\n"));
    }
    assert_eq!(device.sync().await.uploaded, 8);
    for number in 0..4 {
        device.save_bytes(&format!("n{number:02}.md"), &noise(number));
    }
    assert_eq!(device.sync().await.uploaded, 4);
    // With those of the last minutes it is enough.
    device.save_bytes("n04.md", &noise(4));
    assert_eq!(halt_code(&device.failure().await), "MassRewrite");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_new_suffix_on_many_notes_holds_both_names() {
    let cloud = Cloud::start().await;
    let device = filled(&cloud, 10).await;
    for number in 0..6 {
        let path = format!("n{number:02}.md");
        let from = device.vault.join(&path);
        super::rig::move_folder(&from, &device.vault.join(format!("{path}.locked")));
        device.save_bytes(&format!("{path}.locked"), &noise(number));
    }
    assert_eq!(halt_code(&device.failure().await), "MassRewrite");
    assert_eq!(cloud.files().await.len(), 10);
    assert_eq!(cloud.files().await["n00.md"], "0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_baseline_adopts_what_is_equal_and_asks_about_the_rest() {
    let cloud = Cloud::start().await;
    let mut device = filled(&cloud, 5).await;
    let other = Device::new("desktop", &cloud).await;
    other.sync().await;
    other.save("n00.md", "theirs\n");
    other.sync().await;
    device.save("n00.md", "mine\n");
    device.save("new.md", "new\n");
    device.state().forget_baseline("pair_test").await.unwrap();
    device.place = cycle::Place::Lost;
    let halt = device.failure().await.halt().unwrap();
    assert_eq!(halt.code, "ListingsLost");
    assert_eq!(halt.evidence, ["n00.md", "new.md"]);
    let pair = "pair_test".to_owned();
    let state = device.state();
    let adopted = state.with(move |state| state.extent(&pair)).await;
    assert_eq!(adopted.unwrap().files, 4);
    device.confirmed = Confirmed::Yes;
    let tally = device.sync().await;
    assert_eq!((tally.conflicts, tally.uploaded), (1, 1));
    assert_eq!(device.files(), cloud.files().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_halt_holds_can_be_brought_back() {
    let cloud = Cloud::start().await;
    let mut device = filled(&cloud, 20).await;
    let before = device.files();
    for number in 0..4 {
        device.delete(&format!("n{number:02}.md"));
    }
    assert_eq!(halt_code(&device.failure().await), "TooManyDeletes");
    device.confirmed = Confirmed::Restore;
    assert_eq!(device.sync().await.downloaded, 4);
    assert_eq!(device.files(), before);

    device.confirmed = Confirmed::No;
    for number in 0..6 {
        device.save_bytes(&format!("n{number:02}.md"), &noise(number));
    }
    assert_eq!(halt_code(&device.failure().await), "MassRewrite");
    device.confirmed = Confirmed::Restore;
    assert_eq!(device.sync().await.downloaded, 6);
    assert_eq!(device.files(), before);
    assert_eq!(device.history().len(), 6, "the spoiled versions are kept");

    device.confirmed = Confirmed::No;
    for number in 0..20 {
        device.delete(&format!("n{number:02}.md"));
    }
    assert_eq!(halt_code(&device.failure().await), "RootEmptied");
    device.confirmed = Confirmed::Restore;
    device.sync().await;
    assert_eq!(device.files(), before);
    assert_eq!(cloud.files().await, before);
}
