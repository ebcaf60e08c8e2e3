use std::convert::Infallible;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::error::CycleError;
use crate::find::Binary;
use crate::log::{self, LogEvent, Progress};
use crate::outcome::{Files, Finished, Presence, outcome};
use crate::rc::{Door, NoDoor, RcClient};
use crate::session::session_name;
use crate::supervisor::{self, Environment, Recipe};
use crate::transcript::Transcript;

/// What files that are being written end with; of no concern to anybody else.
pub const PARTIAL_SUFFIX: &str = ".rclone-part";

/// How long a run may take to end after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// One bisync of a local folder with a bucket. Everything is explicit; nothing has a default.
#[derive(Clone, Debug)]
pub struct Bisync {
    /// Path1, absolute: the folder that is read and written.
    pub mirror: PathBuf,
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: SecretString,
    /// Holds the prior listings (see [`crate::session_name`]) and gets the new ones. After
    /// anything but success it is worth nothing.
    pub workdir: PathBuf,
    /// A rules file; beside it lies `FILE.md5` with its MD5 in 32 hex digits.
    pub filters: Option<PathBuf>,
    /// A file name; unless it exists on both sides, nothing is done.
    pub check_filename: Option<String>,
    /// `note.md` becomes `note.SUFFIX1.md`.
    pub conflict_suffix: String,
    /// More deletes than this share of either side's files stop the run.
    pub max_delete_percent: u8,
    pub transfers: u8,
    pub dry_run: DryRun,
    /// As rclone's `--bwlimit`, for example `1M`.
    pub bandwidth: Option<String>,
    pub pacing: Pacing,
    /// An existing folder, mode 0700, with a path short enough for a socket in a folder in it.
    pub run_dir: PathBuf,
}

/// Whether the other end lets bytes pass slowly on purpose, so that a silence means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    Free,
    HeldBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    No,
    /// Change nothing, and tell in [`Finished::planned`] what would be done.
    Yes,
}

/// Runs one bisync to its end, telling its progress on the way.
///
/// When `cancel` is cancelled the child gets SIGTERM and, after five seconds, SIGKILL (on Windows
/// it is ended at once); it was reaped when this returns. Dropping the future kills it at once.
///
/// # Errors
/// See [`CycleError`]. Exit code 0 alone is no success: the log must say so, no lock may be left,
/// both listings must be new, and nobody may have asked for a stop.
pub async fn bisync(
    binary: &Binary,
    run: &Bisync,
    progress: watch::Sender<Progress>,
    cancel: CancellationToken,
) -> Result<Finished, CycleError> {
    let not_started = |error: io::Error| CycleError::NotStarted {
        reason: error.to_string(),
    };
    if run.mirror.to_str().is_none() {
        return Err(CycleError::PathNotUnicode);
    }
    let session = session_name(&run.mirror, &format!("{}:{}", config::REMOTE, run.bucket))?;
    let cell = tempfile::Builder::new()
        .prefix("c")
        .rand_bytes(6)
        .tempdir_in(&run.run_dir)
        .map_err(not_started)?;
    let door = Door::make(cell.path()).map_err(|error| match error {
        NoDoor::PathTooLong => CycleError::SocketTaken,
        NoDoor::Io(error) => not_started(error),
    })?;
    let workdir = Workdir::new(run, &session);
    let before = workdir.stamps();
    let recipe = Recipe {
        program: &binary.path,
        args: arguments(run, &door),
        environment: Environment::Bare {
            home: cell.path().to_owned(),
        },
        config: Some(config::render(
            &run.endpoint,
            &run.access_key,
            &run.secret_key,
        )),
    };
    let mut transcript = Transcript::default();
    let child = supervisor::run(recipe, &cancel, GRACE, |_, line| {
        let line = mask(line, run);
        tracing::debug!(target: "rclone", "{line}");
        door.heard(&line);
        let event = log::parse(&line);
        if let LogEvent::Stats(stats) = &event {
            progress.send_replace(stats.clone());
        }
        transcript.event(event);
        transcript.line(line);
    });
    let ended = tokio::select! {
        ended = child => ended.map_err(not_started)?,
        never = follow(door.clone(), &progress) => match never {},
    };
    progress.send_replace(transcript.stats.clone());
    let result = outcome(ended, transcript, workdir.files(&before));
    if let Err(error) = &result {
        tracing::debug!(code = error.code(), %error, "the run did not succeed");
    }
    result
}

