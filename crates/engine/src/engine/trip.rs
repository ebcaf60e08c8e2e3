//! Starting the lane for paths that changed, and taking in what it did. It takes turns with runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use guard::Access;
use md5::{Digest, Md5};
use tokio_util::sync::CancellationToken;
use wire::{ChangeIn, ChangeKind};

use super::change_stream::Followed;
use super::core::{Core, Input, QUIET};
use super::model::PairModel;
use crate::config::Mode;
use crate::lane::{self, Hint, LaneInput, Trip};
use crate::places::Places;
use crate::view::{ProgressView, SubscriptionView};

/// Deletes that pass one by one until a cycle counts them against everything.
const SPARE_DELETES: usize = 2;

/// A trip with so many paths shows; a smaller one is over before anybody could read it.
const SHOWN_FROM: usize = 8;

/// What waits for the lane, of one pair.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    saved: BTreeSet<String>,
    hinted: BTreeMap<String, Hint>,
    /// Deletes that the lane carried since the last cycle.
    deletes: usize,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.saved.is_empty() && self.hinted.is_empty()
    }

    pub(super) fn note_saved(&mut self, path: &str) {
        self.saved.insert(path.to_owned());
    }

    /// A cycle looks at everything from now on.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl PairModel {
    /// What the lane carried needs no pass to be remarked on.
    fn take_remarks(&mut self, trip: &Trip) {
        let told = trip.told.iter();
        let deleted: BTreeSet<&String> = told
            .filter(|change| change.kind == ChangeKind::Delete)
            .map(|change| &change.path)
            .chain(&trip.freed)
            .collect();
        self.remarks
            .retain(|remark| !deleted.contains(&remark.path));
        for remark in &trip.tally.remarks {
            if !self.remarks.contains(remark) {
                self.remarks.push(remark.clone());
            }
        }
    }
}

/// A finished trip.
pub(super) struct TripEnd {
    /// The key of the account that it was for.
    account: String,
    pair: String,
    took: Duration,
    /// An error is for the log: the cycle that follows meets its cause again and shows it.
    result: Result<Trip, String>,
}

impl Core {
    /// Takes in that files changed here.
    pub(super) fn take_saved(&mut self, paths: Vec<PathBuf>) {
        let mut freed = false;
        for path in paths {
            let place = self
                .model
                .pairs
                .iter_mut()
                .find_map(|pair| Some((note_path(&pair.settings.folder, &path)?, pair)));
            match place {
                Some((Some(note), pair)) => {
                    freed |= pair.problems.iter().any(|problem| problem.path == note);
                    pair.waiting_for_lane.saved.insert(note);
                }
                // A folder itself, or a name that only a whole look can tell of.
                Some((None, _)) => self.pass_within(QUIET),
                None => {}
            }
        }
        // What stood in the way of a path may be gone. Events of one path come ever more rarely.
        if freed {
            self.pass_within(QUIET);
        }
    }

    /// Takes in that the cloud may have changed at these paths.
    pub(super) fn take_hints(&mut self, hints: &[(String, Hint)]) {
        self.refresh_mounts(hints.iter().map(|(path, _)| path.as_str()));
        self.hint_pairs(hints);
    }

    pub(super) fn hint_pairs(&mut self, hints: &[(String, Hint)]) {
        for pair in &mut self.model.pairs {
            pair.waiting_for_lane.hinted.extend(hints.iter().cloned());
        }
    }

    /// The change stream is open: little can be missed, and passes may be rare.
    pub(super) fn stream_is_live(&mut self, missed: bool) {
        self.stream_live = true;
        // Only who is current is let in: this device was told otherwise before.
        if self
            .model
            .subscription
            .as_ref()
            .is_some_and(|it| !it.current)
        {
            self.ask_subscription(None);
        }
        if missed {
            self.refresh_mounts(std::iter::once(""));
            self.pass_within(Duration::ZERO);
        }
    }

    /// Follows the change stream of whoever is signed in, in background mode or while something
    /// is mounted.
    pub(super) fn follow_changes(&mut self) {
        self.stream_live = false;
        self.stream_seq = None;
        let is_worth_it = match self.config.mode {
            Mode::Background { .. } => !self.model.pairs.is_empty() || self.mounts.are_active(),
            Mode::OnRequest => self.mounts.are_active(),
        };
        self.hints = match &self.account {
            Some(account) if is_worth_it => {
                let device = stream_device(account.key(), &self.config.places);
                Some(Followed::follow(
                    account.clone(),
                    device,
                    self.inputs.clone(),
                ))
            }
            Some(_) | None => None,
        };
    }

