//! `bm-cloud status`.

use std::time::Duration;

use engine::view::{AccountView, PairView, RcloneView, SecretStoreView, Status, SyncSwitch};
use engine::{Connection, SignInKeep, View};
use time::UtcOffset;
use tokio::time::timeout;

use crate::account;
use crate::commands;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::halts;
use crate::runs;
use crate::words;

/// The server has this long to say what the account has; then what is known is shown.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(context: &Context) -> Result<Exit, Failure> {
    context
        .with_engine(async |connection| show(context, connection).await)
        .await
}

async fn show(context: &Context, connection: &Connection) -> Result<Exit, Failure> {
    let doubt = ask_server(context, connection).await?;
    let view = context
        .wait(connection, |view| {
            (view.rclone != RcloneView::Unknown).then(|| view.clone())
        })
        .await?;
    let engine = if connection.is_shared() {
        Engine::Running
    } else {
        Engine::Ours
    };
    context.output.json(&view);
    let moment = Moment {
        now_ms: context.now_ms(),
        offset: context.offset,
        engine,
    };
    context.output.data(&lines(&view, moment).join("\n"));
    if let Some(failure) = refusal(&view) {
        context.output.failure(&failure);
        return Ok(failure.exit);
    }
    if let Some(failure) = doubt {
        context.output.failure(&failure);
        return Ok(failure.exit);
    }
    let halted = view.pairs.iter().any(|pair| pair.halt.is_some());
    Ok(match view.status {
        Status::Error => Exit::Failed,
        Status::Attention if halted => Exit::Halted,
        Status::Offline => Exit::TryLater,
        Status::SignedOut
        | Status::Expired
        | Status::Attention
        | Status::Paused
        | Status::Syncing
        | Status::Starting
        | Status::Idle => Exit::Done,
    })
}

/// Why the server could not be asked, if it could not.
async fn ask_server(
    context: &Context,
    connection: &Connection,
) -> Result<Option<Failure>, Failure> {
    if !matches!(connection.view().account, AccountView::SignedIn { .. }) {
        return Ok(None);
    }
    match timeout(PATIENCE, account::check(context, connection)).await {
        Ok(Ok(_)) => Ok(None),
        Ok(Err(failure)) if failure.is_gone() || failure.code == "interrupted" => Err(failure),
        Ok(Err(failure)) => Ok(Some(failure)),
        Err(_) => {
            let failure = Failure::new("unreachable", "The server did not answer in time");
            Ok(Some(failure.hint("Shown is what was known before.")))
        }
    }
}

/// What the account lacks before anything can go up.
fn refusal(view: &View) -> Option<Failure> {
    match (&view.account, &view.subscription) {
        (AccountView::SignedOut { reason }, _) => Some(runs::signed_out(reason.as_deref())),
        (AccountView::SignedIn { .. }, Some(subscription)) if !subscription.current => {
            Some(Failure::subscription_required(Some(subscription)))
        }
        (AccountView::SignedIn { .. }, Some(_) | None)
        | (AccountView::SigningIn { .. } | AccountView::AwaitingBrowser { .. }, _) => None,
    }
}

/// Whose engine the view comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// Another program's; it syncs by itself.
    Running,
    /// Started for this question only.
    Ours,
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    now_ms: i64,
    offset: UtcOffset,
    engine: Engine,
}

fn lines(view: &View, moment: Moment) -> Vec<String> {
    let mut lines = vec![mode(view).to_owned(), headline(view, moment)];
    if !matches!(view.account, AccountView::SignedOut { .. }) {
        lines.push(format!("Account: {}", account::name(&view.account)));
    }
    if is_provisional(&view.account) {
        lines.push("Sign-in: in memory until a folder is set up; `bm-cloud login` keeps it".into());
    }
    if let Some(subscription) = &view.subscription {
        lines.push(account::subscription(subscription, moment.offset));
    }
    for pair in &view.pairs {
        lines.extend(folder(pair, moment.now_ms));
    }
    match view.open_conflict_count {
        0 => {}
        count => {
            let count = words::count(u64::from(count), "conflict");
            lines.push(format!(
                "Conflicts: {count} to review; see `bm-cloud conflicts`"
            ));
        }
    }
    for problem in view.problems.iter().filter(|it| !it.is_remark()) {
        lines.push(format!("Problem: {}: {}", problem.path, problem.message));
    }
    let remark = words::remark(&view.problems);
    lines.extend(remark.map(|remark| format!("Names: {remark}")));
    lines.extend(rclone(&view.rclone));
    if matches!(view.account, AccountView::SignedIn { .. }) {
        lines.push(format!("Secrets: {}", secrets(view.secret_store)));
    }
    lines
}

