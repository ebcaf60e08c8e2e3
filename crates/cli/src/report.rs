//! What a run of some folders came to: lines, JSON and the exit code.

use engine::View;
use engine::view::{
    ChangeAction, HaltView, PairView, PreviewView, ProblemView, ProfileName, RunResult, RunView,
    SubscriptionView,
};
use serde::Serialize;
use time::UtcOffset;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, SUBSCRIPTION_REQUIRED};
use crate::{commands, halts, words};

/// Problems that are told one by one.
const PROBLEMS: usize = 10;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    ok: bool,
    exit_code: u8,
    #[serde(flatten)]
    failure: Option<Failure>,
    folders: Vec<FolderOut>,
    problems: Vec<ProblemView>,
    #[serde(skip)]
    subscription: Option<SubscriptionView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FolderOut {
    id: String,
    folder: String,
    bucket: String,
    profile: ProfileName,
    files: u64,
    waiting: u64,
    run: Option<RunView>,
    halt: Option<HaltView>,
    preview: Option<PreviewView>,
}

impl Report {
    pub(crate) fn new(view: &View, pairs: &[String]) -> Self {
        let asked: Vec<&PairView> = view
            .pairs
            .iter()
            .filter(|it| pairs.contains(&it.id))
            .collect();
        let subscription = view.subscription.clone();
        let failures: Vec<Failure> = asked
            .iter()
            .filter_map(|pair| failure(pair))
            .chain(lapsed(subscription.as_ref()))
            .collect();
        let exit = Exit::gravest(failures.iter().map(|failure| failure.exit));
        let problems = view.problems.iter().filter(|it| pairs.contains(&it.pair));
        Self {
            ok: exit == Exit::Done,
            exit_code: exit.code(),
            failure: failures.into_iter().find(|failure| failure.exit == exit),
            problems: problems.cloned().collect(),
            folders: asked.into_iter().map(FolderOut::new).collect(),
            subscription,
        }
    }

    /// Halts of these folders that a person may confirm.
    pub(crate) fn confirmable(&self) -> Vec<String> {
        let can = |folder: &&FolderOut| folder.halt.as_ref().is_some_and(|halt| halt.can_confirm);
        self.folders
            .iter()
            .filter(can)
            .map(|folder| folder.id.clone())
            .collect()
    }

    /// Tells it all; the exit is that of the gravest.
    pub(crate) fn finish(self, context: &Context) -> Exit {
        let output = &context.output;
        output.json(&self);
        for folder in &self.folders {
            let prefix = match self.folders.len() {
                1 => String::new(),
                _ => format!("{}: ", folder.folder),
            };
            for line in folder.lines() {
                output.data(&format!("{prefix}{line}"));
            }
            let conflicts = folder.run.as_ref().map_or(0, |run| run.conflicts);
            if conflicts > 0 {
                output.hint("Both versions are kept; see `bm-cloud conflicts`.");
            }
            for way in folder.halt.iter().flat_map(halts::ways) {
                output.say(&way);
            }
        }
        let problems = || self.problems.iter().filter(|it| !it.is_remark());
        for problem in problems().take(PROBLEMS) {
            output.warn(&format!("{}: {}", problem.path, problem.message));
        }
        let more = problems().skip(PROBLEMS).count();
        if more > 0 {
            output.warn(&format!("and {more} more"));
        }
        // Where such a name may be new, and not each time.
        let uploaded = |folder: &FolderOut| folder.run.as_ref().map_or(0, |run| run.uploaded);
        if self.folders.iter().any(|folder| uploaded(folder) > 0)
            && let Some(remark) = words::remark(&self.problems)
        {
            output.hint(&remark);
        }
        let Some(failure) = self.failure else {
            return Exit::Done;
        };
        output.failure(&failure);
        if failure.code == SUBSCRIPTION_REQUIRED {
            let waiting = self.folders.iter().map(|folder| folder.waiting).sum();
            output.say(&read_only(
                self.subscription.as_ref(),
                waiting,
                context.offset,
            ));
        }
        failure.exit
    }
}

/// "Read-only since 3 Oct 2025: 2 changes wait here. Downloads go on."
fn read_only(subscription: Option<&SubscriptionView>, waiting: u64, offset: UtcOffset) -> String {
    let since = subscription
        .and_then(|subscription| subscription.period_end_ms)
        .map(|ms| format!(" since {}", words::day(ms, offset)));
    let waits = match waiting {
        0 => "nothing waits here".to_owned(),
        1 => "1 change waits here".to_owned(),
        count => format!("{count} changes wait here"),
    };
    format!(
        "Read-only{}: {waits}. Downloads go on.",
        since.unwrap_or_default()
    )
}

