//! What every command works with, and its way to the engine.

use std::ffi::OsString;
use std::path::PathBuf;

use engine::{Config, Connection, Reply, Request, View};
use secrecy::SecretString;
use time::UtcOffset;

use crate::failure::Failure;
use crate::output::Output;
use crate::passphrase;
use crate::service::Surroundings;
use crate::signals::Interrupt;

/// How often a command looks for an engine anew when the one it had joined ends.
const ATTEMPTS: u32 = 4;

/// The code of everything that waits for a passphrase.
const PASSPHRASE_NEEDED: &str = "passphrase_needed";

/// What `main` took from the environment.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) output: Output,
    pub(crate) interrupt: Interrupt,
    /// From UTC to the clock on the wall.
    pub(crate) offset: UtcOffset,
    /// The server to sign in on, if the command line names none.
    pub(crate) server: Option<String>,
    pub(crate) home: Option<PathBuf>,
    pub(crate) surroundings: Surroundings,
    /// That of the encrypted file of secrets, where one was given.
    pub(crate) passphrase: Option<SecretString>,
    /// The program a person edits texts with.
    pub(crate) editor: Option<OsString>,
}

impl Context {
    /// Works with the running engine, or one of our own that ends afterwards. Does the work again
    /// if it had joined an engine of another program and that ended meanwhile.
    pub(crate) async fn with_engine<T>(
        &self,
        mut work: impl AsyncFnMut(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut attempt = 1;
        let mut passphrase = self.passphrase.clone();
        loop {
            let config = self.config.clone();
            let connection = Connection::open_with(config, passphrase.clone()).await?;
            let joined = connection.is_shared();
            let result = work(&connection).await;
            connection.close().await;
            match result {
                Err(failure) if failure.is_gone() && joined && attempt < ATTEMPTS => {
                    tracing::info!(attempt, "the engine that we had joined has ended");
                    attempt += 1;
                }
                Err(failure) if failure.code == PASSPHRASE_NEEDED && passphrase.is_none() => {
                    passphrase = Some(passphrase::typed().ok_or(failure)?);
                }
                result => return result,
            }
        }
    }

    /// Sends a request, unless a signal comes first.
    pub(crate) async fn ask(
        &self,
        connection: &Connection,
        request: Request,
    ) -> Result<Reply, Failure> {
        tokio::select! {
            reply = connection.send(request) => Ok(reply?),
            failure = self.interrupted() => Err(failure),
        }
    }

    /// Waits for a view that gives `found` something, unless a signal comes first.
    pub(crate) async fn wait<T>(
        &self,
        connection: &Connection,
        mut found: impl FnMut(&View) -> Option<T>,
    ) -> Result<T, Failure> {
        let mut views = connection.watch();
        loop {
            let view = views.borrow_and_update().clone();
            if let Some(value) = found(&view) {
                return Ok(value);
            }
            tokio::select! {
                changed = views.changed() => changed.map_err(|_| Failure::gone())?,
                failure = self.interrupted() => return Err(failure),
            }
        }
    }

    pub(crate) async fn interrupted(&self) -> Failure {
        let exit = self.interrupt.wait().await;
        Failure::new("interrupted", "Interrupted").exit(exit)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.config.clock.now_ms()
    }
}
