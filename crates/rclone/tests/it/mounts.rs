//! Real mounts of a real bucket. Where the machine has no FUSE, the driver must say so.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rclone::mount::{
    CacheState, Daemon, Driver, DriverMissing, MountError, MountSpec, PlatformFacts, VfsCache,
    clear_leftovers, detach,
};
use testkit::{MountPoint, program, wait_until};

use crate::bench::{Bench, SOON, binary};

const NAME: &str = "basic-memory-test";

/// A bucket with one note, and a place to mount it in.
struct Desk {
    place: MountPoint,
    folder: PathBuf,
    bench: Bench,
    spec: MountSpec,
}

impl Desk {
    /// `None`, loudly, where nothing can be mounted.
    async fn new() -> Option<Self> {
        let driver = match PlatformFacts::look().driver() {
            Ok(driver) => driver,
            Err(missing) => {
                let known = [DriverMissing::FuseDevice, DriverMissing::Fusermount];
                assert!(known.contains(&missing), "{missing}");
                #[expect(clippy::print_stderr, reason = "a skip is loud")]
                {
                    eprintln!("SKIPPED: {missing}. {}", missing.hint());
                }
                return None;
            }
        };
        assert_eq!(driver, Driver::Fuse);
        let bench = Bench::new().await;
        bench.there("note.md", "from the bucket\n");
        let path = |name: &str| {
            let path = bench.scratch.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let folder = bench.scratch.path().join("Drive");
        let spec = MountSpec {
            folder: folder.clone(),
            driver,
            device_name: NAME.to_owned(),
            endpoint: bench.run.endpoint.clone(),
            bucket: bench.run.bucket.clone(),
            access_key: bench.run.access_key.clone(),
            secret_key: bench.run.secret_key.clone(),
            cache_dir: path("cache"),
            dir_cache: Duration::from_secs(60),
            run_dir: path("m"),
        };
        Some(Self {
            place: MountPoint::new(folder.clone()),
            folder,
            bench,
            spec,
        })
    }

    async fn mount(&self) -> Daemon {
        Daemon::start(&binary(), self.spec.clone()).await.unwrap()
    }

    fn is_mounted(&self) -> bool {
        self.place.is_mounted()
    }

    async fn clear(&self) -> Result<(), MountError> {
        clear_leftovers(&self.folder, NAME, &self.spec.run_dir).await
    }

    fn stored(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.bench.bucket().join(path)).ok()
    }

