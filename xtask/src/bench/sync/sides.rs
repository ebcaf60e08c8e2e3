//! A pass, as ours and rclone's make it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::bench::sync::contest::{Contestant, MARKER};
use crate::bench::sync::memory::{Memory, Peaks};
use crate::bench::sync::seat::Seat;
use crate::demo::device::Device;
use crate::demo::server::Credentials;
use crate::repo::Repo;

pub(super) trait Side {
    fn folder(&self) -> PathBuf;
    fn first(&mut self) -> Result<()>;
    fn pass(&mut self) -> Result<()>;
}

pub(super) struct Ours<'a> {
    pub(super) seat: &'a Seat,
    pub(super) peaks: Option<Peaks>,
}

impl Side for Ours<'_> {
    fn folder(&self) -> PathBuf {
        self.seat.device.folder()
    }

    fn first(&mut self) -> Result<()> {
        let memory = Memory::watch(&self.folder());
        self.seat.set_up()?;
        self.peaks = Some(memory.peaks());
        Ok(())
    }

    fn pass(&mut self) -> Result<()> {
        self.seat.device.json(&["bisync"]).map(drop)
    }
}

/// rclone between a folder and its bucket, without us.
pub(crate) struct Plain {
    rclone: PathBuf,
    config: PathBuf,
    pub(super) workdir: PathBuf,
    bucket: String,
    pub(super) contestant: Contestant,
    pub(super) exclude: &'static [&'static str],
    pub(crate) device: Device,
}

impl Plain {
    pub(crate) fn new(
        repo: &Repo,
        base: &Path,
        device: Device,
        keys: &Credentials,
        url: &str,
    ) -> Result<Self> {
        let config = base.join(format!("{}.conf", device.name()));
        std::fs::write(&config, keys.rclone_config(url))?;
        Ok(Self {
            rclone: repo.rclone(),
            config,
            workdir: base.join(format!("{}.work", device.name())),
            bucket: keys.bucket.clone(),
            contestant: Contestant::PlainDefault,
            exclude: &[],
            device,
        })
    }

    fn rclone(&self, verb: &str, more: &[&str]) -> Result<()> {
        let [folder, cloud] = self.places();
        self.run(verb, [folder, cloud], more)
    }

    /// Copies the bucket to the folder.
    pub(super) fn fetch(&self) -> Result<()> {
        let [folder, cloud] = self.places();
        self.run("copy", [cloud, folder], &["--exclude", MARKER])
    }

    fn places(&self) -> [OsString; 2] {
        let cloud = format!("cloud:{}", self.bucket);
        [self.device.folder().into(), cloud.into()]
    }

    fn run(&self, verb: &str, [from, to]: [OsString; 2], more: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.rclone);
        self.device.dress(&mut command);
        let output = command
            .arg(verb)
            .arg(from)
            .arg(to)
            .arg("--config")
            .arg(&self.config)
            .args(self.contestant.flags())
            .args(self.exclude)
            .args(more)
            .output()?;
        ensure!(
            output.status.success(),
            "plain {verb} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    pub(crate) fn bisync(&self, more: &[&str]) -> Result<()> {
        let workdir = self
            .workdir
            .to_str()
            .context("the workdir's path is text")?;
        let words = [&["--workdir", workdir], more].concat();
        self.rclone("bisync", &words)
    }
}

impl Side for Plain {
    fn folder(&self) -> PathBuf {
        self.device.folder()
    }

    fn first(&mut self) -> Result<()> {
        match self.contestant {
            Contestant::Copy | Contestant::CarefulCopy => self.rclone("copy", &[]),
            Contestant::PlainDefault | Contestant::PlainTuned | Contestant::Ours => {
                self.bisync(&["--resync"])
            }
        }
    }

    fn pass(&mut self) -> Result<()> {
        self.bisync(&[])
    }
}

pub(super) fn timed(work: impl FnOnce() -> Result<()>) -> Result<u128> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_millis())
}
