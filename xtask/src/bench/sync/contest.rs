use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::bench::sync::memory::Memory;
use crate::bench::sync::proxy::{Counts, Proxy};
use crate::bench::sync::seat::{Seat, device_with_notes, note};
use crate::demo::device::Device;
use crate::demo::server::{Credentials, Server};
use crate::repo::Repo;

/// Each pass is run so often; the median counts.
const REPEATS: usize = 5;

/// Who keeps the folder and the bucket equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// `rclone bisync` as it comes.
    PlainDefault,
    /// `rclone bisync` with the fastest flags that are still correct.
    PlainTuned,
    /// `rclone copy` with the fastest flags: the first upload only.
    Copy,
    /// `bm-cloud bisync`.
    Ours,
}

/// One measured pass.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) files: usize,
    pub(crate) who: &'static str,
    pub(crate) pass: &'static str,
    pub(crate) median_ms: u128,
    pub(crate) all_ms: Vec<u128>,
    pub(crate) requests: Counts,
}

impl Row {
    pub(crate) fn ms(&self) -> f64 {
        u32::try_from(self.median_ms).map_or(f64::INFINITY, f64::from)
    }

    /// Requests of the last run of this pass.
    pub(crate) fn sent(&self) -> f64 {
        u32::try_from(self.requests.values().sum::<u64>()).map_or(f64::INFINITY, f64::from)
    }
}

impl Contestant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PlainDefault => "rclone bisync, default",
            Self::PlainTuned => "rclone bisync, tuned",
            Self::Copy => "rclone copy",
            Self::Ours => "bm-cloud bisync",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::PlainDefault => "plain",
            Self::PlainTuned => "tuned",
            Self::Copy => "copy",
            Self::Ours => "ours",
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::PlainDefault | Self::Ours => &[],
            Self::PlainTuned => &[
                "--compare",
                "size,checksum",
                "--fast-list",
                "--transfers",
                "16",
                "--checkers",
                "32",
                "--s3-no-head",
            ],
            Self::Copy => &["--transfers", "16", "--s3-no-head", "--no-check-dest"],
        }
    }
}

/// What a contestant did.
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// Our device, with its notes in the cloud.
    pub(crate) seat: Option<Seat>,
    /// The most that an rclone of ours held in memory in the first sync.
    pub(crate) rclone_mb: Option<f64>,
}

/// Who has these notes.
pub(crate) fn email(name: &str, files: usize) -> String {
    format!("{name}-{files}@example.org")
}

/// First sync, passes without a change, passes after one edited note.
pub(crate) fn measure(
    repo: &Repo,
    server: &Server,
    base: &Path,
    contestant: Contestant,
    files: usize,
) -> Result<Measured> {
    let email = email(contestant.id(), files);
    server.subscribe(&email)?;
    let name = format!("{}-{files}", contestant.id());
    let device = device_with_notes(repo, base, &name, files)?;
    let keys = server.credentials(&email, base)?;
    let store = keys.endpoint.trim_start_matches("http://").to_owned();
    match contestant {
        Contestant::Ours => {
            let seat = Seat::sign_in(device, server, &store, &email)?;
            let memory = Memory::watch(&seat.device.folder());
            let rows = passes(contestant, files, &seat.store, &mut &seat)?;
            Ok(Measured {
                rows,
                rclone_mb: memory.peak(),
                seat: Some(seat),
            })
        }
        Contestant::PlainDefault | Contestant::PlainTuned | Contestant::Copy => {
            let proxy = Proxy::start(&store, None)?;
            let mut plain = Plain::new(repo, base, device, &keys, &proxy.url())?;
            plain.contestant = contestant;
            let rows = passes(contestant, files, &proxy, &mut plain)?;
            Ok(Measured {
                rows,
                seat: None,
                rclone_mb: None,
            })
        }
    }
}

fn passes(
    contestant: Contestant,
    files: usize,
    proxy: &Proxy,
    side: &mut dyn Side,
) -> Result<Vec<Row>> {
    let row = |pass, all_ms: Vec<u128>, requests| {
        let mut sorted = all_ms.clone();
        sorted.sort_unstable();
        let median_ms = sorted[sorted.len() / 2];
        Row {
            files,
            who: contestant.name(),
            pass,
            median_ms,
            all_ms,
            requests,
        }
    };

    proxy.take();
    let first = timed(|| side.first())?;
    let mut rows = vec![row("first sync", vec![first], proxy.take())];
    if contestant == Contestant::Copy {
        return Ok(rows);
    }

    let mut times = Vec::new();
    let mut requests = Counts::new();
    for _ in 0..REPEATS {
        times.push(timed(|| side.pass())?);
        requests = proxy.take();
    }
    rows.push(row("no change", times, requests));

    let mut times = Vec::new();
    let mut requests = Counts::new();
    for turn in 0..REPEATS {
        let note = side.folder().join(note(files / 2));
        let mut text = std::fs::read_to_string(&note)?;
        writeln!(text, "One more line, number {turn}.")?;
        std::fs::write(&note, text)?;
        times.push(timed(|| side.pass())?);
        requests = proxy.take();
    }
    ensure!(
        requests.contains_key("PUT"),
        "{}: the edit was not uploaded",
        contestant.name()
    );
    rows.push(row("one edit", times, requests));
    Ok(rows)
}

trait Side {
    fn folder(&self) -> PathBuf;
    fn first(&mut self) -> Result<()>;
    fn pass(&mut self) -> Result<()>;
}

impl Side for &Seat {
    fn folder(&self) -> PathBuf {
        self.device.folder()
    }

    fn first(&mut self) -> Result<()> {
        self.set_up()
    }

    fn pass(&mut self) -> Result<()> {
        self.device.json(&["bisync"]).map(drop)
    }
}

/// rclone between a folder and its bucket, without us.
pub(crate) struct Plain {
    rclone: PathBuf,
    config: PathBuf,
    workdir: PathBuf,
    bucket: String,
    contestant: Contestant,
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
            device,
        })
    }

    fn rclone(&self, verb: &str, more: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.rclone);
        self.device.dress(&mut command);
        let output = command
            .arg(verb)
            .arg(self.device.folder())
            .arg(format!("cloud:{}", self.bucket))
            .arg("--config")
            .arg(&self.config)
            .args(self.contestant.flags())
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
            Contestant::Copy => self.rclone("copy", &[]),
            Contestant::PlainDefault | Contestant::PlainTuned | Contestant::Ours => {
                self.bisync(&["--resync"])
            }
        }
    }

    fn pass(&mut self) -> Result<()> {
        self.bisync(&[])
    }
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<u128> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_millis())
}
