//! What of a pair syncs: trying filter lines, and setting them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use guard::Bucket;

use super::{Answer, Core};
use crate::cycle::{Confirmed, CycleFailure, StateHandle, blocking};
use crate::filters::{self, FilterError, Filters};
use crate::plan::RESERVED;
use crate::vault;
use crate::{Refusal, Reply, RunKind};

/// The cloud's names are left out of a preview if they do not come within this time.
const PATIENCE: Duration = Duration::from_secs(5);

impl Core {
    /// Answers from a task of its own: folders can be large, and nothing is changed.
    pub(super) fn check_filters(&mut self, id: &str, lines: Vec<String>, answer: Answer) {
        let (pair, folder, known) = match self.pair(id) {
            Ok(pair) => (
                pair.settings.id.clone(),
                pair.settings.folder.clone(),
                pair.filters.clone(),
            ),
            Err(refusal) => return self.reply(answer, Err(refusal)),
        };
        let bucket = self.link.as_ref().map(|link| link.bucket.clone());
        let state = self.state.clone();
        tokio::spawn(async move {
            let effect = async {
                let names = names(&state, pair, folder, bucket).await?;
                blocking(move || {
                    let old = known.unwrap_or_else(|_| Filters::all());
                    let (new, errors) = Filters::check(lines.iter().map(String::as_str));
                    Ok::<_, CycleFailure>(filters::effect(&old, &new, &errors, &names))
                })
                .await
            };
            let result = match effect.await {
                Ok(effect) => Ok(Reply::Filters { effect }),
                Err(failure) => Err(Refusal::new(failure.code(), failure.to_string())),
            };
            if answer.send(result).is_err() {
                tracing::debug!("nobody waits for this answer any more");
            }
        });
    }

    pub(super) fn set_filters(&mut self, id: &str, lines: Vec<String>) -> Result<Reply, Refusal> {
        self.pair(id)?;
        let usable =
            Filters::of_lines(lines.iter().map(String::as_str)).map_err(|error| refusal(&error))?;
        self.change_pair(id, |pair| pair.filters.clone_from(&lines))?;
        if let Some(pair) = self.model.pair_mut(id) {
            pair.settings.filters = lines;
            pair.filters = Ok(usable);
        }
        if !self.model.carries(self.config.clock.now_ms()) {
            return Ok(Reply::Done);
        }
        let number = self.queue_runs(vec![id.to_owned()], RunKind::Sync, Confirmed::No);
        Ok(Reply::Run { number })
    }
}

fn refusal(error: &FilterError) -> Refusal {
    let message = error.to_string();
    Refusal::new("filters", message)
        .hint("Mend the line; nothing was changed.")
        .field("lines")
}

/// Every file that is known on either side, hidden or not.
async fn names(
    state: &StateHandle,
    pair: String,
    folder: PathBuf,
    bucket: Option<Bucket>,
) -> Result<BTreeSet<String>, CycleFailure> {
    let baseline = state.with(move |state| state.baseline(&pair)).await?;
    let scan = blocking(move || vault::scan(&folder, &Filters::all())).await?;
    let mut names: BTreeSet<String> = scan.files.into_keys().chain(baseline.into_keys()).collect();
    if let Some(bucket) = bucket {
        match tokio::time::timeout(PATIENCE, bucket.sweep()).await {
            Ok(Ok(objects)) => names.extend(objects.into_iter().map(|object| object.key)),
            Ok(Err(error)) => tracing::debug!(%error, "the cloud's names are left out"),
            Err(_) => tracing::debug!("the cloud's names did not come in time"),
        }
    }
    names.retain(|name| !name.starts_with(RESERVED));
    Ok(names)
}
