//! Keys to the bucket: listing, revoking, making one for something else.

use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::requests::signed_out;
use super::session::refusal;
use super::{Answer, Core, Input};
use crate::account::{Account, AuthError};
use crate::engine::link::Link;
use crate::private_file::{self, Existing};
use crate::settings::Settings;
use crate::{Refusal, Reply, rclone_config};

const LONGEST_NAME: usize = 64;

impl Core {
    pub(super) fn list_credentials(&mut self, answer: Answer) {
        self.answer_beside(answer, |account| async move {
            let credentials = account.credentials().await?;
            Ok(Reply::Credentials { credentials })
        });
    }

    /// Another's key is only taken away; this device's own is replaced first.
    pub(super) fn revoke_credential(&mut self, id: String, answer: Answer) {
        let Some(account) = self.account.clone() else {
            return self.reply(answer, Err(signed_out()));
        };
        let (link, inputs, clock) = (
            self.link.clone(),
            self.inputs.clone(),
            self.config.clock.clone(),
        );
        let limits = self.limits.subscribe();
        tokio::spawn(async move {
            let input = match is_own(&account, &id).await {
                Ok(false) => {
                    let revoked = account.revoke_credential(&id).await;
                    let result = revoked.map(|()| Reply::Done).map_err(|it| refusal(&it));
                    Input::Answered(Box::new(result), answer)
                }
                Ok(true) => {
                    let replaced = replace(&account, link, (&clock, limits), &id).await;
                    Input::KeyReplaced(Box::new(replaced), answer)
                }
                Err(error) => Input::Answered(Box::new(Err(refusal(&error))), answer),
            };
            if inputs.send(input).await.is_err() {
                tracing::debug!("the engine stopped before a key was revoked");
            }
        });
    }

    pub(in crate::engine) fn take_new_key(
        &mut self,
        result: Result<Link, Refusal>,
        answer: Answer,
    ) {
        let result = result.map(|link| {
            if self.leads_home(&link) {
                self.link = Some(link);
            }
            Reply::Done
        });
        self.reply(answer, result);
    }

    /// Whether the link leads to the bucket of the account that is signed in.
    pub(super) fn leads_home(&self, link: &Link) -> bool {
        self.account.as_ref().is_some_and(|it| link.is_of(it))
    }

    pub(super) fn create_credential(&mut self, name: &str, file: &Path, answer: Answer) {
        let fit = fit_name(name).and_then(|name| Ok((name, self.fit_for_secrets(file)?)));
        let (name, file) = match fit {
            Ok(fit) => fit,
            Err(refusal) => return self.reply(answer, Err(refusal)),
        };
        self.answer_beside(answer, |account| async move {
            let key = account.foreign_key(&name).await?;
            let remote = rclone_config::remote_name(&key.tenant_id);
            let text = rclone_config::with_remote("", &remote, &key);
            let written = private_file::write(file.clone(), text, Existing::Refuse).await;
            if let Err(error) = written {
                withdraw(&account, &key.access_key).await;
                return Err(unwritten(&file, &error).into());
            }
            Ok(Reply::Exported {
                path: file.display().to_string(),
                backup: None,
            })
        });
    }

    /// Secrets go nowhere that is synced.
    pub(super) fn fit_for_secrets(&self, file: &Path) -> Result<PathBuf, Refusal> {
        let refuse = |code: &str, message: String| Refusal::new(code, message).field("file");
        if !file.is_absolute() {
            return Err(refuse(
                "file_relative",
                "Give the file's whole path".to_owned(),
            ));
        }
        let folder = file
            .parent()
            .and_then(|folder| dunce::canonicalize(folder).ok());
        let (Some(folder), Some(name)) = (folder, file.file_name()) else {
            let message = format!("The folder of {} does not exist", file.display());
            return Err(refuse("file_unusable", message));
        };
        if is_synced(&folder, &self.model.settings) {
            let message = "That folder is synced; a key does not belong into the cloud".to_owned();
            return Err(refuse("file_synced", message).hint("Choose a file elsewhere."));
        }
        Ok(folder.join(name))
    }

