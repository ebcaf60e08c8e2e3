//! The Basic Memory of this tenant: one process, kept alive, reached over a private socket.
//!
//! It knows no authentication, so it listens on a Unix socket in a folder of ours alone: no other
//! tenant on the machine can reach it.

mod call;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rclone::{ChildSpec, run_child};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use call::{CallError, Caller};

use crate::generation::Generation;

/// While it starts it is asked this often whether it answers.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// It imports for seconds, and on a busy machine for longer.
const READY_WITHIN: Duration = Duration::from_secs(90);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// One that lived this long failed for a new reason.
const MINIMUM_LIFE: Duration = Duration::from_secs(30);
const KEPT_LINES: usize = 20;
const LONGEST_SOCKET_PATH: usize = 100;

/// How it is looked after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Once it is ready it is asked this often, and has this long to answer: a process that lives
    /// and says nothing is not well.
    pub(crate) look_every: Duration,
    pub(crate) answers_within: Duration,
    /// One that says nothing for so long will not come to itself again.
    pub(crate) silent_for: Duration,
    /// It finishes writing what it accepted before it ends.
    pub(crate) grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(5),
            answers_within: Duration::from_secs(10),
            silent_for: Duration::from_secs(120),
            grace: Duration::from_secs(5),
        }
    }
}

/// What is started.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamSpec {
    /// The Python environment that has it.
    pub(crate) environment: PathBuf,
    pub(crate) generation: Generation,
    /// Each folder in here is a project.
    pub(crate) data: PathBuf,
    /// Its own home: settings, index and logs.
    pub(crate) home: PathBuf,
    /// A folder of ours alone, mode 0700.
    pub(crate) run: PathBuf,
    pub(crate) pace: Pace,
}

impl UpstreamSpec {
    fn socket(&self) -> PathBuf {
        self.run.join("bm.sock")
    }

    fn child(&self) -> ChildSpec {
        let text = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let path = |name: &str, value: &Path| (OsString::from(name), value.into());
        let mut variables = vec![
            text("PATH", "/usr/local/bin:/usr/bin:/bin"),
            path("HOME", &self.home),
            path("TMPDIR", &self.run),
            path("BASIC_MEMORY_PROJECT_ROOT", &self.data),
            path("BASIC_MEMORY_HOME", &self.data.join("main")),
            text("BASIC_MEMORY_LOG_LEVEL", "WARNING"),
            text("BASIC_MEMORY_NO_PROMOS", "1"),
            text("BASIC_MEMORY_AUTO_UPDATE", "false"),
            text("BASIC_MEMORY_DEFAULT_SEARCH_TYPE", "text"),
            text("BASIC_MEMORY_ENSURE_FRONTMATTER_ON_SYNC", "false"),
            text("LOGFIRE_IGNORE_NO_CONFIG", "1"),
            text("PYTHONUNBUFFERED", "1"),
        ];
        match self.generation {
            // It cannot be asked to index one file; its own watcher can, if it does not wait.
            Generation::V0_15 => variables.push(text("BASIC_MEMORY_SYNC_DELAY", "100")),
            // What is to be indexed is named to it.
            Generation::V0_24 => variables.push(text("BASIC_MEMORY_INDEX_CHANGES", "false")),
        }
        let mut args: Vec<OsString> = vec!["-m".into(), "uvicorn".into()];
        args.push("basic_memory.api.app:app".into());
        args.extend(["--no-access-log", "--log-level", "warning"].map(OsString::from));
        args.extend(["--timeout-graceful-shutdown", "3", "--uds"].map(OsString::from));
        args.push(self.socket().into());
        ChildSpec {
            program: self.environment.join("bin/python"),
            args,
            variables,
            folder: self.home.clone(),
        }
    }
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamState {
    Starting,
    Ready,
    /// It ended by itself and is started again.
    Restarting {
        message: String,
    },
    /// It runs and does not answer.
    Silent,
    Stopped,
}

/// Why it cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("there is no Python in {}", .0.display())]
    NoPython(PathBuf),
    #[error("the path of {} is too long for a socket", .0.display())]
    SocketPathTooLong(PathBuf),
    #[error("could not make {}", folder.display())]
    Folder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// A Basic Memory that is kept alive.
#[derive(Debug)]
pub(crate) struct Upstream {
    caller: Caller,
    state: watch::Receiver<UpstreamState>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Begins to start it, once `files` says that there are files.
    pub(crate) fn start(
        spec: UpstreamSpec,
        files: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Self, UpstreamError> {
        let child = spec.child();
        if !child.program.exists() {
            return Err(UpstreamError::NoPython(spec.environment));
        }
        let socket = spec.socket();
        if socket.as_os_str().len() > LONGEST_SOCKET_PATH {
            return Err(UpstreamError::SocketPathTooLong(socket));
        }
        std::fs::create_dir_all(&spec.home).map_err(|source| UpstreamError::Folder {
            folder: spec.home.clone(),
            source,
        })?;
        let caller = Caller::new(socket.clone());
        let (tell, state) = watch::channel(UpstreamState::Starting);
        let stop = CancellationToken::new();
        let keeper = Keeper {
            child,
            socket,
            liveness: liveness(spec.generation),
            pace: spec.pace,
            caller: caller.clone(),
            tell,
            stop: stop.clone(),
        };
        let task = tokio::spawn(async move {
            if keeper.stop.run_until_cancelled(files).await.is_some() {
                keeper.run().await;
            }
        });
        Ok(Self {
            caller,
            state,
            stop,
            task,
        })
    }

    pub(crate) fn caller(&self) -> Caller {
        self.caller.clone()
    }

    pub(crate) fn state(&self) -> watch::Receiver<UpstreamState> {
        self.state.clone()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "Basic Memory's keeper ended unexpectedly");
        }
    }
}

