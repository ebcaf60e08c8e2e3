#[cfg(unix)]
use std::os::unix::fs::symlink;

use super::*;

fn codes(scan: &Scan) -> BTreeSet<(&str, ProblemCode)> {
    scan.problems
        .iter()
        .map(|problem| (problem.path.as_str(), problem.code))
        .collect()
}

#[test]
fn lists_files_and_folders_with_their_signatures() {
    let rig = Rig::new();
    rig.write("a/b/n.md", "text");
    rig.write("top.md", "");
    fs::create_dir(rig.vault.join("empty")).unwrap();
    let scan = rig.scan();
    assert_eq!(
        scan.files.keys().collect::<Vec<_>>(),
        ["a/b/n.md", "top.md"]
    );
    assert_eq!(
        scan.folders.iter().collect::<Vec<_>>(),
        ["a", "a/b", "empty"]
    );
    let (hash, signature) = md5_of(&rig.vault.join("a/b/n.md")).unwrap();
    assert_eq!(hash, md5("text"));
    assert!(scan.files["a/b/n.md"].same_content_likely(&signature));
    assert!(scan.problems.is_empty());
}

#[test]
fn what_sync_names_its_own_is_not_seen() {
    let rig = Rig::new();
    rig.write("note.md", "text");
    rig.write(".basic-memory-sync", "of a copied bucket");
    rig.write(".basic-memory-p1/history/old.md", "old");
    let scan = rig.scan();
    assert_eq!(scan.files.keys().collect::<Vec<_>>(), ["note.md"]);
    assert!(scan.folders.is_empty());
}

#[test]
fn tells_a_missing_vault_from_one_that_is_no_folder() {
    let rig = Rig::new();
    let none = Filters::parse("").unwrap();
    assert!(matches!(
        scan(&rig.vault.join("gone"), &none),
        Err(RootError::Missing)
    ));
    let file = rig.write("file", "x");
    assert!(matches!(scan(&file, &none), Err(RootError::NotAFolder)));
}

#[test]
#[cfg(unix)]
fn does_not_follow_links_and_does_not_call_what_they_hide_deleted() {
    let rig = Rig::new();
    let outside = rig.dir.path().join("outside");
    write(&outside.join("n.md"), "x");
    symlink(&outside, rig.vault.join("folder")).unwrap();
    symlink(outside.join("n.md"), rig.vault.join("note.md")).unwrap();
    symlink(".", rig.vault.join("loop")).unwrap();
    let scan = rig.scan();
    assert!(scan.files.is_empty() && scan.folders.is_empty());
    let all = Filters::parse("").unwrap();
    assert!(!scan.is_gone("folder/n.md", &all));
    assert!(!scan.is_gone("note.md", &all));
    assert!(scan.is_gone("other.md", &all));
}

#[test]
#[cfg(unix)]
fn leaves_out_every_twin_and_lists_it() {
    let rig = Rig::new();
    for path in [
        "Note.md",
        "note.md",
        "NOTE.md",
        "d/é.md",
        "d/e\u{301}.md",
        "x",
        "X/in.md",
        "fine.md",
    ] {
        rig.write(path, path);
    }
    let scan = rig.scan();
    assert_eq!(
        scan.files.keys().collect::<Vec<_>>(),
        ["X/in.md", "fine.md"]
    );
    let expected = [
        "Note.md",
        "note.md",
        "NOTE.md",
        "d/é.md",
        "d/e\u{301}.md",
        "x",
    ]
    .map(|path| (path, ProblemCode::NameTwins));
    assert_eq!(codes(&scan), expected.into());
    assert!(!scan.is_gone("note.md", &Filters::parse("").unwrap()));
}

#[test]
#[cfg(unix)]
fn lists_names_that_cannot_sync() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let rig = Rig::new();
    let long = "n".repeat(224);
    fs::write(rig.vault.join(OsStr::from_bytes(b"bad\xff.md")), "x").unwrap();
    for path in [
        long.as_str(),
        "new\nline.md",
        "mark\u{201B}.md",
        "ctl\u{1}/in.md",
        "ok.md",
    ] {
        rig.write(path, "x");
    }
    let scan = rig.scan();
    assert_eq!(scan.files.keys().collect::<Vec<_>>(), ["ok.md"]);
    assert_eq!(
        codes(&scan),
        [
            ("bad\u{FFFD}.md", ProblemCode::NameNotUtf8),
            (long.as_str(), ProblemCode::NameTooLong),
            ("new\nline.md", ProblemCode::NameNotPortable),
            ("mark\u{201B}.md", ProblemCode::NameNotPortable),
            ("ctl\u{1}", ProblemCode::NameNotPortable),
        ]
        .into()
    );
    assert!(!scan.is_gone("ctl\u{1}/in.md", &Filters::parse("").unwrap()));
}