    async fn is_stored(&self, path: &str, text: &str) {
        wait_until(SOON, async || self.stored(path).as_deref() == Some(text)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_bucket_is_read_written_and_taken_away() {
    let Some(desk) = Desk::new().await else {
        return;
    };
    let daemon = desk.mount().await;
    daemon.check().await.unwrap();
    let note = fs::read_to_string(desk.folder.join("note.md")).unwrap();
    assert_eq!(note, "from the bucket\n");
    fs::write(desk.folder.join("own.md"), "own\n").unwrap();
    desk.is_stored("own.md", "own\n").await;
    wait_until(SOON, async || daemon.stats().await.unwrap().is_flushed()).await;
    assert_eq!(daemon.queue().await.unwrap(), []);

    desk.bench.there("folder/later.md", "later\n");
    assert!(
        !desk.folder.join("folder/later.md").exists(),
        "the listing is believed"
    );
    daemon.refresh("folder").await.unwrap();
    let later = fs::read_to_string(desk.folder.join("folder/later.md")).unwrap();
    assert_eq!(later, "later\n");

    let open = fs::File::open(desk.folder.join("note.md")).unwrap();
    let busy = daemon.unmount().await.unwrap_err();
    assert!(matches!(busy, MountError::Busy), "{busy}");
    drop(open);
    wait_until(SOON, async || daemon.unmount().await.is_ok()).await;
    assert!(!desk.is_mounted());
    daemon.stop().await;
    assert!(!desk.spec.run_dir.join("s").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_is_noticed_cleared_away_and_its_files_go_up_later() {
    let Some(desk) = Desk::new().await else {
        return;
    };
    let daemon = desk.mount().await;
    fs::read(desk.folder.join("note.md")).unwrap();
    let store = desk.bench.bucket();
    // An upload that fails: what is a file there cannot be a folder.
    desk.bench.there("taken", "a file\n");
    fs::create_dir(desk.folder.join("late")).unwrap();
    desk.bench.there("late", "a file\n");
    fs::write(desk.folder.join("late/own.md"), "own\n").unwrap();
    let cache = VfsCache::new(&desk.spec.cache_dir, &desk.spec.bucket);
    wait_until(SOON, async || {
        let queue = daemon.queue().await.unwrap();
        queue.iter().any(|file| file.tries > 0)
    })
    .await;
    assert!(cache.is_waiting("late/own.md"));
    let pid = rclone::RcClient::new(desk.spec.run_dir.join("s"))
        .pid()
        .await
        .unwrap();
    let killed = program(Path::new("/bin/kill"))
        .args(["-9", &pid.to_string()])
        .spawn();
    let died = tokio::time::timeout(SOON, daemon.ended()).await.unwrap();
    drop(killed);
    assert!(
        matches!(&died, MountError::Died { how, .. } if how == "signal 9"),
        "{died:?}"
    );
    assert!(daemon.check().await.is_err());
    drop(daemon);
    assert!(desk.is_mounted(), "the dead mount is still there");

    desk.clear().await.unwrap();
    assert!(!desk.is_mounted());
    fs::remove_file(store.join("late")).unwrap();
    let again = desk.mount().await;
    desk.is_stored("late/own.md", "own\n").await;
    wait_until(SOON, async || !cache.is_waiting("late/own.md")).await;
    let about = cache
        .files()
        .into_iter()
        .find(|file| file.path == "late/own.md");
    assert_eq!(about.unwrap().state, CacheState::Stored);
    detach(&desk.folder).await.unwrap();
    assert!(matches!(again.check().await, Err(MountError::Gone)));
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_its_engine_left_is_asked_to_end() {
    let Some(desk) = Desk::new().await else {
        return;
    };
    let daemon = desk.mount().await;
    desk.clear().await.unwrap();
    tokio::time::timeout(SOON, daemon.ended()).await.unwrap();
    assert!(!desk.is_mounted());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_retry_can_help_is_said() {
    let Some(desk) = Desk::new().await else {
        return;
    };
    let failure = async |change: &dyn Fn(&mut MountSpec)| {
        let mut spec = desk.spec.clone();
        change(&mut spec);
        let error = Daemon::start(&binary(), spec).await.unwrap_err();
        (error.code(), error.is_transient())
    };
    let full = desk.bench.bucket();
    let nowhere = desk.bench.scratch.path().join("nowhere");
    assert_eq!(
        failure(&|spec| spec.folder = full.clone()).await,
        ("folder_not_empty", false)
    );
    assert_eq!(
        failure(&|spec| spec.folder = nowhere.clone()).await,
        ("folder_missing", false)
    );
    let refused = failure(&|spec| spec.secret_key = "wrong".into()).await;
    assert_eq!(refused, ("bucket_refused", true));
    let gone = format!("http://127.0.0.1:{}", testkit::free_port());
    let offline = failure(&|spec| spec.endpoint = gone.clone()).await;
    assert_eq!(offline, ("bucket_unreachable", true));
    assert!(!desk.is_mounted());
}

/// What this machine's system has no use for.
#[tokio::test]
async fn rclone_knows_the_drivers_and_options_of_other_systems() {
    let said = async |args: &[&str]| {
        let mut child = program(testkit::rclone())
            .args(args)
            .args(["--config", ""])
            .env_clear()
            .env("HOME", "/nonexistent")
            .spawn();
        assert!(child.exit(SOON).await.success(), "{args:?}");
        child.stdout()
    };
    let types = said(&["rc", "--loopback", "mount/types"]).await;
    assert!(
        types.contains("\"mount\"") && types.contains("\"nfsmount\""),
        "{types}"
    );
    let vfs = [
        "vfs-cache-mode",
        "dir-cache-time",
        "vfs-write-back",
        "poll-interval",
    ];
    let mount = ["attr-timeout", "devname", "volname"];
    let global = [
        "cache-dir",
        "low-level-retries",
        "retries",
        "contimeout",
        "timeout",
    ];
    for (command, options) in [
        (["mount", "--help"], [&vfs[..], &mount[..]].concat()),
        (["nfsmount", "--help"], [&vfs[..], &mount[..]].concat()),
        (["rcd", "--help"], vec!["rc-addr", "rc-no-auth"]),
        (["help", "flags"], global.to_vec()),
    ] {
        let help = said(&command).await;
        for option in options {
            assert!(
                help.contains(&format!("--{option} ")),
                "{command:?} {option}"
            );
        }
    }
}
