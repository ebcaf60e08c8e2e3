//! The only place that starts and signals processes.
//!
//! One owner per child: [`run`] drives it to its end, drains its output, and stops it by a ladder
//! with deadlines. Dropping the future kills the child. On Linux the child also dies with us; since
//! that signal comes when the *thread* that started a child ends, a lasting thread starts them all.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc as std_mpsc};
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

use self::platform::Handover;
use crate::outcome::{Ended, Stop};

const LONGEST_LINE: u64 = 1 << 20;
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(25);
const QUEUED_LINES: usize = 256;
/// How long a child's output may stay open after its end.
const LATE_OUTPUT: Duration = Duration::from_secs(1);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        let signal = platform::signal(status);
        status.code().map_or(Self::Signal(signal), Self::Code)
    }
}

/// What the child gets of our environment.
#[derive(Clone, Debug)]
pub(crate) enum Environment {
    /// Nothing but a search path and a home of its own.
    Bare { home: PathBuf },
    /// These variables and nothing else, in this folder.
    Given {
        variables: Vec<(OsString, OsString)>,
        folder: PathBuf,
    },
    /// All of it, for tools that the person at this machine configured.
    Inherited,
}

/// A program to run to its end.
pub(crate) struct Recipe<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<OsString>,
    pub(crate) environment: Environment,
    /// Handed over in a pipe, as `--config` of the last argument.
    pub(crate) config: Option<SecretString>,
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

/// Runs a child to its end, giving each line it writes to `on_line`.
///
/// Once `cancel` is cancelled the child is asked to end and killed after `grace`.
///
/// # Errors
/// If it cannot be started.
pub(crate) async fn run(
    recipe: Recipe<'_>,
    cancel: &CancellationToken,
    grace: Duration,
    mut on_line: impl FnMut(Output, String),
) -> io::Result<Ended> {
    let (mut child, _config) = start_when_written(&recipe).await?;
    let (sender, mut lines) = mpsc::channel(QUEUED_LINES);
    drain(child.stdout.take(), Output::Stdout, sender.clone());
    drain(child.stderr.take(), Output::Stderr, sender);
    let mut stop = Stop::NotAsked;
    let mut kill_at = None;
    let exit = loop {
        tokio::select! {
            biased;
            () = cancel.cancelled(), if stop == Stop::NotAsked => {
                stop = Stop::Asked;
                kill_at = Some(tokio::time::Instant::now() + grace);
                platform::terminate(&mut child)?;
            }
            () = until(kill_at) => {
                kill_at = None;
                platform::kill(&mut child)?;
            }
            Some((output, line)) = lines.recv() => on_line(output, line),
            status = child.wait() => break Exit::from(status?),
        }
    };
    let rest = async {
        while let Some((output, line)) = lines.recv().await {
            on_line(output, line);
        }
    };
    timeout(LATE_OUTPUT, rest).await.ok();
    Ok(Ended { exit, stop })
}

/// Runs a short program with a deadline and gives what it wrote.
///
/// # Errors
/// If it cannot be started, or with `TimedOut`.
pub(crate) async fn capture(
    recipe: Recipe<'_>,
    deadline: Duration,
) -> io::Result<(Exit, String, String)> {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let never = CancellationToken::new();
    let whole = run(recipe, &never, Duration::ZERO, |output, line| {
        let text = if output == Output::Stdout {
            &mut stdout
        } else {
            &mut stderr
        };
        text.push_str(&line);
        text.push('\n');
    });
    let ended = timeout(deadline, whole)
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??;
    Ok((ended.exit, stdout, stderr))
}

async fn until(instant: Option<tokio::time::Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// A program that was written a moment ago is busy while any child that was forked meanwhile
/// still holds its file.
async fn start_when_written(recipe: &Recipe<'_>) -> io::Result<(Child, Option<Handover>)> {
    for _ in 0..BUSY_TRIES {
        match start(recipe) {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            started => return started,
        }
    }
    start(recipe)
}

fn start(recipe: &Recipe<'_>) -> io::Result<(Child, Option<Handover>)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "all of this crate's children start here"
    )]
    let mut command = Command::new(recipe.program);
    command
        .args(&recipe.args)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    match &recipe.environment {
        Environment::Bare { home } => {
            command.env_clear();
            platform::bare(&mut command, home);
        }
        Environment::Given { variables, folder } => {
            command
                .env_clear()
                .envs(variables.iter().map(|(name, value)| (name, value)));
            command.current_dir(folder);
        }
        Environment::Inherited => {}
    }
    let config = match &recipe.config {
        Some(config) => Some(platform::pass_config(&mut command, config)?),
        None => None,
    };
    platform::own_group(&mut command);
    let child = spawn_lastingly(command)?;
    platform::adopt(&child)?;
    Ok((child, config))
}

type Job = (
    Command,
    tokio::runtime::Handle,
    std_mpsc::SyncSender<io::Result<Child>>,
);

fn spawn_lastingly(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<std_mpsc::SyncSender<Job>> = OnceLock::new();
    let gone = || io::Error::other("the thread that starts children is gone");
    let spawner = match SPAWNER.get() {
        Some(spawner) => spawner,
        None => {
            let (jobs, queue) = std_mpsc::sync_channel::<Job>(4);
            let serve = move || {
                for (mut command, runtime, answer) in queue {
                    let _guard = runtime.enter();
                    answer.send(command.spawn()).ok();
                }
            };
            std::thread::Builder::new()
                .name("rclone-spawner".to_owned())
                .spawn(serve)?;
            SPAWNER.get_or_init(|| jobs)
        }
    };
    let (answer, answered) = std_mpsc::sync_channel(1);
    spawner
        .send((command, tokio::runtime::Handle::current(), answer))
        .map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}

fn drain(
    stream: Option<impl AsyncRead + Unpin + Send + 'static>,
    output: Output,
    lines: mpsc::Sender<(Output, String)>,
) {
    let Some(stream) = stream else { return };
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match (&mut stream)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut bytes)
                .await
            {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = String::from_utf8_lossy(&bytes)
                .trim_end_matches(['\r', '\n'])
                .to_owned();
            if lines.send((output, line)).await.is_err() {
                return;
            }
        }
    });
}
