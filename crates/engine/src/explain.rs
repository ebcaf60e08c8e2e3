//! Why a file syncs or does not: facts are gathered here, and one pure decision tells of them.

use std::path::{Path, PathBuf};

use crate::cycle::{CycleFailure, StateHandle, blocking};
use crate::filters::{FilterError, Filters};
use crate::plan::RESERVED;
use crate::state::Node;
use crate::vault::{self, PathProblem};
use crate::view::{ConflictState, ConflictView, ExplainState};

/// What is asked about, and what the engine knows of its folder without looking.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) pair: String,
    pub(crate) vault: PathBuf,
    /// `/`-separated, relative to the vault.
    pub(crate) path: String,
    pub(crate) lines: Vec<String>,
    pub(crate) filters: Result<Filters, FilterError>,
    pub(crate) problems: Vec<PathProblem>,
    pub(crate) standing: Standing,
}

/// What keeps the whole folder from going on, if anything does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    GoesOn,
    ReadOnly {
        subscribe_url: String,
    },
    Halted {
        message: String,
        hint: String,
    },
    Off,
    PausedUntil,
    OnBattery,
    OnMetered,
    Offline,
    Failed {
        message: String,
        hint: Option<String>,
    },
}

/// Everything that the decision is made of.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) here: Here,
    pub(crate) is_known: bool,
    pub(crate) hidden: Option<Hidden>,
    /// What stands against this path, in words.
    pub(crate) problem: Option<String>,
    /// What is good to know of it all the same, in words.
    pub(crate) remark: Option<String>,
    pub(crate) conflict: Option<String>,
    pub(crate) standing: Standing,
}

/// What has the name in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    /// A file with the bytes that were last known equal on both sides.
    Same,
    /// Any other file.
    Different,
    Folder,
    Link,
    Special,
    Unreadable,
    Nothing,
}

/// Why a path takes no part in sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// It is sync's own.
    Own,
    Line(String),
    /// Several lines together.
    Lines,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    pub(crate) state: ExplainState,
    pub(crate) reason: String,
    pub(crate) action: Option<String>,
}

impl Explanation {
    pub(crate) fn new(state: ExplainState, reason: impl Into<String>) -> Self {
        Self {
            state,
            reason: reason.into(),
            action: None,
        }
    }

    /// The same, and what is good to know besides.
    fn remark(self, remark: Option<&str>) -> Self {
        match remark {
            Some(remark) => Self {
                reason: format!("{}. {remark}", self.reason),
                ..self
            },
            None => self,
        }
    }

    pub(crate) fn action(self, action: impl Into<String>) -> Self {
        Self {
            action: Some(action.into()),
            ..self
        }
    }
}

/// Looks at one path and tells of it; changes nothing.
pub(crate) async fn explain(
    state: &StateHandle,
    question: Question,
) -> Result<Explanation, CycleFailure> {
    let (pair, path) = (question.pair.clone(), question.path.clone());
    let (node, conflict) = state
        .with(move |state| {
            let node = state.nodes(&pair, [&path])?.remove(&path);
            let conflicts = state.conflicts(std::slice::from_ref(&pair), u32::MAX)?;
            Ok((node, open_conflict(&conflicts, &path)))
        })
        .await?;
    blocking(move || {
        Ok::<_, CycleFailure>(decide(&Facts {
            here: here(&question.vault, &question.path, node.as_ref()),
            is_known: node.is_some(),
            hidden: hidden(&question),
            problem: problem(&question),
            remark: vault::remark_on(&question.path).map(|remark| remark.message),
            conflict,
            standing: question.standing,
        }))
    })
    .await
}

fn open_conflict(conflicts: &[ConflictView], path: &str) -> Option<String> {
    let open = conflicts
        .iter()
        .filter(|conflict| conflict.state == ConflictState::Open);
    let mut of_path = open
        .filter(|conflict| conflict.path == path || conflict.copy_path.as_deref() == Some(path));
    of_path.next().map(|conflict| conflict.id.clone())
}

fn here(vault: &Path, path: &str, known: Option<&Node>) -> Here {
    let mut place = vault.to_owned();
    for part in Path::new(path).parent().into_iter().flatten() {
        place.push(part);
        if place.is_symlink() {
            return Here::Link;
        }
    }
    let place = vault.join(path);
    let found = match std::fs::symlink_metadata(&place) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Here::Unreadable;
        }
        Err(_) => return Here::Nothing,
    };
    if found.is_symlink() {
        return Here::Link;
    }
    if found.is_dir() {
        return Here::Folder;
    }
    if !found.is_file() {
        return Here::Special;
    }
    match (vault::md5_of(&place), known) {
        (Ok((md5, _)), Some(node)) if md5 == node.md5 => Here::Same,
        (Ok(_) | Err(vault::HashError::Moved), _) => Here::Different,
        (Err(vault::HashError::Missing), _) => Here::Nothing,
        (Err(vault::HashError::NotAFile), _) => Here::Special,
        (Err(vault::HashError::Unreadable { .. }), _) => Here::Unreadable,
    }
}

