use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use guard::{Access, Bucket, BucketConfig, Credentials, Guard};
use rclone::Binary;
use s3_store::Store;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::{Observer, Step};
use crate::cycle::{self, Confirmed, CycleFailure, CycleInput, Place, StateHandle, Tally};
use crate::filters::Filters;
use crate::lane;
use crate::profile::Profile;
use crate::state::State;
use crate::view::ProfileName;
use crate::{Clock, RunKind};

const BUCKET: &str = "basic-memory-test";

/// The embedded store behind a real socket, and a proxy before it that fails the test if anything
/// unconditional comes by.
pub(super) struct Cloud {
    store: Store,
    endpoint: Url,
    /// Past the proxy, for programs that set no conditions.
    pub(super) behind: String,
    _proxy: testkit::StoreProxy,
    _stop: tokio_util::sync::DropGuard,
    root: TempDir,
}

impl Cloud {
    pub(super) async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), Arc::new(|| Clock::system().now_ms())).unwrap();
        store.create_bucket(BUCKET).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = format!("http://{}", listener.local_addr().unwrap());
        let proxy = testkit::StoreProxy::start(&behind).await;
        let endpoint = proxy.url.parse().unwrap();
        let stop = CancellationToken::new();
        let serving = store.clone().serve(listener, stop.clone());
        tokio::spawn(async move { serving.await.unwrap() });
        Self {
            store,
            endpoint,
            behind,
            _proxy: proxy,
            _stop: stop.drop_guard(),
            root,
        }
    }

    /// What rclone itself says of a folder and the bucket: its exit code and what it printed.
    pub(super) async fn rclone_check(&self, folder: &Path) -> (Option<i32>, String) {
        let mut child = testkit::program(testkit::rclone())
            .args(["check", "--download", "--config", "", "--combined", "-"])
            .args(["--exclude", crate::plan::SENTINEL])
            .arg(folder)
            .arg(self.remote_at(self.endpoint.as_str()))
            .spawn();
        let code = child.exit(Duration::from_secs(60)).await.code();
        (code, child.stdout())
    }

    /// Where the store keeps what it was given.
    pub(super) fn folder(&self) -> &Path {
        self.root.path()
    }

    /// The bucket as rclone names it, reached at `endpoint`.
    pub(super) fn remote_at(&self, endpoint: &str) -> String {
        let (access_key, secret_key) = self.store.create_key(BUCKET).unwrap();
        format!(
            ":s3,provider=Other,force_path_style=true,no_check_bucket=true,region=auto,\
             endpoint='{}',access_key_id={access_key},secret_access_key={}:{BUCKET}",
            endpoint.trim_end_matches('/'),
            secrecy::ExposeSecret::expose_secret(&secret_key)
        )
    }

    /// Takes an object out of the bucket without any sync.
    pub(super) async fn remove(&self, key: &str) {
        let bucket = self.bucket();
        let object = bucket.head(key).await.unwrap().unwrap();
        bucket.delete(key, &object.etag).await.unwrap();
    }

    /// Puts an object into the bucket without any sync.
    pub(super) async fn put(&self, key: &str, text: &str) {
        let bucket = self.bucket();
        let when = match bucket.head(key).await.unwrap() {
            Some(object) => guard::Precondition::Match(object.etag),
            None => guard::Precondition::Absent,
        };
        let body = guard::Body::from(text.as_bytes().to_vec());
        bucket.put(key, body, when, &[]).await.unwrap();
    }

    pub(super) fn bucket(&self) -> Bucket {
        self.bucket_at(self.endpoint.as_str())
    }

    /// As [`Cloud::bucket`], with somebody between.
    pub(super) fn bucket_at(&self, endpoint: &str) -> Bucket {
        let (access_key, secret_key) = self.store.create_key(BUCKET).unwrap();
        let config = BucketConfig {
            endpoint: endpoint.parse().unwrap(),
            region: "auto".into(),
            bucket: BUCKET.into(),
            credentials: Credentials {
                access_key,
                secret_key,
            },
        };
        Bucket::new(config, Arc::new(|| Clock::system().now())).unwrap()
    }

    /// Every object but the sentinel, with its text.
    pub(super) async fn files(&self) -> BTreeMap<String, String> {
        use futures::TryStreamExt as _;
        let bucket = self.bucket();
        let mut files = BTreeMap::new();
        for object in bucket.sweep().await.unwrap() {
            if object.key == crate::plan::SENTINEL {
                continue;
            }
            let download = bucket.get(&object.key, None).await.unwrap();
            let parts: Vec<_> = download.stream.try_collect().await.unwrap();
            files.insert(object.key, String::from_utf8(parts.concat()).unwrap());
        }
        files
    }
}

