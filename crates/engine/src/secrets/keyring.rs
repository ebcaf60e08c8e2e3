use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use keyring::{Entry, Error};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use super::SecretError;

const SERVICE: &str = "basic-memory-cloud";
/// A keyring that takes longer is waiting for a person to unlock it.
const PATIENCE: Duration = Duration::from_secs(5);
const QUEUE: usize = 32;

/// The system's keyring, behind one thread of its own: its calls block while it is locked.
pub(super) struct Keyring {
    thread: Mutex<Option<SyncSender<Job>>>,
}

struct Job {
    account: String,
    name: String,
    work: Work,
    answer: oneshot::Sender<Result<Option<SecretString>, SecretError>>,
}

enum Work {
    /// Only whether there is one.
    Look,
    Get,
    Set(SecretString),
    Delete,
}

impl Keyring {
    pub(super) fn new() -> Self {
        Self {
            thread: Mutex::new(None),
        }
    }

    /// Whether there is a keyring; nothing in it is touched, so it asks nobody to unlock it.
    pub(super) async fn look(&self) -> Result<(), SecretError> {
        self.ask("", "", Work::Look).await?;
        Ok(())
    }

    pub(super) async fn get(
        &self,
        account: &str,
        name: &str,
    ) -> Result<Option<SecretString>, SecretError> {
        self.ask(account, name, Work::Get).await
    }

    pub(super) async fn set(
        &self,
        account: &str,
        name: &str,
        value: &SecretString,
    ) -> Result<(), SecretError> {
        self.ask(account, name, Work::Set(value.clone())).await?;
        Ok(())
    }

    pub(super) async fn delete(&self, account: &str, name: &str) -> Result<(), SecretError> {
        self.ask(account, name, Work::Delete).await?;
        Ok(())
    }

    async fn ask(
        &self,
        account: &str,
        name: &str,
        work: Work,
    ) -> Result<Option<SecretString>, SecretError> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            account: account.to_owned(),
            name: name.to_owned(),
            work,
            answer,
        };
        self.enqueue(job)?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(unavailable("its thread ended")),
            Err(_) => Err(SecretError::Locked),
        }
    }

    fn enqueue(&self, job: Job) -> Result<(), SecretError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match thread.take() {
            Some(sender) => sender,
            None => start().map_err(|error| unavailable(&error.to_string()))?,
        };
        match sender.try_send(job) {
            Ok(()) => {
                *thread = Some(sender);
                Ok(())
            }
            Err(TrySendError::Full(_)) => {
                *thread = Some(sender);
                Err(SecretError::Locked)
            }
            Err(TrySendError::Disconnected(_)) => Err(unavailable("its thread ended")),
        }
    }
}

fn start() -> std::io::Result<SyncSender<Job>> {
    let (sender, jobs) = sync_channel::<Job>(QUEUE);
    thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || {
            for job in jobs {
                // Nobody waits any more: a late write could put an old token over a new one.
                if !job.answer.is_closed() {
                    let result = perform(&job);
                    job.answer.send(result).ok();
                }
            }
        })?;
    Ok(sender)
}

fn perform(job: &Job) -> Result<Option<SecretString>, SecretError> {
    if let Err(error) = Entry::store_status() {
        return Err(unavailable(&error.to_string()));
    }
    let result =
        Entry::new(SERVICE, &format!("{}|{}", job.account, job.name)).and_then(|entry| match &job
            .work
        {
            Work::Look => Ok(None),
            Work::Get => entry
                .get_password()
                .map(|value| Some(SecretString::from(value))),
            Work::Set(value) => entry.set_password(value.expose_secret()).map(|()| None),
            Work::Delete => entry.delete_credential().map(|()| None),
        });
    match result {
        Ok(found) => Ok(found),
        Err(Error::NoEntry) => Ok(None),
        Err(Error::NoStorageAccess(_)) => Err(SecretError::Locked),
        Err(error) => Err(unavailable(&outline(&error))),
    }
}

/// The error's text without the secret that some of its variants carry.
fn outline(error: &Error) -> String {
    if matches!(error, Error::BadEncoding(_) | Error::BadDataFormat(..)) {
        return "the entry is damaged".to_owned();
    }
    error.to_string()
}

fn unavailable(reason: &str) -> SecretError {
    SecretError::Unavailable {
        reason: reason.to_owned(),
    }
}
