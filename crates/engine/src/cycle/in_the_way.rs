//! Downloads that could not be put in place now are not fetched: they wait for the cause to go.

use std::collections::BTreeSet;

use super::verify::Verified;
use super::{CycleFailure, CycleInput, Next, Tally, blocking};
use crate::naming;
use crate::plan::Plan;
use crate::vault;
use crate::view::ChangeAction;

/// Takes out of the plan what cannot be put in place. [`Next::Again`] where this very cycle makes
/// the room for some of it.
pub(super) async fn set_aside(
    input: &CycleInput,
    verified: &mut Verified,
    tally: &mut Tally,
) -> Result<Next, CycleFailure> {
    let crowded = crowded(&verified.plan);
    let next = if crowded.is_empty() {
        Next::Settled
    } else {
        Next::Again
    };
    verified.plan.hold(&crowded);
    let arriving: Vec<String> = verified
        .plan
        .scope
        .iter()
        .filter(|(_, difference)| match difference.action() {
            Some(ChangeAction::Download | ChangeAction::RemoveHere) => true,
            Some(ChangeAction::Upload | ChangeAction::RemoveInCloud | ChangeAction::Conflict)
            | None => false,
        })
        .map(|(path, _)| path.clone())
        .collect();
    if arriving.is_empty() {
        return Ok(next);
    }
    let vault = input.vault.clone();
    let found =
        blocking(move || Ok::<_, CycleFailure>(vault::obstacles(&vault, &arriving))).await?;
    let blocked: Vec<String> = found.iter().map(|problem| problem.path.clone()).collect();
    verified.plan.hold(&blocked);
    tally.problems.extend(found);
    Ok(next)
}

/// Downloads whose place is taken by what this cycle removes here: a file that takes a folder's
/// name, a folder that takes a file's, or a note whose name changed in its letters' case alone, which
/// some disks take for the one that leaves.
fn crowded(plan: &Plan) -> Vec<String> {
    let of = |wanted: ChangeAction| {
        let with = plan.scope.iter();
        with.filter(move |(_, difference)| difference.action() == Some(wanted))
            .map(|(path, _)| path.as_str())
    };
    let leaving: BTreeSet<&str> = of(ChangeAction::RemoveHere).collect();
    if leaving.is_empty() {
        return Vec::new();
    }
    let folded: BTreeSet<String> = leaving.iter().map(|path| naming::fold_key(path)).collect();
    let is_crowded = |path: &&str| {
        if folded.contains(&naming::fold_key(path)) {
            return true;
        }
        let below = format!("{path}/");
        let inside = leaving.range(below.as_str()..).next();
        inside.is_some_and(|other| other.starts_with(&below))
            || path
                .match_indices('/')
                .any(|(end, _)| leaving.contains(&path[..end]))
    };
    of(ChangeAction::Download)
        .filter(is_crowded)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Difference, Side};

    #[test]
    fn what_takes_a_leaving_name_waits_for_the_next_attempt() {
        let mut plan = Plan::default();
        let mut put = |path: &str, here, cloud| {
            let difference = Difference { here, cloud };
            plan.scope.insert(path.to_owned(), difference);
        };
        put("folder", Side::Absent, Side::New);
        put("folder/a.md", Side::Same, Side::Deleted);
        put("file", Side::Same, Side::Deleted);
        put("file/b.md", Side::Absent, Side::New);
        put("folder-2", Side::Absent, Side::New);
        put("other/c.md", Side::Absent, Side::New);
        put("other/note.md", Side::Same, Side::Deleted);
        put("Other/Note.md", Side::Absent, Side::New);
        assert_eq!(crowded(&plan), ["Other/Note.md", "file/b.md", "folder"]);
    }
}
