//! Processes that die on order, and the desk on which that happens.

use std::collections::BTreeMap;

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use engine::view::{ConflictState, ProfileName, Status};
use engine::{Mode, Observer, Request, RunKind, Step, View};
use rustix::process::{Signal, getpid, kill_process};
use tempfile::TempDir;
use testkit::{Server, wait_until};

use super::super::device::{Device, Home, LONG, config, write};
use super::super::member::Member;

pub(super) const ANA: &str = "ana@example.org";

/// What a process that is to die is told, through its environment.
pub(super) struct Orders {
    pub(super) root: PathBuf,
    /// Name of the step, and how often it is passed by before; or [`CARRYING`].
    pub(super) step: String,
    pub(super) after: u32,
    /// The file of a note that its user saves while sync is about to replace it.
    pub(super) racing: Option<PathBuf>,
}

pub(super) const ROOT: &str = "BM_TEST_ROOT";
pub(super) const STEP: &str = "BM_TEST_STEP";
pub(super) const AFTER: &str = "BM_TEST_AFTER";
pub(super) const RACING: &str = "BM_TEST_RACING";

/// Not a step: some time while rclone carries notes.
pub(super) const CARRYING: &str = "Carrying";

/// What the lane carries in the process that dies of it.
pub(super) const LANE_NOTE: &str = "first.md";
pub(super) const LANE_TEXT: &str = "saved for the lane\n";
const NEVER: Duration = Duration::from_secs(3600);

pub(super) const RACING_TEXT: &str = "saved in the moment of the swap\n";

impl Orders {
    pub(super) fn received() -> Option<Self> {
        let text = |name| std::env::var_os(name).map(|text| text.into_string().unwrap());
        Some(Self {
            root: text(ROOT)?.into(),
            step: text(STEP)?,
            after: text(AFTER)?.parse().unwrap(),
            racing: text(RACING).map(PathBuf::from),
        })
    }

