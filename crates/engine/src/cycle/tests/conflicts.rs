use std::time::Duration;

use super::*;
use crate::view::{ConflictState, ProfileName};

async fn two_devices(cloud: &Cloud, profile: ProfileName) -> (Device, Device) {
    let mut laptop = Device::new("laptop", cloud).await;
    let mut desktop = Device::new("desktop", cloud).await;
    laptop.profile = profile;
    desktop.profile = profile;
    laptop.save("note.md", "base\n");
    laptop.save("other.md", "other\n");
    laptop.sync().await;
    desktop.sync().await;
    (laptop, desktop)
}

fn copy_of(device: &Device) -> String {
    let files = device.files();
    let mut copies = files
        .into_iter()
        .filter(|(path, _)| path.contains(" (conflict "));
    let (path, text) = copies.next().expect("there is a conflict copy");
    assert!(
        path.starts_with("note (conflict ") && path.ends_with(").md"),
        "{path}"
    );
    assert_eq!(copies.next(), None);
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn safe_keeps_both_versions_beside_each_other() {
    let cloud = Cloud::start().await;
    let (laptop, desktop) = two_devices(&cloud, ProfileName::Safe).await;
    laptop.save("note.md", "from the laptop\n");
    desktop.save("note.md", "from the desktop\n");
    laptop.sync().await;
    let tally = desktop.sync().await;
    assert_eq!(tally.conflicts, 1);
    assert_eq!(
        desktop.read("note.md").as_deref(),
        Some("from the laptop\n")
    );
    assert_eq!(copy_of(&desktop), "from the desktop\n");
    laptop.sync().await;
    assert_eq!(laptop.files(), desktop.files());
    assert_eq!(cloud.files().await, desktop.files());
    let conflicts = desktop
        .state()
        .with(|state| state.conflicts(&["pair_test".to_owned()], 10))
        .await
        .unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(
        (conflicts[0].path.as_str(), conflicts[0].state),
        ("note.md", ConflictState::Open)
    );
    assert!(
        desktop
            .vault
            .join(conflicts[0].copy_path.as_ref().unwrap())
            .exists()
    );
    assert!(!desktop.sync().await.carried);
    assert!(!laptop.sync().await.carried);
}

/// Plain bisync loses an edit here: B lists, A uploads, B uploads.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_between_our_listing_and_our_upload_becomes_two_kept_versions() {
    let cloud = Cloud::start().await;
    let (laptop, mut desktop) = two_devices(&cloud, ProfileName::Safe).await;
    desktop.save("note.md", "from B\n");
    laptop.save("note.md", "from A\n");
    let runtime = tokio::runtime::Handle::current();
    let rival = std::sync::Arc::new(laptop);
    let other = std::sync::Arc::clone(&rival);
    desktop.at_step(crate::Step::BisyncStarting, move || {
        tokio::task::block_in_place(|| runtime.block_on(async { other.sync().await }));
    });
    let tally = desktop.sync().await;
    assert_eq!(tally.conflicts, 1);
    assert_eq!(desktop.read("note.md").as_deref(), Some("from A\n"));
    assert_eq!(copy_of(&desktop), "from B\n");
    assert_eq!(cloud.files().await, desktop.files());
    rival.sync().await;
    assert_eq!(rival.files(), desktop.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn balanced_gives_the_newer_version_the_name_and_keeps_the_older() {
    for ours_is_newer in [true, false] {
        let cloud = Cloud::start().await;
        let (laptop, desktop) = two_devices(&cloud, ProfileName::Balanced).await;
        laptop.save("note.md", "from the laptop\n");
        desktop.save("note.md", "from the desktop\n");
        let hour = Duration::from_secs(3600);
        let now = crate::Clock::system().now();
        let desktop_time = if ours_is_newer { now } else { now - 2 * hour };
        laptop.set_time("note.md", now - hour);
        desktop.set_time("note.md", desktop_time);
        laptop.sync().await;
        desktop.sync().await;
        let (winner, loser) = if ours_is_newer {
            ("from the desktop\n", "from the laptop\n")
        } else {
            ("from the laptop\n", "from the desktop\n")
        };
        assert_eq!(desktop.read("note.md").as_deref(), Some(winner));
        assert_eq!(desktop.files().len(), 2, "no copy beside the note");
        assert!(desktop.history().contains(&loser.to_owned()));
        assert_eq!(cloud.files().await, desktop.files());
        laptop.sync().await;
        assert_eq!(laptop.files(), desktop.files());
        let conflicts = desktop
            .state()
            .with(|state| state.conflicts(&["pair_test".to_owned()], 10))
            .await
            .unwrap();
        assert_eq!(conflicts[0].state, ConflictState::Resolved);
        assert!(!desktop.sync().await.carried);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_edits_on_both_sides_are_no_conflict() {
    let cloud = Cloud::start().await;
    let (laptop, desktop) = two_devices(&cloud, ProfileName::Safe).await;
    laptop.save("note.md", "the same words\n");
    desktop.save("note.md", "the same words\n");
    laptop.sync().await;
    let tally = desktop.sync().await;
    assert_eq!((tally.conflicts, desktop.files().len()), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_survives_a_deletion_on_the_other_side() {
    let cloud = Cloud::start().await;
    let (laptop, desktop) = two_devices(&cloud, ProfileName::Safe).await;
    laptop.delete("note.md");
    desktop.save("note.md", "still needed\n");
    laptop.sync().await;
    desktop.sync().await;
    laptop.sync().await;
    assert_eq!(laptop.read("note.md").as_deref(), Some("still needed\n"));
    desktop.delete("other.md");
    laptop.save("other.md", "needed too\n");
    laptop.sync().await;
    desktop.sync().await;
    assert_eq!(desktop.read("other.md").as_deref(), Some("needed too\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_device_adds_its_own_copy() {
    let cloud = Cloud::start().await;
    let (laptop, desktop) = two_devices(&cloud, ProfileName::Safe).await;
    let tablet = Device::new("tablet", &cloud).await;
    tablet.sync().await;
    laptop.save("note.md", "one\n");
    desktop.save("note.md", "two\n");
    tablet.save("note.md", "three\n");
    for device in [&laptop, &desktop, &tablet, &laptop, &desktop] {
        device.sync().await;
    }
    let texts: Vec<String> = laptop.files().into_values().collect();
    for text in ["one\n", "two\n", "three\n"] {
        assert!(texts.contains(&text.to_owned()), "{text} is visible");
    }
    assert_eq!(texts.len(), 4);
    assert_eq!(laptop.files(), desktop.files());
    assert_eq!(laptop.files(), tablet.files());
}

async fn listed(device: &Device) -> Vec<crate::view::ConflictView> {
    let own = ["pair_test".to_owned()];
    let state = device.state();
    state
        .with(move |state| state.conflicts(&own, 10))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn balanced_merges_what_both_wrote_and_keeps_the_parents() {
    let cloud = Cloud::start().await;
    let (laptop, desktop) = two_devices(&cloud, ProfileName::Balanced).await;
    laptop.save("note.md", "one\ntwo\nthree\n");
    laptop.sync().await;
    desktop.sync().await;
    laptop.save("note.md", "one, laptop\ntwo\nthree\n");
    desktop.save("note.md", "one\ntwo\nthree, desktop\n");
    laptop.sync().await;
    assert_eq!(desktop.sync().await.conflicts, 1);
    let merged = "one, laptop\ntwo\nthree, desktop\n";
    assert_eq!(desktop.read("note.md").as_deref(), Some(merged));
    assert_eq!(desktop.files().len(), 2, "no copy beside the note");
    assert_eq!(cloud.files().await, desktop.files());
    for parent in ["one, laptop\ntwo\nthree\n", "one\ntwo\nthree, desktop\n"] {
        assert!(desktop.history().contains(&parent.to_owned()), "{parent}");
    }
    let conflicts = listed(&desktop).await;
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].state, ConflictState::Resolved);
    assert!(conflicts[0].merged && conflicts[0].undo.is_some());
    laptop.sync().await;
    assert_eq!(laptop.files(), desktop.files());
    assert_eq!(listed(&laptop).await, [], "one entry for one cause");
    assert!(!desktop.sync().await.carried);
    assert!(!laptop.sync().await.carried);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_is_interrupted_is_finished_and_listed_once() {
    for step in [
        crate::Step::BisyncEnded,
        crate::Step::WinnerUploaded,
        crate::Step::ApplySwapped,
        crate::Step::BeforeCommit,
    ] {
        let cloud = Cloud::start().await;
        let (laptop, mut desktop) = two_devices(&cloud, ProfileName::Balanced).await;
        laptop.save("note.md", "one\ntwo\nthree\n");
        laptop.sync().await;
        desktop.sync().await;
        laptop.save("note.md", "one, laptop\ntwo\nthree\n");
        desktop.save("note.md", "one\ntwo\nthree, desktop\n");
        laptop.sync().await;
        desktop.at_step(step, || panic!("the process ends here"));
        let input = desktop.run();
        let ended = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(input)).await;
        assert!(
            ended.is_err() || ended.is_ok_and(|(_, result)| result.is_err()),
            "{step:?}"
        );
        desktop.observer = crate::Observer::none();
        desktop.sync().await;
        desktop.sync().await;
        laptop.sync().await;
        let merged = "one, laptop\ntwo\nthree, desktop\n";
        assert_eq!(desktop.read("note.md").as_deref(), Some(merged), "{step:?}");
        assert_eq!(laptop.files(), desktop.files(), "{step:?}");
        assert_eq!(cloud.files().await, desktop.files(), "{step:?}");
        let conflicts = listed(&desktop).await;
        assert_eq!(conflicts.len(), 1, "{step:?}: {conflicts:#?}");
        assert!(conflicts[0].merged, "{step:?}");
        assert_eq!(desktop.files().len(), 2, "{step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_against_a_deletion_is_listed_where_the_edit_is_kept() {
    use crate::view::ConflictKind;
    for (profile, state) in [
        (ProfileName::Safe, ConflictState::Open),
        (ProfileName::Balanced, ConflictState::Resolved),
    ] {
        let cloud = Cloud::start().await;
        let (laptop, desktop) = two_devices(&cloud, profile).await;
        laptop.delete("note.md");
        desktop.save("note.md", "still needed\n");
        laptop.save("other.md", "needed too\n");
        desktop.delete("other.md");
        laptop.sync().await;
        desktop.sync().await;
        let mut found: Vec<_> = listed(&desktop)
            .await
            .into_iter()
            .map(|one| {
                (
                    one.path,
                    one.kind,
                    one.state,
                    one.mine_size,
                    one.theirs_size,
                )
            })
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let note = ConflictKind::EditedHereRemovedThere;
        let other = ConflictKind::RemovedHereEditedThere;
        assert_eq!(
            found,
            [
                ("note.md".to_owned(), note, state, Some(13), None),
                ("other.md".to_owned(), other, state, None, Some(11)),
            ]
        );
        laptop.sync().await;
        assert_eq!(listed(&laptop).await, [], "one entry for one cause");
        assert_eq!(laptop.files(), desktop.files());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_deleted_by_hand_settles_its_conflict() {
    let cloud = Cloud::start().await;
    let (laptop, desktop) = two_devices(&cloud, ProfileName::Safe).await;
    laptop.save("note.md", "from the laptop\n");
    desktop.save("note.md", "from the desktop\n");
    laptop.sync().await;
    desktop.sync().await;
    let open = listed(&desktop).await;
    desktop.delete(open[0].copy_path.as_deref().unwrap());
    desktop.sync().await;
    assert_eq!(listed(&desktop).await[0].state, ConflictState::Resolved);
}

/// What went up before a run failed is our own: a save meanwhile is newer, and contradicts nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_save_after_an_upload_of_a_run_that_failed_is_no_conflict() {
    let cloud = Cloud::start().await;
    let (laptop, mut desktop) = two_devices(&cloud, ProfileName::Safe).await;
    desktop.save("note.md", "from B\n");
    desktop.save("other.md", "first\n");
    laptop.save("note.md", "from A\n");
    let runtime = tokio::runtime::Handle::current();
    let other = desktop.vault.join("other.md");
    desktop.at_step(crate::Step::BisyncStarting, move || {
        tokio::task::block_in_place(|| runtime.block_on(async { laptop.sync().await }));
        super::rig::replace(&other, "second\n");
    });
    desktop.sync().await;
    let files = desktop.files();
    assert_eq!(files["other.md"], "second\n");
    let copies: Vec<&String> = files
        .keys()
        .filter(|path| path.contains("(conflict"))
        .collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert!(copies[0].starts_with("note (conflict"), "{copies:?}");
    assert_eq!(cloud.files().await, files);
}
