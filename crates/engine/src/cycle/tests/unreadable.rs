//! What this program may not read or change, though it is there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::*;
use crate::config::Step;

/// Plays sync on threads that files' modes bind, whoever runs the tests.
pub(super) fn bound_by_modes<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let mut rights = capabilities(None).unwrap();
        rights.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        set_capabilities(None, rights).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn problems(tally: &crate::cycle::Tally) -> Vec<(&str, &str)> {
    let told = tally.problems.iter();
    let mut told: Vec<_> = told
        .map(|it| (it.path.as_str(), it.code.as_str()))
        .collect();
    told.sort_unstable();
    told
}

async fn two_devices() -> (Cloud, Device, Device) {
    let cloud = Cloud::start().await;
    let device = Device::new("laptop", &cloud).await;
    for path in ["open.md", "secret.md", "closed/a.md", "closed/b.md"] {
        device.save(path, &format!("{path}\n"));
    }
    device.sync().await;
    let other = Device::new("desktop", &cloud).await;
    other.sync().await;
    (cloud, device, other)
}

#[test]
fn what_cannot_be_read_is_listed_is_not_deleted_and_does_not_stop_the_rest() {
    bound_by_modes(async || {
        let (cloud, device, other) = two_devices().await;
        let (closed, secret) = (device.vault.join("closed"), device.vault.join("secret.md"));
        chmod(&closed, 0o000);
        chmod(&secret, 0o000);
        device.save("open.md", "edited\n");
        device.save("new.md", "new\n");
        other.save("closed/a.md", "edited elsewhere\n");
        other.delete("closed/b.md");
        other.save("theirs.md", "theirs\n");
        other.sync().await;
        for _ in 0..2 {
            let tally = device.sync().await;
            let told = [("closed", "unreadable"), ("secret.md", "unreadable")];
            assert_eq!(problems(&tally), told);
        }
        let stored = cloud.files().await;
        assert_eq!(stored["secret.md"], "secret.md\n");
        assert_eq!(
            (stored["open.md"].as_str(), stored["new.md"].as_str()),
            ("edited\n", "new\n")
        );
        assert_eq!(device.read("theirs.md").as_deref(), Some("theirs\n"));

        chmod(&closed, 0o755);
        chmod(&secret, 0o644);
        assert_eq!(device.read("closed/b.md").as_deref(), Some("closed/b.md\n"));
        let tally = device.sync().await;
        assert_eq!((tally.downloaded, tally.removed_here), (1, 1));
        assert!(tally.problems.is_empty(), "{:?}", tally.problems);
        assert_eq!(device.files(), cloud.files().await);
    });
}

/// rclone must not take what is not in the mirror for deleted.
#[test]
fn a_note_that_becomes_unreadable_while_a_cycle_begins_is_not_deleted_in_the_cloud() {
    bound_by_modes(async || {
        let (cloud, mut device, _) = two_devices().await;
        let secret = device.vault.join("secret.md");
        device.save("secret.md", "edited\n");
        device.save("open.md", "edited\n");
        device.save("closed/a.md", "edited\n");
        let closed = device.vault.join("closed");
        device.at_step(Step::Verified, {
            let (secret, closed) = (secret.clone(), closed.clone());
            move || {
                chmod(&secret, 0o000);
                chmod(&closed, 0o000);
            }
        });
        let tally = device.sync().await;
        let told = [("closed/a.md", "unreadable"), ("secret.md", "unreadable")];
        assert_eq!(problems(&tally), told);
        let stored = cloud.files().await;
        assert_eq!(stored["open.md"], "edited\n");
        assert_eq!(stored["secret.md"], "secret.md\n");
        assert_eq!(stored["closed/a.md"], "closed/a.md\n");

        chmod(&closed, 0o755);
        chmod(&secret, 0o644);
        device.sync().await;
        assert_eq!(device.files(), cloud.files().await);
        assert_eq!(device.read("secret.md").as_deref(), Some("edited\n"));
    });
}

/// As a file on a damaged part of a disk: it can be named and linked, and not read.
#[test]
fn a_note_that_rclone_cannot_read_stops_no_other() {
    bound_by_modes(async || {
        let (cloud, mut device, other) = two_devices().await;
        let bound = device.home.join("rclone");
        super::rig::write(
            &bound,
            format!(
                "#!/bin/sh\nexec setpriv --bounding-set=-dac_override,-dac_read_search '{}' \"$@\"\n",
                testkit::rclone().display()
            ),
        );
        chmod(&bound, 0o755);
        device.rclone = rclone::find(&[bound]).await.unwrap();
        let secret = device.vault.join("secret.md");
        device.save("secret.md", "edited\n");
        device.save("open.md", "edited\n");
        other.save("theirs.md", "theirs\n");
        other.sync().await;
        let closing = secret.clone();
        device.at_step(Step::MirrorFilled, move || chmod(&closing, 0o000));
        let tally = device.sync().await;
        assert_eq!(problems(&tally), [("secret.md", "unreadable")]);
        let stored = cloud.files().await;
        assert_eq!(stored["open.md"], "edited\n");
        assert_eq!(stored["secret.md"], "secret.md\n");
        assert_eq!(device.read("theirs.md").as_deref(), Some("theirs\n"));

        chmod(&secret, 0o644);
        device.sync().await;
        assert_eq!(device.files(), cloud.files().await);
    });
}

#[test]
fn what_may_not_be_changed_is_listed_and_does_not_stop_the_rest() {
    bound_by_modes(async || {
        let (cloud, device, other) = two_devices().await;
        other.save("closed/a.md", "edited elsewhere\n");
        other.delete("closed/b.md");
        other.save("closed/c.md", "new\n");
        other.save("closed/new/d.md", "new\n");
        other.save("open.md", "edited elsewhere\n");
        other.sync().await;
        let closed = device.vault.join("closed");
        chmod(&closed, 0o555);
        let before = device.files();
        let tally = device.sync().await;
        let told = [
            "closed/a.md",
            "closed/b.md",
            "closed/c.md",
            "closed/new/d.md",
        ];
        assert_eq!(problems(&tally), told.map(|path| (path, "not_permitted")));
        assert_eq!(tally.downloaded, 1);
        assert_eq!(
            device.read("open.md").as_deref(),
            Some("edited elsewhere\n")
        );
        for path in ["closed/a.md", "closed/b.md"] {
            assert_eq!(device.read(path).as_ref(), before.get(path), "{path}");
        }
        let fetched = device.bucket.requests().get;
        let tally = device.sync().await;
        assert_eq!(problems(&tally).len(), 4);
        assert_eq!(device.bucket.requests().get, fetched, "nothing is fetched");
        chmod(&closed, 0o755);
        let tally = device.sync().await;
        assert!(tally.problems.is_empty(), "{:?}", tally.problems);
        assert_eq!(tally.downloaded, 3);
        assert_eq!(device.files(), cloud.files().await);
    });
}
