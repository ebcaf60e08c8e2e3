//! The end of the engine, and of a provisional sign-in: it is kept, or goes, here and at the server.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Answer, Core, Input};
use crate::account::{Account, SignInError, SignedIn};
use crate::view::AccountView;
use crate::{Reply, SignInKeep};

/// How long an ending engine waits for the server to take back what it gave.
const PATIENCE: Duration = Duration::from_secs(3);

impl Core {
    /// Keeps a provisional sign-in though nothing is set up.
    pub(super) fn keep_sign_in(&mut self, answer: Answer) {
        self.answer_beside(answer, |account| async move {
            account.make_lasting().await?;
            Ok(Reply::Done)
        });
    }

    /// Takes the place of the account that was there; a provisional one goes.
    pub(super) fn replace_account(&mut self, account: Account) {
        match self.account.replace(account) {
            Some(before) if before.kept() == SignInKeep::WithSetUp => withdraw(before),
            Some(_) | None => {}
        }
    }

    /// A sign-in that ended while the engine does.
    fn take_late_sign_in(&mut self, result: Result<SignedIn, SignInError>) {
        if let Ok(signed_in) = result {
            self.replace_account(signed_in.account);
        }
    }

    /// Ends what runs, in reverse order of its start.
    pub(super) async fn wind_down(mut self, received: &mut mpsc::Receiver<Input>) {
        self.files = None;
        self.hints = None;
        let mut signing_in = self.signing_in.take();
        if let Some(signing_in) = &signing_in {
            signing_in.cancel();
        }
        self.queue.clear();
        if let Some(running) = self.running.take() {
            running.cancel();
            while let Some(input) = received.recv().await {
                match input {
                    Input::RunEnded(ended) => {
                        self.end_run(*ended).await;
                        break;
                    }
                    Input::TripEnded(end) => {
                        self.end_trip(*end).await;
                        break;
                    }
                    Input::DecisionEnded(end) => {
                        self.end_decision(*end).await;
                        break;
                    }
                    Input::Answered(result, answer) => self.reply(answer, *result),
                    Input::RestoreEnded(end) => {
                        self.end_restore(*end).await;
                        break;
                    }
                    Input::SignInEnded(result) => {
                        signing_in = None;
                        self.take_late_sign_in(*result);
                    }
                    Input::SignIn(_)
                    | Input::Subscription(..)
                    | Input::SignedOut(..)
                    | Input::SecretsOpened(..)
                    | Input::SetUp(..)
                    | Input::Mount(..)
                    | Input::Rclone(_)
                    | Input::RcloneChosen(..)
                    | Input::Saved(_)
                    | Input::FilesChanged
                    | Input::Hinted { .. }
                    | Input::StreamLive { .. }
                    | Input::StreamLost
                    | Input::KeyReplaced(..)
                    | Input::Cost(_)
                    | Input::Lapsed
                    | Input::FileEventsLost(_) => {}
                }
            }
        }
        if signing_in.is_some() {
            self.await_sign_in(received).await;
        }
        self.finish_tidying().await;
        self.part_with_account().await;
        self.publish_view();
    }

    /// Waits until a canceled sign-in has given back what it may have got meanwhile.
    async fn await_sign_in(&mut self, received: &mut mpsc::Receiver<Input>) {
        let ended = async {
            while let Some(input) = received.recv().await {
                if let Input::SignInEnded(result) = input {
                    return Some(*result);
                }
            }
            None
        };
        match timeout(PATIENCE, ended).await {
            Ok(Some(result)) => self.take_late_sign_in(result),
            Ok(None) => {}
            Err(_) => tracing::info!("a canceled sign-in did not end in time"),
        }
    }

    /// Ends what does not outlive the engine: a provisional sign-in, and looks at the bucket.
    async fn part_with_account(&mut self) {
        let Some(account) = self.account.clone() else {
            return;
        };
        let kept = account.kept();
        let parting = async {
            match kept {
                SignInKeep::Now => {
                    drop(account.end_looks().await);
                    Ok(())
                }
                SignInKeep::WithSetUp => account.sign_out().await,
            }
        };
        match timeout(PATIENCE, parting).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a provisional sign-in is not revoked"),
            Err(_) => tracing::info!("the server did not answer in time; its session runs out"),
        }
        if kept == SignInKeep::WithSetUp {
            self.account = None;
            self.model.account = AccountView::SignedOut { reason: None };
        }
    }
}

/// Signs a provisional account out that nobody uses any more.
pub(super) fn withdraw(account: Account) {
    tokio::spawn(async move {
        if let Err(error) = account.sign_out().await {
            tracing::warn!(%error, "a provisional sign-in is not revoked");
        }
    });
}
