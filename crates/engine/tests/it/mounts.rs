//! The cloud as a drive, for real: FUSE, rclone, the guard, the embedded store.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::view::{
    Choice, ConflictChoice, ConflictState, MountProfileName, MountState, MountSupport, MountView,
    ProfileName, SeenVersions,
};
use engine::{NewMount, Reply, Request};
use md5::Digest as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testkit::{MountPoint, Server, program, wait_until};

use super::device::{
    Device, Home, LONG, clock_after, is_running, last_number, programs_naming, write,
};
use super::member::Member;

const ANA: &str = "ana@example.org";
/// So far away that no pass begins by itself.
const NEVER: Duration = Duration::from_secs(3600);

/// A laptop with a drive, and the person elsewhere.
struct Desk {
    laptop: Home,
    drive: MountPoint,
    engine: Device,
    bucket: guard::Bucket,
    server: Server,
    _state: TempDir,
}

impl Desk {
    /// `None`, after the engine has said why, where this machine cannot mount.
    async fn set_up(profile: MountProfileName) -> Option<Self> {
        Self::of(Home::in_background("laptop", NEVER), profile).await
    }

    async fn of(laptop: Home, profile: MountProfileName) -> Option<Self> {
        let state = testkit::scratch();
        let server = Server::start(state.path()).await;
        server.activate(ANA).await;
        let drive = MountPoint::new(laptop.root().join("Drive"));
        let engine = laptop.open().await;
        engine.sign_in(&server, ANA).await;
        let folder = drive.folder().to_owned();
        if let MountSupport::Missing { message, .. } = &engine.view().mount_support {
            let refused = engine.try_ask(Request::Mount { folder, profile }).await;
            assert_eq!(refused.unwrap_err().code, "mount_unsupported");
            #[expect(clippy::print_stderr, reason = "a skip is loud")]
            {
                eprintln!("SKIPPED: {message}");
            }
            return None;
        }
        engine.ask(Request::Mount { folder, profile }).await;
        engine.until(is_mounted).await;
        Some(Self {
            bucket: Member::sign_in(&server, ANA).await.client().await,
            laptop,
            drive,
            engine,
            server,
            _state: state,
        })
    }

    async fn is(&self, state: MountState) -> MountView {
        let view = self
            .engine
            .until(|view| view.mounts.iter().any(|mount| mount.state == state))
            .await;
        view.mounts[0].clone()
    }

    fn id(&self) -> String {
        self.engine.view().mounts[0].id.clone()
    }

