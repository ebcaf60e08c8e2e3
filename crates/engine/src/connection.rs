use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::control::Client;
use crate::engine::{Engine, StartError};
use crate::{Refusal, Reply, Request, View};

/// A front end's way to the engine: to the one that already runs, else to one of its own.
#[derive(Debug)]
pub struct Connection(Kind);

#[derive(Debug)]
enum Kind {
    Own(Engine),
    Other(Client),
}

/// How long a second program waits for an engine that is just starting or ending.
const PATIENCE: Duration = Duration::from_secs(3);

impl Connection {
    /// Joins the engine that runs for this installation, or starts one with `config`.
    ///
    /// # Errors
    /// What stands in the way of a start. [`StartError::AlreadyRunning`] only if an engine holds
    /// the lock but does not answer.
    pub async fn open(config: Config) -> Result<Self, StartError> {
        Self::open_with(config, None).await
    }

    /// As [`Connection::open`]; an engine that is started gets the passphrase of the encrypted
    /// file of secrets. One that runs already has its own.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub async fn open_with(
        config: Config,
        passphrase: Option<SecretString>,
    ) -> Result<Self, StartError> {
        let socket = config.places.control_socket();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(client) = Client::connect(&socket).await {
                return Ok(Self(Kind::Other(client)));
            }
            match Engine::start_with(config.clone(), passphrase.clone()).await {
                Ok(engine) => return Ok(Self(Kind::Own(engine))),
                Err(StartError::AlreadyRunning) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the engine lives in another process.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Kind::Other(_))
    }

    /// The newest view.
    pub fn view(&self) -> Arc<View> {
        self.views().borrow().clone()
    }

    /// Views as they change; closed when the engine is gone.
    pub fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.views().clone()
    }

    /// Asks the engine for something.
    ///
    /// # Errors
    /// Its refusal, with code, message and hint; code `stopped` if it is gone.
    pub async fn send(&self, request: Request) -> Result<Reply, Refusal> {
        match &self.0 {
            Kind::Own(engine) => engine.handle().send(request).await,
            Kind::Other(client) => client.send(request).await,
        }
    }

    /// Waits until the view satisfies `wanted`; `None` if the engine went away before.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&View) -> bool) -> Option<Arc<View>> {
        let mut views = self.watch();
        let view = views.wait_for(|view| wanted(view)).await.ok()?.clone();
        Some(view)
    }

    /// Leaves the engine; one of our own stops, and this returns when it has.
    pub async fn close(self) {
        match self.0 {
            Kind::Own(engine) => engine.stop().await,
            Kind::Other(_) => {}
        }
    }

    fn views(&self) -> &watch::Receiver<Arc<View>> {
        match &self.0 {
            Kind::Own(engine) => &engine.handle().view,
            Kind::Other(client) => &client.view,
        }
    }
}
