//! What Basic Memory answers, but does not index: a note that is not UTF-8 is the usual one. It must
//! hold up nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::upstream::CallError;

/// A database that was busy is not the note's fault.
const TRIES: u32 = 3;

/// Notes by their path.
#[derive(Debug, Default)]
pub(super) struct Refused(BTreeMap<String, u32>);

/// What becomes of something that was not indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    TryAgain,
    /// Until it arrives again.
    Leave,
}

impl Refused {
    /// Takes in that `what` was not indexed, for this reason.
    pub(super) fn take(&mut self, what: &str, why: &CallError) -> Next {
        match why {
            CallError::Unreachable(_) | CallError::Broken(_) => return Next::TryAgain,
            CallError::Status(_) | CallError::TooSlow | CallError::Malformed => {}
        }
        let tries = self.0.entry(what.to_owned()).or_default();
        *tries = (*tries + 1).min(TRIES + 1);
        if *tries == TRIES {
            tracing::warn!(error = %why, "a note is not indexed until it changes");
            tracing::debug!(what, "is not indexed");
        }
        if *tries < TRIES {
            Next::TryAgain
        } else {
            Next::Leave
        }
    }

    /// It was indexed, or is new.
    pub(super) fn forget(&mut self, what: &str) {
        self.0.remove(what);
    }

    /// Those of a folder that are left alone, without the folder's name.
    pub(super) fn left_in(&self, folder: &str) -> BTreeSet<&str> {
        self.left()
            .filter_map(|what| what.strip_prefix(folder)?.strip_prefix('/'))
            .collect()
    }

    pub(super) fn count(&self) -> usize {
        self.left().count()
    }

    fn left(&self) -> impl Iterator<Item = &str> {
        let left = self.0.iter().filter(|(_, tries)| **tries >= TRIES);
        left.map(|(what, _)| what.as_str())
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn what_is_refused_again_and_again_is_left_until_it_changes() {
        let mut refused = Refused::default();
        let why = CallError::Status(StatusCode::INTERNAL_SERVER_ERROR);
        for next in [Next::TryAgain, Next::TryAgain, Next::Leave, Next::Leave] {
            assert_eq!(refused.take("main/bad.md", &why), next);
        }
        assert_eq!(refused.count(), 1);
        assert_eq!(refused.left_in("main"), BTreeSet::from(["bad.md"]));
        assert!(refused.left_in("ma").is_empty());
        refused.forget("main/bad.md");
        assert_eq!(refused.take("main/bad.md", &why), Next::TryAgain);
        assert_eq!(refused.count(), 0);
    }

    #[test]
    fn who_did_not_answer_refused_nothing() {
        let mut refused = Refused::default();
        for _ in 0..10 {
            let why = CallError::Unreachable(std::io::ErrorKind::ConnectionRefused.into());
            assert_eq!(refused.take("main/a.md", &why), Next::TryAgain);
        }
        assert_eq!(refused.count(), 0);
    }
}
