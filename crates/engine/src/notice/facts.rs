//! What of the engine's state a person may have to know. Pure.

use super::{Fact, Hope};
use crate::engine::Model;
use crate::view::{
    AccountView, ConflictState, MountState, NoticeAction, NoticeCause, NoticeLevel, ProblemView,
    RcloneView, SecretStoreView,
};

/// Everything that is so now; `problems` are the obstacles of all folders.
pub(crate) fn facts(model: &Model, problems: &[ProblemView]) -> Vec<Fact> {
    [
        signed_out(model),
        lapsed(model),
        locked(model),
        cannot_run(model),
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
        body: format!("{reason}. What you write waits on this device."),
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
    let of_rclone = match &model.rclone {
        RcloneView::Missing { message, .. } | RcloneView::TooOld { message, .. } => Some(message),
        RcloneView::Unknown | RcloneView::Ready { .. } | RcloneView::Installing => None,
    };
    let of_runs = || {
        let mut failures = model.pairs.iter().filter_map(|pair| pair.failure());
        failures.next()
    };
    let message = of_rclone.map(String::as_str).or_else(of_runs)?;
    if model.pairs.is_empty() {
        return None;
    }
    Some(Fact {
        cause: NoticeCause::RcloneCrashed,
        level: NoticeLevel::Error,
        hope: Hope::MayHeal,
        subjects: [message.to_owned()].into(),
        title: "Sync cannot run".to_owned(),
        body: message.to_owned(),
        actions: vec![NoticeAction::OpenWindow],
    })
}

fn halts(model: &Model) -> Option<Fact> {
    let halted: Vec<_> = model
        .pairs
        .iter()
        .filter_map(|pair| Some((&pair.settings, pair.halt.as_ref()?)))
        .collect();
    let (_, first) = halted.first()?;
    let heals = halted.iter().all(|(_, halt)| halt.actions.is_empty());
    let (title, body) = match halted.len() {
        1 => (first.message.clone(), first.hint.clone()),
        count => (
            format!("{count} folders wait for you"),
            format!("{}. {}", first.message, first.hint),
        ),
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

/// Conflicts that nobody decided or put off.
fn conflicts(model: &Model) -> Option<Fact> {
    let count = model.open_conflicts.saturating_sub(model.put_off_conflicts);
    let open: Vec<_> = model
        .conflicts
        .iter()
        .filter(|conflict| conflict.state == ConflictState::Open)
        .collect();
    let newest = open.first()?;
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
        subjects: open.iter().map(|conflict| conflict.id.clone()).collect(),
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
        body: format!("{}: {message}", first.folder),
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
