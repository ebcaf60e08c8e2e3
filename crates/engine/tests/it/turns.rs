//! Runs take turns: one at a time, each with a child of its own, and none remembers another's fault.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use engine::view::{PairView, ProfileName, RunResult, Status};
use engine::{Config, Observer, Reply, Request, RunKind, Step, View};
use tempfile::TempDir;
use testkit::{Server, wait_until};

use super::device::{Device, Home, LONG, config, is_running, write};

const ANA: &str = "ana@example.org";

/// One device with two folders of one account, whose rclone writes down each time it is started.
struct Desk {
    home: Home,
    device: Device,
    /// The ids of the two.
    pairs: [String; 2],
    steps: Arc<Mutex<Vec<Step>>>,
    _server: Server,
    _state: TempDir,
}

impl Desk {
    async fn set_up() -> Self {
        let state = testkit::scratch();
        let server = Server::start(state.path()).await;
        server.activate(ANA).await;
        let home = Home::new("laptop");
        let steps = Arc::<Mutex<Vec<Step>>>::default();
        let device = Device::open(recorded(&home, &steps)).await;
        device.sign_in(&server, ANA).await;
        device.set_up(&home.vault(), ProfileName::Safe).await;
        let first = device.view().pairs[0].id.clone();
        let request = Request::SetUp {
            folder: home.root().join("Second"),
            profile: ProfileName::Safe,
            instead_of: None,
            mount: None,
        };
        let number = asked(&device.ask(request).await);
        let view = device
            .until(|view| view.pairs.len() == 2 && ended(view, number))
            .await;
        let second = view.pairs.iter().find(|pair| pair.id != first);
        Self {
            pairs: [first, second.unwrap().id.clone()],
            home,
            device,
            steps,
            _server: server,
            _state: state,
        }
    }

    fn folders(&self) -> [PathBuf; 2] {
        [self.home.vault(), self.home.root().join("Second")]
    }

    fn save(&self, folder: usize, note: &str) {
        write(&self.folders()[folder].join(note), note);
    }

    async fn ask(&self, folder: Option<usize>) -> u64 {
        let pair = folder.map(|folder| self.pairs[folder].clone());
        let run = RunKind::Sync;
        asked(&self.device.ask(Request::SyncNow { pair, run }).await)
    }

    /// Runs one folder and answers what came of it.
    async fn run(&self, folder: usize) -> PairView {
        let number = self.ask(Some(folder)).await;
        let view = self.device.until(|view| ended(view, number)).await;
        pair(&view, &self.pairs[folder]).clone()
    }

    /// The process ids of all bisyncs up to now.
    fn children(&self) -> Vec<String> {
        let written = fs::read_to_string(self.home.root().join("children"));
        let lines = written.unwrap_or_default();
        lines.lines().map(str::to_owned).collect()
    }
}

/// Each run that began ended before the next one began.
fn assert_turns(steps: &Mutex<Vec<Step>>) {
    let steps = steps.lock().unwrap();
    for pair in steps.chunks(2) {
        assert_eq!(pair[0], Step::BisyncStarting, "{steps:?}");
        assert!(pair.len() == 1 || pair[1] == Step::BisyncEnded, "{steps:?}");
    }
}

/// A device's surroundings, with an rclone that writes down each bisync, and fails once where there
/// is a file `fault`.
fn recorded(home: &Home, steps: &Arc<Mutex<Vec<Step>>>) -> Config {
    let seen = Arc::clone(steps);
    let observer = Observer::new(move |step| {
        if matches!(step, Step::BisyncStarting | Step::BisyncEnded) {
            seen.lock().unwrap().push(step);
        }
    });
    let rclone = home.root().join("rclone");
    let (children, fault) = (home.root().join("children"), home.root().join("fault"));
    let script = format!(
        "#!/bin/sh\n\
         if [ \"$1\" = bisync ]; then\n\
         echo $$ >> '{children}'\n\
         if rm '{fault}' 2> /dev/null; then exit 7; fi\n\
         fi\n\
         exec '{rclone}' \"$@\"\n",
        children = children.display(),
        fault = fault.display(),
        rclone = testkit::rclone().display(),
    );
    write(&rclone, &script);
    fs::set_permissions(&rclone, fs::Permissions::from_mode(0o755)).unwrap();
    Config {
        rclone: Some(rclone),
        ..config(home.root(), home.device(), home.mode, observer)
    }
}

fn asked(reply: &Reply) -> u64 {
    let Reply::Run { number } = *reply else {
        panic!("no run was queued: {reply:?}")
    };
    number
}

