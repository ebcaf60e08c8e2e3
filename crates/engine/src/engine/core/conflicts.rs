//! Conflicts as front ends ask about them. Decisions take turns with runs and the lane.

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Answer, Core, Input};
use crate::conflict::{self, Desk, Undone};
use crate::cycle::CycleFailure;
use crate::view::ConflictChoice;
use crate::{Refusal, Reply};

/// A decision that waits for its turn.
pub(super) enum Decision {
    Resolve { choices: Vec<ConflictChoice> },
    Undo { undo: String },
}

/// A decision that was carried out, or not.
pub(in crate::engine) struct DecisionEnd {
    result: Result<Reply, Refusal>,
    answer: Answer,
}

impl Core {
    /// Reads a conflict for a front end, beside everything else.
    pub(super) fn read_conflict(&self, id: String, answer: Answer) {
        let (desks, state, inputs) = (self.desks(), self.state.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let read = async {
                let row = state.with(move |state| state.conflict(&id)).await?;
                let desk = row
                    .as_ref()
                    .and_then(|row| desks.iter().find(|desk| desk.pair == row.pair));
                match (row.as_ref(), desk) {
                    (Some(row), Some(desk)) => Ok(Some(conflict::detail(desk, row).await?)),
                    (Some(_), None) | (None, _) => Ok::<_, CycleFailure>(None),
                }
            };
            let result = match read.await {
                Ok(Some(conflict)) => Ok(Reply::Conflict {
                    conflict: Box::new(conflict),
                }),
                Ok(None) => Err(Refusal::new("not_found", "There is no such conflict")),
                Err(failure) => Err(refusal(&failure)),
            };
            if inputs
                .send(Input::Answered(Box::new(result), answer))
                .await
                .is_err()
            {
                tracing::debug!("the engine stopped meanwhile");
            }
        });
    }

    pub(super) async fn list_conflicts(&self) -> Result<Reply, Refusal> {
        let pairs: Vec<String> = self.desks().into_iter().map(|desk| desk.pair).collect();
        self.state
            .with(move |state| state.conflicts(&pairs, u32::MAX))
            .await
            .map(|conflicts| Reply::Conflicts { conflicts })
            .map_err(|error| Refusal::new("state", error.to_string()))
    }

    pub(super) fn decide(&mut self, decision: Decision, answer: Answer) {
        self.decisions.push_back((decision, answer));
    }

    /// Starts the next decision; answers whether there was one.
    pub(in crate::engine) fn start_decision(&mut self) -> bool {
        let Some((decision, answer)) = self.decisions.pop_front() else {
            return false;
        };
        let (desks, state, inputs) = (self.desks(), self.state.clone(), self.inputs.clone());
        self.running = Some(CancellationToken::new());
        tokio::spawn(async move {
            let result = match decision {
                Decision::Resolve { choices } => {
                    let undo = format!("undo_{}", Uuid::now_v7().simple());
                    conflict::resolve(desks, &state, choices, &undo)
                        .await
                        .map(|stale| Reply::Resolved { undo, stale })
                        .map_err(|failure| refusal(&failure))
                }
                Decision::Undo { undo } => match conflict::undo(desks, &state, &undo).await {
                    Ok(undone) => taken_back(&undone),
                    Err(failure) => Err(refusal(&failure)),
                },
            };
            let end = DecisionEnd { result, answer };
            if inputs
                .send(Input::DecisionEnded(Box::new(end)))
                .await
                .is_err()
            {
                tracing::debug!("the engine stopped during a decision");
            }
        });
        true
    }

    pub(super) async fn end_decision(&mut self, end: DecisionEnd) {
        self.running = None;
        self.resume_passes();
        self.load_lists().await;
        if self.model.carries(self.config.clock.now_ms()) {
            self.pass_within(std::time::Duration::ZERO);
        }
        self.reply(end.answer, end.result);
    }

    fn desks(&self) -> Vec<Desk> {
        self.model
            .pairs
            .iter()
            .map(|pair| Desk {
                pair: pair.settings.id.clone(),
                vault: pair.settings.folder.clone(),
                side_home: self.config.places.data.clone(),
                state: self.state.clone(),
                device: self.config.device.clone(),
                clock: self.config.clock.clone(),
                observer: self.config.observer.clone(),
            })
            .collect()
    }
}

fn taken_back(undone: &Undone) -> Result<Reply, Refusal> {
    match (undone.done, undone.left.as_slice()) {
        (0, []) => Err(Refusal::new("not_found", "There is nothing to take back")),
        (_, []) => Ok(Reply::Done),
        (done, left) => {
            let message = format!(
                "{} of {} were changed since and stay as they are, such as {}",
                left.len(),
                done + left.len(),
                left[0]
            );
            Err(Refusal::new("changed_since", message)
                .hint("Both versions are in history; restore the one you want from there."))
        }
    }
}

fn refusal(failure: &CycleFailure) -> Refusal {
    let refusal = Refusal::new(failure.code(), failure.to_string());
    match failure.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}
