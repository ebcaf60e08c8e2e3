use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::Places;
use crate::secrets::write_private;

/// What this device knows about its account. No secrets: a person may read and back it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    pub(crate) server_url: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) token_endpoint: String,
    pub(crate) user_id: String,
    pub(crate) email: Option<String>,
    /// True from the first time that the server let this account in.
    pub(crate) cloud_mode: bool,
    pub(crate) tenant_id: Option<String>,
    pub(crate) bucket: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) region: Option<String>,
    /// The id of this device's bucket key, not its secret.
    pub(crate) access_key: Option<String>,
    /// The server's name for that key, where the server told it.
    pub(crate) credential_id: Option<String>,
    /// What this device is called among those of the account. Chosen before its first key is made,
    /// and kept.
    #[serde(default)]
    pub(crate) device: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("{path} could not be used")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is damaged")]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

impl RecordError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "account_io",
            Self::Damaged { .. } => "account_damaged",
        }
    }

    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Io { source, .. } => source.to_string(),
            Self::Damaged { path, .. } => {
                format!("Move {} away and sign in again.", path.display())
            }
        }
    }
}

impl AccountRecord {
    /// What everything of this account is filed under.
    pub(crate) fn key(&self) -> String {
        format!("{}|{}", self.server_url, self.user_id)
    }

    /// Takes over what is known of the bucket from an earlier record of the same account.
    pub(super) fn with_bucket_of(self, before: Self) -> Self {
        Self {
            tenant_id: before.tenant_id,
            bucket: before.bucket,
            endpoint_url: before.endpoint_url,
            region: before.region,
            access_key: before.access_key,
            credential_id: before.credential_id,
            device: before.device,
            ..self
        }
    }

    pub(super) fn load(places: &Places) -> Result<Option<Self>, RecordError> {
        let path = path(places);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::Io { path, source }),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| RecordError::Damaged { path, source })
    }

    pub(super) fn save(&self, places: &Places) -> Result<(), RecordError> {
        let path = path(places);
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| RecordError::Io {
            path: path.clone(),
            source: error.into(),
        })?;
        text.push(b'\n');
        write_private(&path, &text).map_err(|source| RecordError::Io { path, source })
    }

    /// Removes the record, unless another account has taken its place.
    pub(super) fn remove(&self, places: &Places) -> Result<(), RecordError> {
        let path = path(places);
        match Self::load(places)? {
            Some(current) if current.key() == self.key() => remove(&path),
            Some(_) | None => Ok(()),
        }
    }
}

fn path(places: &Places) -> PathBuf {
    places.config.join("account.json")
}

fn remove(path: &Path) -> Result<(), RecordError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the account's record is no part of a vault"
    )]
    let removed = fs::remove_file(path);
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(RecordError::Io {
            path: path.to_owned(),
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}
