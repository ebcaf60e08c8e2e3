use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::ptr;
use std::sync::OnceLock;

use rand::RngCore as _;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt as _;
use tokio::net::windows::named_pipe::NamedPipeServer;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject,
};
use windows_sys::Win32::System::SystemInformation::GetWindowsDirectoryW;
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

use crate::pipe::{self, Instance};

/// What hands a configuration over, for as long as the child may ask for it.
pub(super) struct Handover(
    #[expect(dead_code, reason = "it serves until it is dropped")] JoinSet<()>,
);

/// So many may look at the pipe at once; one more would be told that it is busy, and fail.
const SERVERS: usize = 4;
/// `ERROR_NO_DATA`: who came has left.
const LEFT: i32 = 232;

/// The environment of a child that is to know nothing of ours. Without the system's own folder
/// a program finds neither sockets nor random numbers.
pub(super) fn bare(command: &mut Command, home: &Path) {
    let windows = windows_folder();
    command.env("PATH", windows.join("System32"));
    command.env("SystemRoot", &windows).env("windir", &windows);
    for name in [
        "HOME",
        "USERPROFILE",
        "TEMP",
        "TMP",
        "APPDATA",
        "LOCALAPPDATA",
    ] {
        command.env(name, home);
    }
}

pub(super) fn signal(_status: ExitStatus) -> i32 {
    0
}

/// Serves `config` on a pipe of a name that nobody can guess, to this user alone, and passes the
/// pipe's path as `--config`. Whoever looks at the file first, and reads it then, gets it twice.
pub(super) fn pass_config(command: &mut Command, config: &SecretString) -> io::Result<Handover> {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    let name = format!(r"\\.\pipe\basic-memory-{}", hex::encode(bytes));
    let mut served = JoinSet::new();
    for number in 0..SERVERS {
        let instance = if number == 0 {
            Instance::First
        } else {
            Instance::Next
        };
        let server = pipe::serve(&name, instance)?;
        let (name, config) = (name.clone(), config.clone());
        served.spawn(async move {
            if let Err(error) = serve(server, &name, &config).await {
                tracing::debug!(%error, "the configuration is served no more");
            }
        });
    }
    command.arg("--config").arg(&name);
    Ok(Handover(served))
}

async fn serve(mut server: NamedPipeServer, name: &str, config: &SecretString) -> io::Result<()> {
    loop {
        match server.connect().await {
            Err(error) if error.raw_os_error() == Some(LEFT) => {}
            connected => connected?,
        }
        let mut client = std::mem::replace(&mut server, pipe::serve(name, Instance::Next)?);
        let written = client.write_all(config.expose_secret().as_bytes()).await;
        // Who only looked is gone already.
        if written.is_ok() {
            tokio::task::spawn_blocking(move || drained(&client));
        }
    }
}

/// Waits until the client has read everything, then ends the pipe.
fn drained(client: &NamedPipeServer) {
    use windows_sys::Win32::Storage::FileSystem::FlushFileBuffers;

    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: the handle is open for the whole call.
    unsafe {
        FlushFileBuffers(client.as_raw_handle());
    }
}

/// No window, and none of the signs that are meant for our own console.
pub(super) fn own_group(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
}

/// Puts the child into a job that ends with this process, however that ends.
pub(super) fn adopt(child: &Child) -> io::Result<()> {
    static JOB: OnceLock<OwnedHandle> = OnceLock::new();
    let job = match JOB.get() {
        Some(job) => job,
        None => {
            let made = new_job()?;
            JOB.get_or_init(|| made)
        }
    };
    let Some(process) = child.raw_handle() else {
        return Ok(());
    };
    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: both handles are open for the whole call.
    let done = unsafe { AssignProcessToJobObject(job.as_raw_handle(), process) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn new_job() -> io::Result<OwnedHandle> {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    let size = u32::try_from(size_of_val(&limits)).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "calls of the system")]
    // SAFETY: the handle that is made is nobody else's; the limits are read until the call
    // returns.
    unsafe {
        let handle = CreateJobObjectW(ptr::null(), ptr::null());
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        let job = OwnedHandle::from_raw_handle(handle);
        let done = SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            ptr::from_ref(&limits).cast(),
            size,
        );
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(job)
    }
}

/// A program without a window cannot be asked to end: it is ended. A cycle that ended so is thrown
/// away whole.
pub(super) fn terminate(child: &mut Child) -> io::Result<()> {
    kill(child)
}

pub(super) fn kill(child: &mut Child) -> io::Result<()> {
    match child.start_kill() {
        // It has ended by itself.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        ended => ended,
    }
}

fn windows_folder() -> PathBuf {
    let mut path = [0; 260];
    #[expect(unsafe_code, reason = "a call of the system")]
    // SAFETY: it writes at most as many characters as it is told there is room for.
    let length = unsafe { GetWindowsDirectoryW(path.as_mut_ptr(), 260) };
    let length = usize::try_from(length).unwrap_or(0);
    match path.get(..length) {
        Some(path) if length > 0 => OsString::from_wide(path).into(),
        Some(_) | None => PathBuf::from(r"C:\Windows"),
    }
}
