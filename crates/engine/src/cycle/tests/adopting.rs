//! A resync, and a first sync of two full sides: adoption, never an overwrite.

use super::rig::{Cloud, Device, map};
use crate::RunKind;
use crate::view::ProfileName;

/// Both sides full, nothing known: what is on either side stays, and differing notes are kept
/// twice whatever the profile says of conflicts.
async fn adopts(profile: ProfileName, kind: RunKind) {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    laptop.profile = profile;
    if kind == RunKind::Resync {
        for name in ["equal.md", "both.md", "deleted here.md", "here.md"] {
            laptop.save(name, "known\n");
        }
        laptop.sync().await;
        laptop.delete("deleted here.md");
    }
    laptop.save("equal.md", "equal\n");
    laptop.save("both.md", "mine\n");
    laptop.save("here.md", "only here\n");
    cloud.put("equal.md", "equal\n").await;
    cloud.put("both.md", "theirs\n").await;
    cloud.put("afar.md", "only there\n").await;
    cloud.put("deleted here.md", "known\n").await;
    if kind == RunKind::Resync {
        let object = laptop.bucket.head("here.md").await.unwrap().unwrap();
        laptop.bucket.delete("here.md", &object.etag).await.unwrap();
    }

    laptop.kind = kind;
    let tally = laptop.sync().await;
    assert_eq!(
        (tally.removed_here, tally.removed_in_cloud),
        (0, 0),
        "{tally:?}"
    );
    assert_eq!(tally.conflicts, 1, "{tally:?}");
    let mut files = laptop.files();
    let copy = files
        .keys()
        .find(|path| path.contains("(conflict "))
        .cloned()
        .expect("both versions are kept");
    let both = [
        files.remove(&copy).unwrap(),
        files.remove("both.md").unwrap(),
    ];
    assert!(both.contains(&"mine\n".to_owned()) && both.contains(&"theirs\n".to_owned()));
    let rest = map(&[
        ("afar.md", "only there\n"),
        ("deleted here.md", "known\n"),
        ("equal.md", "equal\n"),
        ("here.md", "only here\n"),
    ]);
    assert_eq!(files, rest);
    laptop.kind = RunKind::Sync;
    laptop.sync().await;
    assert_eq!(laptop.files(), cloud.files().await);
    let (code, said) = cloud.rclone_check(&laptop.vault).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_first_sync_of_two_full_sides_is_a_union() {
    for profile in [ProfileName::Safe, ProfileName::Balanced, ProfileName::Fast] {
        adopts(profile, RunKind::Sync).await;
    }
}

#[tokio::test]
async fn a_resync_overwrites_and_deletes_nothing() {
    for profile in [ProfileName::Safe, ProfileName::Balanced, ProfileName::Fast] {
        adopts(profile, RunKind::Resync).await;
    }
}