    async fn unmount(&self) -> MountView {
        self.engine.ask(Request::Unmount { id: self.id() }).await;
        self.is(MountState::Unmounted).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.drive.folder().join(name)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// Whether the bucket has this text under this key.
    async fn stored(&self, key: &str, text: &str) -> bool {
        let digest = hex::encode(md5::Md5::digest(text));
        let found = self.bucket.head(key).await.unwrap();
        found.is_some_and(|object| object.etag == digest)
    }

    async fn gets_stored(&self, key: &str, text: &str) {
        wait_until(LONG, async || self.stored(key, text).await).await;
    }
}

fn is_mounted(view: &engine::View) -> bool {
    let mut states = view.mounts.iter().map(|mount| mount.state);
    states.any(|state| state == MountState::Mounted)
}

/// The daemons that work for this home.
fn daemons(root: &Path) -> Vec<i32> {
    let mut all = programs_naming(root);
    all.retain(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("rcd")
    });
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_carries_changes_both_ways_at_once_and_keeps_both_of_a_conflict() {
    let Some(desk) = Desk::set_up(MountProfileName::Safe).await else {
        return;
    };
    let mut fastest = Duration::MAX;
    for number in 0..5 {
        let name = format!("own {number}.md");
        let start = Instant::now();
        write(&desk.path(&name), "own\n");
        desk.gets_stored(&name, "own\n").await;
        fastest = fastest.min(start.elapsed());
    }
    // rclone's own pause before it writes back is five seconds.
    assert!(
        fastest < Duration::from_secs(3),
        "{fastest:?} from save to object"
    );

    let desktop = Home::new("desktop");
    let other = desktop.join(&desk.server, ANA, ProfileName::Safe).await;
    let mut fastest = Duration::MAX;
    for name in ["folder/one.md", "folder/other.md", "folder/note.md"] {
        desktop.save(name, "base\n");
        other.sync().await;
        let start = Instant::now();
        wait_until(LONG, async || desk.read(name).as_deref() == Some("base\n")).await;
        fastest = fastest.min(start.elapsed());
    }
    assert!(
        fastest < Duration::from_secs(12),
        "sooner than by the cache's time"
    );
    assert_eq!(desktop.read("own 0.md").as_deref(), Some("own\n"));

    // Both edit the version that both have seen.
    desktop.save("folder/note.md", "base\ntheirs\n");
    other.sync().await;
    write(&desk.path("folder/note.md"), "base\nours\n");
    let view = desk
        .engine
        .until(|view| view.open_conflict_count == 1)
        .await;
    let conflict = &view.conflicts[0];
    assert_eq!(conflict.path, "folder/note.md");
    assert_eq!(conflict.state, ConflictState::Open);
    let copy = conflict.copy_path.clone().unwrap();
    assert!(copy.starts_with("folder/note (conflict laptop "), "{copy}");
    desk.gets_stored(&copy, "base\nours\n").await;
    assert!(desk.stored("folder/note.md", "base\ntheirs\n").await);
    other.settle().await;
    assert_eq!(desktop.read(&copy).as_deref(), Some("base\nours\n"));
    wait_until(LONG, async || {
        desk.read("folder/note.md").as_deref() == Some("base\ntheirs\n")
    })
    .await;
    assert_eq!(desk.read(&copy).as_deref(), Some("base\nours\n"));
    decide_in_the_drive(&desk, &copy).await;
    other.settle().await;
    assert_eq!(
        desktop.read("folder/note.md").as_deref(),
        Some("base\nours\n")
    );
    assert_eq!(desktop.read(&copy), None);

    let mount = desk.unmount().await;
    assert_eq!((mount.waiting, mount.message), (0, None));
    assert!(!desk.drive.is_mounted());
    assert!(daemons(desk.laptop.root()).is_empty());
    desk.engine.ask(Request::ForgetMount { id: mount.id }).await;
    desk.engine.until(|view| view.mounts.is_empty()).await;
    desk.engine.close().await;
    other.close().await;
}

/// Nobody has a folder here: the decision is carried out in the cloud, and the drive shows it.
async fn decide_in_the_drive(desk: &Desk, copy: &str) {
    let id = desk.engine.view().conflicts[0].id.clone();
    let read = Request::ReadConflict { id: id.clone() };
    let Reply::Conflict { conflict } = desk.engine.ask(read).await else {
        panic!("no conflict")
    };
    assert_eq!(conflict.mine.text.as_deref(), Some("base\nours\n"));
    assert_eq!(conflict.theirs.text.as_deref(), Some("base\ntheirs\n"));
    assert_eq!(conflict.theirs.device.as_deref(), Some("desktop"));
    let choose = |md5: Option<String>| Request::ResolveConflicts {
        choices: vec![ConflictChoice {
            id: id.clone(),
            choice: Choice::KeepMine,
            seen: Some(SeenVersions {
                mine: conflict.mine.md5.clone(),
                theirs: md5,
            }),
        }],
    };
    let stale = desk.engine.ask(choose(Some("another".to_owned()))).await;
    assert!(matches!(&stale, Reply::Resolved { stale, .. } if stale.len() == 1));
    let done = desk.engine.ask(choose(conflict.theirs.md5.clone())).await;
    assert!(matches!(&done, Reply::Resolved { stale, .. } if stale.is_empty()));
    desk.gets_stored("folder/note.md", "base\nours\n").await;
    let view = desk.engine.view();
    assert_eq!(view.open_conflict_count, 0, "{:#?}", view.conflicts);
    wait_until(LONG, async || {
        desk.read(copy).is_none() && desk.read("folder/note.md").as_deref() == Some("base\nours\n")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_comes_back_after_its_daemon_and_its_engine() {
    let Some(mut desk) = Desk::set_up(MountProfileName::Fast).await else {
        return;
    };
    write(&desk.path("note.md"), "text\n");
    desk.gets_stored("note.md", "text\n").await;
    let folder = desk.drive.folder().to_owned();
    let again = Request::Mount {
        folder,
        profile: MountProfileName::Fast,
    };
    desk.engine.ask(again).await;
    let before = daemons(desk.laptop.root());
    assert_eq!(before.len(), 1, "no second daemon for the same folder");

    let killed = signal("-KILL", before[0]);
    wait_until(LONG, async || {
        let now = daemons(desk.laptop.root());
        now.len() == 1 && now != before && desk.read("note.md").is_some()
    })
    .await;
    drop(killed);
    desk.is(MountState::Mounted).await;

    let id = desk.id();
    let profile = MountProfileName::Safe;
    desk.engine
        .ask(Request::SetMountProfile { id, profile })
        .await;
    desk.engine
        .until(|view| {
            let mount = &view.mounts[0];
            mount.profile == profile && mount.state == MountState::Mounted
        })
        .await;

    desk.engine.close().await;
    assert!(!desk.drive.is_mounted());
    assert!(daemons(desk.laptop.root()).is_empty());
    desk.engine = desk.laptop.open().await;
    desk.is(MountState::Mounted).await;
    assert_eq!(desk.read("note.md").as_deref(), Some("text\n"));

    let open = fs::File::open(desk.path("note.md")).unwrap();
    desk.engine.ask(Request::Unmount { id: desk.id() }).await;
    let busy = |view: &engine::View| {
        let mount = &view.mounts[0];
        mount.state == MountState::Mounted && mount.message.is_some()
    };
    let view = desk.engine.until(busy).await;
    assert!(view.mounts[0].hint.is_some());
    drop(open);
    desk.unmount().await;
    desk.engine.close().await;
}

fn signal(name: &str, pid: i32) -> testkit::Child {
    let pid = pid.to_string();
    program("/bin/kill").args([name, &pid]).spawn()
}

/// Over a suspend a daemon may die, or be there and answer no more.
#[tokio::test(flavor = "multi_thread")]
async fn after_sleep_a_drive_is_brought_back_and_everything_is_looked_at() {
    let slept = Arc::new(AtomicU64::new(0));
    let mut laptop = Home::in_background("laptop", NEVER);
    laptop.clock = clock_after(&slept);
    let Some(desk) = Desk::of(laptop, MountProfileName::Safe).await else {
        return;
    };
    write(&desk.path("note.md"), "text\n");
    desk.gets_stored("note.md", "text\n").await;
    let folder = desk.laptop.vault();
    desk.engine.set_up(&folder, ProfileName::Safe).await;
    assert_eq!(desk.laptop.read("note.md").as_deref(), Some("text\n"));

    for (count, name) in ["-KILL", "-STOP"].into_iter().enumerate() {
        let calm = Duration::from_millis(1500);
        while !desk.engine.stays_without(calm, is_running).await {}
        let (before, runs) = (
            daemons(desk.laptop.root()),
            last_number(&desk.engine.view()),
        );
        assert_eq!(before.len(), 1, "{before:?}");
        // Longer than anything but a sleep takes, and not so long that the store wonders.
        let asleep = 120 * (u64::try_from(count).unwrap() + 1);
        let began_ms = engine::Clock::system().now_ms();
        let signalled = signal(name, before[0]);
        slept.store(asleep, Ordering::Relaxed);

        // Nobody reads in it before: a daemon that does not answer keeps readers waiting.
        wait_until(LONG, async || {
            let now = daemons(desk.laptop.root());
            now.len() == 1 && now != before
        })
        .await;
        desk.is(MountState::Mounted).await;
        assert_eq!(desk.read("note.md").as_deref(), Some("text\n"), "{name}");
        let asleep_ms = i64::try_from(asleep * 1000).unwrap();
        let view = desk
            .engine
            .until(|view| last_number(view) > runs && !is_running(view))
            .await;
        let looked_ms = view.pairs[0].checked_at_ms.unwrap();
        assert!(looked_ms >= began_ms + asleep_ms, "{name}");
        drop(signalled);
    }
    let written = desk.path("after.md");
    write(&written, "awake\n");
    desk.gets_stored("after.md", "awake\n").await;
    wait_until(LONG, async || {
        desk.laptop.read("after.md").as_deref() == Some("awake\n")
    })
    .await;
    desk.unmount().await;
    desk.engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_cloud_a_drive_answers_keeps_what_is_saved_and_stores_it_later() {
    let Some(mut desk) = Desk::set_up(MountProfileName::Fast).await else {
        return;
    };
    for name in ["read.md", "unread.md"] {
        write(&desk.path(name), "text\n");
        desk.gets_stored(name, "text\n").await;
    }
    assert_eq!(desk.read("read.md").as_deref(), Some("text\n"));
    desk.engine.until(|view| view.mounts[0].waiting == 0).await;
    desk.server.kill();

    let drive = desk.drive.folder().to_owned();
    let start = Instant::now();
    // Longer than a listing is believed.
    wait_until(LONG, async || {
        let drive = drive.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let entries = fs::read_dir(&drive).unwrap().flatten();
            let names: BTreeSet<_> = entries.map(|entry| entry.file_name()).collect();
            assert_eq!(
                names,
                BTreeSet::from(["read.md", "unread.md"].map(Into::into))
            );
            let text = fs::read_to_string(drive.join("read.md"));
            assert_eq!(text.unwrap(), "text\n");
            let missing = fs::metadata(drive.join("not there.md")).unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
        });
        looked.await.unwrap();
        start.elapsed() > Duration::from_secs(8)
    })
    .await;
    let saving = tokio::task::spawn_blocking(move || {
        write(&drive.join("offline.md"), "written offline\n");
        fs::create_dir(drive.join("new")).unwrap();
        write(&drive.join("new/offline.md"), "written offline\n");
    });
    saving.await.unwrap();
    // Left alone, rclone makes readers wait for minutes.
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    let view = desk.engine.until(|view| view.mounts[0].waiting == 2).await;
    assert_eq!(view.mounts[0].waiting_bytes, 32);
    desk.engine
        .until(|view| view.mounts[0].message.is_some())
        .await;

    let start = Instant::now();
    let mount = desk.unmount().await;
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
    assert!(!desk.drive.is_mounted());
    assert_eq!((mount.waiting, mount.waiting_bytes), (2, 32));
    assert!(mount.message.is_some() && mount.hint.is_some(), "{mount:?}");
    let refused = desk
        .engine
        .try_ask(Request::ForgetMount { id: mount.id })
        .await;
    assert_eq!(refused.unwrap_err().code, "files_waiting");

    let folder = desk.drive.folder().to_owned();
    let profile = MountProfileName::Fast;
    desk.engine.ask(Request::Mount { folder, profile }).await;
    desk.is(MountState::Reconnecting).await;
    desk.server = desk.server.restart().await;
    desk.is(MountState::Mounted).await;
    for name in ["offline.md", "new/offline.md"] {
        desk.gets_stored(name, "written offline\n").await;
    }
    desk.engine.until(|view| view.mounts[0].waiting == 0).await;
    desk.unmount().await;
    desk.engine.close().await;
}

/// As when a laptop leaves its network: connections stay, and nothing comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_falls_silent_fails_no_save_in_a_drive() {
    let Some(desk) = Desk::set_up(MountProfileName::Fast).await else {
        return;
    };
    write(&desk.path("before.md"), "text\n");
    desk.gets_stored("before.md", "text\n").await;
    let server = Pid::from_raw(i32::try_from(desk.server.pid()).unwrap()).unwrap();
    kill_process(server, Signal::STOP).unwrap();
    let start = Instant::now();
    let saved = Mutex::new(BTreeSet::new());
    // Past the time for which a listing is believed, and another one.
    wait_until(LONG, async || {
        let name = format!("{}.md", start.elapsed().as_secs());
        let path = desk.path(&name);
        let saving = tokio::task::spawn_blocking(move || write(&path, "silent\n"));
        saving.await.unwrap();
        saved.lock().unwrap().insert(name);
        start.elapsed() > Duration::from_secs(15)
    })
    .await;
    kill_process(server, Signal::CONT).unwrap();
    for name in saved.into_inner().unwrap() {
        desk.gets_stored(&name, "silent\n").await;
    }
    desk.engine.until(|view| view.mounts[0].waiting == 0).await;
    desk.unmount().await;
    desk.engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_no_place_for_a_drive_is_refused() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let laptop = Home::new("laptop");
    laptop.save("note.md", "text\n");
    let engine = laptop.open().await;
    let code = async |folder: PathBuf| {
        let profile = MountProfileName::Fast;
        let refused = engine.try_ask(Request::Mount { folder, profile }).await;
        refused.unwrap_err().code
    };
    assert_eq!(code(laptop.root().join("Drive")).await, "signed_out");
    engine.sign_in(&server, ANA).await;
    engine.set_up(&laptop.vault(), ProfileName::Safe).await;
    if let MountSupport::Missing { .. } = &engine.view().mount_support {
        assert_eq!(code(laptop.root().join("Drive")).await, "mount_unsupported");
        return;
    }
    assert_eq!(code(laptop.vault().join("Drive")).await, "folder_nested");
    assert_eq!(
        code(laptop.root().join(".local/state")).await,
        "folder_taken"
    );
    let full = laptop.root().join("Full");
    fs::create_dir(&full).unwrap();
    write(&full.join("file"), "x");
    assert_eq!(code(full).await, "folder_not_empty");
    assert_eq!(engine.view().mounts, []);
    for request in [
        Request::Unmount { id: "m".into() },
        Request::ForgetMount { id: "m".into() },
    ] {
        assert_eq!(engine.try_ask(request).await.unwrap_err().code, "not_found");
    }
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_and_a_drive_are_set_up_in_one_step_or_not_at_all() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let laptop = Home::in_background("laptop", NEVER);
    let drive = MountPoint::new(laptop.root().join("Drive"));
    let engine = laptop.open().await;
    engine.sign_in(&server, ANA).await;
    let notes = laptop.root().join("New/Notes");
    let set_up = |drive: PathBuf| Request::SetUp {
        folder: notes.clone(),
        profile: ProfileName::Safe,
        instead_of: None,
        mount: Some(NewMount {
            folder: drive,
            profile: MountProfileName::Safe,
        }),
    };
    let refused = async |drive: PathBuf| {
        let refusal = engine.try_ask(set_up(drive)).await.unwrap_err();
        let view = engine.view();
        assert!(view.pairs.is_empty() && view.mounts.is_empty(), "{view:#?}");
        assert!(!laptop.root().join("New").exists(), "what was made stays");
        (refusal.code, refusal.field)
    };
    let of_the_drive = |code: &str| (code.to_owned(), Some("mount".to_owned()));
    let inside = refused(notes.join("Drive")).await;
    if let MountSupport::Missing { .. } = &engine.view().mount_support {
        assert_eq!(inside, of_the_drive("mount_unsupported"));
        return;
    }
    assert_eq!(inside, of_the_drive("folder_nested"));

    // Nothing can take the place of a folder that is not empty.
    let settings = laptop
        .root()
        .join(".config/basic-memory-cloud/settings.json");
    fs::create_dir_all(settings.join("in the way")).unwrap();
    let unsaved = refused(drive.folder().to_owned()).await;
    assert_eq!(unsaved, ("settings".to_owned(), None));
    fs::remove_dir(settings.join("in the way")).unwrap();
    fs::remove_dir(&settings).unwrap();

    let reply = engine.ask(set_up(drive.folder().to_owned())).await;
    let written = fs::read_to_string(&settings).unwrap();
    for folder in [&notes, drive.folder()] {
        assert!(written.contains(folder.to_str().unwrap()), "{written}");
    }
    engine.until(is_mounted).await;
    engine.finished(&reply).await;
    write(&notes.join("one.md"), "one\n");
    let shown = drive.folder().join("one.md");
    wait_until(LONG, async || shown.exists()).await;
    engine.close().await;
}