#[test]
#[cfg(unix)]
fn remarks_on_names_that_windows_cannot_hold_and_takes_them_all_the_same() {
    let rig = Rig::new();
    let odd = ["CON.md", "a:b.md", "d/what?.md", "ends.", "x|y/fine.md"];
    for path in odd.into_iter().chain(["fine.md", "d/fine.md"]) {
        rig.write(path, "x");
    }
    let scan = rig.scan();
    assert_eq!((scan.files.len(), codes(&scan)), (7, BTreeSet::new()));
    let told: Vec<&str> = scan.remarks.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(told, ["CON.md", "a:b.md", "d/what?.md", "ends.", "x|y"]);
    // One path at a time it is the same.
    let alone: Vec<String> = (scan.files.keys())
        .filter_map(|path| Some(remark_on(path)?.path))
        .collect();
    assert_eq!(alone, told);
}

#[test]
#[cfg(unix)]
fn a_deep_folder_is_listed_and_hides_its_content() {
    let rig = Rig::new();
    let deep = vec!["d".repeat(200); 6].join("/");
    // Longer than one call may name: made step by step.
    let mut here = rig.vault.clone();
    for part in deep.split('/') {
        here = here.join(part);
        fs::create_dir(&here).unwrap();
    }
    fs::write(here.join("n.md"), "x").unwrap();
    let scan = rig.scan();
    assert!(scan.files.is_empty());
    assert_eq!(scan.problems[0].code, ProblemCode::NameTooLong);
    assert!(!scan.is_gone(&format!("{deep}/n.md"), &Filters::parse("").unwrap()));
}

#[test]
fn filtered_paths_are_neither_seen_nor_gone() {
    let rig = Rig::new();
    for path in [".git/config", "a/node_modules/x/y.md", "n.md", "n.pyc"] {
        rig.write(path, "x");
    }
    let filters = Filters::parse(Filters::DEFAULT_TEXT).unwrap();
    let scan = scan(&rig.vault, &filters).unwrap();
    assert_eq!(scan.files.keys().collect::<Vec<_>>(), ["n.md"]);
    assert!(!scan.is_gone("b.pyc", &filters) && !scan.is_gone(".git/gone", &filters));
}

#[test]
fn a_folder_that_cannot_be_entered_hides_its_content() {
    let scan = Scan {
        unreadable: ["a/b".to_owned()].into(),
        ..Scan::default()
    };
    let all = Filters::parse("").unwrap();
    assert!(!scan.is_gone("a/b/c/n.md", &all) && !scan.is_gone("a/b", &all));
    assert!(scan.is_gone("a/n.md", &all) && scan.is_gone("a/bc.md", &all));
}

#[test]
#[cfg(unix)]
fn absence_is_proven_by_looking() {
    let rig = Rig::new();
    rig.write("a/n.md", "x");
    symlink("a", rig.vault.join("l")).unwrap();
    for (path, expected) in [
        ("a/n.md", false),
        ("a/gone.md", true),
        ("gone/n.md", true),
        ("a", true),
        ("l", false),
        ("l/gone.md", false),
        ("a/n.md/x", true),
        ("../x", false),
    ] {
        assert_eq!(absent(&rig.vault, path).unwrap(), expected, "{path}");
    }
}

#[test]
#[cfg(unix)]
fn hashing_tells_what_is_no_file_and_what_moved() {
    let rig = Rig::new();
    let path = rig.write("n.md", "x");
    symlink(&path, rig.vault.join("link")).unwrap();
    assert!(matches!(
        md5_of(&rig.vault.join("link")),
        Err(HashError::NotAFile)
    ));
    assert!(matches!(md5_of(&rig.vault), Err(HashError::NotAFile)));
    assert!(matches!(
        md5_of(&rig.vault.join("gone")),
        Err(HashError::Missing)
    ));
    let (_, signature) = md5_of(&path).unwrap();
    let old = Signature {
        ctime_ns: 5,
        ..signature
    };
    let linked = Signature {
        ctime_ns: 6,
        ..signature
    };
    assert!(!linked.unchanged_since(&old) && linked.same_content_likely(&old));
}

#[test]
fn a_hash_taken_in_the_tick_of_a_save_is_not_trusted_for_long() {
    let rig = Rig::new();
    let untrusted = (0..10_000).any(|n| {
        let path = rig.write("n.md", &n.to_string());
        md5_of(&path).unwrap().1.ctime_ns == Signature::UNTRUSTED
    });
    assert!(untrusted);
    let trusted = (0..1_000_000).find_map(|_| {
        let (_, signature) = md5_of(&rig.vault.join("n.md")).unwrap();
        (signature.ctime_ns != Signature::UNTRUSTED).then_some(signature)
    });
    assert!(rig.scan().files["n.md"].unchanged_since(&trusted.unwrap()));
}
