//! A device of a test person: a home with a notes folder, and an engine in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::view::{AccountView, ProfileName, RunResult, RunView};
use engine::{
    Clock, Config, Connection, Mode, Observer, Places, Refusal, Reply, Request, RunKind,
    SecretChoice, SignInKeep, View,
};
use md5::Digest as _;
use tempfile::TempDir;
use testkit::Server;

/// Longer than anything here takes on a slow machine that is busy.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// What a device keeps while its engine comes and goes.
pub(crate) struct Home {
    root: TempDir,
    device: &'static str,
    pub(crate) mode: Mode,
    pub(crate) observer: Observer,
    pub(crate) clock: Clock,
}

impl Home {
    pub(crate) fn new(device: &'static str) -> Self {
        let (mode, observer) = (Mode::OnRequest, Observer::none());
        Self {
            root: testkit::scratch(),
            device,
            mode,
            observer,
            clock: Clock::system(),
        }
    }

    /// On a disk of its own, mounted there.
    pub(crate) fn on(device: &'static str, disk: &Path) -> Self {
        Self {
            root: TempDir::new_in(disk).unwrap(),
            ..Self::new(device)
        }
    }

    pub(crate) fn in_background(device: &'static str, interval: Duration) -> Self {
        Self {
            mode: Mode::Background {
                interval: Some(interval),
            },
            ..Self::new(device)
        }
    }

    pub(crate) fn device(&self) -> &'static str {
        self.device
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.root().join("Notes")
    }

    /// Starts the engine, or joins the one that runs here.
    pub(crate) async fn open(&self) -> Device {
        let config = config(self.root(), self.device, self.mode, self.observer.clone());
        let clock = self.clock.clone();
        Device::open(Config { clock, ..config }).await
    }

    /// A device that is signed in, set up and has synced once.
    pub(crate) async fn join(&self, server: &Server, email: &str, profile: ProfileName) -> Device {
        let device = self.open().await;
        device.sign_in(server, email).await;
        device.set_up(&self.vault(), profile).await;
        device
    }

    pub(crate) fn save(&self, path: &str, text: &str) {
        let file = self.vault().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        write(&file, text);
    }

    /// Saves the way most editors do: a new file renamed over the note.
    pub(crate) fn save_atomically(&self, path: &str, text: &str) {
        let new = self.root().join("editor-temp");
        write(&new, text);
        rename(&new, &self.vault().join(path));
    }

    /// Makes the last save of a note look older.
    pub(crate) fn age(&self, path: &str, by: Duration) {
        let file = fs::File::options()
            .append(true)
            .open(self.vault().join(path))
            .unwrap();
        let saved = file.metadata().unwrap().modified().unwrap();
        file.set_modified(saved - by).unwrap();
    }

    pub(crate) fn delete(&self, path: &str) {
        remove(&self.vault().join(path));
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        rename(&self.vault().join(from), &self.vault().join(to));
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.vault().join(path)).ok()
    }

    /// Every note with its text.
    pub(crate) fn notes(&self) -> BTreeMap<String, String> {
        files_below(&self.vault())
    }

    /// Every note with the MD5 of its text.
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        let digest = |text: String| hex::encode(md5::Md5::digest(text));
        self.notes()
            .into_iter()
            .map(|(path, text)| (path, digest(text)))
            .collect()
    }

    /// The texts that sync moved out of the notes folder.
    pub(crate) fn history(&self) -> Vec<String> {
        self.own_files("/history/").into_values().collect()
    }

    /// The texts of some notes that are in history or on their way there.
    pub(crate) fn aside(&self, name: &str) -> Vec<String> {
        let staged = self.own_files("/stage/").into_iter();
        let kept = self.own_files("/history/").into_iter();
        let kept = kept.filter(|(path, _)| path.contains(name));
        staged.chain(kept).map(|(_, text)| text).collect()
    }

    /// What an interrupted run may leave between the notes and the cloud.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mirror = self.own_files("/mirror/").into_keys();
        mirror
            .chain(self.own_files("/stage/").into_keys())
            .collect()
    }

    /// What was deleted up to now no longer counts as many deletes at once.
    pub(crate) fn let_minutes_pass(&self) {
        let files = walkdir::WalkDir::new(self.root().join(".local"));
        let database = files
            .into_iter()
            .flatten()
            .find(|entry| entry.file_name() == "state.db")
            .unwrap();
        let database = rusqlite::Connection::open(database.path()).unwrap();
        database.busy_timeout(LONG).unwrap();
        database
            .execute("UPDATE happening SET at = at - 3600000", [])
            .unwrap();
    }

    /// Programs that work on this home.
    pub(crate) fn programs(&self) -> Vec<i32> {
        programs_naming(self.root())
    }

    fn own_files(&self, part: &str) -> BTreeMap<String, String> {
        let files = files_below(&self.root().join(".local"));
        files
            .into_iter()
            .filter(|(path, _)| path.contains(part))
            .collect()
    }
}