    /// Starts the lane where paths wait for it; answers whether it runs.
    pub(super) fn start_trip(&mut self) -> bool {
        let now_ms = self.config.clock.now_ms();
        let carries = self.model.carries(now_ms);
        let access = match &self.model.subscription {
            Some(standing) if is_current(standing, now_ms) => Access::ReadWrite,
            Some(_) | None => Access::ReadOnly,
        };
        let (Some(link), Some(account)) = (self.link.clone(), &self.account) else {
            self.leave_everything();
            return false;
        };
        let account = account.key().to_owned();
        let ready = |pair: &&mut PairModel| !pair.waiting_for_lane.is_empty();
        let Some(pair) = self.model.pairs.iter_mut().find(ready) else {
            return false;
        };
        if !carries || !pair.is_settled() {
            self.leave_everything();
            return false;
        }
        let waiting = &mut pair.waiting_for_lane;
        let (saved, hinted) = (
            std::mem::take(&mut waiting.saved),
            std::mem::take(&mut waiting.hinted),
        );
        let total = saved.len() + hinted.len();
        if total >= SHOWN_FROM {
            pair.running = Some(ProgressView::new(0, "lane", 0, total as u64));
        }
        let waiting = &mut pair.waiting_for_lane;
        let spare_deletes = SPARE_DELETES.saturating_sub(waiting.deletes);
        let (settings, filters) = (pair.settings.clone(), pair.filters.clone());
        let (config, state, inputs) =
            (self.config.clone(), self.state.clone(), self.inputs.clone());
        self.running = Some(CancellationToken::new());
        tokio::spawn(async move {
            let began = tokio::time::Instant::now();
            let pair = settings.id.clone();
            let result = async {
                let filters = filters.map_err(|error| error.to_string())?;
                let input = LaneInput {
                    pair: settings.id,
                    vault: settings.folder,
                    side_home: config.places.data,
                    state,
                    bucket: link.bucket,
                    filters,
                    access,
                    device: config.device,
                    clock: config.clock,
                    observer: config.observer,
                    spare_deletes,
                    saved,
                    hinted,
                };
                lane::run(&input).await.map_err(|error| error.to_string())
            }
            .await;
            let end = TripEnd {
                account,
                pair,
                took: began.elapsed(),
                result,
            };
            if inputs.send(Input::TripEnded(Box::new(end))).await.is_err() {
                tracing::debug!("the engine stopped before a trip of the lane ended");
            }
        });
        true
    }

    pub(super) async fn end_trip(&mut self, end: TripEnd) {
        self.running = None;
        let TripEnd {
            account,
            pair,
            took,
            result,
        } = end;
        if let Some(pair) = self.model.pair_mut(&pair) {
            pair.running = None;
        }
        self.resume_passes();
        let trip = match result {
            Ok(trip) => trip,
            Err(error) => {
                tracing::info!(error, "the lane leaves it to a cycle");
                return self.pass_within(Duration::ZERO);
            }
        };
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            pair.id = pair,
            uploaded = trip.tally.uploaded,
            downloaded = trip.tally.downloaded,
            removed = trip.deletes(),
            left = trip.left.len(),
            duration_ms,
            "the lane carried"
        );
        let mut waited_for = false;
        if let Some(pair) = self.model.pair_mut(&pair) {
            pair.extent = pair.extent.after(trip.growth);
            pair.waiting_for_lane.deletes += trip.deletes();
            let mut problems = pair.problems.iter();
            waited_for = problems.any(|problem| trip.makes_room_for(&problem.path));
            pair.take_remarks(&trip);
        }
        if self.is_signed_in_as(&account) {
            self.tell_others(trip.told);
        }
        if waited_for || !trip.left.is_empty() {
            self.pass_within(Duration::ZERO);
        }
        self.close_equal_conflicts().await;
        self.load_lists().await;
    }

    /// Says what went up. Nobody depends on it: the store tells too, and passes compare.
    pub(super) fn tell_others(&self, changes: Vec<ChangeIn>) {
        let Some(account) = self.account.clone() else {
            return;
        };
        if changes.is_empty() {
            return;
        }
        let device = stream_device(account.key(), &self.config.places);
        tokio::spawn(async move {
            if let Err(error) = account.report_changes(&device, &changes).await {
                tracing::debug!(%error, "the server was not told of changes");
            }
        });
    }

    /// What the lane cannot carry now, the next pass finds.
    fn leave_everything(&mut self) {
        let mut waited = false;
        for pair in &mut self.model.pairs {
            waited |= !pair.waiting_for_lane.is_empty();
            pair.waiting_for_lane.clear();
        }
        if waited {
            self.pass_within(QUIET);
        }
    }
}

/// What this installation is called in the change stream: the same at each start, and nothing
/// that says whose it is.
fn stream_device(account: &str, places: &Places) -> String {
    let mut hash = Md5::new();
    hash.update(account.as_bytes());
    hash.update(places.state.as_os_str().as_encoded_bytes());
    hex::encode(hash.finalize())
}

/// Whether changes may go up at `now_ms`, as far as this device was told.
fn is_current(standing: &SubscriptionView, now_ms: i64) -> bool {
    standing.current && standing.period_end_ms.is_none_or(|end| end >= now_ms)
}

/// The path below `folder` as notes are named; `Some(None)` if it is no such name, `None` if it
/// is elsewhere.
pub(super) fn note_path(folder: &Path, path: &Path) -> Option<Option<String>> {
    let below = path.strip_prefix(folder).ok()?;
    let names: Option<Vec<&str>> = below
        .components()
        .map(|part| part.as_os_str().to_str())
        .collect();
    Some(
        names
            .filter(|names| !names.is_empty())
            .map(|names| names.join("/")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_named_from_its_folder_with_slashes() {
        let named = |path: &str| note_path(Path::new("/home/ana/Notes"), Path::new(path));
        assert_eq!(
            named("/home/ana/Notes/a/b.md"),
            Some(Some("a/b.md".to_owned()))
        );
        assert_eq!(named("/home/ana/Notes"), Some(None));
        assert_eq!(named("/home/ana/Notes 2/b.md"), None);
    }
}
