use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::bench::sync::proxy::{Counts, Proxy, Swap};
use crate::demo::device::Device;
use crate::demo::server::Server;
use crate::repo::Repo;

const FILES_PER_FOLDER: usize = 50;
/// Each pass is run so often; the median counts.
const REPEATS: usize = 5;

/// Who keeps the folder and the bucket equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// `rclone bisync` as it comes.
    PlainDefault,
    /// `rclone bisync` with the fastest flags that are still correct.
    PlainTuned,
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

impl Contestant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PlainDefault => "rclone bisync, default",
            Self::PlainTuned => "rclone bisync, tuned",
            Self::Ours => "bm-cloud bisync",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::PlainDefault => "plain",
            Self::PlainTuned => "tuned",
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
        }
    }
}

/// First sync, passes without a change, passes after one edited note.
pub(crate) fn measure(
    repo: &Repo,
    server: &Server,
    base: &Path,
    contestant: Contestant,
    files: usize,
) -> Result<Vec<Row>> {
    let name = format!("{}-{files}", contestant.id());
    let email = format!("{name}@example.org");
    server.subscribe(&email)?;
    let device = Device::new(repo, base, &name)?;
    fill(&device.folder(), files)?;
    let keys = server.credentials(&email, base)?;
    let store = keys.endpoint.trim_start_matches("http://").to_owned();
    let proxy = Proxy::start(&store, None)?;
    let mut side: Box<dyn Side> = match contestant {
        Contestant::Ours => Box::new(Ours::signed_in(device, server, &proxy, &store, &email)?),
        Contestant::PlainDefault | Contestant::PlainTuned => {
            let config = base.join(format!("{name}.conf"));
            std::fs::write(&config, keys.rclone_config(&proxy.url()))?;
            Box::new(Plain {
                rclone: repo.rclone(),
                config,
                workdir: base.join(format!("{name}.work")),
                bucket: keys.bucket,
                flags: contestant.flags(),
                device,
            })
        }
    };
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

struct Ours {
    device: Device,
    _api: Proxy,
}

impl Ours {
    /// The client learns the store's address from the server; what tells it that is a second
    /// proxy, which puts the counting one's address in its place.
    fn signed_in(
        device: Device,
        server: &Server,
        proxy: &Proxy,
        store: &str,
        email: &str,
    ) -> Result<Self> {
        let counting = proxy.url().trim_start_matches("http://").to_owned();
        ensure!(
            store.len() == counting.len(),
            "{store} and {counting} differ in length; run again"
        );
        let swap = Swap {
            from: store.to_owned(),
            to: counting,
        };
        let api = Proxy::start(server.url().trim_start_matches("http://"), Some(swap))?;
        let said = device.sign_in_at(&api.url(), server, email)?;
        ensure!(
            said.code == Some(0),
            "sign-in failed: {}{}",
            said.output,
            said.errors
        );
        Ok(Self { device, _api: api })
    }
}

impl Side for Ours {
    fn folder(&self) -> PathBuf {
        self.device.folder()
    }

    fn first(&mut self) -> Result<()> {
        let folder = self.device.folder();
        let folder = folder.to_str().context("the folder's path is text")?;
        self.device
            .json(&["setup", "--folder", folder, "--profile", "balanced"])
            .map(drop)
    }

    fn pass(&mut self) -> Result<()> {
        self.device.json(&["bisync"]).map(drop)
    }
}

struct Plain {
    rclone: PathBuf,
    config: PathBuf,
    workdir: PathBuf,
    bucket: String,
    flags: &'static [&'static str],
    device: Device,
}

impl Plain {
    fn bisync(&self, more: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.rclone);
        self.device.dress(&mut command);
        let output = command
            .arg("bisync")
            .arg(self.device.folder())
            .arg(format!("cloud:{}", self.bucket))
            .arg("--workdir")
            .arg(&self.workdir)
            .arg("--config")
            .arg(&self.config)
            .args(self.flags)
            .args(more)
            .output()?;
        ensure!(
            output.status.success(),
            "plain bisync failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

impl Side for Plain {
    fn folder(&self) -> PathBuf {
        self.device.folder()
    }

    fn first(&mut self) -> Result<()> {
        self.bisync(&["--resync"])
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

fn note(number: usize) -> String {
    format!("{:03}/note {number:05}.md", number / FILES_PER_FOLDER)
}

/// Notes of 1 to 4 KB, all different, the same in every run.
fn fill(folder: &Path, files: usize) -> Result<()> {
    for number in 0..files {
        let path = folder.join(note(number));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut text = format!("# Note {number}\n\n");
        let length = 1_024 + number * 7_919 % 3_072;
        while text.len() < length {
            writeln!(
                text,
                "Line {} of note {number}: {}",
                text.len(),
                number * text.len()
            )?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}
