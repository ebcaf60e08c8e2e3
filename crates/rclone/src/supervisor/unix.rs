use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret, SecretString};
use tokio::process::{Child, Command};

const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What hands a configuration over; it may go once the child is gone. The pipe holds all of it.
pub(super) struct Handover;

/// The environment of a child that is to know nothing of ours.
pub(super) fn bare(command: &mut Command, home: &Path) {
    command.env("PATH", SEARCH_PATH);
    command.env("HOME", home).env("TMPDIR", home);
}

pub(super) fn signal(status: ExitStatus) -> i32 {
    status.signal().unwrap_or_default()
}

/// Puts `config` into an anonymous pipe and passes its other end as `--config /dev/fd/N`.
///
/// The text must fit into the pipe at once (64 KiB on Linux, 16 KiB on macOS).
pub(super) fn pass_config(command: &mut Command, config: &SecretString) -> io::Result<Handover> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(config.expose_secret().as_bytes())?;
    drop(writer);
    command
        .arg("--config")
        .arg(format!("/dev/fd/{}", reader.as_raw_fd()));
    #[expect(
        unsafe_code,
        reason = "a file descriptor is let through to one child alone"
    )]
    // SAFETY: between fork and exec the closure only makes one system call.
    unsafe {
        command.pre_exec(move || Ok(fcntl_setfd(&reader, FdFlags::empty())?));
    }
    Ok(Handover)
}

/// Gives the child a process group of its own and, on Linux, our death as a reason to die.
pub(super) fn own_group(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpid, getppid, set_parent_process_death_signal};

        let parent = Some(getpid());
        #[expect(
            unsafe_code,
            reason = "only the child can ask for its parent-death signal"
        )]
        // SAFETY: between fork and exec the closure only makes system calls.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::KILL))?;
                let orphan = || io::Error::from(io::ErrorKind::BrokenPipe);
                if getppid() == parent {
                    Ok(())
                } else {
                    Err(orphan())
                }
            });
        }
    }
}

/// A child asks for all that it needs of us before it becomes its program.
#[expect(clippy::unnecessary_wraps, reason = "on Windows it may fail")]
pub(super) fn adopt(_child: &Child) -> io::Result<()> {
    Ok(())
}

pub(super) fn terminate(child: &mut Child) -> io::Result<()> {
    send(child, Signal::TERM)
}

pub(super) fn kill(child: &mut Child) -> io::Result<()> {
    send(child, Signal::KILL)
}

/// The child leads its group, and its id cannot be anybody else's until it was waited for.
fn send(child: &Child, signal: Signal) -> io::Result<()> {
    let id = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    match id.map(|id| kill_process_group(id, signal)) {
        None | Some(Ok(()) | Err(rustix::io::Errno::SRCH)) => Ok(()),
        Some(Err(error)) => Err(error.into()),
    }
}