/// One machine with a notes folder. Dropping and opening it again is a restart.
pub(super) struct Device {
    pub(super) name: String,
    pub(super) home: PathBuf,
    pub(super) vault: PathBuf,
    pub(super) profile: ProfileName,
    pub(super) kind: RunKind,
    pub(super) confirmed: Confirmed,
    pub(super) accepted: Option<crate::view::HaltView>,
    pub(super) place: Place,
    pub(super) access: Access,
    pub(super) observer: Observer,
    pub(super) filters: Filters,
    pub(super) cancel: CancellationToken,
    pub(super) bucket: Bucket,
    guard: Arc<Guard>,
    pub(super) rclone: Binary,
    _root: Option<TempDir>,
}

impl Device {
    pub(super) async fn new(name: &str, cloud: &Cloud) -> Self {
        let root = testkit::scratch();
        let device = Self::at(name, root.path(), cloud.bucket()).await;
        Self {
            _root: Some(root),
            ..device
        }
    }

    pub(super) async fn at(name: &str, home: &Path, bucket: Bucket) -> Self {
        let vault = home.join("Notes");
        fs::create_dir_all(&vault).unwrap();
        for folder in ["data", "state", "run"] {
            crate::places::create_private(&home.join(folder)).unwrap();
        }
        Self {
            name: name.into(),
            home: home.to_owned(),
            vault,
            profile: ProfileName::Safe,
            kind: RunKind::Sync,
            confirmed: Confirmed::No,
            accepted: None,
            place: Place::Kept,
            access: Access::ReadWrite,
            observer: Observer::none(),
            filters: Filters::parse(Filters::DEFAULT_TEXT).unwrap(),
            cancel: CancellationToken::new(),
            guard: Arc::new(Guard::start(bucket.clone()).await.unwrap()),
            bucket,
            rclone: rclone::find(&[testkit::rclone()]).await.unwrap(),
            _root: None,
        }
    }

    /// The same device, with another way to the bucket.
    pub(super) async fn through(&self, bucket: Bucket) -> Self {
        Self::at(&self.name, &self.home, bucket).await
    }

    pub(super) fn save(&self, path: &str, text: &str) {
        let file = self.vault.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        write(&file, text);
    }

    pub(super) fn save_bytes(&self, path: &str, bytes: &[u8]) {
        write(&self.vault.join(path), bytes);
    }

    /// Saves the way most editors do: a new file renamed over the note.
    pub(super) fn save_atomically(&self, path: &str, text: &str) {
        replace(&self.vault.join(path), text);
    }

    pub(super) fn set_time(&self, path: &str, time: SystemTime) {
        let file = fs::File::options()
            .append(true)
            .open(self.vault.join(path))
            .unwrap();
        file.set_modified(time).unwrap();
    }

    pub(super) fn delete(&self, path: &str) {
        delete(&self.vault.join(path));
    }

