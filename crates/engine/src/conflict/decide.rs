//! What a choice means for the files of a conflict. Pure.

use crate::view::{Choice, ConflictKind};

/// Which file holds which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Theirs has the note's name, mine is the copy beside it.
    Beside,
    /// The note is mine; theirs is that it was deleted.
    OnlyMine,
    /// The note is theirs; mine is that it was deleted.
    OnlyTheirs,
}

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Leave,
    Remove,
    /// It becomes what the copy is.
    Copy,
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Targets {
    pub(super) note: Target,
    pub(super) copy: Target,
}

impl Shape {
    pub(super) fn of(kind: ConflictKind, copy: Option<&String>) -> Self {
        match (kind, copy) {
            (_, Some(_)) => Self::Beside,
            (ConflictKind::RemovedHereEditedThere, None) => Self::OnlyTheirs,
            (
                ConflictKind::EditedHereRemovedThere
                | ConflictKind::BothEdited
                | ConflictKind::CreatedTwice,
                None,
            ) => Self::OnlyMine,
        }
    }

    /// Mine and theirs, of what is there as the note and as the copy.
    pub(super) fn versions<T>(self, note: Option<T>, copy: Option<T>) -> (Option<T>, Option<T>) {
        match self {
            Self::Beside => (copy, note),
            Self::OnlyMine => (note, None),
            Self::OnlyTheirs => (None, note),
        }
    }
}

pub(super) fn decide(shape: Shape, choice: Choice) -> Targets {
    let (note, copy) = match (choice, shape) {
        (Choice::KeepMine, Shape::Beside) => (Target::Copy, Target::Remove),
        (Choice::KeepTheirs, Shape::Beside) => (Target::Leave, Target::Remove),
        (Choice::KeepMine, Shape::OnlyTheirs) | (Choice::KeepTheirs, Shape::OnlyMine) => {
            (Target::Remove, Target::Leave)
        }
        (Choice::KeepMine, Shape::OnlyMine)
        | (Choice::KeepTheirs, Shape::OnlyTheirs)
        | (Choice::KeepBoth, Shape::Beside | Shape::OnlyMine | Shape::OnlyTheirs) => {
            (Target::Leave, Target::Leave)
        }
        (Choice::Merged { text }, Shape::Beside) => (Target::Text(text), Target::Remove),
        (Choice::Merged { text }, Shape::OnlyMine | Shape::OnlyTheirs) => {
            (Target::Text(text), Target::Leave)
        }
    };
    Targets { note, copy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_names_what_becomes_of_both_files() {
        use Shape::{Beside, OnlyMine, OnlyTheirs};
        use Target::{Copy, Leave, Remove, Text};
        let text = || Choice::Merged { text: "m".into() };
        for (shape, choice, note, copy) in [
            (Beside, Choice::KeepMine, Copy, Remove),
            (Beside, Choice::KeepTheirs, Leave, Remove),
            (Beside, Choice::KeepBoth, Leave, Leave),
            (Beside, text(), Text("m".into()), Remove),
            (OnlyMine, Choice::KeepMine, Leave, Leave),
            (OnlyMine, Choice::KeepTheirs, Remove, Leave),
            (OnlyTheirs, Choice::KeepMine, Remove, Leave),
            (OnlyTheirs, Choice::KeepTheirs, Leave, Leave),
            (OnlyTheirs, text(), Text("m".into()), Leave),
        ] {
            let asked = format!("{shape:?} {choice:?}");
            assert_eq!(decide(shape, choice), Targets { note, copy }, "{asked}");
        }
    }
}
