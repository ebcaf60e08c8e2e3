use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process_group, pidfd_open, pidfd_send_signal,
    prlimit,
};
use secrecy::ExposeSecret;
use tokio::io::unix::AsyncFd;
use tokio::process::Command;

use super::super::error::LocalError;
use super::super::folder::{ProcessRecord, TenantFolder};
use super::super::settings::LocalSettings;

/// Every process of an instance has its folder under this name, by which strays are found.
const STATE: &str = "BM_TENANT_STATE";

#[expect(clippy::unnecessary_wraps, reason = "other systems have no support")]
pub(in super::super) fn check_support() -> Result<(), LocalError> {
    Ok(())
}

/// What a process is started with.
pub(in super::super) struct Start<'a> {
    pub(in super::super) settings: &'a LocalSettings,
    pub(in super::super) tenant_id: &'a str,
    pub(in super::super) folder: &'a TenantFolder,
}

/// The leader of an instance's process group. Its descriptor means this one process, whoever
/// gets its number later.
#[derive(Debug)]
pub(in super::super) struct Process {
    pid: Pid,
    start_time: u64,
    descriptor: AsyncFd<OwnedFd>,
}

impl Process {
    pub(in super::super) fn start(start: &Start<'_>) -> Result<Self, LocalError> {
        let mut command = command(start)?;
        let not_started = |source| LocalError::NotStarted {
            program: start.settings.program.clone(),
            source,
        };
        let mut child = command.spawn().map_err(not_started)?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .ok_or(LocalError::EndedEarly)?;
        let process = Self::open(pid);
        limit(pid, start.settings);
        tokio::spawn(async move {
            match child.wait().await {
                Ok(status) => tracing::debug!(%status, "an instance's process ended"),
                Err(error) => tracing::warn!(%error, "an instance's process was lost"),
            }
        });
        process.ok_or(LocalError::EndedEarly)
    }

    /// Finds the recorded process, if it is still the same one.
    pub(in super::super) fn find(record: &ProcessRecord) -> Option<Self> {
        if record.boot != boot() {
            return None;
        }
        let pid = Pid::from_raw(record.pid.cast_signed())?;
        let process = Self::open(pid)?;
        (process.start_time == record.start_time).then_some(process)
    }

    fn open(pid: Pid) -> Option<Self> {
        // The descriptor first: what is read afterwards is then of the same process or of none.
        let descriptor = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
        let start_time = start_time(pid)?;
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe, for types that are not their descriptor's owner"
        )]
        let descriptor = AsyncFd::new(descriptor).ok()?;
        Some(Self {
            pid,
            start_time,
            descriptor,
        })
    }

    pub(in super::super) fn record(&self, spec: String) -> ProcessRecord {
        ProcessRecord {
            pid: self.pid(),
            start_time: self.start_time,
            boot: boot(),
            spec,
        }
    }

    pub(in super::super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Returns once the process has ended.
    pub(in super::super) async fn ended(&self) {
        if let Err(error) = self.descriptor.readable().await {
            tracing::warn!(%error, "an instance's process cannot be watched");
        }
    }

    pub(in super::super) fn ask_to_end(&self) {
        if let Err(error) = pidfd_send_signal(&self.descriptor, Signal::TERM) {
            tracing::debug!(%error, "an instance has ended already");
        }
    }

    /// Ends what there is of the group. The number stays the group's as long as it has a member,
    /// so it can only be taken by others when nobody is left.
    pub(in super::super) fn end_group(&self) {
        if start_time(self.pid).is_none_or(|found| found == self.start_time)
            && let Err(error) = kill_process_group(self.pid, Signal::KILL)
        {
            tracing::debug!(%error, "nothing is left of an instance");
        }
    }
}

fn command(start: &Start<'_>) -> Result<Command, LocalError> {
    let Start {
        settings,
        tenant_id,
        folder,
    } = start;
    let spec = folder.spec()?.ok_or(LocalError::NotProvisioned)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "instances are started here alone"
    )]
    let mut command = Command::new(&settings.program);
    command
        .args(["--tenant", tenant_id])
        .current_dir(folder.state())
        .env_clear()
        .env("PATH", &settings.run.path)
        .env("HOME", folder.state())
        .env("LANG", "C.UTF-8")
        .env(STATE, folder.state())
        .env("BM_TENANT_KEY_FILE", folder.key_file())
        .env("BM_TENANT_LISTEN", "127.0.0.1:0")
        .env("BM_TENANT_DRIVER", &settings.run.files)
        .env("BM_TENANT_GENERATION", &settings.run.generation)
        .env("BM_TENANT_S3_ENDPOINT", &spec.s3_endpoint)
        .env("BM_TENANT_S3_REGION", &spec.s3_region)
        .env("BM_TENANT_S3_BUCKET", &spec.bucket);
    if let Some(folder) = &settings.run.basic_memory {
        command.env("BM_TENANT_BASIC_MEMORY", folder);
    }
    if let Some(program) = &settings.run.rclone {
        command.env("BM_TENANT_RCLONE", program);
    }
    for (name, secret) in folder.secrets()? {
        command.env(name, secret.expose_secret());
    }
    command
        .stdin(Stdio::null())
        .stdout(folder.new_announcement()?)
        .stderr(folder.log_file()?)
        .process_group(0);
    Ok(command)
}

/// Bounds the process, and with it all that it will start.
fn limit(pid: Pid, settings: &LocalSettings) {
    for (resource, most) in [
        (Resource::Data, settings.run.memory_bytes),
        (Resource::Nofile, settings.run.open_files),
        (Resource::Core, 0),
    ] {
        let bound = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        if let Err(error) = prlimit(Some(pid), resource, bound) {
            tracing::warn!(%error, ?resource, "an instance could not be bounded");
        }
    }
}

/// Ends what still runs of an instance whose record was lost, known by its folder.
pub(in super::super) fn end_strays(state: &Path) {
    let mark = format!("{STATE}={}", state.display());
    let Ok(entries) = fs::read_dir("/proc") else {
        return;
    };
    for entry in entries.flatten() {
        let number = entry.file_name().to_string_lossy().parse().ok();
        let Some(pid) = number.and_then(Pid::from_raw) else {
            continue;
        };
        // The descriptor first, as when a process is found by its record.
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        let Ok(environment) = fs::read(entry.path().join("environ")) else {
            continue;
        };
        let marked = environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes());
        if marked {
            tracing::warn!(
                instance.pid = pid.as_raw_nonzero().get(),
                "a stray is ended"
            );
            if let Err(error) = pidfd_send_signal(&descriptor, Signal::KILL) {
                tracing::debug!(%error, "the stray has ended already");
            }
        }
    }
}

/// When a process that has not ended was started, in clock ticks since the system was.
fn start_time(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name before the last parenthesis can hold anything.
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    fields.get(19)?.parse().ok()
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}