/// Asks the child for its progress, which its log tells only once a second.
async fn follow(door: Door, progress: &watch::Sender<Progress>) -> Infallible {
    let rc = RcClient::at(door);
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        if let Ok(stats) = rc.stats().await {
            progress.send_replace(stats);
        }
    }
}

fn mask(line: String, run: &Bisync) -> String {
    let mut line = line;
    for secret in [run.secret_key.expose_secret(), &run.access_key] {
        if !secret.is_empty() && line.contains(secret) {
            line = line.replace(secret, "***");
        }
    }
    line
}

fn arguments(run: &Bisync, door: &Door) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["bisync".into(), run.mirror.clone().into()];
    args.push(format!("{}:{}", config::REMOTE, run.bucket).into());
    let mut option = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
        args.push(name.into());
        args.push(value.as_ref().to_owned());
    };
    option("--workdir", &run.workdir);
    option("--compare", &"size,checksum");
    if let Some(filters) = &run.filters {
        option("--filters-file", filters);
    }
    option("--conflict-resolve", &"path2");
    option("--conflict-loser", &"num");
    option("--conflict-suffix", &run.conflict_suffix);
    option("--max-delete", &run.max_delete_percent.to_string());
    if let Some(name) = &run.check_filename {
        option("--check-filename", name);
    }
    option("--low-level-retries", &"2");
    option("--max-lock", &"15m");
    option("--partial-suffix", &PARTIAL_SUFFIX);
    option("--transfers", &run.transfers.to_string());
    // Parts that are read side by side can be of different saves, and rclone does not see it.
    option("--multi-thread-streams", &"0");
    option("--retries", &"1");
    option("--contimeout", &"3s");
    option(
        "--timeout",
        match run.pacing {
            Pacing::Free => &"60s",
            Pacing::HeldBack => &"1h",
        },
    );
    if let Some(bandwidth) = &run.bandwidth {
        option("--bwlimit", bandwidth);
    }
    option("--color", &"NEVER");
    option("--stats", &"1s");
    let switches = [
        "--suffix-keep-extension",
        "--resilient",
        "--fast-list",
        "--no-update-modtime",
        "--local-no-preallocate",
        "--ask-password=false",
        "--use-json-log",
        "-v",
        "--rc",
    ];
    args.extend(switches.map(OsString::from));
    args.extend(door.arguments());
    if run.check_filename.is_some() {
        args.push("--check-access".into());
    }
    match run.dry_run {
        DryRun::Yes => args.push("--dry-run".into()),
        DryRun::No => {}
    }
    args
}

/// The files of a session by which a run is judged.
struct Workdir {
    lock: PathBuf,
    listings: [PathBuf; 2],
}

type Stamp = (SystemTime, u64, u64);

impl Workdir {
    fn new(run: &Bisync, session: &str) -> Self {
        let suffix = match run.dry_run {
            DryRun::Yes => "lst-dry",
            DryRun::No => "lst",
        };
        let listing = |path| run.workdir.join(format!("{session}.{path}.{suffix}"));
        Self {
            lock: run.workdir.join(format!("{session}.lck")),
            listings: [listing("path1"), listing("path2")],
        }
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        self.listings.each_ref().map(|path| stamp(path))
    }

    fn files(&self, before: &[Option<Stamp>; 2]) -> Files {
        let fresh = self
            .stamps()
            .iter()
            .zip(before)
            .all(|(after, before)| after.is_some() && after != before);
        let presence = |present| {
            if present {
                Presence::Present
            } else {
                Presence::Absent
            }
        };
        Files {
            lock: presence(self.lock.exists()),
            fresh_listings: presence(fresh),
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), inode(&metadata)))
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &fs::Metadata) -> u64 {
    0
}
