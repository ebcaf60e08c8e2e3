//! `bm-cloud bisync`: one run of all folders.

use engine::view::{AccountView, HaltView, Status};
use engine::{Connection, Request, RunKind, View};

use crate::arguments::{Bisync, Profile};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report::Report;
use crate::{runs, watch, words};

pub(crate) async fn run(context: &Context, arguments: &Bisync) -> Result<Exit, Failure> {
    if let Some(refusal) = contradiction(arguments) {
        return Err(refusal);
    }
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

/// Options that cannot be meant together, with what to do instead.
fn contradiction(arguments: &Bisync) -> Option<Failure> {
    let Bisync {
        profile,
        dry_run,
        resync,
        watch,
        interval,
        yes,
        json: _,
    } = arguments;
    let (message, hint) = if *dry_run && *watch {
        (
            "--dry-run shows one moment, --watch goes on",
            "Run `bm-cloud bisync --dry-run`, then `bm-cloud bisync --watch`.",
        )
    } else if *dry_run && *yes {
        (
            "--dry-run changes nothing, so there is nothing to say --yes to",
            "Run `bm-cloud bisync --dry-run`, look, then `bm-cloud bisync --yes`.",
        )
    } else if *dry_run && *resync {
        (
            "--dry-run shows the next ordinary run, which a --resync is not",
            "Run `bm-cloud check`: it lists what differs. A --resync then adopts what is equal \
             and keeps both versions of the rest.",
        )
    } else if *dry_run && profile.is_some() {
        (
            "--profile stays, but --dry-run changes nothing",
            "Run `bm-cloud bisync --dry-run` first, then `bm-cloud bisync --profile NAME`.",
        )
    } else if *resync && *watch {
        (
            "--resync is done once, --watch goes on",
            "Run `bm-cloud bisync --resync`, then `bm-cloud bisync --watch`.",
        )
    } else if *yes && *watch {
        (
            "--yes is for one safety stop that a person has seen",
            "Run `bm-cloud bisync --yes`, then `bm-cloud bisync --watch`.",
        )
    } else if interval.is_some() && !*watch {
        (
            "--interval is for --watch",
            "Run `bm-cloud bisync --watch --interval TIME`, or keep it: `bm-cloud settings --interval TIME`.",
        )
    } else {
        return None;
    };
    Some(
        Failure::new("contradiction", message)
            .hint(hint)
            .exit(Exit::Usage),
    )
}

/// Safety stops, one behind the other, that `--yes` goes on after.
const STOPS: usize = 3;

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
    // What waited behind a stop is told when that is over.
    for _ in 0..STOPS {
        for pair in report.confirmable().into_iter().filter(|_| arguments.yes) {
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
    let is_headline = |halt: &HaltView| halt.message == view.headline;
    let mut halts = view.pairs.iter().filter_map(|it| it.halt.as_ref());
    let explained = view.open_conflict_count > 0 || halts.any(is_headline);
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn refused(line: &str) -> Option<(Exit, Option<String>)> {
        let words = ["bm-cloud", "bisync"].into_iter();
        let parsed = Arguments::try_parse_from(words.chain(line.split_whitespace())).unwrap();
        let Command::Bisync(arguments) = parsed.command else {
            panic!("{line}")
        };
        contradiction(&arguments).map(|failure| (failure.exit, failure.hint))
    }

    #[test]
    fn what_cannot_be_meant_together_is_refused_with_what_to_do() {
        for line in [
            "--dry-run --resync",
            "--dry-run --watch",
            "--dry-run --yes",
            "--dry-run --profile safe",
            "--resync --watch",
            "--yes --watch",
            "--interval 5s",
            "--resync --interval 5s",
        ] {
            let (exit, hint) = refused(line).unwrap_or_else(|| panic!("{line} is taken"));
            assert_eq!(exit, Exit::Usage, "{line}");
            assert!(hint.unwrap().contains("bm-cloud"), "{line}");
        }
    }

    #[test]
    fn every_option_of_the_seed_is_taken() {
        for line in [
            "",
            "--dry-run",
            "--profile safe",
            "--profile balanced --json",
            "--profile fast --yes",
            "--resync",
            "--resync --profile safe --yes",
            "--watch",
            "--watch --interval 30s",
            "--watch --profile fast --interval 5m --json",
        ] {
            assert_eq!(refused(line), None, "{line}");
        }
    }
}
