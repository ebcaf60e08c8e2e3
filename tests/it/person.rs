//! A person at a device: signs in, sets a folder up, writes and reads notes.

use std::fs;
use std::path::{Path, PathBuf};

use engine::view::{AccountView, Choice, ConflictChoice, ConflictState, ProfileName, RunResult};
use engine::{Clock, Config, Connection, Mode, Observer, Places, Reply, Request, RunKind};
use engine::{SecretChoice, SignInKeep, View};
use tempfile::TempDir;
use testkit::{Server, scratch};
use tokio::time::Instant;

use crate::desktop::{Desktop, SOON};

pub(crate) const ANA: &str = "ana@example.org";

/// A desktop where Ana is signed in and `~/Notes` is set up, and her other device.
pub(crate) async fn at_work() -> (Desktop, Server, TempDir, PathBuf, Device) {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let desktop = Desktop::start().await;
    let folder = desktop.home().join("Notes");
    save(&folder, "Start here.md", "# Start here\n");
    prepare(&desktop, &server, &folder).await;
    let other = Device::other(&server).await;
    (desktop, server, state, folder, other)
}

/// Gives Ana the subscription of a picture. The development door names no plan of its own and
/// ends in the far future, so the row is put right where it lies.
pub(crate) async fn subscribe_to_plus(server: &Server, state: &Path) {
    server.activate(ANA).await;
    let database = rusqlite::Connection::open(state.join("server.db")).unwrap();
    database.busy_timeout(SOON).unwrap();
    let end = Clock::system().now_ms() + 40 * 86_400_000;
    let changed = database.execute(
        "update subscriptions set plan = 'Plus', current_period_end = ?1",
        [end],
    );
    assert_eq!(changed.unwrap(), 1);
}

/// A device without a desktop, driven by this test; it shows what is in the cloud.
#[must_use]
pub(crate) struct Device {
    connection: Connection,
    folder: PathBuf,
    _home: Option<TempDir>,
}

impl Device {
    /// Another device of Ana's, signed in, with its folder set up.
    pub(crate) async fn other(server: &Server) -> Self {
        let home = scratch();
        let at = |path: &str| home.path().join(path);
        let places = Places {
            config: at("config"),
            state: at("state"),
            data: at("data"),
            cache: at("cache"),
            runtime: at("run"),
        };
        let connection = open(places, "desk").await;
        sign_in(&connection, server).await;
        let folder = at("Notes");
        set_up(&connection, &folder).await;
        Self {
            connection,
            folder,
            _home: Some(home),
        }
    }

    /// A look at the engine that runs on a desktop.
    pub(crate) async fn on(desktop: &Desktop, folder: &Path) -> Self {
        Self {
            connection: open(desktop.places(), "laptop").await,
            folder: folder.to_owned(),
            _home: None,
        }
    }

    /// The number of the newest run that ended.
    pub(crate) fn last_run(&self) -> u64 {
        let view = self.connection.view();
        let last = view.pairs.first().and_then(|pair| pair.last_run.as_ref());
        last.map_or(0, |run| run.number)
    }

    /// How many things a person is to be told of.
    pub(crate) fn notices(&self) -> usize {
        self.connection.view().notices.len()
    }

    /// The profile of this folder.
    pub(crate) fn profile(&self) -> ProfileName {
        self.connection.view().pairs[0].profile
    }

    /// Decides every open conflict for this device.
    pub(crate) async fn keep_mine(&self) {
        let view = self.connection.view();
        let open = view.conflicts.iter();
        let choices = open
            .filter(|conflict| conflict.state == ConflictState::Open)
            .map(|conflict| ConflictChoice {
                id: conflict.id.clone(),
                choice: Choice::KeepMine,
                seen: None,
            });
        let request = Request::ResolveConflicts {
            choices: choices.collect(),
        };
        self.connection.send(request).await.unwrap();
    }

    /// Signs out the engine that this device looks at.
    pub(crate) async fn sign_out(&self) {
        self.connection.send(Request::SignOut).await.unwrap();
    }

    /// Runs until this folder and the cloud are the same.
    pub(crate) async fn sync(&self) {
        let request = Request::SyncNow {
            pair: None,
            run: RunKind::Sync,
        };
        run(&self.connection, request).await;
    }

    pub(crate) fn save(&self, note: &str, text: &str) {
        save(&self.folder, note, text);
    }

    /// What a note says in the cloud now, if it is there.
    pub(crate) async fn in_cloud(&self, note: &str) -> Option<String> {
        self.sync().await;
        fs::read_to_string(self.folder.join(note)).ok()
    }
}

pub(crate) fn save(folder: &Path, note: &str, text: &str) {
    let path = folder.join(note);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Signs Ana in on a desktop and sets its folder up, before the app starts there.
pub(crate) async fn prepare(desktop: &Desktop, server: &Server, folder: &Path) {
    let connection = open(desktop.places(), "laptop").await;
    sign_in(&connection, server).await;
    set_up(&connection, folder).await;
    connection.close().await;
}

async fn open(places: Places, device: &str) -> Connection {
    let config = Config {
        places,
        device: device.to_owned(),
        clock: Clock::system(),
        mode: Mode::OnRequest,
        secrets: SecretChoice::File,
        rclone: Some(testkit::rclone()),
        path_variable: None,
        observer: Observer::none(),
    };
    Connection::open(config).await.unwrap()
}

async fn sign_in(connection: &Connection, server: &Server) {
    let request = Request::SignIn {
        server_url: server.url.clone(),
        open_browser: false,
        keep: SignInKeep::Now,
    };
    connection.send(request).await.unwrap();
    let view = wait(connection, |view| {
        matches!(view.account, AccountView::AwaitingBrowser { .. })
    })
    .await;
    if let AccountView::AwaitingBrowser { user_code, .. } = &view.account {
        server.approve(user_code, ANA).await;
    }
    wait(connection, |view| {
        matches!(view.account, AccountView::SignedIn { .. })
    })
    .await;
}

async fn set_up(connection: &Connection, folder: &Path) {
    let request = Request::SetUp {
        folder: folder.to_owned(),
        profile: ProfileName::Safe,
        instead_of: None,
        mount: None,
    };
    run(connection, request).await;
}

/// Again where another device was faster, as that one works at its own pace.
async fn run(connection: &Connection, request: Request) {
    let end = Instant::now() + SOON;
    loop {
        let result = run_once(connection, request.clone()).await;
        match &result {
            RunResult::Verified | RunResult::Synced => return,
            RunResult::Failed { transient, .. } if *transient && Instant::now() < end => {}
            RunResult::Failed { .. }
            | RunResult::Previewed
            | RunResult::Halted { .. }
            | RunResult::Stopped => panic!("{result:?}"),
        }
    }
}

async fn run_once(connection: &Connection, request: Request) -> RunResult {
    let Reply::Run { number } = connection.send(request).await.unwrap() else {
        panic!("this request starts a run");
    };
    let done = |view: &View| {
        let last = view.pairs.first().and_then(|pair| pair.last_run.as_ref());
        last.is_some_and(|run| run.number >= number)
    };
    let view = wait(connection, done).await;
    view.pairs[0].last_run.as_ref().unwrap().result.clone()
}

async fn wait(connection: &Connection, wanted: impl FnMut(&View) -> bool) -> std::sync::Arc<View> {
    tokio::time::timeout(SOON, connection.wait_for(wanted))
        .await
        .unwrap_or_else(|_| panic!("the view stayed {:#?}", connection.view()))
        .expect("the engine lives")
}