fn hidden(question: &Question) -> Option<Hidden> {
    let path = question.path.as_str();
    if path.starts_with(RESERVED) || !Filters::all().includes(path) {
        return Some(Hidden::Own);
    }
    let filters = question.filters.as_ref().ok()?;
    if filters.includes(path) {
        return None;
    }
    let hides = |line: &&String| {
        Filters::of_lines([line.as_str()]).is_ok_and(|alone| !alone.includes(path))
    };
    let line = question.lines.iter().find(hides);
    Some(line.map_or(Hidden::Lines, |line| Hidden::Line(line.clone())))
}

/// What stands against the path itself, or a folder that it is in.
fn problem(question: &Question) -> Option<String> {
    if let Err(error) = &question.filters {
        return Some(error.to_string());
    }
    let path = question.path.as_str();
    let stands_against = |problem: &&PathProblem| {
        let below = path.strip_prefix(&problem.path);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let found = question.problems.iter().find(stands_against);
    found.map(|problem| problem.message.clone())
}

/// Tells of a path. What is wrong with the path itself comes before what holds its folder.
pub(crate) fn decide(facts: &Facts) -> Explanation {
    use ExplainState as State;
    if let Some(hidden) = &facts.hidden {
        return of_hidden(hidden);
    }
    let cannot = |reason: &str| Explanation::new(State::CannotSync, reason);
    match facts.here {
        Here::Link => {
            return cannot("It is a link, or in a linked folder; links do not sync")
                .action("Put the file itself there.");
        }
        Here::Special => return cannot("It is no plain file; only files sync"),
        Here::Unreadable => {
            return cannot("It cannot be read").action("Check its permissions.");
        }
        Here::Folder => {
            return Explanation::new(
                State::Unknown,
                "It is a folder: the files in it sync, each by itself",
            )
            .action("Ask about a file.");
        }
        Here::Same | Here::Different | Here::Nothing => {}
    }
    if let Some(problem) = &facts.problem {
        return cannot(problem);
    }
    if let Some(id) = &facts.conflict {
        return Explanation::new(
            State::Conflict,
            "It was changed on both sides, and waits for a decision",
        )
        .action(format!("bm-cloud conflicts show {id}"));
    }
    let remark = facts.remark.as_deref();
    let change = match (facts.here, facts.is_known) {
        (Here::Same, _) => {
            return Explanation::new(
                State::Synced,
                "It is as it was when both sides were last known equal",
            )
            .remark(remark);
        }
        (Here::Nothing, false) => {
            return Explanation::new(
                State::Unknown,
                "There is no such file here, and sync knows of none",
            )
            .action("If it was made elsewhere, it comes with the next sync: bm-cloud bisync");
        }
        (Here::Nothing, true) => "Its deletion",
        (_, true) => "Its change",
        (_, false) => "It is new and",
    };
    let told = of_waiting(change, &facts.standing);
    match facts.here {
        Here::Different => told.remark(remark),
        Here::Same
        | Here::Folder
        | Here::Link
        | Here::Special
        | Here::Unreadable
        | Here::Nothing => told,
    }
}

fn of_hidden(hidden: &Hidden) -> Explanation {
    let explanation = |reason: String| Explanation::new(ExplainState::Hidden, reason);
    let edit = "bm-cloud filters edit";
    match hidden {
        Hidden::Own => explanation("It is sync's own and never syncs".to_owned()),
        Hidden::Line(line) => {
            explanation(format!("The filter `{line}` leaves it out")).action(edit)
        }
        Hidden::Lines => explanation("The filters leave it out".to_owned()).action(edit),
    }
}

fn of_waiting(change: &str, standing: &Standing) -> Explanation {
    use ExplainState as State;
    let explanation = |state, why: &str| Explanation::new(state, format!("{change} waits: {why}"));
    match standing {
        Standing::GoesOn => {
            explanation(State::Waiting, "it goes with the next sync").action("bm-cloud bisync")
        }
        Standing::ReadOnly { subscribe_url } => {
            explanation(State::ReadOnly, "without a subscription nothing goes up")
                .action(format!("Subscribe at: {subscribe_url}"))
        }
        Standing::Halted { message, hint } => {
            let why = format!("a safety stop holds it. {message}");
            explanation(State::Waiting, &why).action(hint)
        }
        Standing::Off => explanation(State::Paused, "sync is off").action("bm-cloud resume"),
        Standing::PausedUntil => {
            explanation(State::Paused, "sync is paused").action("bm-cloud resume")
        }
        Standing::OnBattery => explanation(State::Paused, "sync rests on battery")
            .action("bm-cloud settings --on-battery run"),
        Standing::OnMetered => explanation(State::Paused, "sync rests on a metered connection")
            .action("bm-cloud settings --on-metered run"),
        Standing::Offline => explanation(State::Waiting, "the cloud cannot be reached")
            .action("It goes by itself once there is a connection."),
        Standing::Failed { message, hint } => {
            let explanation = explanation(State::Waiting, message);
            Explanation {
                action: hint.clone(),
                ..explanation
            }
        }
    }
}

#[cfg(test)]
mod tests;
