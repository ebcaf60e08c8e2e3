//! A desktop of a test's own: screen, session bus and home.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::Places;
use tempfile::TempDir;
use testkit::{Bus, Child, Program, private_bus, program, scratch, wait_until};
use zbus::Connection;

use crate::x11;

/// Everything on a small, busy machine happens within this.
pub(crate) const SOON: Duration = Duration::from_secs(60);

const HOME_OF_ANA: &str = "/home/ana";

/// The look of the desktop's programs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    Light,
    Dark,
}

#[must_use]
pub(crate) struct Desktop {
    pub(crate) bus: Bus,
    environment: BTreeMap<&'static str, OsString>,
    look: Look,
    /// Whether its programs find the home at [`HOME_OF_ANA`].
    as_ana: bool,
    // Last, so that its programs are gone before their home.
    _screen: Child,
    home: TempDir,
}

impl Desktop {
    pub(crate) async fn start() -> Self {
        Self::start_with(Look::Light).await
    }

    pub(crate) async fn start_with(look: Look) -> Self {
        let bus = private_bus().await;
        let home = scratch();
        let mut screen = program("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x900x24"])
            .args(["-nolisten", "tcp", "-noreset"])
            .spawn();
        let number = |line: &str| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit());
        let display = format!(":{}", screen.line(SOON, number).await);
        let at = |path: &str| home.path().join(path).into_os_string();
        let environment = BTreeMap::from([
            ("HOME", home.path().as_os_str().to_owned()),
            ("XDG_CONFIG_HOME", at(".config")),
            ("XDG_STATE_HOME", at(".local/state")),
            ("XDG_DATA_HOME", at(".local/share")),
            ("XDG_CACHE_HOME", at(".cache")),
            ("XDG_RUNTIME_DIR", at("run")),
            (
                "PATH",
                format!("{}/bin:/usr/bin:/bin", home.path().display()).into(),
            ),
            ("LANG", "C.UTF-8".into()),
            ("DISPLAY", display.into()),
            ("DBUS_SESSION_BUS_ADDRESS", bus.address.clone().into()),
            ("GDK_BACKEND", "x11".into()),
            ("NO_AT_BRIDGE", "1".into()),
            (
                "GTK_THEME",
                match look {
                    Look::Light => "Adwaita".into(),
                    Look::Dark => "Adwaita:dark".into(),
                },
            ),
            ("BM_CLOUD_SECRETS", "file".into()),
            ("BM_CLOUD_DEVICE", "laptop".into()),
            ("BM_CLOUD_RCLONE", testkit::rclone().into_os_string()),
            ("BM_CLOUD_INTERVAL_SECONDS", "1".into()),
        ]);
        for folder in ["bin", "run"] {
            let path = home.path().join(folder);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        write_opener(home.path());
        Self {
            bus,
            environment,
            look,
            as_ana: false,
            _screen: screen,
            home,
        }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn look(&self) -> Look {
        self.look
    }

    /// The engine's folders, as the app finds them here.
    pub(crate) fn places(&self) -> Places {
        Places::resolve(|name| self.environment.get(name).cloned()).unwrap()
    }

    /// Sets a variable for the programs started from now on.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.environment.insert(name, value.into());
    }

    /// Has the programs started from now on find their home where a person's would be, for
    /// pictures: in a mount namespace of each one's own. Where nobody may mount, it is said and
    /// the home stays where it is.
    #[expect(clippy::print_stderr, reason = "a skip is loud")]
    pub(crate) async fn move_in(&mut self) -> PathBuf {
        self.as_ana = true;
        let hides_us = app_binary().starts_with("/home") || testkit::rclone().starts_with("/home");
        if hides_us || !self.program("true").spawn().exit(SOON).await.success() {
            eprintln!("SKIPPED: no {HOME_OF_ANA} can be mounted here");
            self.as_ana = false;
            return self.home().to_owned();
        }
        let settings = self.places().config.join("settings.json");
        if let Ok(text) = fs::read_to_string(&settings) {
            let moved = text.replace(&self.home().display().to_string(), HOME_OF_ANA);
            fs::write(&settings, moved).unwrap();
        }
        PathBuf::from(HOME_OF_ANA)
    }

    /// A program that sees this desktop and nothing of the machine's own.
    pub(crate) fn program(&self, path: impl AsRef<Path>) -> Program {
        if !self.as_ana {
            let mut program = program(path).env_clear();
            for (name, value) in &self.environment {
                program = program.env(name, value);
            }
            return program.dir(self.home());
        }
        let home = self.home().display().to_string();
        let mut program = program("unshare").env_clear();
        for (name, value) in &self.environment {
            let value = value.to_str().unwrap().replace(&home, HOME_OF_ANA);
            program = program.env(name, value);
        }
        let script = "mount -t tmpfs none /home && mkdir /home/ana \
            && mount --bind \"$1\" /home/ana && shift && exec \"$@\"";
        program
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(&home)
            .arg(path.as_ref())
            .dir(self.home())
    }

    /// The real app.
    pub(crate) fn app(&self, arguments: &[&str]) -> Child {
        self.program(app_binary()).args(arguments).spawn()
    }

    /// What the app asked the desktop to open: links and folders, oldest first.
    pub(crate) fn opened(&self) -> Vec<String> {
        let text = fs::read_to_string(self.home().join("opened")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Processes that have this home in their arguments, other than the app itself.
    pub(crate) fn helpers(&self) -> Vec<String> {
        let home = self.home().display().to_string();
        let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        lines
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains("rclone") && line.contains(&home))
            .collect()
    }

    /// Waits until no process of the app is left here: its windows go before it does.
    pub(crate) async fn app_is_gone(&self) {
        let ours = app_binary();
        let home = self.home().display().to_string();
        wait_until(SOON, async || {
            let mut processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
            !processes.any(|process| {
                let at = process.path();
                fs::read_link(at.join("exe")).is_ok_and(|binary| binary == ours)
                    && fs::read(at.join("environ"))
                        .is_ok_and(|text| String::from_utf8_lossy(&text).contains(&home))
            })
        })
        .await;
    }

    /// X windows of the app with a title, in any state.
    pub(crate) async fn windows(&self, title: &str) -> usize {
        self.window_numbers(title).await.len()
    }

    /// Closes the window with this title as a person does.
    pub(crate) async fn close_window(&self, title: &str) {
        let numbers = self.window_numbers(title).await;
        let [number] = &numbers[..] else {
            panic!("one window is there to be closed: {numbers:?}");
        };
        let display = self.environment["DISPLAY"].to_str().unwrap();
        x11::close(display, number.parse().unwrap());
    }

    async fn window_numbers(&self, title: &str) -> Vec<String> {
        let mut search = self
            .program("xdotool")
            .args(["search", "--onlyvisible", "--name", title])
            .spawn();
        search.exit(SOON).await;
        search.stdout().lines().map(str::to_owned).collect()
    }
}

/// Takes a name on the bus, also if who had it left a moment ago and the bus does not know yet.
pub(crate) async fn take(bus: &Connection, name: &'static str) {
    wait_until(SOON, async || bus.request_name(name).await.is_ok()).await;
}

/// As the app itself knows its place.
pub(crate) fn app_binary() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_basic-memory-tray"));
    fs::canonicalize(built).unwrap()
}

/// Stands in for the desktop's way to open links, and writes down what it was asked for.
fn write_opener(home: &Path) {
    let path = home.join("bin/xdg-open");
    fs::write(
        &path,
        "#!/bin/sh\nprintf '%s\\n' \"$1\" >> \"$HOME/opened\"\n",
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
}