pub(crate) fn config(root: &Path, device: &str, mode: Mode, observer: Observer) -> Config {
    let places = Places::resolve(|name| (name == "HOME").then(|| root.into())).unwrap();
    Config {
        places,
        device: device.to_owned(),
        clock: Clock::system(),
        mode,
        secrets: SecretChoice::File,
        rclone: Some(testkit::rclone()),
        path_variable: None,
        observer,
    }
}

/// The clock of a machine that slept for so many seconds: its timers stood still meanwhile.
pub(crate) fn clock_after(slept: &Arc<AtomicU64>) -> Clock {
    let (machine, slept) = (Clock::system(), Arc::clone(slept));
    Clock::new(move || machine.now() + Duration::from_secs(slept.load(Ordering::Relaxed)))
}

/// A front end of a running engine.
pub(crate) struct Device(Connection);

impl Device {
    pub(crate) async fn open(config: Config) -> Self {
        Self(Connection::open(config).await.unwrap())
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.0.view()
    }

    pub(crate) async fn close(self) {
        self.0.close().await;
    }

    pub(crate) async fn ask(&self, request: Request) -> Reply {
        let asked = format!("{request:?}");
        match self.try_ask(request).await {
            Ok(reply) => reply,
            Err(refusal) => panic!("{asked}: {refusal:?}"),
        }
    }

    pub(crate) async fn try_ask(&self, request: Request) -> Result<Reply, Refusal> {
        let answer = tokio::time::timeout(LONG, self.0.send(request)).await;
        answer.expect("an engine answers")
    }

    /// Waits for a view.
    #[track_caller]
    pub(crate) fn until(
        &self,
        wanted: impl FnMut(&View) -> bool,
    ) -> impl Future<Output = Arc<View>> {
        let caller = std::panic::Location::caller();
        async move {
            match tokio::time::timeout(LONG, self.0.wait_for(wanted)).await {
                Ok(Some(view)) => view,
                Ok(None) => panic!("the engine ended before the view of {caller}"),
                Err(_) => panic!("no such view at {caller}, but {:#?}", self.view()),
            }
        }
    }

    /// Whether no such view comes for a while.
    pub(crate) async fn stays_without(
        &self,
        time: Duration,
        unwanted: impl FnMut(&View) -> bool,
    ) -> bool {
        tokio::time::timeout(time, self.0.wait_for(unwanted))
            .await
            .is_err()
    }

    pub(crate) async fn sign_in(&self, server: &Server, email: &str) {
        let approve = async |code: String| server.approve(&code, email).await;
        self.sign_in_at(&server.url, approve).await;
        self.until(|view| is_signed_in(view, email)).await;
    }

    /// Signs in as the window does in a first set-up.
    pub(crate) async fn sign_in_provisionally(&self, server: &Server, email: &str) {
        let approve = async |code: String| server.approve(&code, email).await;
        self.sign_in_keeping(&server.url, SignInKeep::WithSetUp, approve)
            .await;
        self.until(|view| is_signed_in(view, email)).await;
    }

    /// Signs in anywhere, with consent as the caller gives it to a code.
    pub(crate) async fn sign_in_at(&self, url: &str, approve: impl AsyncFn(String)) {
        self.sign_in_keeping(url, SignInKeep::Now, approve).await;
    }

    async fn sign_in_keeping(&self, url: &str, keep: SignInKeep, approve: impl AsyncFn(String)) {
        self.ask(Request::SignIn {
            server_url: url.to_owned(),
            open_browser: false,
            keep,
        })
        .await;
        let code = |view: &View| match &view.account {
            AccountView::AwaitingBrowser { user_code, .. } => Some(user_code.clone()),
            AccountView::SignedOut { .. }
            | AccountView::SigningIn { .. }
            | AccountView::SignedIn { .. } => None,
        };
        let view = self.until(|view| code(view).is_some()).await;
        approve(code(&view).unwrap()).await;
    }

