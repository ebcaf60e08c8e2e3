use std::collections::{BTreeSet, VecDeque};

use crate::log::{Cause, Change, LogEvent, Progress, Side, Skipped};
use crate::outcome::{Copied, Deleted, Planned, PlannedAction, Renamed};

const KEPT_LINES: usize = 50;

/// What a run's log said so far.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) successful: bool,
    pub(crate) conflicts: Vec<Renamed>,
    pub(crate) copied: Vec<Copied>,
    pub(crate) deleted: Vec<Deleted>,
    pub(crate) planned: Vec<Planned>,
    pub(crate) stats: Progress,
    pub(crate) failures: Vec<(Cause, Option<String>)>,
    pub(crate) last_error: Option<String>,
    pub(crate) last_lines: VecDeque<String>,
    both_changed: Option<String>,
    gone: BTreeSet<(Side, String)>,
}

impl Transcript {
    pub(crate) fn line(&mut self, line: String) {
        if self.last_lines.len() == KEPT_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line);
    }

    /// The best explanation there is: the last error, or the last line.
    pub(crate) fn explanation(&self) -> String {
        let last = || self.last_lines.back().cloned();
        self.last_error
            .clone()
            .or_else(last)
            .unwrap_or_else(|| "no output".to_owned())
    }

    pub(crate) fn event(&mut self, event: LogEvent) {
        match event {
            LogEvent::Delta {
                side,
                change: Change::Deleted,
                path,
            } => {
                self.gone.insert((side, path));
            }
            LogEvent::BothChanged { path } => self.both_changed = Some(path),
            LogEvent::Renaming { name } => {
                if let Some(from) = self.both_changed.clone() {
                    let to = sibling(&from, &name);
                    self.conflicts.push(Renamed { from, to });
                }
            }
            LogEvent::Copied { from, path, bytes } => {
                self.copied.push(Copied { from, path, bytes });
            }
            LogEvent::Deleted { on, path } => self.deleted.push(Deleted { on, path }),
            LogEvent::Skipped {
                action,
                side,
                path,
                bytes,
            } => {
                self.skipped(action, side, path, bytes);
            }
            LogEvent::Stats(stats) => self.stats = stats,
            LogEvent::Successful => self.successful = true,
            LogEvent::Failure {
                cause,
                object,
                text,
            } => {
                let summary =
                    text.starts_with("Bisync aborted") || text.starts_with("Failed to bisync");
                if !summary || self.last_error.is_none() {
                    self.last_error = Some(text);
                }
                self.failures.push((cause, object));
            }
            LogEvent::Delta {
                change: Change::New | Change::Changed,
                ..
            }
            | LogEvent::Equal { .. }
            | LogEvent::Other => {}
        }
    }

    /// A dry run's plan. Some deletes it announces are wrong: only those of files that were seen
    /// to be gone on the other side are believed.
    fn skipped(&mut self, action: Skipped, side: Option<Side>, path: String, bytes: u64) {
        let conflict =
            |planned: &Planned| planned.action == PlannedAction::Conflict && planned.path == path;
        let action = match (action, side) {
            (Skipped::Rename, _) => PlannedAction::Conflict,
            (Skipped::Copy, Some(Side::Local)) => PlannedAction::Upload,
            (Skipped::Copy, Some(Side::Remote)) if self.planned.iter().any(conflict) => return,
            (Skipped::Copy, Some(Side::Remote)) => PlannedAction::Download,
            (Skipped::Delete, Some(Side::Local)) => PlannedAction::DeleteLocal,
            (Skipped::Delete, Some(Side::Remote)) => PlannedAction::DeleteRemote,
            (Skipped::Copy | Skipped::Delete, None) => return,
        };
        let proof = match action {
            PlannedAction::DeleteLocal => Some(Side::Remote),
            PlannedAction::DeleteRemote => Some(Side::Local),
            PlannedAction::Upload | PlannedAction::Download | PlannedAction::Conflict => None,
        };
        if proof.is_none_or(|side| self.gone.contains(&(side, path.clone()))) {
            self.planned.push(Planned {
                action,
                path,
                bytes,
            });
        }
    }
}

fn sibling(path: &str, name: &str) -> String {
    path.rsplit_once('/')
        .map_or_else(|| name.to_owned(), |(folder, _)| format!("{folder}/{name}"))
}
