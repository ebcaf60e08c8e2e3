//! The running engine: one task owns everything; front ends hold this handle.

mod change_stream;
mod core;
mod files;
mod link;
mod model;
mod replica;
mod run;
mod start;
mod trip;

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control;
use crate::{Refusal, Reply, Request, View};

pub use replica::{Arrived, Replica, ReplicaSpec, ReplicaState, ReplicaTold};
pub use start::StartError;

use self::core::Core;
pub(crate) use self::link::Link;
pub(crate) use self::model::{Model, late};
pub(crate) use self::run::find_rclone;

/// A request on its way to the engine's task.
pub(crate) struct Ask {
    pub(crate) request: Request,
    pub(crate) answer: oneshot::Sender<Result<Reply, Refusal>>,
}

/// What others hold of a running engine. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    asks: mpsc::Sender<Ask>,
    pub(crate) view: watch::Receiver<Arc<View>>,
}

impl Handle {
    pub(crate) async fn send(&self, request: Request) -> Result<Reply, Refusal> {
        let (answer, answered) = oneshot::channel();
        let gone = || Refusal::new("stopped", "the engine has stopped");
        self.asks
            .send(Ask { request, answer })
            .await
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// An engine in this process. Only one runs per installation.
#[derive(Debug)]
pub struct Engine {
    handle: Handle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Engine {
    /// Opens the state, takes the installation's lock and begins to work.
    ///
    /// # Errors
    /// [`StartError::AlreadyRunning`] if another engine of this installation runs; else what
    /// stands in the way of a start.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, None).await
    }

    /// As [`Engine::start`], with the passphrase of the encrypted file of secrets. A new file is
    /// sealed with it.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start_with(
        config: Config,
        passphrase: Option<SecretString>,
    ) -> Result<Self, StartError> {
        let stop = CancellationToken::new();
        let (asks, received) = mpsc::channel(32);
        let core = Core::open(config, passphrase, stop.clone()).await?;
        let handle = Handle {
            asks,
            view: core.view(),
        };
        let serving = control::serve(&core.places().control_socket(), &handle, &stop)
            .inspect_err(|error| tracing::warn!(%error, "other programs cannot reach this engine"))
            .ok();
        let task = tokio::spawn(core.run(received, serving));
        Ok(Self { handle, stop, task })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops running work, waits for it, and releases the lock.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the engine ended unexpectedly");
        }
    }

    /// Returns when the engine has ended by itself, after a [`Request::Quit`].
    pub async fn ended(&mut self) {
        self.stop.cancelled().await;
    }
}
