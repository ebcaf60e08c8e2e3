use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use testkit::wait_until;
use tokio::time::Instant;
use wire::{InstanceHealth, InstanceStatus};

use super::super::device::LONG;
use super::super::storm::City;
use super::api::{Api, LATE, PROJECTS};

/// One that is killed may take a question along.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(20);
/// A replica has an rclone only while it compares.
const AT_WORK_WITHIN: Duration = Duration::from_secs(8);

/// What may die between three writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Server,
    Instance,
    BasicMemory,
    /// What holds the mount, or compares.
    Rclone,
}

impl Part {
    pub(super) const ALL: [Self; 4] = [
        Self::Server,
        Self::Instance,
        Self::BasicMemory,
        Self::Rclone,
    ];
}

/// The only tenant's instance, as it is found on the server's machine.
pub(super) struct Instance {
    folder: PathBuf,
    http: reqwest::Client,
    api: Api,
}

impl Instance {
    pub(super) async fn of(city: &City) -> Self {
        let folders = fs::read_dir(city.state().join("instances")).unwrap();
        let mut folders: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(folders.len(), 1, "one tenant: {folders:?}");
        Self {
            folder: folders.remove(0),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(ANSWERS_WITHIN)
                .build()
                .unwrap(),
            api: Api::of(city).await,
        }
    }

    pub(super) fn tenant(&self) -> &str {
        self.folder.file_name().unwrap().to_str().unwrap()
    }

    /// The bucket as Basic Memory sees it.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("state/data")
    }

    fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.folder.join("process.json")).ok()?;
        let record: Value = serde_json::from_str(&text).ok()?;
        let pid = Pid::from_raw(i32::try_from(record["pid"].as_i64()?).ok()?)?;
        self.is_ours(pid).then_some(pid)
    }

    /// Numbers of processes are used again.
    fn is_ours(&self, pid: Pid) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
        let mark = format!("BM_TENANT_STATE={}", self.folder.join("state").display());
        environment.is_ok_and(|bytes| {
            let mut variables = bytes.split(|byte| *byte == 0);
            variables.any(|variable| variable == mark.as_bytes())
        })
    }

    async fn health(&self) -> Option<InstanceHealth> {
        let text = fs::read_to_string(self.folder.join("announcement")).ok()?;
        let line: Value = serde_json::from_str(text.lines().next()?).ok()?;
        let url = format!("{}/health", line["url"].as_str()?);
        let answer = self.http.get(url).send().await.ok()?;
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    }

    /// Waits until it and its Basic Memory answer, whatever the way to the bucket is like.
    pub(super) async fn is_heard(&self) {
        self.is(|health| {
            let has_files = health.files.state <= InstanceStatus::Degraded;
            has_files && health.upstream.state == InstanceStatus::Ok
        })
        .await;
    }

    /// Waits until everything that it knows of is stored and indexed.
    pub(super) async fn is_settled(&self) {
        self.is(|health| health.status == InstanceStatus::Ok && health.lag.pending == 0)
            .await;
    }

    async fn is(&self, so: impl Fn(&InstanceHealth) -> bool) {
        let end = Instant::now() + LATE;
        loop {
            let health = self.health().await;
            if health.as_ref().is_some_and(&so) {
                return;
            }
            assert!(Instant::now() < end, "after {LATE:?}: {health:#?}");
            if health.is_none() {
                // One that died with its server starts when somebody needs it.
                self.api.ask("GET", PROJECTS, None).await;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Kills a part (SIGKILL), wherever it is; whether it was there.
    pub(super) async fn kill(&self, part: Part) -> bool {
        let end = Instant::now() + AT_WORK_WITHIN;
        while Instant::now() < end {
            let found = match part {
                Part::Server => panic!("the server is not a part of its instance"),
                Part::Instance => self.pid(),
                Part::BasicMemory => self.child("uvicorn"),
                Part::Rclone => self.child("rclone"),
            };
            if let Some(pid) = found
                && kill_process(pid, Signal::KILL).is_ok()
            {
                wait_until(LONG, async || !runs(pid)).await;
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }

    fn child(&self, word: &str) -> Option<Pid> {
        let parent = self.pid()?.as_raw_nonzero().get();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let mut children = pids.filter(|pid| parent_of(*pid) == Some(parent));
        let child = children.find(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(word)
        });
        child.and_then(Pid::from_raw)
    }

    /// Waits until nothing of it runs and nothing is mounted.
    pub(super) async fn is_gone(&self) {
        wait_until(LONG, async || {
            self.pid().is_none() && self.mounts().is_empty()
        })
        .await;
    }

    fn mounts(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let places = table.lines().filter_map(|line| line.split(' ').nth(4));
        let folder = self.folder.to_str().unwrap();
        let ours = places.filter(|place| place.starts_with(folder));
        ours.map(str::to_owned).collect()
    }
}

impl Drop for Instance {
    /// An instance outlives a server that is killed, and a test that fails.
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            kill_process(pid, Signal::KILL).ok();
        }
        for place in self.mounts() {
            #[expect(
                clippy::disallowed_methods,
                reason = "a drop cannot wait for a child of the testkit"
            )]
            let taken = std::process::Command::new("fusermount3")
                .args(["-uz", &place])
                .status();
            drop(taken);
        }
    }
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && !stat.is_ok_and(|stat| stat.contains(") Z "))
}
