//! Bytes that cannot be carried: files here that cannot be read, and objects whose bytes are not those
//! that were stored. rclone stops at the first of them. They are listed, and the rest goes on.

use std::collections::BTreeSet;

use super::verify::Verified;
use super::{CycleFailure, CycleInput, Next, Tally, blocking};
use crate::vault::{self, HashError, PathProblem, ProblemCode};
use crate::view::ChangeAction;

/// The paths of this run that turned out to be so.
#[derive(Debug, Default)]
pub(super) struct Damaged {
    found: Vec<(String, ProblemCode)>,
    /// Objects that came with other bytes once: they may have been replaced meanwhile.
    suspects: BTreeSet<String>,
}

/// What a cycle is about to carry.
pub(super) struct Cargo {
    /// Files here, whichever way they go.
    files: Vec<String>,
    /// Paths whose object is fetched.
    coming: BTreeSet<String>,
}

impl Cargo {
    pub(super) fn of(verified: &Verified) -> Self {
        let scope = || verified.plan.scope.iter();
        let is_here = |path: &String| verified.scan.files.contains_key(path);
        Self {
            files: scope()
                .map(|(path, _)| path.clone())
                .filter(is_here)
                .collect(),
            coming: scope()
                .filter(|(_, difference)| match difference.action() {
                    Some(ChangeAction::Download | ChangeAction::Conflict) => true,
                    Some(
                        ChangeAction::Upload
                        | ChangeAction::RemoveHere
                        | ChangeAction::RemoveInCloud,
                    )
                    | None => false,
                })
                .map(|(path, _)| path.clone())
                .collect(),
        }
    }
}

impl Damaged {
    /// Takes them out of the plan: what cannot be carried is not deleted either.
    pub(super) fn set_aside(&self, verified: &mut Verified, tally: &mut Tally) {
        let paths: Vec<String> = self.found.iter().map(|(path, _)| path.clone()).collect();
        tally.waiting += verified.plan.hold(&paths);
        for (path, code) in &self.found {
            if !tally.problems.iter().any(|known| known.path == *path) {
                tally.problems.push(PathProblem::new(path, *code));
            }
        }
    }

    /// Looks for the cause of a failure in what was to be carried. Where it is found, the cycle
    /// begins again without it.
    pub(super) async fn explain(
        &mut self,
        failure: CycleFailure,
        input: &CycleInput,
        cargo: Cargo,
    ) -> Result<Next, CycleFailure> {
        if !failure.may_be_a_file_s() {
            return Err(failure);
        }
        let before = self.found.len();
        if let CycleFailure::Rclone(rclone::CycleError::Corrupted { keys }) = &failure {
            self.suspect(keys, &cargo.coming);
        }
        let unreadable = unreadable(input, cargo.files).await?;
        let unreadable = unreadable.into_iter();
        self.found
            .extend(unreadable.map(|path| (path, ProblemCode::Unreadable)));
        let found = self.found.len() - before;
        if found == 0 {
            return Err(failure);
        }
        tracing::warn!(found, error = %failure, "going on without what cannot be carried");
        Ok(Next::Again)
    }

    /// An object that came with other bytes twice is damaged.
    fn suspect(&mut self, keys: &[String], coming: &BTreeSet<String>) {
        for key in keys.iter().filter(|key| coming.contains(*key)) {
            if !self.suspects.insert(key.clone()) {
                self.found.push((key.clone(), ProblemCode::DamagedInCloud));
            }
        }
    }
}

async fn unreadable(input: &CycleInput, files: Vec<String>) -> Result<Vec<String>, CycleFailure> {
    let vault = input.vault.clone();
    let is_unreadable = move |path: &String| {
        let hashed = vault::md5_of(&vault.join(path));
        matches!(hashed, Err(HashError::Unreadable { .. }))
    };
    blocking(move || Ok::<_, CycleFailure>(files.into_iter().filter(is_unreadable).collect())).await
}
