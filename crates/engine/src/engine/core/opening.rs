//! The encrypted file of secrets that waits for a person.

use super::{Answer, Core, Input};
use crate::account::AuthError;
use crate::request::Passphrase;
use crate::secrets::SecretError;
use crate::view::SecretStoreView;
use crate::{Refusal, Reply};

impl Core {
    /// The key is made of the passphrase beside the loop: that is slow by design.
    pub(super) fn open_secrets(&self, passphrase: Passphrase, answer: Answer) {
        let (secrets, inputs) = (self.secrets.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let result = secrets.open(passphrase.secret()).await;
            if inputs
                .send(Input::SecretsOpened(result, answer))
                .await
                .is_err()
            {
                tracing::debug!("the engine stopped before the secrets were open");
            }
        });
    }

    pub(super) fn secrets_are_open(&mut self, result: Result<(), SecretError>, answer: Answer) {
        match result {
            Ok(()) => {
                if self.account.is_some() {
                    self.ask_subscription(None);
                    self.follow_changes();
                    self.pass_within(std::time::Duration::ZERO);
                }
                self.reply(answer, Ok(Reply::Done));
            }
            Err(error) => self.reply(answer, Err(refused(&error))),
        }
    }

    /// What a lost passphrase keeps from everybody is not thrown away: it stays beside.
    pub(super) fn forget_secrets(&mut self, answer: Answer) {
        if self.secrets.in_use() != SecretStoreView::FileLocked {
            let refusal = Refusal::new("secrets_open", "No file waits for a passphrase");
            return self.reply(answer, Err(refusal));
        }
        let (secrets, inputs) = (self.secrets.clone(), self.inputs.clone());
        let account = self.account.clone();
        tokio::spawn(async move {
            let of = account.as_ref().map(|account| account.key().to_owned());
            let result = async {
                secrets.put_aside().await?;
                match account {
                    Some(account) => account.sign_out().await,
                    None => Ok::<(), AuthError>(()),
                }
            }
            .await;
            let input = Input::SignedOut(of, result, answer);
            if inputs.send(input).await.is_err() {
                tracing::debug!("the engine stopped during a sign-out");
            }
        });
    }
}

fn refused(error: &SecretError) -> Refusal {
    let refusal = match error {
        SecretError::Unreadable { .. } => {
            Refusal::new("wrong_passphrase", "This is not the passphrase of the file")
                .hint("Look at capitals and at the keyboard's language.")
        }
        SecretError::Locked
        | SecretError::Unavailable { .. }
        | SecretError::KeyMissing { .. }
        | SecretError::PassphraseNeeded { .. }
        | SecretError::Io { .. }
        | SecretError::Busy { .. } => {
            let refusal = Refusal::new(error.code(), error.to_string());
            match error.hint() {
                Some(hint) => refusal.hint(hint),
                None => refusal,
            }
        }
    };
    refusal.field("passphrase")
}
