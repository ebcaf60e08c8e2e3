//! The bucket as a remote in the person's own rclone configuration.

use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::macros::format_description;

use super::credentials::{unwritten, withdraw};
use super::{Answer, Core};
use crate::engine::run::find_rclone;
use crate::private_file::{self, Existing};
use crate::{Refusal, Reply, rclone_config};

impl Core {
    pub(super) fn export_rclone(&mut self, config: Option<PathBuf>, answer: Answer) {
        let (engine, device) = (self.config.clone(), self.config.device.clone());
        let pairs: Vec<PathBuf> = self
            .model
            .settings
            .pairs
            .iter()
            .map(|pair| pair.folder.clone())
            .collect();
        self.answer_beside(answer, |account| async move {
            let path = match config {
                Some(path) => path,
                None => config_of_rclone(&engine).await?,
            };
            let path = real(&path).map_err(|error| unwritten(&path, &error))?;
            if pairs.iter().any(|folder| path.starts_with(folder)) {
                let message = "That file is synced; a key does not belong into the cloud";
                return Err(Refusal::new("file_synced", message).field("config").into());
            }
            let before = read(&path)?;
            let text = before.as_deref().unwrap_or_default();
            let tenant = account.bucket_credentials().await?.tenant;
            let name = rclone_config::remote_name(&tenant);
            let replaced = replaceable(text, &name)?;
            let key = account.foreign_key(&format!("rclone on {device}")).await?;
            let edited = rclone_config::with_remote(text, &name, &key);
            let write = async {
                let backup = match &before {
                    Some(text) => Some(back_up(&path, text, engine.clock.now()).await?),
                    None => None,
                };
                if read(&path).ok() != Some(before.clone()) {
                    return Err(io::Error::other("another program has just changed it"));
                }
                private_file::write(path.clone(), edited, Existing::Replace).await?;
                Ok(backup)
            };
            let backup = match write.await {
                Ok(backup) => backup,
                Err(error) => {
                    withdraw(&account, &key.access_key).await;
                    return Err(unwritten(&path, &error).into());
                }
            };
            if let Some(replaced) = replaced.filter(|it| *it != key.access_key) {
                withdraw(&account, &replaced).await;
            }
            Ok(Reply::Exported {
                path: path.display().to_string(),
                backup: backup.map(|path| path.display().to_string()),
            })
        });
    }
}

async fn config_of_rclone(engine: &crate::Config) -> Result<PathBuf, Refusal> {
    let missing = |message: String| {
        Refusal::new("rclone", message).hint("Name the file: bm-cloud rclone export --config PATH")
    };
    let binary = find_rclone(engine)
        .await
        .map_err(|_| missing("There is no usable rclone to ask for its file".to_owned()))?;
    let asked = rclone::config_file(&binary).await;
    asked.map_err(|error| missing(format!("rclone does not tell where its file is: {error}")))
}

/// The file behind symbolic links, in a folder that exists.
fn real(path: &Path) -> io::Result<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if !folder.exists() {
        crate::places::create_private(folder)?;
    }
    Ok(folder.canonicalize()?.join(name))
}

/// The file's text; `None` if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<String>, Refusal> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let message = format!("{} could not be read: {error}", path.display());
            return Err(Refusal::new("config_unreadable", message).field("config"));
        }
    };
    let unreadable = || {
        let message = format!("{} is no text that rclone writes", path.display());
        Refusal::new("config_unreadable", message).field("config")
    };
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    if rclone_config::is_encrypted(&text) {
        let message = format!("{} is encrypted: only rclone may change it", path.display());
        return Err(Refusal::new("config_encrypted", message)
            .field("config")
            .hint("Export into a file of its own: bm-cloud rclone export --config PATH"));
    }
    Ok(Some(text))
}

/// The access key of the remote that an export replaces, which must be one of its kind.
fn replaceable(text: &str, name: &str) -> Result<Option<String>, Refusal> {
    let remotes = rclone_config::remotes(text);
    let Some(remote) = remotes.iter().find(|remote| remote.name == name) else {
        return Ok(None);
    };
    match remote.option("type") {
        Some("s3") | None => Ok(remote.option("access_key_id").map(str::to_owned)),
        Some(other) => {
            let message = format!("Your rclone has another remote of that name ({other})");
            Err(Refusal::new("remote_foreign", message)
                .field("config")
                .hint(format!("Rename it first: rclone config, {name}.")))
        }
    }
}

/// Keeps what the file had beside it, readable by its owner only.
pub(super) async fn back_up(
    path: &Path,
    text: &str,
    now: std::time::SystemTime,
) -> io::Result<PathBuf> {
    let stamp = format_description!("[year][month][day]-[hour][minute][second]");
    let at = OffsetDateTime::from(now)
        .format(stamp)
        .map_err(io::Error::other)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for number in 1.. {
        let again = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let backup = path.with_file_name(format!("{name}.backup-{at}{again}"));
        let text = secrecy::SecretString::from(text.to_owned());
        match private_file::write(backup.clone(), text, Existing::Refuse).await {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            written => return written.map(|()| backup),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_remote_of_its_kind_is_replaced() {
        let text = "[a]\ntype = s3\naccess_key_id = AK\n[b]\ntype = sftp\n";
        assert_eq!(replaceable(text, "a").unwrap().as_deref(), Some("AK"));
        assert_eq!(replaceable(text, "c").unwrap(), None);
        assert_eq!(replaceable(text, "b").unwrap_err().code, "remote_foreign");
    }
}
