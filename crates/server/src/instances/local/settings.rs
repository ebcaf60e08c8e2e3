use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What local instances are started from, where they have their folders, and how they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalSettings {
    /// `bm-tenant`.
    pub(crate) program: PathBuf,
    /// Holds a folder for each tenant.
    pub(crate) folder: PathBuf,
    pub(crate) run: LocalRun,
}

/// How the processes of local instances are started, bounded and ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalRun {
    /// How instances make their bucket readable as files: `auto`, `mount`, `replica`, `tigrisfs`.
    pub(crate) files: String,
    /// The generation of Basic Memory, as `0.15` or `0.24`.
    pub(crate) generation: String,
    /// The Python environment that has it; without one, instances have files only.
    pub(crate) basic_memory: Option<PathBuf>,
    /// rclone to use before any that is found there.
    pub(crate) rclone: Option<PathBuf>,
    /// Where instances look for programs.
    pub(crate) path: OsString,
    /// How long an instance that nobody uses stays awake; forever if `None`.
    pub(crate) idle: Option<Duration>,
    /// How long a request waits for its instance to wake.
    pub(crate) hold: Duration,
    /// How long a start may take until the instance says that it is well.
    pub(crate) start: Duration,
    /// How long an instance has to end by itself.
    pub(crate) drain: Duration,
    /// Of each process, of its data segment.
    pub(crate) memory_bytes: u64,
    /// Of each process.
    pub(crate) open_files: u64,
    /// A log longer than this becomes the old log, of which there is one.
    pub(crate) log_bytes: u64,
}

impl LocalRun {
    /// What a deployment gets that says nothing of its own.
    pub(crate) fn new(path: OsString) -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            files: "auto".to_owned(),
            generation: "0.24".to_owned(),
            basic_memory: None,
            rclone: None,
            path,
            idle: Some(Duration::from_secs(15 * 60)),
            hold: Duration::from_secs(10),
            start: Duration::from_secs(120),
            drain: Duration::from_secs(11),
            memory_bytes: 2048 * MIB,
            open_files: 4096,
            log_bytes: 16 * MIB,
        }
    }
}
