//! The engine's state as plain data, and the pure function that makes the view of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::StartError;
use super::trip::Waiting;
use crate::filters::{FilterError, Filters};
use crate::metered::Cost;
use crate::mounts::MountModel;
use crate::power::Power;
use crate::settings::{PairSettings, Settings};
use crate::state::{Extent, Standing};
use crate::vault::PathProblem;
use crate::view::{
    AccountView, ActivityView, CheckView, ConflictView, HaltView, HistoryView, MountState,
    MountSupport, NoticeView, PairView, PreviewView, ProblemView, ProgressView, RcloneView,
    RunResult, RunView, SecretStoreView, Status, SubscriptionView, SyncSwitch, View,
};

/// Problems a view holds at most.
const PROBLEMS: usize = 100;

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) device: String,
    pub(crate) settings: Settings,
    pub(crate) account: AccountView,
    pub(crate) subscription: Option<SubscriptionView>,
    pub(crate) pairs: Vec<PairModel>,
    pub(crate) conflicts: Vec<ConflictView>,
    /// Undecided, those put off among them.
    pub(crate) open_conflicts: u32,
    /// All that are open and not put off, also those that no view has room for.
    pub(crate) open_conflict_ids: BTreeSet<String>,
    pub(crate) notices: Vec<NoticeView>,
    pub(crate) activity: Vec<ActivityView>,
    pub(crate) history: HistoryView,
    pub(crate) rclone: RcloneView,
    pub(crate) mounts: Vec<MountModel>,
    pub(crate) mount_support: MountSupport,
    pub(crate) secret_store: SecretStoreView,
    /// Said once after a damaged state was put aside.
    pub(crate) notice: Option<String>,
    pub(crate) starting: bool,
    /// Why changes in some folders are noticed by passes only.
    pub(crate) unwatched: Option<String>,
    /// How old the last pass may be; nothing for who only works on request.
    pub(crate) late_after_ms: Option<i64>,
    /// Since when nothing has stood against a pass; absent while something does.
    pub(crate) free_since_ms: Option<i64>,
    pub(crate) power: Power,
    pub(crate) cost: Cost,
}

#[derive(Clone, Debug)]
pub(crate) struct PairModel {
    pub(crate) settings: PairSettings,
    /// Those of the settings, or why they cannot be used.
    pub(crate) filters: Result<Filters, FilterError>,
    pub(crate) extent: Extent,
    pub(crate) checked_at_ms: Option<i64>,
    /// Whether a pass ended well since the start: what was known before may no longer be true.
    pub(crate) passed: bool,
    pub(crate) waiting: u64,
    pub(crate) running: Option<ProgressView>,
    pub(crate) last_run: Option<RunView>,
    pub(crate) halt: Option<HaltView>,
    pub(crate) preview: Option<PreviewView>,
    pub(crate) check: Option<CheckView>,
    pub(crate) problems: Vec<PathProblem>,
    /// What is good to know of paths that sync.
    pub(crate) remarks: Vec<PathProblem>,
    pub(crate) offline: bool,
    pub(crate) waiting_for_lane: Waiting,
}

impl PairModel {
    /// A pair as it was last told of.
    pub(crate) fn new(settings: PairSettings, extent: Extent, told: Standing) -> Self {
        Self {
            filters: settings.usable_filters(),
            settings,
            extent,
            checked_at_ms: told.checked_at_ms,
            passed: false,
            waiting: told.waiting,
            running: None,
            last_run: told.last_run,
            halt: told.halt,
            preview: None,
            check: None,
            problems: Vec::new(),
            remarks: Vec::new(),
            offline: false,
            waiting_for_lane: Waiting::default(),
        }
    }

    /// Whether the last pass found or made both sides equal: only then may single paths move.
    pub(crate) fn is_settled(&self) -> bool {
        let passed = self.last_run.as_ref().is_some_and(|run| match run.result {
            RunResult::Verified | RunResult::Synced | RunResult::Previewed => true,
            RunResult::Halted { .. } | RunResult::Failed { .. } | RunResult::Stopped => false,
        });
        let open = match &self.halt {
            None => true,
            Some(halt) => halt.code == "CaseCollision",
        };
        passed && self.passed && open && !self.offline
    }