fn pair<'v>(view: &'v View, id: &str) -> &'v PairView {
    view.pairs.iter().find(|pair| pair.id == id).unwrap()
}

/// Whether the run of this number has ended, and none is under way.
fn ended(view: &View, number: u64) -> bool {
    let mut numbers = view.pairs.iter().filter_map(|pair| pair.last_run.as_ref());
    !is_running(view) && numbers.any(|run| run.number >= number)
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_asked_for_at_once_run_one_after_the_other_each_with_a_child_of_its_own() {
    let desk = Desk::set_up().await;
    let before = desk.children().len();
    for folder in 0..2 {
        for number in 0..8 {
            desk.save(folder, &format!("{folder}-{number}.md"));
        }
    }
    // Two folders, the same folder twice, and both.
    let (one, other, again, both) = tokio::join!(
        desk.ask(Some(0)),
        desk.ask(Some(1)),
        desk.ask(Some(0)),
        desk.ask(None),
    );
    let wanted = [one.max(again).max(both), other.max(both)];
    desk.device
        .until(|view| {
            let last = |id: &String| pair(view, id).last_run.as_ref().map(|run| run.number);
            let mut numbers = desk.pairs.iter().map(last).zip(wanted);
            !is_running(view) && numbers.all(|(last, wanted)| last >= Some(wanted))
        })
        .await;
    // Another round, so that each folder has what the other one sent.
    desk.run(0).await;
    let [one, other] = desk.folders();
    let names = |folder: &PathBuf| {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    wait_until(LONG, async || names(&one).len() == 16).await;
    assert_eq!(names(&one), names(&other));

    assert_turns(&desk.steps);
    let children = desk.children();
    assert!(children.len() >= before + 2, "{children:?}");
    let starts = |step: &&Step| **step == Step::BisyncStarting;
    let begun = desk.steps.lock().unwrap().iter().filter(starts).count();
    assert_eq!(children.len(), begun, "one child per run");
    let different: std::collections::BTreeSet<_> = children.iter().collect();
    assert_eq!(different.len(), children.len(), "{children:?}");
    let still = desk.home.programs();
    assert!(still.is_empty(), "no child outlives its run: {still:?}");
    desk.device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fault_of_one_run_is_not_told_of_the_next_nor_of_another_folder() {
    let desk = Desk::set_up().await;
    desk.save(0, "first.md");
    desk.save(1, "second.md");
    write(&desk.home.root().join("fault"), "");
    let failed = desk.run(0).await.last_run.unwrap();
    assert!(
        matches!(failed.result, RunResult::Failed { .. }),
        "{failed:?}"
    );
    assert_eq!(failed.uploaded, 0);

    let other = desk.run(1).await.last_run.unwrap();
    assert_eq!((&other.result, other.uploaded), (&RunResult::Synced, 1));
    let view = desk.device.view();
    let result = &pair(&view, &desk.pairs[0])
        .last_run
        .as_ref()
        .unwrap()
        .result;
    assert_eq!(result, &failed.result, "its own is still told");

    let again = desk.run(0).await;
    let run = again.last_run.unwrap();
    assert_eq!((&run.result, run.uploaded), (&RunResult::Synced, 1));
    assert_eq!(again.halt, None);
    let view = desk.device.view();
    assert_eq!((view.status, view.problem_count), (Status::Idle, 0));
    assert!(!desk.home.root().join("fault").exists());
    desk.device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_programs_that_start_at_once_one_syncs_and_the_others_join_it() {
    let Desk {
        home,
        device,
        steps,
        _server,
        _state,
        ..
    } = Desk::set_up().await;
    device.close().await;
    write(&home.vault().join("note.md"), "text\n");
    let settings = recorded(&home, &steps);
    let started = (0..10).map(|_| Device::open(settings.clone()));
    let programs = futures::future::join_all(started).await;
    let (joined, owners): (Vec<_>, Vec<_>) = programs.into_iter().partition(Device::is_shared);
    assert_eq!((owners.len(), joined.len()), (1, 9));

    let all = || owners.iter().chain(&joined);
    let runs = all().map(async |program| program.run().await.result);
    let fine = |result: &RunResult| matches!(result, RunResult::Verified | RunResult::Synced);
    let results = futures::future::join_all(runs).await;
    assert!(results.iter().all(fine), "{results:?}");
    assert_turns(&steps);
    let second = fs::read_to_string(home.root().join("Second/note.md"));
    assert_eq!(second.unwrap(), "text\n");
    for program in joined.into_iter().chain(owners) {
        program.close().await;
    }
    assert!(home.programs().is_empty());
}
