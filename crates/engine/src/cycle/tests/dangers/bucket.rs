//! What plain bisync does to the bucket that nobody asked for.

use super::super::obstacles::noise;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn b5_a_backup_of_plain_bisync_takes_the_note_away_before_its_new_version_comes() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let begun = Plain::new(&cloud, &here.vault, &here.home).below("notes");
    begun.begins().await;
    here.save("n1.md", "edited\n");
    let slowed = slow(&cloud, "PUT", "/notes/n1.md").await;
    let plain = Plain::at(&cloud, &slowed.url, &here.vault, &here.home).below("notes");
    let backups = plain.backups();
    let more = ["--backup-dir2", &backups];
    tokio::join!(plain.run(&more), async {
        is_asked(&slowed, "PUT", "/notes/n1.md").await;
        assert!(!cloud.files().await.contains_key("notes/n1.md"));
    });
    assert_eq!(cloud.files().await["notes/n1.md"], "edited\n");

    laptop.sync().await;
    laptop.save("n1.md", "edited\n");
    let slowed = slow(&ours, "PUT", "n1.md").await;
    let slow_one = laptop.through(ours.bucket_at(&slowed.url)).await;
    tokio::join!(slow_one.sync(), async {
        is_asked(&slowed, "PUT", "n1.md").await;
        assert_eq!(ours.files().await["n1.md"], "1\n");
    });
    assert_eq!(ours.files().await["n1.md"], "edited\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn b8_of_two_names_that_look_the_same_plain_bisync_carries_one_and_says_nothing() {
    let [(cloud, here), (_ours, laptop)] = pair_of(3).await;
    for device in [&here, &laptop] {
        device.save("caf\u{e9}.md", "composed\n");
        device.save("cafe\u{301}.md", "decomposed\n");
    }
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    assert!(plain.run(&[]).await);
    let stored: Vec<String> = cloud.files().await.into_values().collect();
    let both = ["composed\n", "decomposed\n"].map(str::to_owned);
    assert!(!both.iter().all(|text| stored.contains(text)), "{stored:?}");

    let tally = laptop.sync().await;
    let told: Vec<&str> = tally.problems.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(told, ["name_twins", "name_twins"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn b13_a_marker_file_in_a_folder_deletes_its_notes_from_the_bucket_with_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(6).await;
    for device in [&here, &laptop] {
        device.save("d/one.md", "one\n");
        device.save("d/two.md", "two\n");
    }
    let marked = ["--exclude-if-present", ".nosync"];
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    let first = [&marked as &[&str], &["--resync"]].concat();
    assert!(plain.run(&first).await);
    laptop.sync().await;
    here.save("d/.nosync", "");
    laptop.save("d/.nosync", "");
    assert!(plain.run(&marked).await);
    assert_eq!(cloud.files().await.len(), 6, "those of the folder are gone");

    laptop.sync().await;
    let stored = ours.files().await;
    assert_eq!((stored["d/one.md"].as_str(), stored.len()), ("one\n", 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn b16_plain_bisync_s_own_check_file_lets_a_rewrite_of_all_notes_through() {
    let [(cloud, here), (ours, laptop)] = pair_of(6).await;
    here.save("RCLONE_TEST", "here\n");
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    for number in 0..6 {
        here.save_bytes(&format!("n{number}.md"), &noise(number));
        laptop.save_bytes(&format!("n{number}.md"), &noise(number));
    }
    assert!(plain.run(&["--check-access"]).await);
    let object = cloud.bucket().head("n1.md").await.unwrap().unwrap();
    assert_eq!(object.size as usize, noise(1).len(), "spoiled");

    let halt = laptop.failure().await.halt().unwrap();
    assert_eq!(halt.code, "MassRewrite");
    assert_eq!(ours.files().await["n1.md"], "1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn b18_what_a_killed_download_left_goes_up_with_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    let large = "a line of a long note\n".repeat(40_000);
    cloud.put("large.md", &large).await;
    ours.put("large.md", &large).await;
    let unfinished = async || {
        let is_part = |path: &String| path.ends_with(".partial");
        here.files().into_keys().any(|path| is_part(&path))
    };
    plain
        .killed(&["--bwlimit", "100k"], wait_until(SOON, unfinished))
        .await;
    plain.unlock();
    // Of the same version it would be taken up again.
    cloud.put("large.md", "edited\n").await;
    assert!(plain.run(&[]).await);
    let stored = cloud.files().await;
    assert!(
        stored.keys().any(|key| key.ends_with(".partial")),
        "{:?}",
        stored.keys()
    );

    let slowed = slow(&ours, "GET", "large.md").await;
    let slow_one = laptop.through(ours.bucket_at(&slowed.url)).await;
    left(&slow_one, is_asked(&slowed, "GET", "large.md")).await;
    laptop.sync().await;
    assert_eq!(ours.files().await.len(), 4);
    assert_eq!(ours.files().await, laptop.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn b25_half_a_note_goes_up_with_plain_bisync_that_writes_in_place() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    let large = "a line of a long note\n".repeat(40_000);
    cloud.put("large.md", &large).await;
    ours.put("large.md", &large).await;
    let begun = async || here.read("large.md").is_some_and(|text| !text.is_empty());
    plain
        .killed(&["--inplace", "--bwlimit", "100k"], wait_until(SOON, begun))
        .await;
    plain.unlock();
    assert!(plain.run(&["--inplace"]).await);
    let stored = cloud.files().await;
    let is_half = |text: &&String| large.starts_with(*text) && text.len() < large.len();
    assert!(stored.values().any(|text| is_half(&text)));
    assert!(!stored.contains_key("large.md"), "no note has the name");

    let slowed = slow(&ours, "GET", "large.md").await;
    let slow_one = laptop.through(ours.bucket_at(&slowed.url)).await;
    left(&slow_one, is_asked(&slowed, "GET", "large.md")).await;
    laptop.sync().await;
    assert_eq!(laptop.read("large.md"), Some(large));
    assert_eq!(ours.files().await, laptop.files());
}

/// How often somebody stored something under a note's name.
fn stores(relay: &HttpRelay) -> usize {
    let seen = relay.seen().into_iter();
    seen.filter(|it| it.method == "PUT" && it.path.contains("n1.md"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn b24_a_touched_note_is_stored_again_by_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    Plain::new(&cloud, &here.vault, &here.home).begins().await;
    laptop.sync().await;
    let later = crate::Clock::system().now() + Duration::from_secs(3600);
    here.set_time("n1.md", later);
    laptop.set_time("n1.md", later);
    let relay = HttpRelay::start(&cloud.behind).await;
    let plain = Plain::at(&cloud, &relay.url, &here.vault, &here.home);
    assert!(plain.run(&[]).await);
    assert_eq!(stores(&relay), 1);

    let relay = HttpRelay::start(&ours.behind).await;
    let watched = laptop.through(ours.bucket_at(&relay.url)).await;
    assert!(!watched.sync().await.carried);
    assert_eq!(stores(&relay), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn b27_a_suffix_for_old_versions_fills_the_folder_and_the_bucket_with_plain_bisync() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    cloud.put("n1.md", "edited\n").await;
    ours.put("n1.md", "edited\n").await;
    for _ in 0..2 {
        assert!(plain.run(&["--suffix", ".old"]).await);
    }
    assert_eq!(here.files().len(), 4, "{:?}", here.files());
    assert_eq!(cloud.files().await.len(), 4);

    for _ in 0..2 {
        laptop.sync().await;
    }
    assert_eq!((laptop.files().len(), ours.files().await.len()), (3, 3));
    assert!(laptop.history().contains(&"1\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn b17_an_empty_folder_is_removed_by_plain_bisync_that_is_to_keep_it() {
    let [(cloud, here), (_ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    assert!(plain.run(&["--resync", "--create-empty-src-dirs"]).await);
    laptop.sync().await;
    for device in [&here, &laptop] {
        std::fs::create_dir(device.vault.join("ideas")).unwrap();
    }
    for _ in 0..2 {
        assert!(plain.run(&["--create-empty-src-dirs"]).await);
        laptop.save("n1.md", "edited\n");
        laptop.sync().await;
    }
    assert!(!here.vault.join("ideas").exists());
    assert!(laptop.vault.join("ideas").exists());
}

/// How often somebody removed the note's object.
fn removals(relay: &HttpRelay) -> usize {
    let seen = relay.seen().into_iter();
    seen.filter(|it| it.method == "DELETE" && it.path.contains("n1.md"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn b29_a_save_while_a_note_goes_up_makes_plain_bisync_remove_it_from_the_bucket() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    Plain::new(&cloud, &here.vault, &here.home).begins().await;
    here.save("n1.md", "edited\n");
    let slowed = slow(&cloud, "PUT", "n1.md").await;
    let plain = Plain::at(&cloud, &slowed.url, &here.vault, &here.home);
    tokio::join!(plain.run(&[]), async {
        is_asked(&slowed, "PUT", "n1.md").await;
        here.save("n1.md", "edited once more\n");
    });
    assert_eq!(removals(&slowed), 1);
    assert!(!cloud.files().await.contains_key("n1.md"));

    laptop.sync().await;
    laptop.save("n1.md", "edited\n");
    let slowed = slow(&ours, "PUT", "n1.md").await;
    let slow_one = laptop.through(ours.bucket_at(&slowed.url)).await;
    tokio::join!(slow_one.sync(), async {
        is_asked(&slowed, "PUT", "n1.md").await;
        laptop.save("n1.md", "edited once more\n");
    });
    laptop.sync().await;
    assert_eq!(removals(&slowed), 0);
    assert_eq!(ours.files().await["n1.md"], "edited once more\n");
    assert_eq!(ours.files().await, laptop.files());
    let own = ["pair_test".to_owned()];
    let state = laptop.state();
    let conflicts = state.with(move |state| state.conflicts(&own, 10)).await;
    assert_eq!(conflicts.unwrap(), []);
}
