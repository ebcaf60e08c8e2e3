#[cfg(unix)]
use std::os::unix::fs::MetadataExt;

use super::*;

const SENTINEL: (&str, &[u8]) = ("SENTINEL", b"here");

fn wanted(rig: &Rig) -> BTreeMap<String, Signature> {
    rig.scan().files
}

#[test]
fn shows_just_the_wanted_files_and_the_sentinel() {
    for linking in [Linking::Hard, Linking::Copy] {
        let rig = Rig::with(Swap::Exchange, linking);
        let path = rig.write("a/n.md", "text");
        rig.write("other.md", "not wanted");
        let mut wanted = wanted(&rig);
        wanted.remove("other.md");
        let filled = fill(&rig.side, &rig.vault, &wanted, SENTINEL).unwrap();
        assert_eq!(
            files(&rig.side.mirror),
            [("SENTINEL", "here"), ("a/n.md", "text")]
                .map(|(p, t)| (p.into(), t.into()))
                .into()
        );
        let shown = md5_of(&rig.side.mirror.join("a/n.md")).unwrap().1;
        let linked = shown.ino == md5_of(&path).unwrap().1.ino;
        assert_eq!(linked, linking == Linking::Hard);
        assert!(filled.linked["a/n.md"].same_content_likely(&rig.scan().files["a/n.md"]));
        let seen = read_mirror(&rig.side, SENTINEL.0).unwrap();
        assert_eq!(seen.len(), 1);
        assert!(filled.untouched("a/n.md", &seen["a/n.md"]));
        clear_mirror(&rig.side).unwrap();
        assert_eq!(fs::read_dir(&rig.side.mirror).unwrap().count(), 0);
        assert_eq!(rig.read("a/n.md").unwrap(), "text");
    }
}

#[test]
#[cfg(unix)]
fn leaves_what_changed_since_the_scan_to_the_next_cycle() {
    for linking in [Linking::Hard, Linking::Copy] {
        let rig = Rig::with(Swap::Exchange, linking);
        for path in [
            "edited.md",
            "gone.md",
            "replaced.md",
            "folder/now-a-link.md",
            "kept.md",
        ] {
            rig.write(path, "text");
        }
        let wanted = wanted(&rig);
        rig.write("edited.md", "longer text");
        fs::remove_file(rig.vault.join("gone.md")).unwrap();
        fs::rename(rig.write("tmp", "text"), rig.vault.join("replaced.md")).unwrap();
        fs::rename(rig.vault.join("folder"), rig.dir.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(rig.dir.path().join("elsewhere"), rig.vault.join("folder"))
            .unwrap();
        let filled = fill(&rig.side, &rig.vault, &wanted, SENTINEL).unwrap();
        assert_eq!(filled.linked.keys().collect::<Vec<_>>(), ["kept.md"]);
        assert_eq!(
            filled.moved.iter().collect::<Vec<_>>(),
            [
                "edited.md",
                "folder/now-a-link.md",
                "gone.md",
                "replaced.md"
            ]
        );
    }
}

#[test]
fn tells_what_rclone_replaced_from_what_the_user_saved() {
    let rig = Rig::new();
    let user = rig.write("user.md", "text");
    rig.write("cloud.md", "text");
    let filled = fill(&rig.side, &rig.vault, &wanted(&rig), SENTINEL).unwrap();
    fs::write(user, "saved in place").unwrap();
    let mirror = &rig.side.mirror;
    write(&mirror.join("cloud.md.1a2b.rclone-part"), "cloud");
    fs::rename(
        mirror.join("cloud.md.1a2b.rclone-part"),
        mirror.join("cloud.md"),
    )
    .unwrap();
    write(&mirror.join("half.md.1a2b.rclone-part"), "ha");
    write(&mirror.join("new.md"), "new");
    let seen = read_mirror(&rig.side, SENTINEL.0).unwrap();
    assert_eq!(
        seen.keys().collect::<Vec<_>>(),
        ["cloud.md", "new.md", "user.md"]
    );
    assert!(filled.untouched("user.md", &seen["user.md"]));
    assert!(!filled.untouched("cloud.md", &seen["cloud.md"]));
    assert!(!filled.untouched("new.md", &seen["new.md"]));
    assert_eq!(
        rig.read("cloud.md").unwrap(),
        "text",
        "the vault is untouched"
    );
}

#[test]
#[cfg(unix)]
fn the_working_folder_is_private_and_beside_a_vault_on_another_disk() {
    let rig = Rig::new();
    let mode = fs::metadata(&rig.side.root).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o700);
    assert_eq!(
        (rig.side.linking, rig.side.swap),
        (Linking::Hard, Swap::Exchange)
    );
    assert_eq!(rig.side.root, rig.dir.path().join("data/p1"));
    let other = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    if fs::metadata(other.path()).unwrap().dev() == fs::metadata(&rig.vault).unwrap().dev() {
        eprintln!("SKIPPED: this machine has one file system only");
        return;
    }
    let side = Side::open(&rig.vault, &other.path().join("data"), "p1").unwrap();
    assert_eq!(side.root, rig.dir.path().join(".basic-memory-p1"));
    assert!(!other.path().join("data/p1").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn the_place_of_the_working_folder_is_foreseen_and_not_made() {
    let rig = Rig::new();
    let (home, new) = (rig.dir.path(), rig.dir.path().join("not/there"));
    let at = |vault: &Path, preferred: &Path| foresee(vault, preferred).unwrap();
    assert_eq!(at(&rig.vault, &new), SidePlace::Apart);
    let elsewhere = Path::new("/proc");
    let beside = SidePlace::Beside(home.to_owned());
    assert_eq!(at(&rig.vault, elsewhere), beside);
    assert_eq!(at(&home.join("new"), elsewhere), beside);
    // The top of a disk has nothing of that disk beside it.
    assert_eq!(at(elsewhere, home), SidePlace::Nowhere);
    assert!(!home.join("not").exists());
}

#[test]
fn the_working_folder_is_never_inside_the_vault() {
    let rig = Rig::new();
    let side = Side::open(&rig.vault, &rig.vault.join(".local"), "p2").unwrap();
    assert_eq!(side.root, rig.dir.path().join(".basic-memory-p2"));
    for pair in ["", "../x", "a/b", "."] {
        assert!(matches!(
            Side::open(&rig.vault, rig.dir.path(), pair),
            Err(SideError::BadPairName)
        ));
    }
}