fn is_provisional(account: &AccountView) -> bool {
    matches!(
        account,
        AccountView::SignedIn {
            keep: SignInKeep::WithSetUp,
            ..
        }
    )
}

fn mode(view: &View) -> &'static str {
    let current = view
        .subscription
        .as_ref()
        .is_none_or(|subscription| subscription.current);
    match (&view.account, current) {
        (
            AccountView::SignedIn {
                cloud_mode: true, ..
            },
            true,
        ) => "Mode: Cloud (enabled)",
        (
            AccountView::SignedIn {
                cloud_mode: true, ..
            },
            false,
        ) => "Mode: Cloud (read-only)",
        (
            AccountView::SignedIn {
                cloud_mode: false, ..
            }
            | AccountView::SignedOut { .. }
            | AccountView::SigningIn { .. }
            | AccountView::AwaitingBrowser { .. },
            _,
        ) => "Mode: Local (disabled)",
    }
}

fn headline(view: &View, moment: Moment) -> String {
    let unasked = view.status == Status::Starting && !view.pairs.is_empty();
    if moment.engine == Engine::Ours && unasked {
        return "Status: Not running; `bm-cloud bisync --watch` keeps your notes in sync"
            .to_owned();
    }
    let age = view
        .checked_at_ms
        .map(|ms| format!(" · checked {}", words::age(ms, moment.now_ms)));
    let until = match view.sync {
        SyncSwitch::PausedUntil { until_ms } if view.status == Status::Paused => {
            format!(" until {}", words::minute(until_ms, moment.offset))
        }
        SyncSwitch::On | SyncSwitch::Off | SyncSwitch::PausedUntil { .. } => String::new(),
    };
    format!(
        "Status: {}{until}{}",
        view.headline,
        age.unwrap_or_default()
    )
}

fn folder(pair: &PairView, now_ms: i64) -> Vec<String> {
    let profile = words::profile(pair.profile);
    let mut lines = vec![
        format!("Folder: {} ({profile})", pair.folder),
        format!(
            "  {} known equal in {}",
            words::count(pair.files, "note"),
            pair.bucket
        ),
    ];
    if pair.waiting > 0 {
        lines.push(format!(
            "  {} waiting here",
            words::count(pair.waiting, "change")
        ));
    }
    if let Some(run) = &pair.last_run {
        let age = words::age(run.ended_at_ms, now_ms);
        lines.push(format!(
            "  Last run {age}: {}",
            words::ended(run, pair.files)
        ));
    }
    if let Some(halt) = &pair.halt {
        lines.push(format!("  Halted: {}", halt.message));
        let hint = commands::hint(&halt.code, Some(halt.hint.clone()));
        lines.extend(hint.map(|hint| format!("  hint: {hint}")));
        let more = halts::evidence(halt).into_iter().chain(halts::ways(halt));
        lines.extend(more.map(|line| format!("  {line}")));
    }
    lines
}

fn rclone(rclone: &RcloneView) -> Vec<String> {
    match rclone {
        RcloneView::Ready { version, path } => vec![format!("rclone: {version} ({path})")],
        RcloneView::Missing { message, hint } | RcloneView::TooOld { message, hint, .. } => {
            let hint = commands::hint("rclone", Some(hint.clone()));
            let hint = hint.map(|hint| format!("hint: {hint}"));
            [format!("rclone: {message}")]
                .into_iter()
                .chain(hint)
                .collect()
        }
        RcloneView::Installing => vec!["rclone: is being installed".to_owned()],
        RcloneView::Unknown => Vec::new(),
    }
}

fn secrets(store: SecretStoreView) -> &'static str {
    match store {
        SecretStoreView::Keyring => "in the keyring",
        SecretStoreView::KeyringLocked => "in the keyring, which is locked",
        SecretStoreView::EncryptedFile => "in an encrypted file",
        SecretStoreView::FileLocked => "in an encrypted file that waits for its passphrase",
    }
}
