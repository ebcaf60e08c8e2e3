//! `bm-cloud check`: both sides byte by byte.

use engine::view::{CheckDifference, CheckView, PairView, RunResult};
use engine::{Connection, Request, RunKind};
use serde_json::json;

use crate::bisync::folders;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report::failure;
use crate::{runs, words};

pub(crate) async fn run(context: &Context) -> Result<Exit, Failure> {
    let pairs = context
        .with_engine(async |connection| check(context, connection).await)
        .await?;
    let mut exits = Vec::new();
    let mut folders = Vec::new();
    for pair in &pairs {
        let failed = pair.last_run.as_ref().and_then(|run| match run.result {
            RunResult::Verified | RunResult::Previewed => None,
            RunResult::Synced
            | RunResult::Halted { .. }
            | RunResult::Failed { .. }
            | RunResult::Stopped => failure(pair),
        });
        let failed = match (failed, &pair.check) {
            (Some(failed), _) => Some(failed),
            (None, Some(check)) => differs(check),
            (None, None) => Some(Failure::unexpected()),
        };
        folders.push(json!({ "id": pair.id, "folder": pair.folder, "check": pair.check }));
        if let Some(check) = &pair.check {
            for line in lines(pair, check) {
                context.output.data(&line);
            }
        }
        if let Some(failed) = failed {
            context.output.failure(&failed);
            exits.push(failed.exit);
        }
    }
    let exit = Exit::gravest(exits);
    context.output.json(&json!({
        "ok": exit == Exit::Done,
        "exitCode": exit.code(),
        "folders": folders,
    }));
    Ok(exit)
}

async fn check(context: &Context, connection: &Connection) -> Result<Vec<PairView>, Failure> {
    let pairs = folders(connection)?;
    let request = Request::SyncNow {
        pair: None,
        run: RunKind::Check,
    };
    let view = runs::complete(context, connection, request, &pairs).await?;
    Ok(view.pairs.clone())
}

fn differs(check: &CheckView) -> Option<Failure> {
    (check.difference_count > 0).then(|| {
        let count = words::count(check.difference_count, "difference");
        Failure::new("differs", format!("The two sides are not equal: {count}")).hint(
            "`bm-cloud bisync` carries changes. If it says that nothing differs, \
             `bm-cloud bisync --resync` compares everything again and keeps both versions.",
        )
    })
}

fn lines(pair: &PairView, check: &CheckView) -> Vec<String> {
    let word = |difference| match difference {
        CheckDifference::OnlyHere => "only here",
        CheckDifference::OnlyInCloud => "only in the cloud",
        CheckDifference::Differs => "differs",
        CheckDifference::Unreadable => "cannot be read here",
    };
    let mut lines: Vec<String> = check
        .differences
        .iter()
        .map(|line| format!("{}  {}", word(line.difference), line.path))
        .collect();
    let hidden = check.difference_count.saturating_sub(lines.len() as u64);
    if hidden > 0 {
        lines.push(format!("and {hidden} more"));
    }
    let notes = words::count(check.equal, "note");
    lines.push(format!("{}: {notes} equal, byte by byte", pair.folder));
    lines.push(format!("Receipt: {}", check.receipt));
    if let Some(sequence) = check.sequence {
        lines.push(format!("After change: {sequence}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use engine::view::{CheckLine, ProfileName};

    use super::*;

    #[test]
    fn tells_each_difference_and_fails() {
        let line = |path: &str, difference| CheckLine {
            path: path.into(),
            difference,
        };
        let check = CheckView {
            number: 1,
            at_ms: 0,
            equal: 2,
            differences: vec![
                line("a.md", CheckDifference::OnlyHere),
                line("b.md", CheckDifference::Differs),
            ],
            difference_count: 3,
            receipt: "abc".into(),
            sequence: Some(42),
        };
        let pair = PairView::new("p", "/notes", "b", ProfileName::Safe);
        let expected = [
            "only here  a.md",
            "differs  b.md",
            "and 1 more",
            "/notes: 2 notes equal, byte by byte",
            "Receipt: abc",
            "After change: 42",
        ];
        assert_eq!(lines(&pair, &check), expected);
        let failed = differs(&check).unwrap();
        assert_eq!(
            (failed.code.as_str(), failed.exit),
            ("differs", Exit::Failed)
        );
    }
}
