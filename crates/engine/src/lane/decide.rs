//! What the lane may do with each path of a plan. Pure.

use std::collections::{BTreeMap, BTreeSet};

use guard::Access;

use crate::plan::{Difference, Plan, Side};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Upload,
    Download,
    RemoveHere,
    RemoveInCloud,
}

/// Sorts a plan's paths into plain moves and those left to a cycle, which join `left`.
///
/// Where there are more deletes than `spare_deletes`, all of them are left: a cycle counts them
/// against the whole baseline.
pub(crate) fn decide(
    plan: &Plan,
    mut left: BTreeSet<String>,
    access: Access,
    spare_deletes: usize,
) -> (BTreeMap<String, Move>, BTreeSet<String>) {
    let mut moves = BTreeMap::new();
    for (path, difference) in &plan.scope {
        match plain(*difference, access) {
            Some(way) if !left.contains(path) => {
                moves.insert(path.clone(), way);
            }
            Some(_) | None => {
                left.insert(path.clone());
            }
        }
    }
    left.extend(plan.problems.iter().map(|problem| problem.path.clone()));
    let is_delete = |way: &Move| matches!(way, Move::RemoveHere | Move::RemoveInCloud);
    if moves.values().filter(|way| is_delete(way)).count() > spare_deletes {
        moves.retain(|path, way| {
            let stays = !is_delete(way);
            if !stays {
                left.insert(path.clone());
            }
            stays
        });
    }
    (moves, left)
}

/// The move for a difference where just one side changed, and the other is as it was known.
fn plain(difference: Difference, access: Access) -> Option<Move> {
    let way = match (difference.here, difference.cloud) {
        (Side::New, Side::Absent) | (Side::Changed, Side::Same) => Move::Upload,
        (Side::Absent, Side::New) | (Side::Same, Side::Changed) => Move::Download,
        (Side::Same, Side::Deleted) => Move::RemoveHere,
        (Side::Deleted, Side::Same) => Move::RemoveInCloud,
        (
            Side::Absent | Side::Same | Side::New | Side::Changed | Side::Deleted,
            Side::Absent | Side::Same | Side::New | Side::Changed | Side::Deleted,
        ) => return None,
    };
    match (way, access) {
        (Move::Upload | Move::RemoveInCloud | Move::RemoveHere, Access::ReadOnly) => None,
        (Move::Upload | Move::RemoveInCloud | Move::RemoveHere, Access::ReadWrite)
        | (Move::Download, Access::ReadWrite | Access::ReadOnly) => Some(way),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(entries: &[(&str, Side, Side)]) -> Plan {
        let scope = entries
            .iter()
            .map(|(path, here, cloud)| {
                let difference = Difference {
                    here: *here,
                    cloud: *cloud,
                };
                ((*path).to_owned(), difference)
            })
            .collect();
        Plan {
            scope,
            ..Plan::default()
        }
    }

    fn decided(entries: &[(&str, Side, Side)], access: Access, spare: usize) -> Vec<String> {
        let (moves, left) = decide(&plan(entries), BTreeSet::new(), access, spare);
        let left = left.into_iter().map(|path| format!("{path} left"));
        moves
            .into_iter()
            .map(|(path, way)| format!("{path} {way:?}"))
            .chain(left)
            .collect()
    }

    #[test]
    fn moves_only_where_exactly_one_side_changed() {
        use Side::{Absent, Changed, Deleted, New, Same};
        let all = [Absent, Same, New, Changed, Deleted];
        for here in all {
            for cloud in all {
                let expected = match (here, cloud) {
                    (New, Absent) | (Changed, Same) => "n Upload",
                    (Absent, New) | (Same, Changed) => "n Download",
                    (Same, Deleted) => "n RemoveHere",
                    (Deleted, Same) => "n RemoveInCloud",
                    _ => "n left",
                };
                let found = decided(&[("n", here, cloud)], Access::ReadWrite, 9);
                assert_eq!(found, [expected], "{here:?} {cloud:?}");
            }
        }
    }

    #[test]
    fn without_a_subscription_only_downloads_move() {
        use Side::{Changed, Deleted, Same};
        let entries = [
            ("a", Changed, Same),
            ("b", Same, Changed),
            ("c", Deleted, Same),
            ("d", Same, Deleted),
        ];
        assert_eq!(
            decided(&entries, Access::ReadOnly, 9),
            ["b Download", "a left", "c left", "d left"]
        );
    }

    #[test]
    fn many_deletes_are_left_to_the_brake_and_the_rest_goes_on() {
        use Side::{Changed, Deleted, Same};
        let entries = [
            ("a", Deleted, Same),
            ("b", Same, Deleted),
            ("c", Changed, Same),
        ];
        assert_eq!(
            decided(&entries, Access::ReadWrite, 2),
            ["a RemoveInCloud", "b RemoveHere", "c Upload"]
        );
        assert_eq!(
            decided(&entries, Access::ReadWrite, 1),
            ["c Upload", "a left", "b left"]
        );
    }
}
