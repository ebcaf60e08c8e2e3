//! What of the engine's state a person may have to know. Pure.

use super::{Fact, Hope};
use crate::engine::{Model, late};
use crate::settings::PairSettings;
use crate::view::{
    AccountView, ConflictState, MountState, NoticeAction, NoticeCause, NoticeLevel, ProblemView,
    RcloneView, RunResult, SecretStoreView,
};

/// Folders that a notice names at most.
const NAMED: usize = 3;

/// Everything that is so now; `problems` are the obstacles of all folders.
pub(crate) fn facts(model: &Model, problems: &[ProblemView], now_ms: i64) -> Vec<Fact> {
    [
        signed_out(model),
        lapsed(model),
        locked(model),
        cannot_run(model).or_else(|| stuck(model, now_ms)),
        halts(model),
        conflicts(model),
        mounts(model),
        obstacles(problems),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Only a session that ended by itself: who signs out knows it.
fn signed_out(model: &Model) -> Option<Fact> {
    let AccountView::SignedOut {
        reason: Some(reason),
    } = &model.account
    else {
        return None;
    };
    (!model.settings.pairs.is_empty()).then(|| Fact {
        cause: NoticeCause::AuthExpired,
        level: NoticeLevel::Error,
        hope: Hope::NeedsPerson,
        subjects: ["account".to_owned()].into(),
        title: "Sign in again".to_owned(),
        body: format!("{} What you write waits on this device.", sentence(reason)),
        actions: vec![NoticeAction::SignIn, NoticeAction::OpenWindow],
    })
}

fn lapsed(model: &Model) -> Option<Fact> {
    let standing = model.subscription.as_ref()?;
    if standing.current || model.pairs.is_empty() && model.mounts.is_empty() {
        return None;
    }
    let waiting: u64 = model.pairs.iter().map(|pair| pair.waiting).sum();
    let waits = match waiting {
        0 => "What you write from now on waits".to_owned(),
        1 => "1 change waits".to_owned(),
        count => format!("{count} changes wait"),
    };
    Some(Fact {
        cause: NoticeCause::SubscriptionLapsed,
        level: NoticeLevel::Warning,
        hope: Hope::NeedsPerson,
        subjects: ["subscription".to_owned()].into(),
        title: "Read-only: subscription ended".to_owned(),
        body: format!(
            "{waits} on this device; notes from the cloud still come. Nothing is deleted."
        ),
        actions: vec![NoticeAction::ManageSubscription, NoticeAction::OpenWindow],
    })
}

/// After a start at login no window is there to ask.
fn locked(model: &Model) -> Option<Fact> {
    let (subject, title, body) = match model.secret_store {
        SecretStoreView::FileLocked => (
            "passphrase",
            "Sync waits for your passphrase",
            "The keys of this device are in an encrypted file. What you write waits here.",
        ),
        SecretStoreView::KeyringLocked => (
            "keyring",
            "Sync waits: the keyring is locked",
            "The keys of this device are in your system's keyring. Unlock it; what you write waits \
             here.",
        ),
        SecretStoreView::Keyring | SecretStoreView::EncryptedFile => return None,
    };
    matches!(model.account, AccountView::SignedIn { .. }).then(|| Fact {
        cause: NoticeCause::AuthExpired,
        level: NoticeLevel::Error,
        hope: Hope::NeedsPerson,
        subjects: [subject.to_owned()].into(),
        title: title.to_owned(),
        body: body.to_owned(),
        actions: vec![NoticeAction::OpenWindow],
    })
}

fn cannot_run(model: &Model) -> Option<Fact> {
    if matches!(
        model.secret_store,
        SecretStoreView::FileLocked | SecretStoreView::KeyringLocked
    ) {
        return None;
    }
    if model.pairs.is_empty() {
        return None;
    }
    let of_rclone = match &model.rclone {
        RcloneView::Missing { message, hint } | RcloneView::TooOld { message, hint, .. } => {
            Some(Failure {
                code: "rclone",
                message,
                hint: Some(hint),
                transient: false,
            })
        }
        RcloneView::Unknown | RcloneView::Ready { .. } | RcloneView::Installing => None,
    };
    let of_runs = || failures(model).find(|failure| !failure.transient);
    let failure = of_rclone.or_else(of_runs)?;
    Some(Fact {
        cause: NoticeCause::RcloneCrashed,
        level: NoticeLevel::Error,
        hope: Hope::MayHeal,
        // The message may name a file or a number, and be another one each time.
        subjects: [failure.code.to_owned()].into(),
        title: "Sync cannot run".to_owned(),
        body: failure.words(),
        actions: vec![NoticeAction::OpenWindow],
    })
}

/// Tried again and again, and never to an end.
fn stuck(model: &Model, now_ms: i64) -> Option<Fact> {
    let late = late(model, now_ms)?;
    let body = match failures(model).next() {
        Some(failure) => format!("{late}. {}", failure.words()),
        None => format!("{late}. A check-up in Diagnostics looks for the cause."),
    };
    Some(Fact {
        cause: NoticeCause::RcloneCrashed,
        level: NoticeLevel::Error,
        hope: Hope::MayHeal,
        subjects: ["late".to_owned()].into(),
        title: "Sync is stuck".to_owned(),
        body,
        actions: vec![NoticeAction::OpenWindow],
    })
}

/// Why something did not run to its end.
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
    transient: bool,
}

impl Failure<'_> {
    fn words(&self) -> String {
        let message = sentence(self.message);
        match self.hint.filter(|hint| !hint.is_empty()) {
            Some(hint) => format!("{message} {hint}"),
            None => message,
        }
    }
}

