//! Safety stops: what shows their cause, the ways out, and `bm-cloud confirm`.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::view::{HaltAction, HaltView, PairView};
use engine::{Connection, Request};

use crate::bisync::folders;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::filters;
use crate::report::Report;
use crate::runs;

/// Paths that are told one by one.
const EVIDENCE: usize = 10;

#[derive(Args, Debug)]
pub(crate) struct Confirm {
    /// Bring the notes back that the stop holds, instead of going on.
    #[arg(long)]
    pub(crate) restore: bool,
    /// The folder that stopped; not needed where only one did.
    #[arg(long, value_name = "PATH")]
    pub(crate) folder: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The first paths that show the cause, and how many more there are.
pub(crate) fn evidence(halt: &HaltView) -> Vec<String> {
    let told = halt.evidence.iter().take(EVIDENCE);
    let mut lines: Vec<String> = told.map(|path| format!("  {path}")).collect();
    let more = halt.evidence_count.saturating_sub(lines.len() as u64);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

/// What a person can do about it, the safest first.
pub(crate) fn ways(halt: &HaltView) -> Vec<String> {
    let way = |action: &HaltAction| match action {
        HaltAction::Confirm => {
            "To go on all the same: bm-cloud confirm (or bm-cloud bisync --yes)".to_owned()
        }
        HaltAction::CompareAgain => "To compare again: bm-cloud bisync --resync".to_owned(),
        HaltAction::ChooseFolder => {
            "If the folder is another one now: bm-cloud setup --folder PATH".to_owned()
        }
        HaltAction::Restore => "To bring the notes back: bm-cloud confirm --restore".to_owned(),
    };
    halt.actions.iter().map(way).collect()
}

pub(crate) async fn run(context: &Context, arguments: &Confirm) -> Result<Exit, Failure> {
    let report = context
        .with_engine(async |connection| go_on(context, connection, arguments).await)
        .await?;
    Ok(report.finish(context))
}

async fn go_on(
    context: &Context,
    connection: &Connection,
    arguments: &Confirm,
) -> Result<Report, Failure> {
    let (pair, halt) = halted(connection, arguments.folder.as_deref())?;
    let action = if arguments.restore {
        HaltAction::Restore
    } else {
        HaltAction::Confirm
    };
    if let Some(refusal) = no_way(&halt, action) {
        return Err(refusal);
    }
    context.output.say(&halt.message);
    for line in evidence(&halt) {
        context.output.say(&line);
    }
    let id = pair.id.clone();
    let request = if arguments.restore {
        context.output.say("The notes are brought back.");
        Request::RestoreHalted { pair: id.clone() }
    } else {
        context.output.say("Going on, as you say.");
        Request::ConfirmHalt { pair: id.clone() }
    };
    let pairs = [id];
    let view = runs::complete(context, connection, request, &pairs).await?;
    Ok(Report::new(&view, &pairs))
}

fn halted(connection: &Connection, folder: Option<&Path>) -> Result<(PairView, HaltView), Failure> {
    folders(connection)?;
    let view = connection.view();
    let mut halted = view.pairs.iter().filter(|pair| pair.halt.is_some());
    let pair = match (folder, halted.next(), halted.next()) {
        (Some(_), _, _) | (None, Some(_), Some(_)) => filters::chosen(connection, folder)?,
        (None, Some(pair), None) => pair.clone(),
        (None, None, _) => return Err(nothing_halts()),
    };
    match pair.halt.clone() {
        Some(halt) => Ok((pair, halt)),
        None => Err(nothing_halts()),
    }
}

fn nothing_halts() -> Failure {
    Failure::new("nothing_to_confirm", "No safety stop waits for you")
        .hint("`bm-cloud status` shows how things are.")
}

/// Why this stop does not end that way.
fn no_way(halt: &HaltView, action: HaltAction) -> Option<Failure> {
    if halt.actions.contains(&action) {
        return None;
    }
    let ways = match ways(halt) {
        ways if ways.is_empty() => halt.hint.clone(),
        ways => ways.join(". "),
    };
    let failure = Failure::new(&halt.code, format!("That is no way out: {}", halt.message));
    Some(failure.hint(ways).exit(Exit::Halted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halt(actions: &[HaltAction]) -> HaltView {
        HaltView {
            code: "TooManyDeletes".into(),
            message: "12 of 20 notes would be removed in the cloud".into(),
            hint: "Look at the list.".into(),
            can_confirm: actions.contains(&HaltAction::Confirm),
            evidence: (0..11).map(|number| format!("n{number:02}.md")).collect(),
            evidence_count: 12,
            actions: actions.to_vec(),
        }
    }

    #[test]
    fn tells_the_first_paths_and_counts_the_rest() {
        let lines = evidence(&halt(&[]));
        assert_eq!(lines.len(), 11);
        assert_eq!(
            (lines[0].as_str(), lines[10].as_str()),
            ("  n00.md", "  and 2 more")
        );
    }

    #[test]
    fn every_way_out_is_a_command() {
        use HaltAction::{ChooseFolder, CompareAgain, Confirm, Restore};
        for way in ways(&halt(&[Restore, CompareAgain, ChooseFolder, Confirm])) {
            assert!(way.contains(": bm-cloud "), "{way}");
        }
    }

    #[test]
    fn a_way_that_there_is_not_is_refused_with_those_that_there_are() {
        let halt_ = halt(&[HaltAction::CompareAgain]);
        assert_eq!(no_way(&halt_, HaltAction::CompareAgain), None);
        let refusal = no_way(&halt_, HaltAction::Restore).unwrap();
        assert_eq!(refusal.exit, Exit::Halted);
        assert!(refusal.hint.unwrap().contains("--resync"));
        let heals = no_way(&halt(&[]), HaltAction::Confirm).unwrap();
        assert_eq!(heals.hint.as_deref(), Some("Look at the list."));
    }
}