    /// Makes the folder a pair and waits for its first run.
    pub(crate) async fn set_up(&self, folder: &Path, profile: ProfileName) -> RunView {
        let folder = folder.to_owned();
        let reply = self
            .ask(Request::SetUp {
                folder,
                profile,
                instead_of: None,
                mount: None,
            })
            .await;
        self.finished(&reply).await
    }

    /// The same for a tenant whose instance has to start first.
    pub(crate) async fn set_up_once_prepared(
        &self,
        folder: &Path,
        profile: ProfileName,
    ) -> RunView {
        let end = tokio::time::Instant::now() + 3 * LONG;
        loop {
            let folder = folder.to_owned();
            match self
                .try_ask(Request::SetUp {
                    folder,
                    profile,
                    instead_of: None,
                    mount: None,
                })
                .await
            {
                Ok(reply) => return self.finished(&reply).await,
                Err(refusal) => {
                    let is_late = tokio::time::Instant::now() > end;
                    // On a busy machine the first tries to start one are given up.
                    let is_under_way = ["preparing", "upstream_failed"].contains(&&*refusal.code);
                    assert!(is_under_way && !is_late, "{refusal:?}");
                }
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Runs once, whatever comes of it.
    pub(crate) async fn run(&self) -> RunView {
        let reply = self
            .ask(Request::SyncNow {
                pair: None,
                run: RunKind::Sync,
            })
            .await;
        self.finished(&reply).await
    }

    /// Runs once and expects success.
    #[track_caller]
    pub(crate) fn sync(&self) -> impl Future<Output = RunView> {
        let caller = std::panic::Location::caller();
        async move {
            let run = self.run().await;
            let fine = matches!(run.result, RunResult::Verified | RunResult::Synced);
            assert!(fine, "at {caller}: {run:#?}");
            run
        }
    }

    /// Syncs until nothing differs.
    #[track_caller]
    pub(crate) fn settle(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            for _ in 0..5 {
                if self.sync().await.result == RunResult::Verified {
                    return;
                }
            }
            panic!("not settled at {caller}: {:#?}", self.view());
        }
    }

    pub(crate) async fn finished(&self, reply: &Reply) -> RunView {
        let Reply::Run { number } = *reply else {
            panic!("no run was queued: {reply:?}")
        };
        let view = self
            .until(|view| last_number(view) >= number && !is_running(view))
            .await;
        view.pairs[0].last_run.clone().unwrap()
    }
}

pub(crate) fn is_signed_in(view: &View, address: &str) -> bool {
    match &view.account {
        AccountView::SignedIn { email, .. } => email.as_deref() == Some(address),
        AccountView::SignedOut { .. }
        | AccountView::SigningIn { .. }
        | AccountView::AwaitingBrowser { .. } => false,
    }
}

/// The number of the newest finished run; 0 if there is none.
pub(crate) fn last_number(view: &View) -> u64 {
    let last = |pair: &engine::view::PairView| pair.last_run.as_ref().map(|run| run.number);
    view.pairs.iter().find_map(last).unwrap_or(0)
}

pub(crate) fn is_running(view: &View) -> bool {
    view.pairs.iter().any(|pair| pair.running.is_some())
}

/// The processes whose arguments name this folder.
pub(crate) fn programs_naming(folder: &Path) -> Vec<i32> {
    let folder = folder.to_str().unwrap();
    let names = |pid: &i32| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(folder))
    };
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(names).collect()
}

pub(crate) fn files_below(root: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root) {
        let Ok(entry) = entry else { continue };
        if entry.file_type().is_file() {
            let path = entry
                .path()
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            // What is moved away meanwhile is not there.
            if let Ok(text) = fs::read(entry.path()) {
                files.insert(path, String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
    files
}

#[expect(clippy::disallowed_methods, reason = "the test plays the user")]
pub(crate) fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test plays the user")]
pub(crate) fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test plays the user")]
pub(crate) fn remove(file: &Path) {
    fs::remove_file(file).unwrap();
}
