//! Files that are there and whose bytes cannot be read: rclone stops at the first of them. They are
//! listed, and the rest goes on.

use super::verify::Verified;
use super::{CycleFailure, CycleInput, Next, Tally, blocking};
use crate::vault::{self, HashError, PathProblem, ProblemCode};

/// The files of this run that turned out to be so.
#[derive(Debug, Default)]
pub(super) struct Damaged(Vec<String>);

impl Damaged {
    /// Takes them out of the plan: what cannot be read is neither carried nor deleted.
    pub(super) fn set_aside(&self, verified: &mut Verified, tally: &mut Tally) {
        tally.waiting += verified.plan.hold(&self.0);
        for path in &self.0 {
            if !tally.problems.iter().any(|known| known.path == *path) {
                let problem = PathProblem::new(path, ProblemCode::Unreadable);
                tally.problems.push(problem);
            }
        }
    }

    /// Looks for the cause of a failure among the files that were to be carried. Where it is found,
    /// the cycle begins again without them.
    pub(super) async fn explain(
        &mut self,
        failure: CycleFailure,
        input: &CycleInput,
        files: Vec<String>,
    ) -> Result<Next, CycleFailure> {
        if !failure.may_be_a_file_s() {
            return Err(failure);
        }
        let vault = input.vault.clone();
        let is_unreadable = move |path: &String| {
            let hashed = vault::md5_of(&vault.join(path));
            matches!(hashed, Err(HashError::Unreadable { .. }))
        };
        let found: Vec<String> = blocking(move || {
            Ok::<_, CycleFailure>(files.into_iter().filter(is_unreadable).collect())
        })
        .await?;
        if found.is_empty() {
            return Err(failure);
        }
        tracing::warn!(files = found.len(), error = %failure, "going on without unreadable files");
        self.0.extend(found);
        Ok(Next::Again)
    }
}

/// The files here that a cycle is about to carry.
pub(super) fn files_of(verified: &Verified) -> Vec<String> {
    let scope = verified.plan.scope.keys();
    scope
        .filter(|path| verified.scan.files.contains_key(*path))
        .cloned()
        .collect()
}