    /// What the next start has to know.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            checked_at_ms: self.checked_at_ms,
            waiting: self.waiting,
            last_run: self.last_run.clone(),
            halt: self.halt.clone(),
        }
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        match &self.last_run.as_ref()?.result {
            RunResult::Failed {
                message,
                transient: false,
                ..
            } => Some(message),
            RunResult::Failed {
                transient: true, ..
            }
            | RunResult::Verified
            | RunResult::Synced
            | RunResult::Previewed
            | RunResult::Halted { .. }
            | RunResult::Stopped => None,
        }
    }

    fn view(&self) -> PairView {
        PairView {
            id: self.settings.id.clone(),
            folder: self.settings.folder.display().to_string(),
            bucket: self.settings.bucket.clone(),
            profile: self.settings.profile,
            files: self.extent.files,
            bytes: self.extent.bytes,
            checked_at_ms: self.checked_at_ms,
            waiting: self.waiting,
            running: self.running.clone(),
            last_run: self.last_run.clone(),
            halt: self.halt.clone(),
            preview: self.preview.clone(),
            check: self.check.clone(),
            filters: self.settings.filters.clone(),
        }
    }
}

impl Model {
    /// Nothing is known yet.
    pub(crate) fn empty(device: &str) -> Self {
        Self {
            device: device.to_owned(),
            settings: Settings::default(),
            account: AccountView::SignedOut { reason: None },
            subscription: None,
            pairs: Vec::new(),
            conflicts: Vec::new(),
            open_conflicts: 0,
            open_conflict_ids: BTreeSet::new(),
            notices: Vec::new(),
            activity: Vec::new(),
            history: HistoryView::default(),
            rclone: RcloneView::Unknown,
            mounts: Vec::new(),
            mount_support: MountSupport::Missing {
                message: "Not looked for yet".to_owned(),
                hint: String::new(),
            },
            secret_store: SecretStoreView::Keyring,
            notice: None,
            starting: true,
            unwatched: None,
            late_after_ms: None,
            free_since_ms: None,
            power: Power::Mains,
            cost: Cost::Free,
        }
    }

    pub(crate) fn pair_mut(&mut self, id: &str) -> Option<&mut PairModel> {
        self.pairs.iter_mut().find(|pair| pair.settings.id == id)
    }

    /// The folder that a person means who names none. It stays theirs while nobody is signed in.
    pub(crate) fn notes_folder(&self) -> Option<&Path> {
        let folders = match &self.account {
            AccountView::SignedIn { .. } => self.pairs.first().map(|pair| &pair.settings.folder),
            AccountView::SignedOut { .. }
            | AccountView::SigningIn { .. }
            | AccountView::AwaitingBrowser { .. } => {
                self.settings.pairs.first().map(|pair| &pair.folder)
            }
        };
        folders.map(PathBuf::as_path)
    }

    /// Remembers since when passes can be made.
    pub(crate) fn look_whether_free(&mut self, now_ms: i64) {
        let signed_in = matches!(self.account, AccountView::SignedIn { .. });
        let reachable = !self.pairs.iter().any(|pair| pair.offline);
        self.free_since_ms = if signed_in && reachable && self.carries(now_ms) {
            Some(self.free_since_ms.unwrap_or(now_ms))
        } else {
            None
        };
    }

    /// Whether changes are carried without being asked.
    pub(crate) fn carries(&self, now_ms: i64) -> bool {
        match self.settings.sync {
            SyncSwitch::Off => false,
            SyncSwitch::PausedUntil { until_ms } if until_ms > now_ms => false,
            SyncSwitch::On | SyncSwitch::PausedUntil { .. } => {
                self.power == Power::Mains && self.cost == Cost::Free
            }
        }
    }
}

impl View {
    /// What front ends show before the first view is there.
    pub fn starting(device: &str) -> Self {
        let view = render(&Model::empty(device), 0);
        Self {
            status: Status::Starting,
            headline: "Starting".to_owned(),
            ..view
        }
    }

    /// What front ends show when no engine runs.
    pub fn not_running(device: &str, error: &StartError) -> Self {
        let headline = format!("Sync cannot run: {error}");
        Self {
            status: Status::Error,
            headline,
            ..Self::starting(device)
        }
    }
}

