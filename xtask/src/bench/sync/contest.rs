use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::bench::sync::course::Course;
use crate::bench::sync::listing;
use crate::bench::sync::memory::{Memory, Peaks};
use crate::bench::sync::proxy::{Counts, Proxy};
use crate::bench::sync::seat::{Seat, device_with_notes, note};
use crate::demo::device::Device;
use crate::demo::server::Credentials;
use crate::repo::Repo;

/// What our own marker in a bucket is called.
const MARKER: &str = "/.basic-memory-sync";

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
    pub(crate) store: &'static str,
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

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::PlainDefault => "plain",
            Self::PlainTuned => "tuned",
            Self::Copy => "copy",
            Self::Ours => "ours",
        }
    }

    /// Each pass is run so often; the median counts.
    fn repeats(self, files: usize) -> usize {
        match (self, files) {
            (_, ..=1_000) | (Self::Ours, ..=10_000) => 5,
            (Self::Ours, _) => 3,
            (Self::PlainDefault | Self::PlainTuned | Self::Copy, ..=10_000) => 2,
            // Minutes each.
            (Self::PlainDefault | Self::PlainTuned | Self::Copy, _) => 1,
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
    /// What our programs held in memory in the first sync.
    pub(crate) peaks: Option<Peaks>,
}

/// First sync, passes without a change, passes after one edited note.
pub(crate) fn measure(
    course: &Course<'_>,
    contestant: Contestant,
    files: usize,
) -> Result<Measured> {
    let email = course.email(contestant.id(), files);
    course.server.subscribe(&email)?;
    let name = course.device(contestant.id(), files);
    let device = device_with_notes(course.repo, course.base, &name, files)?;
    let keys = course.server.credentials(&email, course.base)?;
    match contestant {
        Contestant::Ours => {
            let seat = Seat::sign_in(device, course, &keys, &email)?;
            let mut side = Ours {
                seat: &seat,
                peaks: None,
            };
            let rows = passes(course, contestant, files, &seat.store, &mut side)?;
            Ok(Measured {
                rows,
                peaks: side.peaks,
                seat: Some(seat),
            })
        }
        Contestant::PlainDefault | Contestant::PlainTuned | Contestant::Copy => {
            let proxy = Proxy::start(&course.store.address(&keys)?, None)?;
            let mut plain = Plain::new(course.repo, course.base, device, &keys, &proxy.url())?;
            plain.contestant = contestant;
            let rows = passes(course, contestant, files, &proxy, &mut plain)?;
            Ok(Measured {
                rows,
                seat: None,
                peaks: None,
            })
        }
    }
}

/// A pass of plain bisync over notes that our device has in the cloud, with listings as a first sync
/// of its own would have left them: that one takes longer than everything else together.
pub(crate) fn plain_over_ours(course: &Course<'_>, seat: Seat, files: usize) -> Result<Vec<Row>> {
    let contestant = Contestant::PlainDefault;
    let keys = course
        .server
        .credentials(&course.email(Contestant::Ours.id(), files), course.base)?;
    let proxy = Proxy::start(&course.store.address(&keys)?, None)?;
    let mut plain = Plain::new(course.repo, course.base, seat.device, &keys, &proxy.url())?;
    plain.exclude = &["--exclude", MARKER];
    let remote = format!("cloud:{}", keys.bucket);
    listing::write(&plain.workdir, &plain.device.folder(), &remote)?;
    Ok(vec![unchanged(
        course, contestant, files, &proxy, &mut plain,
    )?])
}

fn passes(
    course: &Course<'_>,
    contestant: Contestant,
    files: usize,
    proxy: &Proxy,
    side: &mut dyn Side,
) -> Result<Vec<Row>> {
    proxy.take();
    let first = timed(|| side.first())?;
    let first = row(
        course,
        contestant,
        files,
        "first sync",
        vec![first],
        proxy.take(),
    );
    if contestant == Contestant::Copy {
        return Ok(vec![first]);
    }
    let quiet = unchanged(course, contestant, files, proxy, side)?;

    let mut times = Vec::new();
    let mut requests = Counts::new();
    for turn in 0..contestant.repeats(files) {
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
    let edited = row(course, contestant, files, "one edit", times, requests);
    Ok(vec![first, quiet, edited])
}

fn unchanged(
    course: &Course<'_>,
    contestant: Contestant,
    files: usize,
    proxy: &Proxy,
    side: &mut dyn Side,
) -> Result<Row> {
    let mut times = Vec::new();
    let mut requests = Counts::new();
    for _ in 0..contestant.repeats(files) {
        times.push(timed(|| side.pass())?);
        requests = proxy.take();
    }
    Ok(row(course, contestant, files, "no change", times, requests))
}

fn row(
    course: &Course<'_>,
    contestant: Contestant,
    files: usize,
    pass: &'static str,
    all_ms: Vec<u128>,
    requests: Counts,
) -> Row {
    let mut sorted = all_ms.clone();
    sorted.sort_unstable();
    Row {
        store: course.store.name(),
        files,
        who: contestant.name(),
        pass,
        median_ms: sorted[sorted.len() / 2],
        all_ms,
        requests,
    }
}

trait Side {
    fn folder(&self) -> PathBuf;
    fn first(&mut self) -> Result<()>;
    fn pass(&mut self) -> Result<()>;
}

struct Ours<'a> {
    seat: &'a Seat,
    peaks: Option<Peaks>,
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
    workdir: PathBuf,
    bucket: String,
    contestant: Contestant,
    exclude: &'static [&'static str],
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
        let mut command = Command::new(&self.rclone);
        self.device.dress(&mut command);
        let output = command
            .arg(verb)
            .arg(self.device.folder())
            .arg(format!("cloud:{}", self.bucket))
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
