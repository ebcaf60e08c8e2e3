//! The embedded store's own changes, fed into the tenants' logs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use s3_store::{Change, ChangeKind as StoreChange};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_util::sync::CancellationToken;
use wire::ChangeKind;

use super::change::{NewEvent, Teller, is_path};
use super::{AFTER_FAILURE, Events};
use crate::error::chain;
use crate::store::StoreError;

/// How many changes are recorded together.
const TOGETHER: usize = 128;
const REMEMBERED: usize = 4_096;
/// How long what is left may still take to be recorded at the end.
const LAST_WORK: Duration = Duration::from_secs(2);

/// Records the changes until `cancel`, and what came before it.
pub(crate) async fn feed(
    events: Arc<Events>,
    mut changes: Receiver<Change>,
    cancel: CancellationToken,
) {
    let mut feeder = Feeder {
        events,
        tenants: HashMap::new(),
        // The last run may have ended between a change and its record.
        missed: true,
    };
    let mut batch = Vec::new();
    loop {
        let next = tokio::select! {
            () = cancel.cancelled() => break,
            next = changes.recv(), if !feeder.missed => next,
            () = std::future::ready(()), if feeder.missed => {
                feeder.until_recorded(&batch, &cancel).await;
                continue;
            }
        };
        match next {
            Ok(change) => batch.push(change),
            Err(RecvError::Lagged(_)) => feeder.missed = true,
            Err(RecvError::Closed) => break,
        }
        feeder.gather(&mut changes, &mut batch);
        feeder.until_recorded(&batch, &cancel).await;
        batch.clear();
    }
    let rest = async {
        loop {
            let all = feeder.gather(&mut changes, &mut batch);
            feeder.record(&batch).await?;
            batch.clear();
            if all {
                return Ok::<_, StoreError>(());
            }
        }
    };
    match tokio::time::timeout(LAST_WORK, rest).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = %chain(&error), "changes went unrecorded"),
        Err(_) => tracing::warn!("changes went unrecorded"),
    }
}

struct Feeder {
    events: Arc<Events>,
    /// By bucket. Buckets never change hands.
    tenants: HashMap<String, String>,
    missed: bool,
}

impl Feeder {
    /// Takes what is there; true when nothing is left.
    fn gather(&mut self, changes: &mut Receiver<Change>, batch: &mut Vec<Change>) -> bool {
        while batch.len() < TOGETHER {
            match changes.try_recv() {
                Ok(change) => batch.push(change),
                Err(TryRecvError::Lagged(_)) => self.missed = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return true,
            }
        }
        false
    }

    async fn until_recorded(&mut self, batch: &[Change], cancel: &CancellationToken) {
        while let Err(error) = self.record(batch).await {
            tracing::warn!(error = %chain(&error), "changes are not recorded yet");
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(AFTER_FAILURE) => {}
            }
        }
    }

    async fn record(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        if self.missed {
            self.events.ask_to_look(None).await?;
            self.missed = false;
        }
        for run in batch.chunk_by(|a, b| a.bucket == b.bucket) {
            let changes: Vec<NewEvent> = run.iter().filter_map(event).collect();
            let Some(bucket) = run.first().map(|change| &change.bucket) else {
                continue;
            };
            let Some(tenant_id) = self.tenant(bucket).await? else {
                continue;
            };
            if self.events.append(&tenant_id, &changes).await?.is_none() {
                self.tenants.remove(bucket);
            }
        }
        Ok(())
    }

    async fn tenant(&mut self, bucket: &str) -> Result<Option<String>, StoreError> {
        if let Some(tenant_id) = self.tenants.get(bucket) {
            return Ok(Some(tenant_id.clone()));
        }
        let found = self.events.store.find_tenant_of_bucket(bucket).await?;
        if let Some(tenant_id) = &found {
            if self.tenants.len() == REMEMBERED {
                self.tenants.clear();
            }
            self.tenants.insert(bucket.to_owned(), tenant_id.clone());
        }
        Ok(found)
    }
}

fn event(change: &Change) -> Option<NewEvent> {
    let kind = match change.kind {
        StoreChange::Put | StoreChange::Copy | StoreChange::Multipart => ChangeKind::Put,
        StoreChange::Delete => ChangeKind::Delete,
    };
    is_path(&change.key).then(|| NewEvent {
        kind,
        path: change.key.clone(),
        from: None,
        etag: change.etag.clone(),
        size: match kind {
            ChangeKind::Delete => None,
            ChangeKind::Put | ChangeKind::Rename | ChangeKind::Changed => {
                i64::try_from(change.size).ok()
            }
        },
        at: change.at_ms,
        // The same version can become the newest one again.
        teller: Teller::Bucket {
            mark: format!("{}@{}", change.version_id, change.at_ms),
        },
    })
}