/// Makes the view. The same model and time always make the same view.
pub(crate) fn render(model: &Model, now_ms: i64) -> View {
    let (status, headline) = status(model, now_ms);
    let problems = problems(model);
    let paused_over = match model.settings.sync {
        SyncSwitch::PausedUntil { until_ms } => until_ms <= now_ms,
        SyncSwitch::On | SyncSwitch::Off => false,
    };
    View {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: model.device.clone(),
        status,
        headline,
        sync: if paused_over {
            SyncSwitch::On
        } else {
            model.settings.sync.clone()
        },
        checked_at_ms: oldest_check(model),
        account: model.account.clone(),
        subscription: model.subscription.clone(),
        pairs: model.pairs.iter().map(PairModel::view).collect(),
        notes_folder: model.notes_folder().map(|path| path.display().to_string()),
        notices: model.notices.clone(),
        conflicts: model.conflicts.clone(),
        open_conflict_count: model.open_conflicts,
        problem_count: u32::try_from(problems.len()).unwrap_or(u32::MAX),
        problems: problems
            .into_iter()
            .chain(remarks(model))
            .take(PROBLEMS)
            .collect(),
        activity: model.activity.clone(),
        history: model.history.clone(),
        rclone: model.rclone.clone(),
        chosen_rclone: model
            .settings
            .rclone
            .as_ref()
            .map(|path| path.display().to_string()),
        mounts: model.mounts.iter().map(MountModel::view).collect(),
        mount_support: model.mount_support.clone(),
        secret_store: model.secret_store,
        settings: model.settings.choices.clone(),
    }
}

/// The obstacles of all folders.
pub(crate) fn problems(model: &Model) -> Vec<ProblemView> {
    let of_pair = |pair: &PairModel| shown(pair, &pair.problems);
    let problems = model.pairs.iter().flat_map(of_pair);
    problems.chain(unwatched(model)).collect()
}

/// What is good to know of paths that sync, of all folders. It changes no status and is no notice.
fn remarks(model: &Model) -> Vec<ProblemView> {
    let of_pair = |pair: &PairModel| shown(pair, &pair.remarks);
    model.pairs.iter().flat_map(of_pair).collect()
}

fn shown(pair: &PairModel, found: &[PathProblem]) -> Vec<ProblemView> {
    let view = |problem: &PathProblem| ProblemView {
        pair: pair.settings.id.clone(),
        path: problem.path.clone(),
        code: problem.code.as_str().to_owned(),
        message: problem.message.clone(),
    };
    found.iter().map(view).collect()
}

fn unwatched(model: &Model) -> Option<ProblemView> {
    let (reason, pair) = (model.unwatched.as_ref()?, model.pairs.first()?);
    Some(ProblemView {
        pair: pair.settings.id.clone(),
        path: pair.settings.folder.display().to_string(),
        code: "file_events".to_owned(),
        message: format!("Some changes are noticed a minute later: {reason}"),
    })
}

/// Status and its words. The order of the arms is the documented precedence of [`Status`].
fn status(model: &Model, now_ms: i64) -> (Status, String) {
    match &model.account {
        AccountView::SignedOut { .. } => {
            let words = if model.settings.accounts().is_empty() {
                "Sign in"
            } else {
                "Sign in again"
            };
            return (Status::SignedOut, words.to_owned());
        }
        AccountView::SigningIn { .. } => return (Status::SignedOut, "Signing in".to_owned()),
        AccountView::AwaitingBrowser { user_code, .. } => {
            return (
                Status::SignedOut,
                format!("Enter {user_code} in the browser"),
            );
        }
        AccountView::SignedIn { .. } => {}
    }
    if model
        .subscription
        .as_ref()
        .is_some_and(|subscription| !subscription.current)
    {
        let words = if model.pairs.is_empty() {
            "Subscription required"
        } else {
            "Read-only: subscription ended"
        };
        return (Status::Expired, words.to_owned());
    }
    match model.secret_store {
        SecretStoreView::FileLocked => {
            return (Status::Error, "Sync waits for your passphrase".to_owned());
        }
        SecretStoreView::KeyringLocked => {
            let words = "Sync waits: the keyring is locked";
            return (Status::Error, words.to_owned());
        }
        SecretStoreView::Keyring | SecretStoreView::EncryptedFile => {}
    }
    match &model.rclone {
        RcloneView::Missing { message, .. } | RcloneView::TooOld { message, .. } => {
            return (
                Status::Error,
                format!("Sync cannot run: {}", clause(message)),
            );
        }
        RcloneView::Unknown | RcloneView::Ready { .. } | RcloneView::Installing => {}
    }
    if let Some(failure) = model.pairs.iter().find_map(PairModel::failure) {
        return (
            Status::Error,
            format!("Sync cannot run: {}", clause(failure)),
        );
    }
    if let Some(words) = attention(model).or_else(|| late(model, now_ms)) {
        return (Status::Attention, words);
    }
    if let Some(words) = paused(model, now_ms) {
        return (Status::Paused, words.to_owned());
    }
    if model.pairs.iter().any(|pair| pair.offline) {
        let waiting: u64 = model.pairs.iter().map(|pair| pair.waiting).sum();
        return (Status::Offline, offline_words(waiting));
    }
    if let Some(progress) = model.pairs.iter().find_map(|pair| pair.running.as_ref())
        && progress.phase != "verify"
    {
        let words = match progress.total {
            0 => "Syncing".to_owned(),
            total => format!("Syncing {} of {total}", (progress.done + 1).min(total)),
        };
        return (Status::Syncing, words);
    }
    if model.pairs.is_empty() {
        let mut drives = model.mounts.iter().map(|mount| mount.view().state);
        return if model.mounts.is_empty() {
            (Status::Starting, "No folder is set up yet".to_owned())
        } else if drives.any(|state| state == MountState::Mounted) {
            (Status::Idle, "Your cloud is shown as a drive".to_owned())
        } else {
            (Status::Starting, "The drive is not connected".to_owned())
        };
    }
    if model.starting || model.pairs.iter().any(|pair| !pair.passed) {
        return (Status::Starting, "Starting".to_owned());
    }
    (Status::Idle, "Up to date".to_owned())
}

