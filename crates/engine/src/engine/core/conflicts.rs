//! Conflicts as front ends ask about them. Decisions take turns with runs and the lane.

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Answer, Core, Input};
use crate::conflict::{self, Desk, Drives, Touched, Undone};
use crate::cycle::CycleFailure;
use crate::view::ConflictChoice;
use crate::{Refusal, Reply};

/// A decision that waits for its turn.
pub(super) enum Decision {
    Resolve {
        choices: Vec<ConflictChoice>,
    },
    Undo {
        undo: String,
    },
    /// Conflicts whose versions have become the same, with the hash of both.
    CloseEqual {
        equal: Vec<(String, String)>,
    },
}

/// A decision that was carried out, or not.
pub(in crate::engine) struct DecisionEnd {
    result: Result<Reply, Refusal>,
    answer: Answer,
    /// What became of objects in the cloud.
    touched: Touched,
    /// Whether something changed that is to be carried now.
    carry: bool,
}

impl Core {
    /// Reads a conflict for a front end, beside everything else.
    pub(super) fn read_conflict(&self, id: String, answer: Answer) {
        let (desks, state, inputs) = (self.desks(), self.state.clone(), self.inputs.clone());
        let drives = self.drives();
        tokio::spawn(async move {
            let read = async {
                let row = state.with(move |state| state.conflict(&id)).await?;
                let desk = row
                    .as_ref()
                    .and_then(|row| desks.iter().find(|desk| desk.pair == row.pair));
                match (row.as_ref(), desk) {
                    (Some(row), Some(desk)) => Ok(Some(conflict::detail(desk, row).await?)),
                    (Some(row), None) => drives.detail(row).await,
                    (None, _) => Ok::<_, CycleFailure>(None),
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
        let pairs = self.owners();
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
        let drives = self.drives();
        self.running = Some(CancellationToken::new());
        tokio::spawn(async move {
            let undo = || format!("undo_{}", Uuid::now_v7().simple());
            let mut touched = Touched::new();
            let mut carry = true;
            let result = match decision {
                Decision::Resolve { choices } => {
                    let undo = undo();
                    let means = (undo.as_str(), &mut touched);
                    conflict::resolve(desks, &state, &drives, choices, means)
                        .await
                        .map(|stale| Reply::Resolved { undo, stale })
                        .map_err(|failure| refusal(&failure))
                }
                Decision::Undo { undo } => match conflict::undo(desks, &state, &undo).await {
                    Ok(undone) => taken_back(&undone),
                    Err(failure) => Err(refusal(&failure)),
                },
                Decision::CloseEqual { equal } => {
                    let closed = conflict::close_equal(desks, &state, equal, &undo()).await;
                    // What could not be closed is tried again after the next pass, not at once.
                    carry = closed.as_ref().is_ok_and(|closed| *closed > 0);
                    closed
                        .map(|_| Reply::Done)
                        .map_err(|failure| refusal(&failure))
                }
            };
            let end = DecisionEnd {
                result,
                answer,
                touched,
                carry,
            };
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
        self.take_hints(&end.touched);
        self.load_lists().await;
        if end.carry && self.model.carries(self.config.clock.now_ms()) {
            self.pass_within(std::time::Duration::ZERO);
        }
        self.reply(end.answer, end.result);
    }

    /// Closes conflicts whose versions have become the same, while changes are carried at all.
    pub(in crate::engine) async fn close_equal_conflicts(&mut self) {
        if !self.model.carries(self.config.clock.now_ms()) || !self.decisions.is_empty() {
            return;
        }
        let pairs: Vec<String> = self.desks().into_iter().map(|desk| desk.pair).collect();
        let found = self.state.with(move |state| state.equal_conflicts(&pairs));
        match found.await {
            Ok(equal) if equal.is_empty() => {}
            Ok(equal) => {
                let (answer, _) = tokio::sync::oneshot::channel();
                self.decide(Decision::CloseEqual { equal }, answer);
            }
            Err(error) => tracing::error!(%error, "could not look for equal versions"),
        }
    }

    /// Folders and drives: all that conflicts can belong to.
    fn owners(&self) -> Vec<String> {
        let pairs = self.model.pairs.iter().map(|pair| &pair.settings.id);
        let mounts = self.model.mounts.iter().map(|mount| &mount.settings.id);
        pairs.chain(mounts).cloned().collect()
    }

    fn drives(&self) -> Drives {
        let mounts = self.model.mounts.iter();
        Drives {
            mounts: mounts.map(|mount| mount.settings.id.clone()).collect(),
            bucket: self.link.as_ref().map(|link| link.bucket.clone()),
            state: self.state.clone(),
        }
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
    let message = match (undone.done, undone.left.as_slice()) {
        (0, []) => return Err(Refusal::new("not_found", "There is nothing to take back")),
        (_, []) => return Ok(Reply::Done),
        (0, [only]) => format!("{only} was changed since and stays as it is"),
        (0, left @ [first, ..]) => {
            let count = left.len();
            format!("{count} were changed since and stay as they are, such as {first}")
        }
        (done, left @ [first, ..]) => format!(
            "{done} of {} were taken back; the rest was changed since and stays as it is, such as {first}",
            done + left.len()
        ),
    };
    Err(Refusal::new("changed_since", message)
        .hint("Both versions are in history; restore the one you want from there."))
}

fn refusal(failure: &CycleFailure) -> Refusal {
    let refusal = Refusal::new(failure.code(), failure.to_string());
    match failure.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}
