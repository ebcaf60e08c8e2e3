//! `bm-cloud bisync`: one run of all folders.

use engine::view::{AccountView, Status};
use engine::{Connection, Request, RunKind, View};

use crate::arguments::{Bisync, Profile};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report::Report;
use crate::{runs, watch, words};

pub(crate) async fn run(context: &Context, arguments: &Bisync) -> Result<Exit, Failure> {
    if arguments.watch {
        return watch::run(context, arguments).await;
    }
    let kind = match (arguments.dry_run, arguments.resync) {
        (true, _) => RunKind::DryRun,
        (false, true) => RunKind::Resync,
        (false, false) => RunKind::Sync,
    };
    if kind == RunKind::Resync {
        context.output.say(
            "Comparing everything again: equal notes are adopted, of different ones both \
             versions are kept as conflicts; nothing is deleted.",
        );
    }
    let result = context
        .with_engine(async |connection| once(context, connection, arguments, kind).await)
        .await;
    result.map(|report| report.finish(context))
}

async fn once(
    context: &Context,
    connection: &Connection,
    arguments: &Bisync,
    kind: RunKind,
) -> Result<Report, Failure> {
    let pairs = folders(connection)?;
    if let Some(notice) = notice(&connection.view()) {
        context.output.warn(&notice);
    }
    if let Some(profile) = arguments.profile {
        set_profile(context, connection, profile).await?;
    }
    let request = Request::SyncNow {
        pair: None,
        run: kind,
    };
    let view = runs::complete(context, connection, request, &pairs).await?;
    let mut report = Report::new(&view, &pairs);
    if arguments.yes {
        for pair in report.confirmable() {
            context
                .output
                .say("Going on after the safety stop, as --yes says.");
            let request = Request::ConfirmHalt { pair: pair.clone() };
            let view = runs::complete(context, connection, request, &[pair]).await?;
            report = Report::new(&view, &pairs);
        }
    }
    Ok(report)
}

/// What needs attention though nothing halts and nothing is in conflict, such as a damaged state
/// that was put aside. A run takes it off the view.
fn notice(view: &View) -> Option<String> {
    let explained = view.open_conflict_count > 0 || view.pairs.iter().any(|it| it.halt.is_some());
    (view.status == Status::Attention && !explained).then(|| view.headline.clone())
}

/// The folders that a run works on.
pub(crate) fn folders(connection: &Connection) -> Result<Vec<String>, Failure> {
    let view = connection.view();
    if let AccountView::SignedOut { reason } = &view.account {
        return Err(runs::signed_out(reason.as_deref()));
    }
    if view.pairs.is_empty() {
        return Err(Failure::new("not_set_up", "No folder is set up yet")
            .hint("Run `bm-cloud setup --folder PATH`."));
    }
    Ok(view.pairs.iter().map(|pair| pair.id.clone()).collect())
}

/// Gives all folders the profile, and says that it stays.
pub(crate) async fn set_profile(
    context: &Context,
    connection: &Connection,
    profile: Profile,
) -> Result<(), Failure> {
    let profile = profile.into();
    for pair in connection
        .view()
        .pairs
        .iter()
        .filter(|pair| pair.profile != profile)
    {
        let request = Request::SetProfile {
            pair: pair.id.clone(),
            profile,
        };
        context.ask(connection, request).await?;
        let words = words::profile(profile);
        context.output.say(&format!(
            "{} has the profile {words} from now on",
            pair.folder
        ));
    }
    Ok(())
}
