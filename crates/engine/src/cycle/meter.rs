//! How far a running bisync is, file by file: what the guard sees pass, and rclone's own count.

use std::collections::BTreeMap;

use guard::{GuardEvent, Object};

use super::CycleInput;
use super::settle::original_of;
use crate::plan::Plan;
use crate::vault::Scan;
use crate::view::{ChangeAction, ProgressView};

pub(super) struct Meter {
    number: u64,
    mark: String,
    total: u64,
    bytes_total: u64,
    /// Files and bytes that the guard saw pass whole.
    done: u64,
    bytes_done: u64,
    /// What rclone counts, parts of files too.
    rclone: (u64, u64),
    file: Option<String>,
}

impl Meter {
    pub(super) fn new(
        input: &CycleInput,
        plan: &Plan,
        scan: &Scan,
        cloud: &BTreeMap<String, Object>,
    ) -> Self {
        Self {
            number: input.number,
            mark: input.mark.clone(),
            total: plan.scope.len() as u64,
            bytes_total: bytes_to_carry(plan, scan, cloud),
            done: 0,
            bytes_done: 0,
            rclone: (0, 0),
            file: None,
        }
    }

    pub(super) fn take(&mut self, event: GuardEvent) {
        tracing::debug!(?event, "guard");
        match event {
            GuardEvent::Uploading { key, .. } | GuardEvent::Downloading { key, .. } => {
                self.name(key);
            }
            GuardEvent::Uploaded { key, size, .. } | GuardEvent::Downloaded { key, size } => {
                self.name(key);
                self.done += 1;
                self.bytes_done += size;
            }
            GuardEvent::Deleted { key } => {
                self.name(key);
                self.done += 1;
            }
            GuardEvent::SetAside { .. }
            | GuardEvent::LostRace { .. }
            | GuardEvent::Refused { .. }
            | GuardEvent::ListedLate { .. }
            | GuardEvent::Unreachable => {}
        }
    }

    pub(super) fn take_count(&mut self, counted: &rclone::Progress) {
        self.rclone = (counted.transfers, counted.bytes);
    }

    pub(super) fn view(&self) -> ProgressView {
        let (files, bytes) = self.rclone;
        ProgressView {
            file: self.file.clone(),
            bytes_done: self.bytes_done.max(bytes).min(self.bytes_total),
            bytes_total: self.bytes_total,
            ..ProgressView::new(
                self.number,
                "bisync",
                self.done.max(files).min(self.total),
                self.total,
            )
        }
    }

    fn name(&mut self, key: String) {
        self.file = Some(original_of(&key, &self.mark).unwrap_or(key));
    }
}

fn bytes_to_carry(plan: &Plan, scan: &Scan, cloud: &BTreeMap<String, Object>) -> u64 {
    let here = |path: &String| scan.files.get(path).map_or(0, |signature| signature.size);
    let there = |path: &String| cloud.get(path).map_or(0, |object| object.size);
    plan.scope
        .iter()
        .map(|(path, difference)| match difference.action() {
            Some(ChangeAction::Upload) => here(path),
            Some(ChangeAction::Download) => there(path),
            Some(ChangeAction::Conflict) => here(path) + there(path),
            Some(ChangeAction::RemoveHere | ChangeAction::RemoveInCloud) | None => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_file_on_its_way_and_never_more_than_all() {
        let mut meter = Meter {
            number: 4,
            mark: "bmc-x-".into(),
            total: 3,
            bytes_total: 100,
            done: 0,
            bytes_done: 0,
            rclone: (0, 0),
            file: None,
        };
        assert_eq!(meter.view().file, None);
        meter.take(GuardEvent::Uploading {
            key: "a/note.bmc-x-1.md".into(),
            size: 40,
        });
        let counted = rclone::Progress {
            bytes: 10,
            ..rclone::Progress::default()
        };
        meter.take_count(&counted);
        let view = meter.view();
        assert_eq!(view.file.as_deref(), Some("a/note.md"));
        assert_eq!((view.done, view.bytes_done, view.bytes_total), (0, 10, 100));
        for key in ["a/note.bmc-x-1.md", "b.md", "c.md", "d.md"] {
            meter.take(GuardEvent::Uploaded {
                key: key.into(),
                size: 40,
                etag: "e".into(),
            });
        }
        let view = meter.view();
        assert_eq!((view.done, view.bytes_done), (3, 100));
        assert_eq!(view.file.as_deref(), Some("d.md"));
    }
}
