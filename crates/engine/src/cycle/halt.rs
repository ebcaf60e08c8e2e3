//! What a person reads of a halt: cause, evidence and ways out.

use std::collections::BTreeSet;

use super::CycleFailure;
use crate::brakes::Brake;
use crate::view::{ChangeAction, HaltAction, HaltView};

/// Paths that a halt shows at most.
const EVIDENCE: usize = 50;

/// So many paths on top of those that a halt showed ask again; fewer never tripped a brake.
const ON_TOP: usize = 3;

/// The halt of a pair whose baseline was lost, until it is compared again.
pub(crate) const LISTINGS_LOST: &str = "ListingsLost";

pub(super) struct Words {
    pub(super) message: String,
    pub(super) hint: &'static str,
    pub(super) code: &'static str,
    actions: &'static [HaltAction],
}

impl CycleFailure {
    /// The halt this is, if a person has to look first.
    pub(crate) fn halt(&self) -> Option<HaltView> {
        if let Self::Braked(brake) = self {
            return Some(of_brake(brake));
        }
        let actions: &[HaltAction] = match self.code() {
            "RootReplaced" => &[HaltAction::ChooseFolder, HaltAction::Confirm],
            "RootMissing" => &[HaltAction::ChooseFolder],
            "DiskFull" | "ClockSkew" => &[],
            _ => return None,
        };
        let hint = if matches!(self, Self::RootReplaced) {
            "If this is the right folder, go on: both sides are compared and nothing is \
             deleted. Otherwise bring the old folder back."
                .to_owned()
        } else {
            self.hint().unwrap_or_default()
        };
        Some(HaltView {
            code: self.code().to_owned(),
            message: self.to_string(),
            hint,
            can_confirm: actions.contains(&HaltAction::Confirm),
            evidence: Vec::new(),
            evidence_count: 0,
            actions: actions.to_vec(),
        })
    }
}

/// Whether who went on after this halt saw what the brake holds now.
pub(super) fn was_shown(halt: &HaltView, brake: &Brake) -> bool {
    let now = of_brake(brake);
    let held = brake.evidence();
    if held.is_empty() {
        return now.code == halt.code && now.message == halt.message;
    }
    let shown: BTreeSet<&String> = halt.evidence.iter().collect();
    let known = held.iter().filter(|path| shown.contains(path)).count();
    let shown_all = halt.evidence_count == shown.len() as u64;
    let fits = if shown_all {
        held.len() - known < ON_TOP
    } else {
        let count = usize::try_from(halt.evidence_count).unwrap_or(usize::MAX);
        held.len() < count.saturating_add(ON_TOP) && known * 2 >= shown.len()
    };
    fits && (now.code == halt.code || is_part_of(brake, halt))
}

/// Notes that a program gave other names to are among those that it made unreadable.
fn is_part_of(brake: &Brake, halt: &HaltView) -> bool {
    let removes_there = matches!(
        brake,
        Brake::TooManyDeletes {
            side: ChangeAction::RemoveInCloud,
            ..
        }
    );
    removes_there && halt.code == "MassRewrite"
}

/// The halt that a brake is.
pub(crate) fn of_brake(brake: &Brake) -> HaltView {
    let Words {
        message,
        hint,
        code,
        actions,
    } = words(brake);
    let evidence = brake.evidence();
    HaltView {
        code: code.to_owned(),
        message,
        hint: hint.to_owned(),
        can_confirm: actions.contains(&HaltAction::Confirm),
        evidence: evidence.iter().take(EVIDENCE).cloned().collect(),
        evidence_count: evidence.len() as u64,
        actions: actions.to_vec(),
    }
}

