//! `bm-cloud setup`: one folder, one bucket, and the first sync.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::view::{AccountView, HaltAction, PairView, RcloneView};
use engine::{Connection, Request, View};
use tokio::time::timeout;

use crate::account;
use crate::arguments::Setup;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::report::Report;
use crate::{runs, setup_preview, words};

const DEFAULT_FOLDER: &str = "basic-memory";

/// The view shows an installation within this time.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) async fn run(context: &Context, arguments: &Setup) -> Result<Exit, Failure> {
    let folder = folder(context, arguments)?;
    if arguments.dry_run {
        return setup_preview::run(context, &folder).await;
    }
    let result = context
        .with_engine(async |connection| set_up(context, connection, arguments, &folder).await)
        .await;
    result.map(|report| report.finish(context))
}

async fn set_up(
    context: &Context,
    connection: &Connection,
    arguments: &Setup,
    folder: &Path,
) -> Result<Report, Failure> {
    let output = &context.output;
    let view = connection.view();
    if let AccountView::SignedOut { reason } = &view.account {
        return Err(runs::signed_out(reason.as_deref()));
    }
    let view = account::check(context, connection).await?;
    if let Some(subscription) = view.subscription.as_ref().filter(|it| !it.current) {
        return Err(Failure::subscription_required(Some(subscription)));
    }
    output.good(&format!("Account: {}", account::name(&view.account)));
    let rclone = rclone(context, connection).await?;
    output.good(&format!("rclone: {rclone}"));
    let known: Vec<String> = view.pairs.iter().map(|pair| pair.id.clone()).collect();
    let profile = arguments.profile.into();
    let left = left(&view);
    let request = Request::SetUp {
        folder: folder.to_owned(),
        profile,
        instead_of: left.map(|pair| pair.id.clone()),
        mount: None,
    };
    let reply = context.ask(connection, request).await?;
    let engine::Reply::Run { number } = reply else {
        return Err(Failure::unexpected());
    };
    let pair = context
        .wait(connection, |view| {
            let canonical = dunce::canonicalize(folder).ok()?;
            let same = |path: &str| Path::new(path) == canonical || Path::new(path) == folder;
            view.pairs.iter().find(|pair| same(&pair.folder)).cloned()
        })
        .await?;
    let again = if known.contains(&pair.id) {
        ", known before"
    } else {
        ""
    };
    let words = words::profile(pair.profile);
    output.good(&format!(
        "Folder: {} ({words}) is one with {}{again}",
        pair.folder, pair.bucket
    ));
    if let Some(left) = left.filter(|left| left.id != pair.id) {
        output.say(&format!("It takes the place of {}.", left.folder));
    }
    output.say("First sync: equal notes are taken as they are, of different ones both are kept.");
    let asked = [pair.id];
    let view = runs::follow(context, connection, number, &asked).await?;
    Ok(Report::new(&view, &asked))
}

/// The one folder whose stop asks for another.
fn left(view: &View) -> Option<&PairView> {
    let asks = |pair: &&PairView| {
        let halt = pair.halt.as_ref();
        halt.is_some_and(|halt| halt.actions.contains(&HaltAction::ChooseFolder))
    };
    let mut asking = view.pairs.iter().filter(asks);
    asking.next().filter(|_| asking.next().is_none())
}

/// What is known of rclone once it was looked for.
pub(crate) fn known_rclone(view: &View) -> Option<RcloneView> {
    match &view.rclone {
        RcloneView::Unknown | RcloneView::Installing => None,
        RcloneView::Ready { .. } | RcloneView::Missing { .. } | RcloneView::TooOld { .. } => {
            Some(view.rclone.clone())
        }
    }
}

/// Finds rclone, or has it installed.
pub(crate) async fn rclone(context: &Context, connection: &Connection) -> Result<String, Failure> {
    let known = known_rclone;
    let found = context.wait(connection, known).await?;
    match &found {
        RcloneView::Ready { version, path } => return Ok(format!("{version} ({path})")),
        RcloneView::Missing { message, .. } | RcloneView::TooOld { message, .. } => {
            context.output.warn(&words::capitalized(message));
            context
                .output
                .say("Installing a copy of rclone for this app alone, about 25 MB…");
        }
        RcloneView::Unknown | RcloneView::Installing => {}
    }
    let progress = Progress::new(&context.output, "Installing rclone");
    context.ask(connection, Request::InstallRclone).await?;
    let installing = |view: &View| (view.rclone == RcloneView::Installing).then_some(());
    // An attempt that fails at once may be over before its beginning is seen.
    if let Ok(Err(failure)) = timeout(PATIENCE, context.wait(connection, installing)).await {
        return Err(failure);
    }
    let installed = context.wait(connection, known).await?;
    drop(progress);
    match installed {
        RcloneView::Ready { version, path } => Ok(format!("{version} ({path})")),
        RcloneView::Missing { message, hint } | RcloneView::TooOld { message, hint, .. } => {
            Err(Failure::new("rclone", words::capitalized(&message)).hint(hint))
        }
        RcloneView::Unknown | RcloneView::Installing => Err(Failure::gone()),
    }
}

fn folder(context: &Context, arguments: &Setup) -> Result<PathBuf, Failure> {
    let unknown = || {
        Failure::new("no_folder", "It is not known where your home folder is")
            .hint("Name the folder: bm-cloud setup --folder PATH")
            .exit(Exit::Usage)
    };
    let chosen = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => context
            .home
            .as_ref()
            .ok_or_else(unknown)?
            .join(DEFAULT_FOLDER),
    };
    std::path::absolute(&chosen).map_err(|error| {
        Failure::new(
            "folder_unusable",
            format!("{} cannot be used: {error}", chosen.display()),
        )
        .hint("Give the folder's whole path.")
    })
}
