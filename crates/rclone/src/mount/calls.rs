use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{RcClient, RcError};

/// What the cache of a mount still has to do (`vfs/stats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VfsStats {
    pub uploads_queued: u64,
    pub uploads_in_progress: u64,
    pub errored_files: u64,
    pub out_of_space: bool,
    pub bytes_used: u64,
}

impl VfsStats {
    /// Whether everything that was saved is stored.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.uploads_queued == 0 && self.uploads_in_progress == 0 && self.errored_files == 0
    }
}

/// A file that is not stored yet (`vfs/queue`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct QueuedFile {
    /// Its path in the bucket.
    pub name: String,
    pub id: u64,
    /// Bytes.
    pub size: u64,
    /// Seconds until it is tried.
    pub expiry: f64,
    /// Attempts that failed.
    pub tries: u32,
    pub uploading: bool,
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatsOut {
    disk_cache: Option<VfsStats>,
}

#[derive(Deserialize)]
struct QueueOut {
    #[serde(default)]
    queue: Vec<QueuedFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MountsOut {
    #[serde(default)]
    mount_points: Vec<MountOut>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MountOut {
    mount_point: PathBuf,
}

#[derive(Deserialize)]
struct RefreshOut {
    result: std::collections::BTreeMap<String, String>,
}

impl RcClient {
    /// `config/create`, in memory where the daemon has no file.
    pub(super) async fn create_remote(&self, name: &str, settings: &Value) -> Result<(), RcError> {
        let question = json!({
            "name": name, "type": "s3", "parameters": settings,
            "opt": {"nonInteractive": true, "noObscure": true},
        });
        let Nothing {} = self.ask("config/create", &question).await?;
        Ok(())
    }

    /// `operations/list` of the root: without this, a bucket that may not be read mounts as well.
    pub(super) async fn list_folder(&self, fs: &str, within: Duration) -> Result<(), RcError> {
        let opt = json!({"noModTime": true, "noMimeType": true});
        let question = json!({"fs": fs, "remote": "", "opt": opt});
        let Nothing {} = self
            .ask_within("operations/list", &question, within)
            .await?;
        Ok(())
    }

    /// `mount/mount`
    pub(super) async fn mount(&self, options: &Value, within: Duration) -> Result<(), RcError> {
        let Nothing {} = self.ask_within("mount/mount", options, within).await?;
        Ok(())
    }

    /// `mount/unmount`
    pub(super) async fn unmount(&self, folder: &Path, within: Duration) -> Result<(), RcError> {
        let question = json!({"mountPoint": folder});
        let Nothing {} = self.ask_within("mount/unmount", &question, within).await?;
        Ok(())
    }

    /// `mount/listmounts`
    pub(super) async fn mounted_folders(&self) -> Result<Vec<PathBuf>, RcError> {
        let out: MountsOut = self.ask("mount/listmounts", &json!({})).await?;
        Ok(out
            .mount_points
            .into_iter()
            .map(|mount| mount.mount_point)
            .collect())
    }

    /// `vfs/stats`
    pub(super) async fn vfs_stats(&self, fs: &str) -> Result<VfsStats, RcError> {
        let out: StatsOut = self.ask("vfs/stats", &json!({"fs": fs})).await?;
        Ok(out.disk_cache.unwrap_or_default())
    }

    /// `vfs/queue`
    pub(super) async fn vfs_queue(&self, fs: &str) -> Result<Vec<QueuedFile>, RcError> {
        let out: QueueOut = self.ask("vfs/queue", &json!({"fs": fs})).await?;
        Ok(out.queue)
    }

    /// `vfs/queue-set-expiry`
    pub(super) async fn hurry(&self, fs: &str, id: u64) -> Result<(), RcError> {
        let question = json!({"fs": fs, "id": id, "expiry": 0.0});
        let Nothing {} = self.ask("vfs/queue-set-expiry", &question).await?;
        Ok(())
    }

    /// `vfs/refresh`; false if there is no such folder.
    pub(super) async fn refresh(
        &self,
        fs: &str,
        folder: &str,
        within: Duration,
    ) -> Result<bool, RcError> {
        let question = if folder.is_empty() {
            json!({"fs": fs})
        } else {
            json!({"fs": fs, "dir": folder})
        };
        let out: RefreshOut = self.ask_within("vfs/refresh", &question, within).await?;
        Ok(out.result.values().all(|told| told == "OK"))
    }
}