pub(super) fn words(brake: &Brake) -> Words {
    let said = |message: String, hint, code, actions| Words {
        message,
        hint,
        code,
        actions,
    };
    match brake {
        Brake::VaultEmptied { known } => said(
            format!("The notes folder is empty, but {known} notes are known"),
            "If the notes are elsewhere, bring them back. To delete them in the cloud too, go on.",
            "RootEmptied",
            &[
                HaltAction::Restore,
                HaltAction::ChooseFolder,
                HaltAction::Confirm,
            ],
        ),
        Brake::CloudEmptied { known } => said(
            format!("The cloud is empty, but {known} notes are known"),
            "To remove the notes here too (they stay in history), go on. To put them back into \
             the cloud, bring them back or compare again.",
            "RootEmptied",
            &[
                HaltAction::Restore,
                HaltAction::CompareAgain,
                HaltAction::Confirm,
            ],
        ),
        Brake::TooManyDeletes {
            deletes,
            known,
            side,
            ..
        } => {
            let place = match side {
                ChangeAction::RemoveHere => "here",
                ChangeAction::RemoveInCloud
                | ChangeAction::Upload
                | ChangeAction::Download
                | ChangeAction::Conflict => "in the cloud",
            };
            said(
                format!("{deletes} of {known} notes would be removed {place}"),
                "Everything else goes on. Look at the list, then go on or bring the notes back.",
                "TooManyDeletes",
                &[HaltAction::Restore, HaltAction::Confirm],
            )
        }
        Brake::MassRewrite { changed, known, .. } => said(
            format!("{changed} of {known} notes became unreadable within minutes"),
            "A program may be encrypting or damaging this folder. Nothing goes up meanwhile, and \
             the cloud has the notes as they were: bring them back, or go on if you did this.",
            "MassRewrite",
            &[HaltAction::Restore, HaltAction::Confirm],
        ),
        Brake::MarkerRewritten => said(
            "The cloud side is not what we left: its sync marker was rewritten".to_owned(),
            "Something changes everything there. Check the account and its other devices, then \
             go on.",
            "MassRewrite",
            &[HaltAction::Confirm],
        ),
        Brake::AccessCheckFailed => said(
            "The cloud side is not what we left: its sync marker is gone".to_owned(),
            "Check that the account is the right one, then compare again.",
            "AccessCheckFailed",
            &[HaltAction::CompareAgain],
        ),
        Brake::VersioningOff { .. } => said(
            "This cloud storage keeps no old versions of notes".to_owned(),
            "Changes that replace or remove something there wait; new notes go up. Turn \
             versioning on for the bucket, or go on without.",
            "VersioningOff",
            &[HaltAction::Confirm],
        ),
        Brake::ListingsLost { held } => said(
            match held.len() {
                0 => "Sync lost its place and compares everything again".to_owned(),
                count => format!("Sync lost its place, and {count} notes differ"),
            },
            "Equal notes are adopted. Go on to keep both versions of those that differ.",
            LISTINGS_LOST,
            &[HaltAction::CompareAgain, HaltAction::Confirm],
        ),
        Brake::DiskFull { held } => said(
            format!("No space left: the disk is full, {} notes wait", held.len()),
            "Free some space; sync goes on by itself. Your own edits still go up.",
            "DiskFull",
            &[],
        ),
        Brake::CaseCollision { names } => said(
            format!("{} names differ only in capitals or accents", names.len()),
            "Rename one of each two; everything else goes on.",
            "CaseCollision",
            &[],
        ),
    }
}

