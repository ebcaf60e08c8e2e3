use std::time::{Duration, SystemTime};

use super::*;

/// Which file it is.
fn number(path: &Path) -> u64 {
    md5_of(path).unwrap().1.ino
}

fn kept(applied: Applied) -> Kept {
    match applied {
        Applied::Done {
            kept: Some(kept), ..
        } => kept,
        other => panic!("{other:?}"),
    }
}

fn blocked(applied: Applied) -> ProblemCode {
    match applied {
        Applied::Blocked(problem) => problem.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn installs_a_new_note_with_its_folders_and_time() {
    let rig = Rig::new();
    let applied = rig.apply(&rig.install("a/b/n.md", "new", Expect::Absent));
    let meta = fs::metadata(rig.vault.join("a/b/n.md")).unwrap();
    let Applied::Done {
        signature: Some(signature),
        kept: None,
    } = applied
    else {
        panic!("{applied:?}")
    };
    assert_eq!(rig.read("a/b/n.md").unwrap(), "new");
    assert_eq!(
        (signature.ino, signature.size),
        (number(&rig.vault.join("a/b/n.md")), 3)
    );
    assert_eq!(signature.mtime_ns, 1_700_000_000_123_000_000);
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    assert_eq!(meta.modified().unwrap(), time);
    assert!(signature.same_content_likely(&rig.scan().files["a/b/n.md"]));
    assert!(
        !rig.scan().files["a/b/n.md"].unchanged_since(&signature),
        "it must be hashed once"
    );
    assert_eq!(rig.stage_names(), [""; 0]);
}

#[test]
fn replaces_a_note_and_keeps_the_old_version_under_its_path() {
    for &swap in SWAPS {
        let rig = Rig::with(swap, Linking::Hard);
        let path = rig.write("a/n.md", "old");
        let looks = looks::unlike_new_ones(&path);
        let kept = kept(rig.apply(&rig.install("a/n.md", "new", content("old"))));
        assert_eq!(rig.read("a/n.md").unwrap(), "new");
        assert_eq!(fs::read_to_string(&kept.file).unwrap(), "old");
        assert_eq!((kept.md5.as_str(), kept.size), (md5("old").as_str(), 3));
        assert!(kept.file.ends_with("a/n.md") && kept.file.starts_with(&rig.side.history));
        let day = kept
            .file
            .strip_prefix(&rig.side.history)
            .unwrap()
            .components()
            .next()
            .unwrap();
        assert_eq!(day.as_os_str(), "2026-11-21");
        assert_eq!(looks::of(&path), looks);
        assert_eq!(rig.stage_names(), [""; 0]);
    }
}

#[test]
fn the_installed_note_shares_its_bytes_with_nothing() {
    let rig = Rig::new();
    let change = rig.install("n.md", "new", Expect::Absent);
    rig.apply(&change);
    rig.write("n.md", "edited in place");
    assert_eq!(fs::read_to_string(rig.incoming("new")).unwrap(), "new");
    let Change::Install { from, .. } = change else {
        panic!()
    };
    assert!(
        matches!(from, NewBytes::File(from) if number(&from) != number(&rig.vault.join("n.md")))
    );
}

#[test]
fn leaves_a_note_that_is_not_what_the_cycle_saw() {
    for &swap in SWAPS {
        let rig = Rig::with(swap, Linking::Hard);
        rig.write("n.md", "saved meanwhile");
        for change in [
            rig.install("n.md", "new", content("old")),
            rig.install("n.md", "new", Expect::Absent),
            rig.install("gone.md", "new", content("old")),
            rig.install("gone/too.md", "new", content("old")),
            remove("n.md", "old"),
            Change::Remove {
                path: "n.md".to_owned(),
                expect: Expect::Absent,
            },
        ] {
            assert_eq!(rig.apply(&change), Applied::UserSaved, "{change:?}");
        }
        assert_eq!(
            rig.vault_files(),
            [("n.md".to_owned(), "saved meanwhile".to_owned())].into()
        );
        assert_eq!((rig.stage_names().len(), rig.history_texts().len()), (0, 0));
    }
}

#[test]
fn is_done_where_the_vault_has_the_version_already() {
    let rig = Rig::new();
    rig.write("n.md", "new");
    for expect in [Expect::Absent, content("old")] {
        let applied = rig.apply(&rig.install("n.md", "new", expect));
        assert!(
            matches!(
                applied,
                Applied::Done {
                    signature: Some(_),
                    kept: None
                }
            ),
            "{applied:?}"
        );
    }
    let gone = Applied::Done {
        signature: None,
        kept: None,
    };
    assert_eq!(rig.apply(&remove("gone.md", "x")), gone);
    assert_eq!(rig.apply(&remove("gone/too.md", "x")), gone);
}

#[test]
fn removes_a_note_into_history_and_its_empty_folders_but_no_others() {
    let rig = Rig::new();
    rig.write("a/b/c/n.md", "old");
    rig.write("a/other.md", "stays");
    let kept = kept(rig.apply(&remove("a/b/c/n.md", "old")));
    assert_eq!(fs::read_to_string(kept.file).unwrap(), "old");
    assert!(!rig.vault.join("a/b").exists());
    assert_eq!(rig.read("a/other.md").unwrap(), "stays");
    rig.write("last.md", "x");
    rig.apply(&remove("a/other.md", "stays"));
    rig.apply(&remove("last.md", "x"));
    assert_eq!(fs::read_dir(&rig.vault).unwrap().count(), 0);
}

#[test]
fn a_save_just_before_the_swap_goes_back_untouched() {
    for &swap in SWAPS {
        for removal in [false, true] {
            let rig = Rig::with(swap, Linking::Hard);
            let path = rig.write("n.md", "old");
            let change = if removal {
                remove("n.md", "old")
            } else {
                rig.install("n.md", "new", content("old"))
            };
            let ino = number(&path);
            let applied = rig.apply_with(&change, &|step| {
                if step == ApplyStep::Intended {
                    fs::write(&path, "saved meanwhile").unwrap();
                }
            });
            assert_eq!(applied, Applied::UserSaved);
            assert_eq!(rig.read("n.md").unwrap(), "saved meanwhile");
            assert_eq!(number(&path), ino);
            assert_eq!(rig.stage_names(), [""; 0]);
        }
    }
}

#[test]
fn two_saves_around_the_swap_are_both_kept() {
    for &swap in SWAPS {
        let rig = Rig::with(swap, Linking::Hard);
        let path = rig.write("d/n.md", "old");
        let change = rig.install("d/n.md", "new", content("old"));
        let applied = rig.apply_with(&change, &|step| match step {
            ApplyStep::Intended => fs::write(&path, "first save").unwrap(),
            ApplyStep::Swapped => fs::write(&path, "second save").unwrap(),
            ApplyStep::Staged
            | ApplyStep::Verified
            | ApplyStep::Kept
            | ApplyStep::PutBack
            | ApplyStep::Synced
            | ApplyStep::Settled => {}
        });
        let copy = "d/n (conflict laptop 2026-11-21 22.11.05).md";
        assert_eq!(
            applied,
            Applied::KeptBoth {
                copy: copy.to_owned()
            }
        );
        assert_eq!(rig.read("d/n.md").unwrap(), "first save");
        assert_eq!(rig.read(copy).unwrap(), "second save");
        assert_eq!(rig.stage_names(), [""; 0]);
    }
}

#[test]
fn a_note_made_anew_while_its_removal_runs_stays_and_so_does_an_unseen_save() {
    let rig = Rig::new();
    let path = rig.write("n.md", "old");
    let save_at = |before: bool| {
        let path = path.clone();
        move |step| match step {
            ApplyStep::Intended if before => fs::write(&path, "unseen save").unwrap(),
            ApplyStep::Swapped => fs::write(&path, "made anew").unwrap(),
            _ => {}
        }
    };
    let applied = rig.apply_with(&remove("n.md", "old"), &save_at(false));
    assert!(matches!(applied, Applied::Done { .. }), "{applied:?}");
    assert_eq!(rig.read("n.md").unwrap(), "made anew");
    rig.write("n.md", "old");
    let applied = rig.apply_with(&remove("n.md", "old"), &save_at(true));
    assert!(matches!(applied, Applied::KeptBoth { .. }), "{applied:?}");
    let texts: BTreeSet<String> = rig.vault_files().into_values().collect();
    assert_eq!(
        texts,
        ["made anew".to_owned(), "unseen save".to_owned()].into()
    );
}

#[test]
fn a_note_deleted_while_a_save_is_put_back_comes_back_with_its_folder() {
    let rig = Rig::new();
    let path = rig.write("d/n.md", "old");
    let change = rig.install("d/n.md", "new", content("old"));
    let applied = rig.apply_with(&change, &|step| match step {
        ApplyStep::Intended => fs::write(&path, "saved").unwrap(),
        ApplyStep::Swapped => fs::remove_dir_all(path.parent().unwrap()).unwrap(),
        _ => {}
    });
    assert_eq!(applied, Applied::UserSaved);
    assert_eq!(rig.read("d/n.md").unwrap(), "saved");
}

#[test]
fn waits_for_a_writer_and_gives_up_without_touching_the_note() {
    let rig = Rig::new();
    let path = rig.write("n.md", "old");
    let open = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let change = rig.install("n.md", "new", content("old"));
    let applied = rig.apply_with(&change, &|step| panic!("{step:?} moves the note"));
    assert_eq!(blocked(applied), ProblemCode::InUse);
    assert_eq!(rig.read("n.md").unwrap(), "old");
    drop(open);
    assert!(matches!(rig.apply(&change), Applied::Done { .. }));
}

#[test]
fn a_writer_that_opens_the_note_before_the_swap_gets_it_back() {
    let rig = Rig::new();
    let path = rig.write("n.md", "old");
    let open = std::cell::RefCell::new(None);
    let applied = rig.apply_with(&rig.install("n.md", "new", content("old")), &|step| {
        if step == ApplyStep::Intended {
            *open.borrow_mut() = Some(fs::OpenOptions::new().append(true).open(&path).unwrap());
        }
    });
    assert_eq!(blocked(applied), ProblemCode::InUse);
    std::io::Write::write_all(open.borrow_mut().as_mut().unwrap(), b" and more").unwrap();
    assert_eq!(rig.read("n.md").unwrap(), "old and more");
}

#[test]
fn a_folder_that_takes_the_place_of_a_note_goes_back() {
    let rig = Rig::new();
    let path = rig.write("n.md", "old");
    let applied = rig.apply_with(&rig.install("n.md", "new", content("old")), &|step| {
        if step == ApplyStep::Intended {
            fs::remove_file(&path).unwrap();
            write(&path.join("inner.md"), "inner");
        }
    });
    assert_eq!(applied, Applied::UserSaved);
    assert_eq!(rig.read("n.md/inner.md").unwrap(), "inner");
}

#[test]
#[cfg(unix)]
fn paths_that_lead_elsewhere_are_blocked() {
    let rig = Rig::new();
    let outside = rig.dir.path().join("outside");
    write(&outside.join("n.md"), "outside");
    std::os::unix::fs::symlink(&outside, rig.vault.join("link")).unwrap();
    std::os::unix::fs::symlink(outside.join("n.md"), rig.vault.join("link.md")).unwrap();
    rig.write("file", "x");
    fs::create_dir(rig.vault.join("folder.md")).unwrap();
    for (path, code) in [
        ("link/n.md", ProblemCode::LinkInPath),
        ("link/sub/n.md", ProblemCode::LinkInPath),
        ("link.md", ProblemCode::NotAFile),
        ("file/n.md", ProblemCode::ParentIsAFile),
        ("folder.md", ProblemCode::NotAFile),
        ("../outside/n.md", ProblemCode::NameNotPortable),
        ("a/../../outside/n.md", ProblemCode::NameNotPortable),
        ("/etc/n.md", ProblemCode::NameNotPortable),
        ("a//n.md", ProblemCode::NameNotPortable),
        ("", ProblemCode::NameNotPortable),
        ("nul\0.md", ProblemCode::NameNotPortable),
    ] {
        for change in [
            rig.install(path, "new", Expect::Absent),
            rig.install(path, "new", content("outside")),
            remove(path, "outside"),
        ] {
            assert_eq!(blocked(rig.apply(&change)), code, "{change:?}");
        }
    }
    assert_eq!(
        files(&outside),
        [("n.md".to_owned(), "outside".to_owned())].into()
    );
    assert_eq!(rig.stage_names(), [""; 0]);
}

#[test]
fn refuses_a_mirror_file_that_is_not_the_announced_version() {
    let rig = Rig::new();
    rig.write("n.md", "old");
    let Change::Install {
        path,
        from,
        mtime_ms,
        expect,
        ..
    } = rig.install("n.md", "new", content("old"))
    else {
        panic!()
    };
    let change = Change::Install {
        path,
        from,
        md5: md5("other"),
        mtime_ms,
        expect,
    };
    assert!(matches!(
        rig.try_apply(&change),
        Err(ApplyError::WrongSource { .. })
    ));
    assert_eq!(rig.read("n.md").unwrap(), "old");
    assert_eq!(rig.stage_names(), [""; 0]);
}

#[test]
#[cfg(windows)]
fn names_that_mean_something_else_here_are_blocked() {
    let rig = Rig::new();
    for path in [
        "a:b.md",
        "con.md",
        "ends.",
        "back\\slash.md",
        "../n.md",
        "C:/n.md",
        "d/nul",
    ] {
        for change in [
            rig.install(path, "new", Expect::Absent),
            remove(path, "outside"),
        ] {
            assert_eq!(
                blocked(rig.apply(&change)),
                ProblemCode::NameNotPortable,
                "{path}"
            );
        }
    }
    assert!(rig.vault_files().is_empty() && rig.history_texts().is_empty());
}

#[test]
#[cfg(unix)]
fn carries_odd_and_long_names() {
    let rig = Rig::new();
    let long = format!("{}.md", "é".repeat(126));
    assert_eq!(long.len(), 255);
    for name in [
        "sp ace/#1 50% & 'q' \"d\" $HOME `x` ~.md",
        "emoji 🎈/ノート.md",
        "-rf.md",
        "back\\slash.md",
        "tab\tand\nnewline.md",
        "e\u{301}.md",
        " leading.md",
        "trailing. ",
        long.as_str(),
    ] {
        assert!(matches!(
            rig.apply(&rig.install(name, "1", Expect::Absent)),
            Applied::Done { .. }
        ));
        let kept = kept(rig.apply(&rig.install(name, "2", content("1"))));
        assert!(kept.file.ends_with(name));
        assert_eq!(rig.read(name).unwrap(), "2");
        let again = rig.install(name, "3", content("2"));
        let path = rig.vault.join(name);
        let applied = rig.apply_with(&again, &|step| match step {
            ApplyStep::Intended => fs::write(&path, "a").unwrap(),
            ApplyStep::Swapped => fs::write(&path, "b").unwrap(),
            _ => {}
        });
        let Applied::KeptBoth { copy } = applied else {
            panic!("{applied:?}")
        };
        assert_eq!(rig.read(&copy).unwrap(), "b");
    }
}

#[test]
fn keeps_a_copy_of_a_file_in_history() {
    let rig = Rig::new();
    let from = rig.incoming("other");
    let kept = keep_version(&rig.side, &from, "a/n.md", NOW).unwrap();
    assert!(kept.file.ends_with("a/n.md"));
    assert_eq!((kept.md5.as_str(), kept.size), (md5("other").as_str(), 5));
    assert_eq!(fs::read_to_string(kept.file).unwrap(), "other");
    assert!(keep_version(&rig.side, &from, "../n.md", NOW).is_err());
    assert_eq!(rig.stage_names(), [""; 0]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_wants_to_write_after_the_proof_gets_the_note_back() {
    let rig = Rig::new();
    rig.write("n.md", "old");
    let asked = std::cell::Cell::new(false);
    let applied = rig.apply_with(&rig.install("n.md", "new", content("old")), &|step| {
        if step == ApplyStep::Verified && !asked.replace(true) {
            let out = files(&rig.side.stage)
                .into_keys()
                .find(|name| name.ends_with(".file"));
            // Without waiting, the system refuses this and tells the holder of the lease.
            let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
            let path = rig.side.stage.join(out.unwrap());
            let refused = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap_err();
            assert_eq!(refused, rustix::io::Errno::AGAIN);
        }
    });
    assert_eq!(applied, Applied::UserSaved);
    assert_eq!(rig.read("n.md").unwrap(), "old");
}

#[test]
#[cfg(windows)]
fn nobody_can_write_while_the_old_version_is_proven() {
    let rig = Rig::new();
    rig.write("n.md", "old");
    let asked = std::cell::Cell::new(false);
    let applied = rig.apply_with(&rig.install("n.md", "new", content("old")), &|step| {
        if step == ApplyStep::Verified && !asked.replace(true) {
            let out = files(&rig.side.stage)
                .into_keys()
                .find(|name| name.ends_with(".file"));
            let path = rig.side.stage.join(out.unwrap());
            let refused = fs::OpenOptions::new().append(true).open(path);
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(32));
        }
    });
    assert!(
        asked.get() && matches!(applied, Applied::Done { .. }),
        "{applied:?}"
    );
}

#[cfg(unix)]
mod looks {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    pub(super) fn of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    pub(super) fn unlike_new_ones(path: &Path) -> u32 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
        0o640
    }
}

#[cfg(windows)]
mod looks {
    use super::*;
    use crate::vault::system::Looks;

    pub(super) fn of(path: &Path) -> Looks {
        Looks::of(&fs::File::open(path).unwrap()).unwrap()
    }

    pub(super) fn unlike_new_ones(path: &Path) -> Looks {
        of(path)
    }
}

/// A rename over a network whose answer got lost is sent again, and then nothing is there to rename.
#[test]
fn what_a_disk_moved_and_denies_is_not_thrown_away() {
    for &swap in SWAPS {
        for change in ["remove", "install"] {
            let rig = Rig::with(swap, Linking::Copy);
            rig.write("n.md", "old");
            let (note, stage) = (rig.vault.join("n.md"), rig.side.stage.clone());
            let deny = |kind: &'static str| {
                let (note, stage) = (note.clone(), stage.clone());
                move |step: ApplyStep| {
                    if step == ApplyStep::Intended {
                        let names = files(&stage).into_keys();
                        let ids: Vec<String> = names
                            .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
                            .collect();
                        let [id] = ids.as_slice() else {
                            panic!("one change is under way: {ids:?}");
                        };
                        fs::rename(&note, stage.join(format!("{id}.{kind}"))).unwrap();
                    }
                }
            };
            if change == "remove" {
                rig.apply_with(&remove("n.md", "old"), &deny("file"));
            } else {
                let install = rig.install("n.md", "ours", content("old"));
                rig.apply_with(&install, &deny("aside"));
            }
            let in_stage = files(&rig.side.stage).into_values();
            assert!(
                in_stage.into_iter().any(|text| text == "old"),
                "{change}, {swap:?}"
            );
            rig.recover();
            assert!(rig.retrievable().contains("old"), "{change}, {swap:?}");
            assert_eq!(rig.stage_names(), Vec::<String>::new());
        }
    }
}
