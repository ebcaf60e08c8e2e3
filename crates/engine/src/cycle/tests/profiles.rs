//! Every row of the table of profiles, held against what rclone is really started with, and
//! against what stops a cycle.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::rig::{Cloud, Device, write};
use crate::plan::SENTINEL;
use crate::profile::{ConflictRule, Profile};
use crate::view::ProfileName;

/// A device whose rclone writes down how it is started.
async fn recorded(cloud: &Cloud, profile: ProfileName) -> (Device, PathBuf) {
    let mut device = Device::new("laptop", cloud).await;
    device.profile = profile;
    let (script, log) = (device.home.join("rclone"), device.home.join("arguments"));
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = bisync ] && printf '%s\\n' \"$@\" > '{}'\nexec '{}' \"$@\"\n",
        log.display(),
        testkit::rclone().display()
    );
    write(&script, &text);
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    device.rclone = rclone::find(&[script]).await.unwrap();
    (device, log)
}

async fn arguments(profile: ProfileName) -> Vec<String> {
    let cloud = Cloud::start().await;
    let (device, log) = recorded(&cloud, profile).await;
    device.save("note.md", "note\n");
    device.sync().await;
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn value<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|it| it == name)?;
    arguments.get(at + 1).map(String::as_str)
}

#[tokio::test]
async fn rclone_is_started_with_what_the_profile_says() {
    for (profile, checks_access) in [
        (ProfileName::Safe, true),
        (ProfileName::Balanced, true),
        (ProfileName::Fast, false),
    ] {
        let given = arguments(profile).await;
        let has = |flag: &str| given.iter().any(|it| it == flag);
        assert_eq!(has("--check-access"), checks_access, "{profile:?}");
        let sentinel = checks_access.then_some(SENTINEL);
        assert_eq!(value(&given, "--check-filename"), sentinel, "{profile:?}");
        for (name, expected) in [
            ("--compare", "size,checksum"),
            // The engine decides who gets the name, and keeps the other; rclone keeps both.
            ("--conflict-resolve", "path2"),
            ("--conflict-loser", "num"),
            // The brake has counted the deletes against the whole baseline.
            ("--max-delete", "100"),
            // What went up is of one save.
            ("--multi-thread-streams", "0"),
            ("--low-level-retries", "2"),
            ("--max-lock", "15m"),
            ("--retries", "1"),
            ("--contimeout", "3s"),
            ("--timeout", "60s"),
        ] {
            assert_eq!(value(&given, name), Some(expected), "{profile:?} {name}");
        }
        for flag in [
            "--resilient",
            "--suffix-keep-extension",
            "--fast-list",
            "--no-update-modtime",
            "--local-no-preallocate",
            "--use-json-log",
        ] {
            assert!(has(flag), "{profile:?} {flag}");
        }
        for never in [
            "--resync",
            "--recover",
            "--force",
            "--inplace",
            "--ignore-checksum",
            "--size-only",
            "--use-server-modtime",
            "--backup-dir1",
            "--backup-dir2",
            "--suffix",
            "--create-empty-src-dirs",
            "--copy-links",
            "--exclude",
            "--exclude-if-present",
            "--filter",
            "--include",
            "--max-age",
            "--max-size",
            "--min-age",
            "--min-size",
            "--local-no-check-updated",
            "--no-unicode-normalization",
        ] {
            assert!(!has(never), "{profile:?} {never}");
        }
    }
}

#[tokio::test]
async fn rclone_is_patient_while_bytes_are_held_back() {
    let cloud = Cloud::start().await;
    let (device, log) = recorded(&cloud, ProfileName::Safe).await;
    let upload = std::num::NonZeroU64::new(64 * 1024);
    device.bucket.set_limits(guard::Limits {
        upload,
        ..guard::Limits::default()
    });
    device.save("note.md", "note\n");
    device.sync().await;
    let text = std::fs::read_to_string(log).unwrap();
    let given: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(value(&given, "--timeout"), Some("1h"));
}

#[test]
fn a_profile_says_who_gets_the_name_in_a_conflict() {
    for (profile, rule) in [
        (ProfileName::Safe, ConflictRule::KeepBoth),
        (ProfileName::Balanced, ConflictRule::Newer),
        (ProfileName::Fast, ConflictRule::Newer),
    ] {
        assert_eq!(Profile::named(profile).conflict, rule, "{profile:?}");
    }
}

#[tokio::test]
async fn deletes_stop_a_cycle_above_the_profile_s_share_and_not_at_it() {
    for (profile, share) in [
        (ProfileName::Safe, 4),
        (ProfileName::Balanced, 10),
        (ProfileName::Fast, 20),
    ] {
        let cloud = Cloud::start().await;
        let mut device = Device::new("laptop", &cloud).await;
        device.profile = profile;
        let name = |number: usize| format!("{number}.md");
        for number in 0..40 {
            device.save(&name(number), &format!("{number}\n"));
        }
        device.sync().await;
        for number in 0..=share {
            device.delete(&name(number));
        }
        let failure = device.failure().await;
        assert_eq!(failure.code(), "TooManyDeletes", "{profile:?}");
        assert_eq!(cloud.files().await.len(), 40);
        device.save(&name(0), "0\n");
        let tally = device.sync().await;
        assert_eq!(tally.removed_in_cloud, share as u64, "{profile:?}");
    }
}

#[tokio::test]
async fn only_fast_goes_on_without_the_marker_in_the_bucket() {
    for (profile, expected) in [
        (ProfileName::Safe, Some("AccessCheckFailed")),
        (ProfileName::Balanced, Some("AccessCheckFailed")),
        (ProfileName::Fast, None),
    ] {
        let cloud = Cloud::start().await;
        let mut device = Device::new("laptop", &cloud).await;
        device.profile = profile;
        device.save("a.md", "a\n");
        device.sync().await;
        let sentinel = device.bucket.head(SENTINEL).await.unwrap().unwrap();
        device
            .bucket
            .delete(SENTINEL, &sentinel.etag)
            .await
            .unwrap();
        device.save("b.md", "b\n");
        let code = device.run().await.1.err().map(|failure| failure.code());
        assert_eq!(code, expected, "{profile:?}");
    }
}
