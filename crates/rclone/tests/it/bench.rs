use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use md5::{Digest, Md5};
use rclone::listing::{self, Entry};
use rclone::{Binary, Bisync, CycleError, DryRun, Finished, PINNED, Progress};
use testkit::Child;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_secs(90);
pub(crate) const ACCESS_KEY: &str = "AKIATHROWAWAY0001";
pub(crate) const SECRET_KEY: &str = "secret-of-the-throw-away-key-1";
pub(crate) const SENTINEL: &str = ".check";

/// Paths and contents.
pub(crate) type Tree = BTreeMap<String, String>;

/// A folder, a bucket behind `rclone serve s3`, and a workdir.
pub(crate) struct Bench {
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) run: Bisync,
    _server: Child,
}

pub(crate) fn binary() -> Binary {
    Binary {
        path: testkit::rclone(),
        version: PINNED,
    }
}

impl Bench {
    /// Both sides hold the check file, and prior listings say so.
    pub(crate) async fn new() -> Self {
        let scratch = testkit::scratch();
        let path = |name: &str| {
            let path = scratch.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let store = path("store");
        let mut server = testkit::program(testkit::rclone())
            .args(["serve", "s3", "--config", "", "--addr", "127.0.0.1:0"])
            .args(["--dir-cache-time", "1ms", "--auth-key"])
            .arg(format!("{ACCESS_KEY},{SECRET_KEY}"))
            .arg(store)
            .env_clear()
            .env("HOME", path("home"))
            .spawn();
        let line = server
            .line(SOON, |line| line.contains("Starting s3 server on"))
            .await;
        let address = line.split_once("[http").unwrap().1.trim_end_matches("/]");
        let run = Bisync {
            mirror: path("mirror"),
            endpoint: format!("http{address}"),
            bucket: "notes".to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.into(),
            workdir: path("work"),
            filters: None,
            check_filename: Some(SENTINEL.to_owned()),
            conflict_suffix: "MARK".to_owned(),
            max_delete_percent: 50,
            transfers: 4,
            dry_run: DryRun::No,
            bandwidth: None,
            pacing: rclone::Pacing::Free,
            run_dir: path("run"),
        };
        let bench = Self {
            scratch,
            run,
            _server: server,
        };
        bench.both(SENTINEL, "check\n");
        bench.list_what_is_equal();
        bench
    }

    pub(crate) fn bucket(&self) -> PathBuf {
        self.scratch.path().join("store").join(&self.run.bucket)
    }

    pub(crate) fn here(&self, path: &str, text: &str) {
        write(&self.run.mirror.join(path), text);
    }

    pub(crate) fn there(&self, path: &str, text: &str) {
        write(&self.bucket().join(path), text);
    }

    pub(crate) fn both(&self, path: &str, text: &str) {
        self.here(path, text);
        self.there(path, text);
    }

    pub(crate) fn gone_here(&self, path: &str) {
        fs::remove_file(self.run.mirror.join(path)).unwrap();
    }

    pub(crate) fn gone_there(&self, path: &str) {
        fs::remove_file(self.bucket().join(path)).unwrap();
    }

    pub(crate) fn tree_here(&self) -> Tree {
        tree(&self.run.mirror)
    }

    pub(crate) fn tree_there(&self) -> Tree {
        tree(&self.bucket())
    }

    pub(crate) fn listing(&self, path: &str) -> PathBuf {
        let remote = format!("guard:{}", self.run.bucket);
        let stem = rclone::session_name(&self.run.mirror, &remote).unwrap();
        self.run.workdir.join(format!("{stem}.{path}.lst"))
    }

    /// Renders prior listings of what both sides hold alike at this moment.
    pub(crate) fn list_what_is_equal(&self) {
        let there = self.tree_there();
        let equal = self
            .tree_here()
            .into_iter()
            .filter(|(path, text)| there.get(path) == Some(text));
        let entries: Vec<Entry> = equal.map(|(path, text)| entry(&path, &text)).collect();
        self.list(&entries);
    }

    pub(crate) fn list(&self, entries: &[Entry]) {
        #[expect(clippy::disallowed_methods, reason = "a test's clock is the machine's")]
        let text = listing::render(entries, SystemTime::now());
        for path in ["path1", "path2"] {
            fs::write(self.listing(path), &text).unwrap();
        }
    }

    pub(crate) fn filter(&mut self, rules: &str) {
        let file = self.run.workdir.join("filters");
        fs::write(&file, rules).unwrap();
        fs::write(
            self.run.workdir.join("filters.md5"),
            hex::encode(Md5::digest(rules)),
        )
        .unwrap();
        self.run.filters = Some(file);
    }

    pub(crate) async fn cycle(&self) -> Result<Finished, CycleError> {
        self.cycle_until(CancellationToken::new()).await
    }

    pub(crate) async fn cycle_until(
        &self,
        cancel: CancellationToken,
    ) -> Result<Finished, CycleError> {
        let (progress, _) = watch::channel(Progress::default());
        tokio::time::timeout(SOON, rclone::bisync(&binary(), &self.run, progress, cancel))
            .await
            .expect("a run ends in time")
    }
}

pub(crate) fn entry(path: &str, text: &str) -> Entry {
    Entry {
        path: path.to_owned(),
        size: text.len() as u64,
        md5: Some(hex::encode(Md5::digest(text))),
    }
}

pub(crate) fn expected(files: &[(&str, &str)]) -> Tree {
    let with_sentinel = files.iter().chain(&[(SENTINEL, "check\n")]);
    with_sentinel
        .map(|&(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn tree(root: &Path) -> Tree {
    let mut files = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}
