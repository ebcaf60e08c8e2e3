//! A disk so small that each step in turn finds it full.

use testkit::SmallDisk;

use super::*;

fn rig_on(disk: &SmallDisk) -> Rig {
    let dir = TempDir::new_in(disk.path()).unwrap();
    let vault = dir.path().join("notes");
    fs::create_dir(&vault).unwrap();
    let side = Side::open(&vault, &dir.path().join("data"), "p1").unwrap();
    Rig { dir, vault, side }
}

/// Applies changes with little space left and checks that the vault has the old or the new state
/// and everything else is retrievable; then with space again.
fn check(rig: &Rig, fill: impl Fn(), release: impl Fn()) -> BTreeSet<&'static str> {
    let big = "new ".repeat(3000);
    rig.write("d/n.md", "old");
    rig.write("e/m.md", "removed");
    let over = rig.install("d/n.md", &big, content("old"));
    let fresh = rig.install("x/y/z.md", &big, Expect::Absent);
    let removal = remove("e/m.md", "removed");
    fill();
    let mut outcomes = BTreeSet::new();
    for change in [&over, &fresh, &removal] {
        outcomes.insert(match rig.try_apply(change) {
            Ok(Applied::Done { .. }) => "done",
            Ok(other) => panic!("{other:?}"),
            Err(ApplyError::DiskFull) => "full",
            Err(other) => panic!("{other:?}"),
        });
        let texts = rig.retrievable();
        assert!(
            texts.contains("old") && texts.contains("removed"),
            "{change:?}: {texts:?}"
        );
        let here = rig.read("d/n.md").unwrap();
        assert!(here == "old" || here == big);
        assert!(rig.read("x/y/z.md").is_none_or(|text| text == big));
    }
    release();
    rig.recover();
    for change in [&over, &fresh, &removal] {
        assert!(
            matches!(rig.apply(change), Applied::Done { .. }),
            "{change:?}"
        );
    }
    assert_eq!(rig.stage_names(), [""; 0]);
    assert!(rig.history_texts().contains("old") && rig.history_texts().contains("removed"));
    outcomes
}

#[test]
fn a_full_disk_stops_a_change_and_loses_nothing() {
    let mut outcomes = BTreeSet::new();
    for pages_left in 0..16 {
        let Some(disk) = SmallDisk::mount("size=512k") else {
            return;
        };
        let rig = rig_on(&disk);
        let junk = disk.path().join("junk");
        outcomes.extend(check(
            &rig,
            || {
                let free = rustix::fs::statvfs(disk.path()).unwrap().f_bfree;
                let size = free.saturating_sub(pages_left) * 4096;
                fs::write(&junk, vec![1; usize::try_from(size).unwrap()]).unwrap();
            },
            || fs::remove_file(&junk).unwrap(),
        ));
    }
    assert_eq!(outcomes, ["done", "full"].into());
}

#[test]
fn a_disk_out_of_inodes_stops_a_change_and_loses_nothing() {
    let mut outcomes = BTreeSet::new();
    for inodes_left in 0..16 {
        let Some(disk) = SmallDisk::mount("size=1m,nr_inodes=100") else {
            return;
        };
        let rig = rig_on(&disk);
        let junk = disk.path().join("junk");
        outcomes.extend(check(
            &rig,
            || {
                fs::create_dir(&junk).unwrap();
                let free = rustix::fs::statvfs(disk.path()).unwrap().f_ffree;
                for number in inodes_left..free {
                    fs::write(junk.join(number.to_string()), "").unwrap();
                }
            },
            || fs::remove_dir_all(&junk).unwrap(),
        ));
    }
    assert_eq!(outcomes, ["done", "full"].into());
}