    pub(super) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.vault.join(path)).ok()
    }

    pub(super) fn files(&self) -> BTreeMap<String, String> {
        files_below(&self.vault)
    }

    /// Everything that sync put into this device's history.
    pub(super) fn history(&self) -> Vec<String> {
        files_below(&self.home.join("data"))
            .into_iter()
            .filter(|(path, _)| path.contains("history/"))
            .map(|(_, text)| text)
            .collect()
    }

    pub(super) fn state(&self) -> StateHandle {
        StateHandle::new(State::open(&self.home.join("state/state.db")).unwrap())
    }

    pub(super) async fn run(&self) -> (Tally, Result<(), CycleFailure>) {
        let requests = self.input(self.state());
        cycle::run(&requests).await
    }

    /// Runs and expects success.
    pub(super) async fn sync(&self) -> Tally {
        let (tally, result) = tokio::time::timeout(Duration::from_secs(120), self.run())
            .await
            .expect("a cycle ends in two minutes");
        if let Err(failure) = result {
            panic!("{}: {failure} ({})", self.name, failure.code());
        }
        tally
    }

    pub(super) async fn failure(&self) -> CycleFailure {
        self.run().await.1.expect_err("this run cannot succeed")
    }

    /// Sends the lane to paths at which something happened here, or may have in the cloud.
    pub(super) async fn lane(&self, saved: &[&str], asked: &[&str]) -> lane::Trip {
        let paths = |of: &[&str]| of.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        let input = self.input(self.state());
        let input = lane::LaneInput {
            pair: input.pair,
            vault: input.vault,
            side_home: input.side_home,
            state: input.state,
            bucket: input.bucket,
            filters: input.filters,
            access: input.access,
            device: input.device,
            clock: input.clock,
            observer: input.observer,
            spare_deletes: 2,
            saved: paths(saved).into_iter().collect(),
            hinted: paths(asked)
                .into_iter()
                .map(|path| (path, lane::Hint::Ask))
                .collect(),
        };
        lane::run(&input).await.unwrap()
    }

    /// Calls `hook` once, the first time that `step` is reached.
    pub(super) fn at_step(&mut self, step: Step, hook: impl FnOnce() + Send + 'static) {
        let hook = std::sync::Mutex::new(Some(hook));
        self.observer = Observer::new(move |reached| {
            if reached == step
                && let Some(hook) = hook.lock().unwrap().take()
            {
                hook();
            }
        });
    }

    fn input(&self, state: StateHandle) -> CycleInput {
        CycleInput {
            number: 1,
            pair: "pair_test".into(),
            vault: self.vault.clone(),
            side_home: self.home.join("data"),
            work: self.home.join("state/work"),
            run_dir: self.home.join("run/r"),
            profile: Profile::named(self.profile),
            kind: self.kind,
            access: self.access,
            confirmed: self.confirmed,
            accepted: self.accepted.clone(),
            place: self.place,
            state,
            bucket: self.bucket.clone(),
            guard: Arc::clone(&self.guard),
            rclone: self.rclone.clone(),
            filters: self.filters.clone(),
            device: self.name.clone(),
            mark: format!("bmc-{}-", self.name),
            clock: Clock::system(),
            observer: self.observer.clone(),
            progress: watch::Sender::new(None),
            cancel: self.cancel.clone(),
        }
    }
}

pub(super) fn map(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect()
}

fn files_below(root: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root) {
        let Ok(entry) = entry else { continue };
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(root).unwrap().to_str().unwrap();
            let path = path.replace(std::path::MAIN_SEPARATOR, "/");
            let text = fs::read(entry.path()).unwrap();
            files.insert(path, String::from_utf8_lossy(&text).into_owned());
        }
    }
    files
}

#[expect(clippy::disallowed_methods, reason = "the test plays the user")]
pub(super) fn write(file: &Path, text: impl AsRef<[u8]>) {
    fs::write(file, text).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test plays the user")]
fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test plays the user")]
pub(super) fn delete(file: &Path) {
    fs::remove_file(file).unwrap();
}

/// The user saves the way most editors do: a new file renamed over the note.
pub(super) fn replace(file: &Path, text: &str) {
    let new = file.with_extension("tmp");
    write(&new, text);
    rename(&new, file);
}

pub(super) fn move_folder(from: &Path, to: &Path) {
    rename(from, to);
}