/// What both generations answer without a project being named.
fn liveness(generation: Generation) -> &'static str {
    match generation {
        Generation::V0_15 => "/projects/projects",
        Generation::V0_24 => "/v2/projects/",
    }
}

struct Keeper {
    child: ChildSpec,
    socket: PathBuf,
    liveness: &'static str,
    pace: Pace,
    caller: Caller,
    tell: watch::Sender<UpstreamState>,
    stop: CancellationToken,
}

impl Keeper {
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        while !self.stop.is_cancelled() {
            let began = Instant::now();
            let message = self.live().await;
            if self.stop.is_cancelled() {
                break;
            }
            tracing::warn!(message, "Basic Memory ended and is started again");
            self.tell
                .send_replace(UpstreamState::Restarting { message });
            if began.elapsed() >= MINIMUM_LIFE {
                pause = FIRST_PAUSE;
            }
            self.stop
                .run_until_cancelled(tokio::time::sleep(pause))
                .await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.tell.send_replace(UpstreamState::Stopped);
    }

    /// One process from start to end; why it ended.
    async fn live(&self) -> String {
        // What a killed one left would be in the way.
        if let Err(error) = std::fs::remove_file(&self.socket)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return format!("its old socket could not be removed: {error}");
        }
        let last = Arc::new(Mutex::new(Vec::<String>::new()));
        let kept = Arc::clone(&last);
        let life = self.stop.child_token();
        let child = run_child(&self.child, &life, self.pace.grace, move |line| {
            tracing::debug!(target: "basic_memory", "{line}");
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT_LINES {
                kept.remove(0);
            }
            kept.push(line);
        });
        tokio::pin!(child);
        let ended = tokio::select! {
            ended = &mut child => ended,
            ready = self.become_ready() => {
                if ready {
                    self.tell.send_replace(UpstreamState::Ready);
                    tokio::select! {
                        ended = &mut child => ended,
                        () = self.is_silent_for_long() => {
                            life.cancel();
                            if let Err(error) = child.await {
                                tracing::warn!(%error, "Basic Memory could not be ended");
                            }
                            return "it did not answer any more and was ended".to_owned();
                        }
                    }
                } else {
                    return "it did not answer in time".to_owned();
                }
            }
        };
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        tracing::debug!(lines = ?*last, "what Basic Memory said last");
        match ended {
            Ok(end) => format!("it ended ({end})"),
            Err(error) => format!("it could not be started: {error}"),
        }
    }

    /// Asks how it is; over once it has been silent for too long.
    async fn is_silent_for_long(&self) {
        let mut answered = Instant::now();
        loop {
            tokio::time::sleep(self.pace.look_every).await;
            let asked = timeout(self.pace.answers_within, self.caller.get(self.liveness)).await;
            let now = match asked {
                Ok(Ok((status, _))) if status.is_success() => UpstreamState::Ready,
                Ok(Ok(_) | Err(_)) | Err(_) => UpstreamState::Silent,
            };
            match now {
                UpstreamState::Ready => answered = Instant::now(),
                UpstreamState::Starting
                | UpstreamState::Restarting { .. }
                | UpstreamState::Silent
                | UpstreamState::Stopped => {}
            }
            self.tell.send_if_modified(|state| {
                let changes = *state != now;
                if changes {
                    tracing::info!(?now, "Basic Memory was asked how it is");
                    *state = now;
                }
                changes
            });
            if answered.elapsed() >= self.pace.silent_for {
                return;
            }
        }
    }

    async fn become_ready(&self) -> bool {
        let deadline = Instant::now() + READY_WITHIN;
        let mut pause = Duration::from_millis(100);
        while Instant::now() < deadline {
            tokio::time::sleep(pause).await;
            if let Ok((status, _)) = self.caller.get(self.liveness).await
                && status.is_success()
            {
                return true;
            }
            if self.socket.exists() {
                pause = Duration::from_millis(50);
            } else {
                pause = (pause + Duration::from_millis(50)).min(ASK_EVERY);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