    /// Asks the account something without holding up the loop.
    pub(super) fn answer_beside<F>(
        &mut self,
        answer: Answer,
        work: impl FnOnce(Account) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<Reply, Beside>> + Send,
    {
        let Some(account) = self.account.clone() else {
            return self.reply(answer, Err(signed_out()));
        };
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let result = work(account).await.map_err(|Beside(refusal)| refusal);
            let input = Input::Answered(Box::new(result), answer);
            if inputs.send(input).await.is_err() {
                tracing::debug!("the engine stopped before it answered");
            }
        });
    }
}

/// Why work beside the loop came to nothing.
pub(super) struct Beside(Refusal);

impl From<AuthError> for Beside {
    fn from(error: AuthError) -> Self {
        Self(refusal(&error))
    }
}

impl From<Refusal> for Beside {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

async fn is_own(account: &Account, id: &str) -> Result<bool, AuthError> {
    let listed = account.credentials().await?;
    Ok(listed.iter().any(|key| key.id == id && key.this_device))
}

async fn replace(
    account: &Account,
    link: Option<Link>,
    (clock, limits): (&crate::Clock, watch::Receiver<guard::Limits>),
    id: &str,
) -> Result<Link, Refusal> {
    let mut link = match link {
        Some(link) => link,
        None => Link::open(account, clock, limits)
            .await
            .map_err(|error| Refusal::new("link", error.to_string()))?,
    };
    link.replace_key(account).await.map_err(|it| refusal(&it))?;
    account
        .revoke_credential(id)
        .await
        .map_err(|it| refusal(&it))?;
    Ok(link)
}

/// Takes back a key that nobody got.
pub(super) async fn withdraw(account: &Account, access_key: &str) {
    let withdrawn = async {
        match account.credential_of(access_key).await? {
            Some(id) => account.revoke_credential(&id).await,
            None => Ok(()),
        }
    };
    if let Err(error) = withdrawn.await {
        tracing::warn!(%error, "a key that nobody has is still alive");
    }
}

pub(super) fn unwritten(file: &Path, error: &std::io::Error) -> Refusal {
    let message = format!("{} could not be written: {error}", file.display());
    let refusal = if error.kind() == std::io::ErrorKind::AlreadyExists {
        Refusal::new("file_exists", format!("{} exists already", file.display()))
            .hint("Choose another name; nothing is overwritten.")
    } else {
        Refusal::new("file_unusable", message)
    };
    refusal.field("file")
}

/// Whether what is in a folder goes to the cloud: that of a pair, or a drive.
fn is_synced(folder: &Path, settings: &Settings) -> bool {
    let synced = settings.synced_folders();
    synced.iter().any(|synced| folder.starts_with(synced))
}

fn fit_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    let fits = !name.is_empty()
        && name.chars().count() <= LONGEST_NAME
        && !name.chars().any(char::is_control);
    if fits {
        Ok(name.to_owned())
    } else {
        let message = format!("A name has 1 to {LONGEST_NAME} letters");
        Err(Refusal::new("bad_name", message).field("name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::{MountSettings, Wanted};
    use crate::view::MountProfileName;

    #[test]
    fn a_drive_is_no_place_for_a_secret() {
        let drive = MountSettings {
            id: "mount_a".into(),
            folder: "/home/ana/Drive".into(),
            profile: MountProfileName::Fast,
            account: "a".into(),
            wanted: Wanted::Mounted,
        };
        let settings = Settings {
            mounts: vec![drive],
            ..Settings::default()
        };
        assert!(is_synced(Path::new("/home/ana/Drive/keys"), &settings));
        assert!(!is_synced(Path::new("/home/ana"), &settings));
    }

    #[test]
    fn a_name_is_something_a_person_can_read() {
        assert_eq!(fit_name(" backup ").unwrap(), "backup");
        for name in ["", " ", "a\nb", &"x".repeat(65)] {
            assert_eq!(fit_name(name).unwrap_err().code, "bad_name", "{name:?}");
        }
    }
}