/// How wrong the clock is, in words.
pub(super) fn skew_words(ahead_ms: Option<i64>) -> String {
    let Some(ahead_ms) = ahead_ms else {
        return "This computer's clock differs too much from the cloud's".to_owned();
    };
    let minutes = ahead_ms.unsigned_abs() / 60_000;
    let span = match minutes {
        0..120 => format!("{minutes} minutes"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    };
    let way = if ahead_ms > 0 { "ahead" } else { "behind" };
    format!("This computer's clock is {span} {way}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_wrong_the_clock_is() {
        assert_eq!(
            skew_words(Some(-2 * 3_600_000)),
            "This computer's clock is 2 hours behind"
        );
        assert_eq!(
            skew_words(Some(16 * 60_000)),
            "This computer's clock is 16 minutes ahead"
        );
        let halt = CycleFailure::ClockSkew { ahead_ms: None }.halt().unwrap();
        assert_eq!((halt.code.as_str(), halt.can_confirm), ("ClockSkew", false));
        assert!(halt.hint.contains("clock right"), "{halt:?}");
    }

    #[test]
    fn no_halt_speaks_of_commands_that_a_window_has_not() {
        let held = || vec!["a.md".to_owned()];
        let brakes = [
            Brake::VaultEmptied { known: 3 },
            Brake::CloudEmptied { known: 3 },
            Brake::MarkerRewritten,
            Brake::AccessCheckFailed,
            Brake::VersioningOff { held: held() },
            Brake::ListingsLost { held: held() },
            Brake::DiskFull { held: held() },
            Brake::CaseCollision { names: held() },
            Brake::MassRewrite {
                changed: 60,
                known: 100,
                held: held(),
            },
            Brake::TooManyDeletes {
                deletes: 4,
                known: 5,
                side: ChangeAction::RemoveHere,
                held: held(),
            },
        ];
        for halt in brakes.iter().map(of_brake) {
            let said = format!("{} {}", halt.message, halt.hint);
            assert!(!said.contains('`') && !said.contains("bm-cloud"), "{said}");
        }
    }

    #[test]
    fn who_goes_on_has_seen_what_passes() {
        let paths = |numbers: std::ops::Range<usize>| -> Vec<String> {
            numbers.map(|number| format!("{number:03}.md")).collect()
        };
        let deletes = |side, held: Vec<String>| Brake::TooManyDeletes {
            deletes: held.len(),
            known: 200,
            side,
            held,
        };
        let here = |numbers| deletes(ChangeAction::RemoveHere, paths(numbers));
        let rewrite = |numbers| Brake::MassRewrite {
            changed: 9,
            known: 200,
            held: paths(numbers),
        };
        let shown = of_brake(&here(0..30));
        assert!(was_shown(&shown, &here(0..30)));
        assert!(was_shown(&shown, &here(0..20)));
        assert!(was_shown(&shown, &here(0..32)));
        for brake in [
            here(0..33),
            deletes(ChangeAction::RemoveInCloud, paths(100..130)),
            rewrite(0..30),
            Brake::VaultEmptied { known: 30 },
        ] {
            assert!(!was_shown(&shown, &brake), "{brake:?}");
        }
        // Not all of it could be shown.
        let shown = of_brake(&here(0..120));
        assert!(was_shown(&shown, &here(0..122)));
        assert!(!was_shown(&shown, &here(0..123)));
        let there = deletes(ChangeAction::RemoveInCloud, paths(120..160));
        assert!(!was_shown(&shown, &there));
        // What a rewrite showed may go under its old names too.
        let shown = of_brake(&rewrite(0..20));
        let there = deletes(ChangeAction::RemoveInCloud, paths(0..20));
        assert!(was_shown(&shown, &there));
        assert!(!was_shown(&shown, &here(0..20)));
        assert!(!was_shown(&shown, &Brake::MarkerRewritten));
        let shown = of_brake(&Brake::CloudEmptied { known: 9 });
        assert!(was_shown(&shown, &Brake::CloudEmptied { known: 9 }));
        assert!(!was_shown(&shown, &Brake::VaultEmptied { known: 9 }));
    }

    #[test]
    fn shows_fifty_paths_and_counts_all() {
        let held = (0..60).map(|n| format!("{n:02}.md")).collect();
        let halt = of_brake(&Brake::MassRewrite {
            changed: 60,
            known: 100,
            held,
        });
        assert_eq!((halt.evidence.len(), halt.evidence_count), (50, 60));
        assert_eq!(halt.actions, [HaltAction::Restore, HaltAction::Confirm]);
    }
}