/// Those of the folders whose newest run failed.
fn failures(model: &Model) -> impl Iterator<Item = Failure<'_>> {
    model
        .pairs
        .iter()
        .filter_map(|pair| match &pair.last_run.as_ref()?.result {
            RunResult::Failed {
                code,
                message,
                hint,
                transient,
            } => Some(Failure {
                code,
                message,
                hint: hint.as_deref(),
                transient: *transient,
            }),
            RunResult::Verified
            | RunResult::Synced
            | RunResult::Previewed
            | RunResult::Halted { .. }
            | RunResult::Stopped => None,
        })
}

/// Words as a sentence of their own. The program's name keeps its small letter.
fn sentence(words: &str) -> String {
    let mut rest = words.chars();
    let begun = match rest.next() {
        Some(first) if !words.starts_with("rclone") => first.to_uppercase().chain(rest).collect(),
        Some(_) | None => words.to_owned(),
    };
    if begun.ends_with(['.', '!', '?', '…']) {
        begun
    } else {
        format!("{begun}.")
    }
}

fn halts(model: &Model) -> Option<Fact> {
    let halted: Vec<_> = model
        .pairs
        .iter()
        .filter_map(|pair| Some((&pair.settings, pair.halt.as_ref()?)))
        .collect();
    let (pair, first) = halted.first()?;
    let heals = halted.iter().all(|(_, halt)| halt.actions.is_empty());
    let (title, body) = match halted.len() {
        1 if model.pairs.len() == 1 => (first.message.clone(), first.hint.clone()),
        1 => {
            let body = format!("{}: {}", folder_name(pair), first.hint);
            (first.message.clone(), body)
        }
        count => {
            let named = halted.iter().take(NAMED).map(|(pair, halt)| {
                let message = sentence(&halt.message);
                format!("{}: {message}", folder_name(pair))
            });
            let title = format!("{count} folders have stopped");
            (title, named.collect::<Vec<_>>().join("\n"))
        }
    };
    Some(Fact {
        cause: NoticeCause::Halt,
        level: NoticeLevel::Error,
        hope: if heals {
            Hope::MayHeal
        } else {
            Hope::NeedsPerson
        },
        subjects: halted
            .iter()
            .map(|(pair, halt)| format!("{} {}", pair.id, halt.code))
            .collect(),
        title,
        body,
        actions: vec![NoticeAction::OpenWindow],
    })
}

fn folder_name(pair: &PairSettings) -> String {
    let name = pair.folder.file_name().unwrap_or(pair.folder.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Conflicts that nobody decided or put off.
fn conflicts(model: &Model) -> Option<Fact> {
    let count = model.open_conflict_ids.len();
    let mut open = model.conflicts.iter();
    let newest = open.find(|conflict| conflict.state == ConflictState::Open)?;
    let name = newest.path.rsplit('/').next().unwrap_or(&newest.path);
    let (title, body) = match count {
        0 => return None,
        1 => (
            "1 conflict to review".to_owned(),
            format!("{name} was changed in two places. Both versions are kept."),
        ),
        count => (
            format!("{count} conflicts to review"),
            format!(
                "{name} and {} more. Both versions of each are kept.",
                count - 1
            ),
        ),
    };
    Some(Fact {
        cause: NoticeCause::ConflictNew,
        level: NoticeLevel::Warning,
        hope: Hope::NeedsPerson,
        subjects: model.open_conflict_ids.clone(),
        title,
        body,
        actions: vec![NoticeAction::OpenConflicts],
    })
}

fn mounts(model: &Model) -> Option<Fact> {
    let views: Vec<_> = model.mounts.iter().map(|mount| mount.view()).collect();
    let failed: Vec<_> = views
        .iter()
        .filter(|mount| mount.state == MountState::Failed)
        .collect();
    let first = failed.first()?;
    let message = first.message.as_deref().unwrap_or("It is not mounted");
    Some(Fact {
        cause: NoticeCause::MountFailed,
        level: NoticeLevel::Warning,
        hope: Hope::MayHeal,
        subjects: failed.iter().map(|mount| mount.id.clone()).collect(),
        title: "A drive is not available".to_owned(),
        body: format!("{}: {}", first.folder, sentence(message)),
        actions: vec![NoticeAction::OpenWindow],
    })
}

fn obstacles(problems: &[ProblemView]) -> Option<Fact> {
    let first = problems.first()?;
    let title = match problems.len() {
        1 => "1 file is not synced".to_owned(),
        count => format!("{count} files are not synced"),
    };
    Some(Fact {
        cause: NoticeCause::ProblemNew,
        level: NoticeLevel::Info,
        hope: Hope::MayHeal,
        subjects: problems
            .iter()
            .map(|problem| format!("{} {} {}", problem.pair, problem.code, problem.path))
            .collect(),
        title,
        body: format!("{}: {}", first.path, first.message),
        actions: vec![NoticeAction::OpenProblems],
    })
}