/// Drives go on meanwhile, so where there is nothing else nothing is paused.
fn paused(model: &Model, now_ms: i64) -> Option<&'static str> {
    if model.pairs.is_empty() {
        return None;
    }
    match (&model.settings.sync, model.power, model.cost) {
        (SyncSwitch::Off, _, _) => Some("Sync is off"),
        (SyncSwitch::PausedUntil { until_ms }, _, _) if *until_ms > now_ms => Some("Paused"),
        (_, Power::Battery, _) => Some("Paused on battery"),
        (_, Power::Mains, Cost::Metered) => Some("Paused on a metered connection"),
        (_, Power::Mains, Cost::Free) => None,
    }
}

/// A sentence as the part of one that follows a colon.
fn clause(sentence: &str) -> String {
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    let mut rest = sentence.chars();
    match rest.next() {
        // `PATH is …` keeps its capitals.
        Some(first) if !rest.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(rest).collect()
        }
        Some(_) | None => sentence.to_owned(),
    }
}

fn attention(model: &Model) -> Option<String> {
    if let Some(halt) = model.pairs.iter().find_map(|pair| pair.halt.as_ref()) {
        // Of a state that was put aside, the lost listings are only what follows.
        let cause = model
            .notice
            .as_ref()
            .filter(|_| halt.code == "ListingsLost");
        return Some(cause.unwrap_or(&halt.message).clone());
    }
    match model.open_conflicts {
        0 => failed_drive(model).or_else(|| model.notice.clone()),
        1 => Some("1 conflict to review".to_owned()),
        count => Some(format!("{count} conflicts to review")),
    }
}

/// Only a person's request brings it back.
fn failed_drive(model: &Model) -> Option<String> {
    let mut drives = model.mounts.iter().map(MountModel::view);
    let failed = drives.find(|drive| drive.state == MountState::Failed)?;
    let name = failed.folder.rsplit(['/', '\\']).next();
    Some(format!(
        "The drive {} is not available",
        name.unwrap_or(&failed.folder)
    ))
}

/// Silence is no success: without a pass for too long, though nothing stands against one. The time
/// in which the machine slept, sync was paused or nothing could be reached does not count.
pub(crate) fn late(model: &Model, now_ms: i64) -> Option<String> {
    let at_rest = |pair: &PairModel| pair.running.is_none() && !pair.offline;
    if model.pairs.is_empty() || !model.pairs.iter().all(at_rest) || !model.carries(now_ms) {
        return None;
    }
    let (free, checked) = (model.free_since_ms?, oldest_check(model));
    let waited_ms = now_ms - checked.map_or(free, |checked| checked.max(free));
    let age_ms = now_ms - checked.unwrap_or(free);
    (waited_ms > model.late_after_ms?).then(|| format!("Not checked for {}", span(age_ms)))
}

fn span(ms: i64) -> String {
    match ms / 60_000 {
        minutes @ ..120 => format!("{minutes} minutes"),
        minutes @ 120..2_880 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / 1_440),
    }
}

fn offline_words(waiting: u64) -> String {
    match waiting {
        0 => "Connection lost".to_owned(),
        1 => "Connection lost · 1 change waiting".to_owned(),
        count => format!("Connection lost · {count} changes waiting"),
    }
}

/// The age of the headline is that of the pair checked longest ago.
fn oldest_check(model: &Model) -> Option<i64> {
    model
        .pairs
        .iter()
        .map(|pair| pair.checked_at_ms)
        .min()
        .flatten()
}

#[cfg(test)]
mod tests;