    /// Runs a sync that does not come back.
    pub(super) async fn obey(self) {
        let Self {
            root,
            step,
            after,
            racing,
        } = self;
        let carrying = step == CARRYING;
        let step_of_the_lane = step == format!("{:?}", Step::LaneUploaded);
        let passed = AtomicU32::new(0);
        let observer = Observer::new(move |reached| {
            if let (Step::ApplyIntended, Some(file)) = (reached, &racing) {
                write(file, RACING_TEXT);
            }
            if format!("{reached:?}") == step && passed.fetch_add(1, Ordering::SeqCst) == after {
                kill_process(getpid(), Signal::KILL).unwrap();
            }
        });
        let mode = if step_of_the_lane {
            Mode::Background {
                interval: Some(NEVER),
            }
        } else {
            Mode::OnRequest
        };
        let device = Device::open(config(&root, "laptop", mode, observer)).await;
        if step_of_the_lane {
            device.until(|view| view.status == Status::Idle).await;
            write(&root.join("Notes").join(LANE_NOTE), LANE_TEXT);
            tokio::time::sleep(LONG).await;
        }
        if carrying {
            device
                .ask(Request::SyncNow {
                    pair: None,
                    run: RunKind::Sync,
                })
                .await;
            device.until(is_carrying).await;
            // rclone is past its start then, and far from the end of its notes.
            tokio::time::sleep(Duration::from_millis(250)).await;
            assert!(is_carrying(&device.view()), "rclone still carries");
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        let run = if device.view().pairs.is_empty() {
            device.set_up(&root.join("Notes"), ProfileName::Safe).await
        } else {
            device.run().await
        };
        device.close().await;
        panic!("this process should be dead: {run:#?}");
    }
}

pub(super) fn is_carrying(view: &View) -> bool {
    let running = view.pairs.iter().find_map(|pair| pair.running.as_ref());
    running.is_some_and(|progress| progress.phase == "bisync")
}

/// Syncs in another process of this program, which gets the kill signal at `step`. Panics if that
/// is never reached.
pub(super) async fn die(home: &Home, test: &str, step: Step, after: u32) {
    die_of(home, test, &format!("{step:?}"), after, None).await;
}

pub(super) async fn die_of(home: &Home, test: &str, step: &str, after: u32, racing: Option<&str>) {
    let mut order = testkit::program(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads", "1"])
        .env(ROOT, home.root())
        .env(STEP, step)
        .env(AFTER, after.to_string());
    if let Some(note) = racing {
        order = order.env(RACING, home.vault().join(note));
    }
    let mut child = order.spawn();
    let status = child.exit(LONG).await;
    let (out, error) = (child.stdout(), child.stderr());
    assert_eq!(
        status.signal(),
        Some(9),
        "not killed at {step} {after}: {out}\n{error}"
    );
    // rclone ends with the process that started it.
    wait_until(LONG, async || home.programs().is_empty()).await;
}

/// A laptop, which dies again and again, and a desktop of the same person.
pub(super) struct Desk {
    pub(super) laptop: Home,
    pub(super) desktop: Home,
    pub(super) other: Device,
    pub(super) server: Server,
    pub(super) _state: TempDir,
}

impl Desk {
    /// Both devices hold the notes of each of these rounds.
    pub(super) async fn set_up(rounds: &[String], profile: ProfileName) -> Self {
        let state = testkit::scratch();
        let server = Server::start(state.path()).await;
        server.activate(ANA).await;
        let (laptop, desktop) = (Home::new("laptop"), Home::new("desktop"));
        for round in rounds {
            for note in ["here", "there", "both", "same", "gone-here", "gone-there"] {
                laptop.save(&format!("{round}/{note}.md"), &first(round, note));
            }
        }
        let device = laptop.join(&server, ANA, profile).await;
        device.settle().await;
        device.close().await;
        let other = desktop.join(&server, ANA, profile).await;
        other.settle().await;
        assert_eq!(desktop.notes(), laptop.notes());
        Self {
            laptop,
            desktop,
            other,
            server,
            _state: state,
        }
    }

    /// Both people's work since the last sync; the desktop's is in the cloud already.
    pub(super) async fn work(&self, round: &str) {
        let Self {
            laptop,
            desktop,
            other,
            ..
        } = self;
        for home in [laptop, desktop] {
            home.let_minutes_pass();
        }
        for (home, mine, fresh, gone) in [
            (desktop, "there", "new-there", "gone-there"),
            (laptop, "here", "new-here", "gone-here"),
        ] {
            home.save(&format!("{round}/{mine}.md"), &second(round, mine));
            home.save(&format!("{round}/{fresh}.md"), &first(round, fresh));
            home.delete(&format!("{round}/{gone}.md"));
            home.save_atomically(&format!("{round}/same.md"), &second(round, "same"));
        }
        desktop.save(&format!("{round}/both.md"), &second(round, "both, desktop"));
        other.sync().await;
        laptop.save(&format!("{round}/both.md"), &second(round, "both, laptop"));
    }

    /// The laptop starts again; then both devices sync until nothing is left to do.
    pub(super) async fn heal(&self) -> Arc<View> {
        let device = self.laptop.open().await;
        device.sync().await;
        self.other.settle().await;
        device.settle().await;
        let view = device.view();
        assert!(view.problems.is_empty(), "{:#?}", view.problems);
        device.close().await;
        assert_eq!(self.laptop.notes(), self.desktop.notes());
        assert_eq!(self.laptop.leftovers(), Vec::<String>::new());
        assert_eq!(self.laptop.programs(), Vec::<i32>::new());
        view
    }

    /// The notes of a round by their names in its folder.
    pub(super) fn notes(&self, round: &str) -> BTreeMap<String, String> {
        let below = format!("{round}/");
        let notes = self.laptop.notes().into_iter();
        notes
            .filter_map(|(path, text)| Some((path.strip_prefix(&below)?.to_owned(), text)))
            .collect()
    }

    /// What the bucket holds, as a stranger to the engine lists it, is what the folders hold.
    pub(super) async fn check_bucket(&self) {
        let mut bucket = Member::sign_in(&self.server, ANA).await.bucket().await;
        assert!(
            bucket.remove(".basic-memory-sync").is_some(),
            "the sync marker is in the bucket"
        );
        assert_eq!(bucket, self.laptop.digests());
    }
}

pub(super) fn first(round: &str, note: &str) -> String {
    format!("{round}, {note}: first words\n")
}

pub(super) fn second(round: &str, note: &str) -> String {
    format!("{round}, {note}: better words\n")
}

pub(super) fn third(round: &str, note: &str) -> String {
    format!("{round}, {note}: last words\n")
}

/// The notes that nobody fights about after a round.
pub(super) fn undisputed(round: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("here.md".to_owned(), second(round, "here")),
        ("there.md".to_owned(), second(round, "there")),
        ("new-here.md".to_owned(), first(round, "new-here")),
        ("new-there.md".to_owned(), first(round, "new-there")),
        ("same.md".to_owned(), second(round, "same")),
    ])
}

/// The conflict is listed once at most. Where the crash came after both versions had reached their
/// places, the next start finds two notes that are equal on both sides.
pub(super) fn check_listed(view: &View, round: &str, copy: &str) {
    let path = format!("{round}/both.md");
    let listed = view.conflicts.iter().filter(|one| one.path == path);
    let listed: Vec<_> = listed
        .map(|one| (one.state, one.copy_path.clone()))
        .collect();
    let expected = [(ConflictState::Open, Some(format!("{round}/{copy}")))];
    assert_eq!(listed, expected, "{round}");
}
