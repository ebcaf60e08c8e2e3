//! One computer of the test's person: a home of its own, and `bm-cloud` in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Child, Program, Server, program, scratch};

pub(crate) const ANA: &str = "ana@example.org";
/// Longer than anything here takes on a slow machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(120);

pub(crate) struct Device {
    home: TempDir,
    notes: PathBuf,
    environment: BTreeMap<&'static str, OsString>,
}

/// How a command ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Device {
    pub(crate) fn new(name: &str) -> Self {
        Self::in_home(name, scratch())
    }

    pub(crate) fn in_home(name: &str, home: TempDir) -> Self {
        let run = home.path().join("run");
        fs::create_dir(&run).unwrap();
        let environment = BTreeMap::from([
            ("HOME", home.path().into()),
            ("XDG_RUNTIME_DIR", run.into()),
            // Nothing is found there: no rclone, no Python to install one with, no browser.
            ("PATH", "/nonexistent".into()),
            ("BM_CLOUD_SECRETS", "file".into()),
            ("BM_CLOUD_DEVICE", name.into()),
            ("BM_CLOUD_RCLONE", testkit::rclone().into()),
        ]);
        let notes = home.path().join("Notes");
        Self {
            home,
            notes,
            environment,
        }
    }

    /// The same device with another value of an environment variable.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.insert(name, value.into());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn notes(&self) -> &Path {
        &self.notes
    }

    pub(crate) fn move_notes(&mut self, notes: &Path) {
        self.notes = notes.to_owned();
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home().join(".local/state/basic-memory-cloud")
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.home().join(".local/share/basic-memory-cloud")
    }

    pub(crate) fn command(&self, words: &[&str]) -> Program {
        self.in_surroundings(program(Self::BM_CLOUD).args(words))
    }

    pub(crate) const BM_CLOUD: &str = env!("CARGO_BIN_EXE_bm-cloud");

    /// A program that sees of the machine what `bm-cloud` sees here.
    pub(crate) fn in_surroundings(&self, program: Program) -> Program {
        let environment = self.environment.iter();
        environment.fold(
            program.env_clear().dir(self.home()),
            |program, (name, value)| program.env(name, value),
        )
    }

    pub(crate) fn start(&self, words: &[&str]) -> Child {
        self.command(words).spawn()
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, words: &[&str]) -> Said {
        let mut child = self.start(words);
        Said::of(&mut child).await
    }

    /// Runs a command that has to succeed.
    #[track_caller]
    pub(crate) fn ok(&self, words: &[&str]) -> impl Future<Output = Said> {
        let caller = std::panic::Location::caller();
        let running = self.run(words);
        let words = words.join(" ");
        async move {
            let said = running.await;
            assert_eq!(said.code, Some(0), "{words} at {caller}: {said:#?}");
            said
        }
    }

    /// Runs a command with `--json` that has to succeed, and gives its last line.
    pub(crate) async fn json(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = words.iter().chain(&["--json"]).copied().collect();
        self.ok(&words).await.last_json()
    }

    /// Signs in with the person's consent.
    pub(crate) async fn sign_in(&self, server: &Server) -> Said {
        self.sign_in_at(&server.url, server).await
    }

    /// The same, with the server reached at another address than its own.
    pub(crate) async fn sign_in_at(&self, url: &str, server: &Server) -> Said {
        let mut login = self.start(&["login", "--server", url, "--no-browser", "--json"]);
        let code = code(&mut login).await;
        server.approve(&code, ANA).await;
        Said::of(&mut login).await
    }

    /// Signs in and sets the folder up.
    pub(crate) async fn set_up(&self, server: &Server, profile: &str) {
        let said = self.sign_in(server).await;
        assert_eq!(said.code, Some(0), "{said:#?}");
        self.ok(&["setup", "--folder", self.folder(), "--profile", profile])
            .await;
    }

    pub(crate) fn folder(&self) -> &str {
        self.notes.to_str().unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = self.notes.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.notes.join(path)).ok()
    }

    /// All notes with their texts.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        files(&self.notes)
            .into_iter()
            .map(|file| {
                let name = file
                    .strip_prefix(&self.notes)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                (
                    name,
                    String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned(),
                )
            })
            .filter(|(name, _)| !name.split('/').any(|part| part.starts_with('.')))
            .collect()
    }
}

/// The code that a `login --json` shows.
pub(crate) async fn code(login: &mut Child) -> String {
    let first = login.json_line(SOON).await;
    first["userCode"].as_str().unwrap().to_owned()
}

impl Said {
    pub(crate) async fn of(child: &mut Child) -> Self {
        let code = child.exit(SOON).await.code();
        Self {
            code,
            out: child.stdout(),
            err: child.stderr(),
        }
    }

    /// The last line on standard output.
    pub(crate) fn last_json(&self) -> Value {
        let last = self
            .out
            .lines()
            .last()
            .unwrap_or_else(|| panic!("no output: {self:#?}"));
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {last}"))
    }

    /// The number of this name in the only folder's run.
    pub(crate) fn count(&self, name: &str) -> u64 {
        count(&self.last_json(), name)
    }
}

pub(crate) fn count(report: &Value, name: &str) -> u64 {
    let folder = &report["folders"][0];
    folder["run"][name]
        .as_u64()
        .or_else(|| folder[name].as_u64())
        .unwrap()
}

/// All files below a folder; those that vanish meanwhile are left out.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

/// Processes whose command line names this folder.
#[cfg(target_os = "linux")]
pub(crate) fn processes_at(folder: &Path) -> Vec<(u32, String)> {
    let folder = folder.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let words = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&words).replace('\0', " ");
            line.contains(folder).then_some((pid, line))
        })
        .collect()
}
