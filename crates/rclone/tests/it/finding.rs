use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rclone::{FLOOR, FindError, PINNED, Version, find};

pub(crate) fn script(path: &Path, text: &str) -> PathBuf {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

pub(crate) fn fake(path: &Path, version: Version) -> PathBuf {
    let Version(major, minor, patch) = version;
    let json =
        format!(r#"{{"version":"x","decomposed":[{major},{minor},{patch}],"isBeta":false}}"#);
    script(path, &format!("echo '{json}'"))
}

#[tokio::test]
async fn finds_the_real_one_behind_unfit_ones() {
    let folder = testkit::scratch();
    let at = |name: &str| folder.path().join(name);
    let old = fake(&at("old"), Version(1, 60, 1));
    let broken = script(&at("broken"), "echo nonsense");
    let real = testkit::rclone();
    let found = find(&[at("missing"), broken, old, real.clone()])
        .await
        .unwrap();
    assert_eq!((found.path, found.version), (real, PINNED));
}

#[tokio::test]
async fn names_the_failure_that_helps_most() {
    let folder = testkit::scratch();
    let at = |name: &str| folder.path().join(name);
    let missing = at("missing");
    let looked = vec![missing.clone()];
    assert_eq!(
        find(&looked).await,
        Err(FindError::Missing {
            looked: looked.clone()
        })
    );
    let broken = script(&at("broken"), "echo no such command >&2; exit 3");
    let reason = "it ended with exit code 3: no such command".to_owned();
    let expected = FindError::Broken {
        path: broken.clone(),
        reason,
    };
    assert_eq!(
        find(&[missing.clone(), broken.clone()]).await,
        Err(expected)
    );
    let old = fake(&at("old"), Version(1, 74, 1));
    let expected = FindError::TooOld {
        path: old.clone(),
        found: Version(1, 74, 1),
        floor: FLOOR,
    };
    assert_eq!(find(&[missing, broken, old]).await, Err(expected));
    let mute = script(&at("mute"), "echo '{}'");
    let found = find(&[mute]).await;
    assert!(matches!(found, Err(FindError::Broken { .. })), "{found:?}");
}

#[tokio::test]
async fn a_candidate_sees_nothing_of_our_environment() {
    let folder = testkit::scratch();
    let told = folder.path().join("told");
    let path = folder.path().join("rclone");
    script(&path, &format!("env > {}; exit 1", told.display()));
    find(&[path]).await.unwrap_err();
    let names: Vec<String> = fs::read_to_string(told)
        .unwrap()
        .lines()
        .map(|line| line.split('=').next().unwrap().to_owned())
        .filter(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(&name.as_str()))
        .collect();
    assert!(
        names
            .iter()
            .all(|name| ["HOME", "PATH", "TMPDIR"].contains(&name.as_str())),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_program_that_is_the_same_file_is_asked_once() {
    let folder = testkit::scratch();
    let at = |name: &str| folder.path().join(name);
    let (path, memory, asked) = (at("rclone"), at("memory.json"), at("asked"));
    let answering = |version: Version| {
        let Version(major, minor, patch) = version;
        let json = format!(r#"{{"decomposed":[{major},{minor},{patch}]}}"#);
        script(
            &path,
            &format!("echo asked >> '{}'\necho '{json}'", asked.display()),
        );
    };
    let times_asked = || {
        fs::read_to_string(&asked)
            .unwrap_or_default()
            .lines()
            .count()
    };
    answering(PINNED);
    for _ in 0..3 {
        let found = rclone::find_again(std::slice::from_ref(&path), &memory).await;
        assert_eq!(found.unwrap().version, PINNED);
    }
    assert_eq!(times_asked(), 1);
    // Another program under the same name is asked, and an old one is refused each time.
    fs::remove_file(&path).unwrap();
    answering(Version(1, 60, 1));
    for _ in 0..2 {
        let found = rclone::find_again(std::slice::from_ref(&path), &memory).await;
        assert!(matches!(found, Err(FindError::TooOld { .. })), "{found:?}");
    }
    assert_eq!(times_asked(), 2);
    // A memory that makes no sense is none.
    fs::write(&memory, "{]").unwrap();
    find(std::slice::from_ref(&path)).await.unwrap_err();
    rclone::find_again(std::slice::from_ref(&path), &memory)
        .await
        .unwrap_err();
    assert_eq!(times_asked(), 4);
}
