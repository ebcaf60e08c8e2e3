//! Every state that a crash can leave, built by hand: also those between two renames.

use super::*;
use crate::vault::intent::{Intent, Names};

/// What is at a place: the version expected, ours, or one of the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    Nothing,
    Old,
    Ours,
    Saved,
    SavedLater,
}

const ALL: [Has; 5] = [
    Has::Nothing,
    Has::Old,
    Has::Ours,
    Has::Saved,
    Has::SavedLater,
];

fn text(has: Has) -> Option<&'static str> {
    match has {
        Has::Nothing => None,
        Has::Old => Some("old"),
        Has::Ours => Some("ours"),
        Has::Saved => Some("saved"),
        Has::SavedLater => Some("saved later"),
    }
}

fn leave(rig: &Rig, path: &str, ours: Option<&str>, vault: Has, file: Has, aside: Has) {
    let stage = beneath::Folder::open_root(&rig.side.stage).unwrap();
    let names = Names::new();
    let intent = Intent {
        id: names.id.clone(),
        path: path.to_owned(),
        ours: ours.map(md5),
        expect: md5("old"),
        day: "2026-11-20".to_owned(),
    };
    names.write(&stage, &intent).unwrap();
    for (place, has) in [
        (rig.vault.join(path), vault),
        (rig.side.stage.join(&names.file), file),
        (rig.side.stage.join(&names.aside), aside),
    ] {
        if let Some(text) = text(has) {
            write(&place, text);
        }
    }
}

#[test]
fn whatever_a_crash_left_nothing_is_lost_and_the_stage_is_empty() {
    for &swap in SWAPS {
        for ours in [None, Some("ours")] {
            for vault in ALL {
                for file in ALL {
                    for aside in ALL {
                        let rig = Rig::with(swap, Linking::Hard);
                        leave(&rig, "d/n.md", ours, vault, file, aside);
                        let recovered = rig.recover();
                        let state = (swap, ours, vault, file, aside, recovered);
                        assert_eq!(rig.stage_names(), [""; 0], "{state:?}");
                        let expected: BTreeSet<String> = [vault, file, aside]
                            .into_iter()
                            .filter_map(text)
                            .map(str::to_owned)
                            .collect();
                        assert_eq!(rig.retrievable(), expected, "{state:?}");
                        let visible: BTreeSet<String> = rig.vault_files().into_values().collect();
                        for saved in ["saved", "saved later"] {
                            assert_eq!(
                                visible.contains(saved),
                                expected.contains(saved),
                                "what the user saved is visible: {state:?}"
                            );
                        }
                        assert_eq!(rig.recover(), [], "{state:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn says_how_it_settled_a_change() {
    let rig = Rig::new();
    leave(
        &rig,
        "n.md",
        Some("ours"),
        Has::Ours,
        Has::Old,
        Has::Nothing,
    );
    let recovered = rig.recover();
    assert!(
        matches!(
            &recovered[..],
            [Recovered { path, outcome: Applied::Done { kept: Some(kept), .. } }]
                if path == "n.md" && kept.md5 == md5("old") && kept.file.ends_with("n.md")
        ),
        "{recovered:?}"
    );
    leave(
        &rig,
        "m.md",
        Some("ours"),
        Has::Ours,
        Has::Saved,
        Has::Nothing,
    );
    let outcome = Applied::UserSaved;
    assert_eq!(
        rig.recover(),
        [Recovered {
            path: "m.md".to_owned(),
            outcome
        }]
    );
    assert_eq!(rig.read("m.md").unwrap(), "saved");
    leave(
        &rig,
        "k.md",
        Some("ours"),
        Has::SavedLater,
        Has::Saved,
        Has::Nothing,
    );
    let copy = "k (conflict laptop 2026-11-21 22.11.05).md".to_owned();
    assert_eq!(rig.read("k.md").unwrap(), "saved later");
    let outcome = Applied::KeptBoth { copy };
    assert_eq!(
        rig.recover(),
        [Recovered {
            path: "k.md".to_owned(),
            outcome
        }]
    );
}

#[test]
fn a_path_that_is_blocked_now_waits_in_the_stage() {
    let rig = Rig::new();
    leave(
        &rig,
        "d/n.md",
        Some("ours"),
        Has::Nothing,
        Has::Saved,
        Has::Nothing,
    );
    write(&rig.vault.join("d"), "a file where the folder was");
    let recovered = rig.recover();
    assert!(
        matches!(recovered[0].outcome, Applied::Blocked(_)),
        "{recovered:?}"
    );
    fs::remove_file(rig.vault.join("d")).unwrap();
    assert_eq!(rig.recover()[0].outcome, Applied::UserSaved);
    assert_eq!(rig.read("d/n.md").unwrap(), "saved");
}

#[test]
fn a_copy_that_was_never_in_the_vault_is_swept_and_anything_else_is_kept() {
    let rig = Rig::new();
    write(&rig.side.stage.join("aa.part"), "half a downlo");
    write(&rig.side.stage.join("bb.json"), "{\"id\":\"bb\",\"pa");
    write(&rig.side.stage.join("cc.file"), "unknown");
    rig.recover();
    assert_eq!(rig.stage_names(), [""; 0]);
    assert_eq!(rig.history_texts(), ["unknown".to_owned()].into());
}

#[test]
fn a_save_that_reached_only_history_comes_back_into_sight() {
    for removal in [false, true] {
        let rig = Rig::new();
        rig.write("d/n.md", "old");
        let change = if removal {
            remove("d/n.md", "old")
        } else {
            rig.install("d/n.md", "new", content("old"))
        };
        let Applied::Done {
            kept: Some(kept), ..
        } = rig.apply(&change)
        else {
            panic!()
        };
        fs::write(&kept.file, "saved by a program that was slow to open it").unwrap();
        let visible = if removal {
            assert_eq!(rig.recover()[0].outcome, Applied::UserSaved);
            "d/n.md"
        } else {
            assert!(matches!(rig.recover()[0].outcome, Applied::KeptBoth { .. }));
            "d/n (conflict laptop 2026-11-21 22.11.05).md"
        };
        assert_eq!(
            rig.read(visible).unwrap(),
            "saved by a program that was slow to open it"
        );
        assert_eq!(
            (
                rig.recover(),
                fs::read_dir(&rig.side.stage).unwrap().count()
            ),
            (vec![], 0)
        );
    }
}
