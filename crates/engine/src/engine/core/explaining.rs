//! Why a file syncs or does not, as front ends ask about it.

use std::path::Path;

use super::{Answer, Core};
use crate::engine::model::{Model, PairModel};
use crate::explain::{self, Explanation, Question, Standing};
use crate::metered::Cost;
use crate::power::Power;
use crate::view::{ExplainState, RunResult, SyncSwitch};
use crate::{Refusal, Reply};

impl Core {
    /// Answers from a task of its own, beside everything else.
    pub(super) fn explain(&mut self, path: &str, answer: Answer) {
        let Some((pair, path)) = meant(&self.model, path) else {
            let told = Explanation::new(ExplainState::Unknown, "It is in no folder that syncs");
            return self.reply(
                answer,
                Ok(reply(told.action("bm-cloud setup --folder PATH"))),
            );
        };
        let question = Question {
            pair: pair.settings.id.clone(),
            vault: pair.settings.folder.clone(),
            path,
            lines: pair.settings.filters.clone(),
            filters: pair.filters.clone(),
            problems: pair.problems.clone(),
            standing: standing(&self.model, pair, self.config.clock.now_ms()),
        };
        let state = self.state.clone();
        tokio::spawn(async move {
            let told = explain::explain(&state, question).await;
            let result = told
                .map(reply)
                .map_err(|failure| Refusal::new(failure.code(), failure.to_string()));
            if answer.send(result).is_err() {
                tracing::debug!("nobody waits for this answer any more");
            }
        });
    }
}

fn reply(told: Explanation) -> Reply {
    let Explanation {
        state,
        reason,
        action,
    } = told;
    Reply::Explanation {
        state,
        reason,
        action,
    }
}

/// The folder that a path is in, and its name there. Of a relative one it is the folder that has
/// such a file, else the first.
fn meant<'m>(model: &'m Model, path: &str) -> Option<(&'m PairModel, String)> {
    let path = Path::new(path);
    let inside = |pair: &'m PairModel| {
        let below = if path.is_absolute() {
            path.strip_prefix(&pair.settings.folder).ok()?
        } else {
            path
        };
        let names: Option<Vec<&str>> = below
            .components()
            .filter(|part| *part != std::path::Component::CurDir)
            .map(|part| part.as_os_str().to_str())
            .collect();
        let name = names.filter(|names| !names.is_empty() && !names.contains(&".."))?;
        Some((pair, name.join("/")))
    };
    let mut found: Vec<(&PairModel, String)> = model.pairs.iter().filter_map(inside).collect();
    let there = found
        .iter()
        .position(|(pair, name)| pair.settings.folder.join(name).symlink_metadata().is_ok());
    match (there, found.is_empty()) {
        (_, true) => None,
        (at, false) => Some(found.swap_remove(at.unwrap_or(0))),
    }
}

/// What keeps a pair's changes from going on, the first that a person has to mend.
fn standing(model: &Model, pair: &PairModel, now_ms: i64) -> Standing {
    let lapsed = model
        .subscription
        .as_ref()
        .filter(|subscription| !subscription.current);
    if let Some(subscription) = lapsed {
        return Standing::ReadOnly {
            subscribe_url: subscription.subscribe_url.clone(),
        };
    }
    if let Some(halt) = &pair.halt {
        return Standing::Halted {
            message: halt.message.clone(),
            hint: halt.hint.clone(),
        };
    }
    match model.settings.sync {
        SyncSwitch::Off => return Standing::Off,
        SyncSwitch::PausedUntil { until_ms } if until_ms > now_ms => return Standing::PausedUntil,
        SyncSwitch::On | SyncSwitch::PausedUntil { .. } => {}
    }
    match model.power {
        Power::Battery => return Standing::OnBattery,
        Power::Mains => {}
    }
    match model.cost {
        Cost::Metered => return Standing::OnMetered,
        Cost::Free => {}
    }
    if pair.offline {
        return Standing::Offline;
    }
    match pair.last_run.as_ref().map(|run| &run.result) {
        Some(RunResult::Failed { message, hint, .. }) => Standing::Failed {
            message: message.clone(),
            hint: hint.clone(),
        },
        Some(
            RunResult::Verified
            | RunResult::Synced
            | RunResult::Previewed
            | RunResult::Halted { .. }
            | RunResult::Stopped,
        )
        | None => Standing::GoesOn,
    }
}
