//! A program writes back what it read before a newer version came, with more in its front matter.

use super::*;
use crate::view::{ConflictState, ProfileName};

const OLDER: &str = "# Plan\n\none\n\ntwo\n\nthree\n";
const NEWER: &str = "# Plan\n\none\n\ntwo and a half\n\nthree\n";
/// What Basic Memory makes of the older version when it indexes it.
const LATE: &str = "---\npermalink: plan\n---\n\n# Plan\n\none\n\ntwo\n\nthree";
const BOTH: &str = "---\npermalink: plan\n---\n\n# Plan\n\none\n\ntwo and a half\n\nthree";

/// How the laptop's newer version comes to the desktop.
async fn newer_came(cloud: &Cloud, profile: ProfileName, by_lane: bool) -> (Device, Device) {
    let laptop = Device::new("laptop", cloud).await;
    let mut desktop = Device::new("desktop", cloud).await;
    desktop.profile = profile;
    laptop.save("plan.md", OLDER);
    laptop.save("other.md", "other\n");
    laptop.sync().await;
    desktop.sync().await;
    laptop.save("plan.md", NEWER);
    laptop.sync().await;
    if by_lane {
        assert_eq!(desktop.lane(&[], &["plan.md"]).await.tally.downloaded, 1);
    } else {
        desktop.sync().await;
    }
    assert_eq!(desktop.read("plan.md").as_deref(), Some(NEWER));
    (laptop, desktop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_save_is_merged_with_the_version_that_it_would_cover() {
    for by_lane in [true, false] {
        let cloud = Cloud::start().await;
        let (laptop, desktop) = newer_came(&cloud, ProfileName::Balanced, by_lane).await;
        desktop.save_atomically("plan.md", LATE);
        if by_lane {
            let trip = desktop.lane(&["plan.md"], &[]).await;
            assert_eq!(trip.tally.uploaded, 0);
            assert_eq!(trip.left, ["plan.md".to_owned()].into());
            // Nothing changes if it is heard of again before the cycle.
            let trip = desktop.lane(&["plan.md"], &["plan.md"]).await;
            assert_eq!((trip.tally.uploaded, trip.left.len()), (0, 1));
        }
        desktop.sync().await;
        desktop.sync().await;
        assert_eq!(
            desktop.read("plan.md").as_deref().map(str::trim_end),
            Some(BOTH)
        );
        laptop.sync().await;
        assert_eq!(laptop.files(), desktop.files());
        assert_eq!(cloud.files().await, desktop.files());
        assert_eq!(desktop.files().len(), 2);
        assert!(!desktop.sync().await.carried);
        let conflicts = desktop
            .state()
            .with(|state| state.conflicts(&["pair_test".to_owned()], 10))
            .await
            .unwrap();
        assert!(conflicts.iter().all(|row| row.state != ConflictState::Open));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_merged_both_versions_stay() {
    let cloud = Cloud::start().await;
    let (_laptop, desktop) = newer_came(&cloud, ProfileName::Safe, true).await;
    desktop.save_atomically("plan.md", LATE);
    let tally = desktop.sync().await;
    assert_eq!(tally.conflicts, 1);
    assert_eq!(desktop.read("plan.md").as_deref(), Some(NEWER));
    let files = desktop.files();
    assert!(files.values().any(|text| text == LATE), "{files:?}");
    assert_eq!(cloud.files().await, files);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_newer_version_is_none() {
    let cloud = Cloud::start().await;
    let (_laptop, desktop) = newer_came(&cloud, ProfileName::Balanced, true).await;
    for text in [BOTH, NEWER, OLDER] {
        desktop.save_atomically("plan.md", text);
        let trip = desktop.lane(&["plan.md"], &[]).await;
        assert_eq!((trip.tally.uploaded, trip.left.len()), (1, 0), "{text}");
        assert_eq!(cloud.files().await["plan.md"], text);
    }
}