pub(crate) fn failure(pair: &PairView) -> Option<Failure> {
    let run = pair.last_run.as_ref()?;
    let exit = Exit::of_result(&run.result);
    match &run.result {
        RunResult::Verified | RunResult::Synced | RunResult::Previewed => None,
        RunResult::Halted { code } => {
            let (message, hint) = match &pair.halt {
                Some(halt) => (
                    words::capitalized(&halt.message),
                    commands::hint(code, Some(halt.hint.clone())),
                ),
                None => (format!("Halted: {code}"), None),
            };
            Some(Failure {
                hint,
                ..Failure::new(code, message).exit(exit)
            })
        }
        RunResult::Failed {
            code,
            message,
            hint,
            ..
        } if code == SUBSCRIPTION_REQUIRED => {
            let refusal = engine::Refusal {
                code: code.clone(),
                message: message.clone(),
                hint: hint.clone(),
                field: None,
            };
            Some(refusal.into())
        }
        RunResult::Failed {
            code,
            message,
            hint,
            ..
        } => {
            let message = match code.as_str() {
                "rclone" if !message.contains("rclone") => format!("No usable rclone: {message}"),
                _ => words::capitalized(message),
            };
            let failure = Failure::new(code, message).exit(exit);
            Some(Failure {
                hint: commands::hint(code, hint.clone()),
                ..failure
            })
        }
        RunResult::Stopped => Some(
            Failure::new("run_stopped", "The run was stopped before its end")
                .exit(exit)
                .hint("Nothing is lost; run the command again."),
        ),
    }
}

/// Without a subscription a run carries downloads only.
fn lapsed(subscription: Option<&SubscriptionView>) -> Option<Failure> {
    let lapsed = subscription.filter(|subscription| !subscription.current);
    lapsed.map(|subscription| {
        let hint = "Once it is renewed, the next run carries what waits.";
        Failure::subscription_required(Some(subscription)).hint(hint)
    })
}

impl FolderOut {
    fn new(pair: &PairView) -> Self {
        Self {
            id: pair.id.clone(),
            folder: pair.folder.clone(),
            bucket: pair.bucket.clone(),
            profile: pair.profile,
            files: pair.files,
            waiting: pair.waiting,
            run: pair.last_run.clone(),
            halt: pair.halt.clone(),
            preview: pair.preview.clone(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let Some(run) = &self.run else {
            return Vec::new();
        };
        match (&run.result, &self.preview) {
            (RunResult::Previewed, Some(preview)) => preview_lines(preview),
            (RunResult::Verified, _) if self.waiting > 0 => {
                vec![format!(
                    "Nothing new · {} waiting",
                    words::count(self.waiting, "change")
                )]
            }
            (RunResult::Verified | RunResult::Synced | RunResult::Previewed, _) => {
                vec![words::ended(run, self.files)]
            }
            (RunResult::Halted { .. } | RunResult::Failed { .. } | RunResult::Stopped, _) => {
                Vec::new()
            }
        }
    }
}

/// What would happen, by action.
fn preview_lines(preview: &PreviewView) -> Vec<String> {
    const GROUPS: [(ChangeAction, &str); 5] = [
        (ChangeAction::Upload, "Would be uploaded"),
        (ChangeAction::Download, "Would be downloaded"),
        (
            ChangeAction::RemoveHere,
            "Would be removed here (kept in history)",
        ),
        (
            ChangeAction::RemoveInCloud,
            "Would be removed in the cloud (old versions stay)",
        ),
        (ChangeAction::Conflict, "Changed on both sides"),
    ];
    let mut lines = Vec::new();
    for (action, heading) in GROUPS {
        let group: Vec<&str> = preview
            .changes
            .iter()
            .filter(|change| change.action == action)
            .map(|change| change.path.as_str())
            .collect();
        if !group.is_empty() {
            lines.push(format!("{heading} ({}):", group.len()));
            lines.extend(group.iter().map(|path| format!("  {path}")));
        }
    }
    let shown = u64::try_from(preview.changes.len()).unwrap_or(u64::MAX);
    let hidden = preview.change_count.saturating_sub(shown);
    if hidden > 0 {
        lines.push(format!("and {hidden} more"));
    }
    if lines.is_empty() {
        lines.push("Nothing would change".to_owned());
    }
    lines.push(format!(
        "{} already equal; nothing was changed",
        words::count(preview.identical, "note")
    ));
    lines
}

#[cfg(test)]
mod tests;
