use super::rig::{Cloud, Device, map, move_folder};
use crate::RunKind;
use crate::filters::Filters;

async fn one_with_notes() -> (Cloud, Device) {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    laptop.save("note.md", "note\n");
    laptop.save("draft.tmp", "draft\n");
    laptop.save("Private/diary.md", "diary\n");
    laptop.sync().await;
    (cloud, laptop)
}

fn hide(device: &mut Device, lines: &str) {
    device.filters = Filters::parse(lines).unwrap();
}

async fn known(device: &Device) -> u64 {
    let state = device.state();
    let extent = state.with(|state| state.extent("pair_test")).await;
    extent.unwrap().files
}

#[tokio::test]
async fn what_is_hidden_stays_on_both_sides_and_is_forgotten() {
    let (cloud, mut laptop) = one_with_notes().await;
    hide(&mut laptop, "*.tmp\nPrivate/");
    let before = (laptop.files(), cloud.files().await);
    let tally = laptop.sync().await;
    assert_eq!((tally.removed_here, tally.removed_in_cloud), (0, 0));
    assert_eq!((laptop.files(), cloud.files().await), before);
    let known = laptop
        .state()
        .with(|state| state.baseline("pair_test"))
        .await;
    let known: Vec<String> = known.unwrap().into_keys().collect();
    assert_eq!(known, ["note.md"]);

    laptop.save("draft.tmp", "edited\n");
    laptop.delete("Private/diary.md");
    cloud.put("Private/other.md", "afar\n").await;
    laptop.save("note.md", "edited\n");
    let tally = laptop.sync().await;
    assert_eq!(
        (tally.uploaded, tally.downloaded, tally.removed_in_cloud),
        (1, 0, 0)
    );
    let expected = map(&[
        ("Private/diary.md", "diary\n"),
        ("Private/other.md", "afar\n"),
        ("draft.tmp", "draft\n"),
        ("note.md", "edited\n"),
    ]);
    assert_eq!(cloud.files().await, expected);
}

#[tokio::test]
async fn what_is_shown_again_is_compared_and_never_overwritten() {
    let (cloud, mut laptop) = one_with_notes().await;
    laptop.save("same.tmp", "same\n");
    laptop.save("deleted.tmp", "deleted\n");
    laptop.sync().await;
    hide(&mut laptop, "*.tmp");
    laptop.sync().await;
    laptop.save("draft.tmp", "mine\n");
    laptop.delete("deleted.tmp");
    cloud.put("draft.tmp", "theirs\n").await;
    laptop.save("new.tmp", "new\n");

    hide(&mut laptop, "");
    let tally = laptop.sync().await;
    assert_eq!(tally.conflicts, 1, "{tally:?}");
    assert_eq!((tally.removed_here, tally.removed_in_cloud), (0, 0));
    let files = laptop.files();
    assert_eq!(files["same.tmp"], "same\n");
    assert_eq!(files["new.tmp"], "new\n");
    // What was deleted while it was hidden counts as only in the cloud.
    assert_eq!(files["deleted.tmp"], "deleted\n");
    for text in ["mine\n", "theirs\n"] {
        assert!(files.values().any(|it| it == text), "{text} is lost");
    }
    laptop.sync().await;
    assert_eq!(laptop.files(), cloud.files().await);
}

#[tokio::test]
async fn hiding_everything_is_no_mass_delete_and_a_dry_run_forgets_nothing() {
    let (cloud, mut laptop) = one_with_notes().await;
    hide(&mut laptop, "- **");
    laptop.kind = RunKind::DryRun;
    let preview = laptop.sync().await.preview.unwrap();
    assert_eq!(preview.change_count, 0);
    assert_eq!(known(&laptop).await, 3);

    laptop.kind = RunKind::Sync;
    let before = (laptop.files(), cloud.files().await);
    laptop.sync().await;
    assert_eq!((laptop.files(), cloud.files().await), before);
    assert_eq!(known(&laptop).await, 0);
    hide(&mut laptop, "");
    let tally = laptop.sync().await;
    assert_eq!(
        (tally.uploaded, tally.downloaded, tally.conflicts),
        (0, 0, 0)
    );
}

/// The system tells of a folder that moves as one name.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_moves_is_left_to_a_cycle_though_its_name_is_no_notes() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    laptop.filters = Filters::parse("+ *.md\n- *").unwrap();
    laptop.save("work/a.md", "a\n");
    laptop.save("work/a.tmp", "a\n");
    laptop.sync().await;
    let outside = laptop.home.join("outside");
    let left = async |saved: &[&str]| laptop.lane(saved, &[]).await.left;
    assert_eq!(left(&["work/a.tmp", "work/a.md"]).await, [].into());
    assert_eq!(left(&["work"]).await, ["work".to_owned()].into());
    move_folder(&laptop.vault.join("work"), &outside);
    assert_eq!(left(&["work"]).await, ["work".to_owned()].into());
    assert_eq!(left(&["never", "work/a.tmp"]).await, [].into());
}
