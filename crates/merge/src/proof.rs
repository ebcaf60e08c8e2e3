//! The obligation of a merge, checked on its result by a way of its own.

use std::collections::BTreeSet;

/// Whether a merged text has every line that either side added, lacks a line of the base only if a
/// side deleted it, and has no line that neither side has.
pub(crate) fn holds(base: &[&str], mine: &[&str], theirs: &[&str], merged: &[&str]) -> bool {
    let [base, mine, theirs, merged] =
        [base, mine, theirs, merged].map(|lines| lines.iter().copied().collect::<BTreeSet<_>>());
    let added_stays = |side: &BTreeSet<&str>| side.difference(&base).all(|l| merged.contains(l));
    let kept_stays = mine
        .intersection(&theirs)
        .filter(|line| base.contains(*line))
        .all(|line| merged.contains(line));
    let nothing_invented = merged
        .iter()
        .all(|line| mine.contains(line) || theirs.contains(line));
    added_stays(&mine) && added_stays(&theirs) && kept_stays && nothing_invented
}
