//! What a merge must fulfill, over versions whose every edit is known because no two lines are
//! alike unless both sides wrote the same.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::weave::{Chunk, Merge};

/// What one side did around one line of the base.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    Keep,
    Delete,
    Replace,
    Before,
    /// Both sides that do this write the same line.
    SameBefore,
    SameReplace,
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) base: String,
    pub(super) mine: String,
    pub(super) theirs: String,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => Just(Edit::Keep),
        2 => Just(Edit::Delete),
        2 => Just(Edit::Replace),
        2 => Just(Edit::Before),
        1 => Just(Edit::SameBefore),
        1 => Just(Edit::SameReplace),
    ]
}

pub(super) fn version(edits: &[Edit], name: &str) -> Vec<String> {
    let line = |(at, edit): (usize, &Edit)| match edit {
        Edit::Keep => vec![format!("line {at}")],
        Edit::Delete => vec![],
        Edit::Replace => vec![format!("{name} instead of {at}")],
        Edit::Before => vec![format!("{name} before {at}"), format!("line {at}")],
        Edit::SameBefore => vec![format!("both before {at}"), format!("line {at}")],
        Edit::SameReplace => vec![format!("both instead of {at}")],
    };
    edits.iter().enumerate().flat_map(line).collect()
}

/// How a text is written down: its line ending and whether the last line has one.
fn shape() -> impl Strategy<Value = (&'static str, bool)> {
    (
        prop_oneof![4 => Just("\n"), 1 => Just("\r\n")],
        prop::bool::weighted(0.8),
    )
}

fn written(lines: &[String], (ending, closed): (&str, bool)) -> String {
    let mut text = lines.join(ending);
    if closed && !lines.is_empty() {
        text.push_str(ending);
    }
    text
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let edits = || prop::collection::vec(edit(), 12);
    let shapes = (shape(), shape(), shape());
    (0..12_usize, edits(), edits(), shapes).prop_map(|(length, mine, theirs, shapes)| Case {
        base: written(&version(&vec![Edit::Keep; length], ""), shapes.0),
        mine: written(&version(&mine[..length], "mine"), shapes.1),
        theirs: written(&version(&theirs[..length], "theirs"), shapes.2),
    })
}

/// Texts in which lines repeat, front matter included.
fn repeating() -> impl Strategy<Value = [String; 3]> {
    let line = prop::sample::select(vec!["", "a", "b", "- c", "---", "k: v", "k: w", "l:"]);
    let text = prop::collection::vec(line, 0..9).prop_map(|lines| lines.join("\n"));
    let head = prop::sample::select(vec!["", "---\nk: v\n---\n", "---\nl: 1\nk: 2\n---\n"]);
    let text = || (head.clone(), text.clone()).prop_map(|(head, text)| head.to_owned() + &text);
    [text(), text(), text()]
}

pub(super) type Merging<'m> = &'m dyn Fn(&str, &str, &str) -> Merge;

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// The obligation, line by line, on a clean merge.
pub(super) fn keeps_what_was_written(merge: Merging<'_>, case: &Case) -> TestCaseResult {
    let Some(text) = merge(&case.base, &case.mine, &case.theirs).text else {
        return Ok(());
    };
    let [base, mine, theirs, merged] =
        [&case.base, &case.mine, &case.theirs, &text].map(|text| lines(text));
    let set = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let (in_base, in_mine, in_theirs) = (set(&base), set(&mine), set(&theirs));
    let expected: BTreeSet<String> = in_mine
        .union(&in_theirs)
        .filter(|line| {
            let added = !in_base.contains(*line);
            added || in_mine.contains(*line) && in_theirs.contains(*line)
        })
        .cloned()
        .collect();
    prop_assert_eq!(&set(&merged), &expected, "the lines of {:?}", &text);
    prop_assert_eq!(
        merged.len(),
        expected.len(),
        "no line comes twice in {:?}",
        &text
    );
    for side in [&mine, &theirs] {
        let of_side = |lines: &[&str]| -> Vec<String> {
            let both = lines
                .iter()
                .filter(|line| side.contains(line) && merged.contains(line));
            both.map(|line| (*line).to_owned()).collect()
        };
        prop_assert_eq!(of_side(&merged), of_side(side), "the order of {:?}", &text);
    }
    Ok(())
}

/// Both devices find the same, whoever merges.
pub(super) fn is_symmetric(merge: Merging<'_>, [base, mine, theirs]: [&str; 3]) -> TestCaseResult {
    let (one, other) = (merge(base, mine, theirs), merge(base, theirs, mine));
    prop_assert_eq!(&one.text, &other.text);
    prop_assert_eq!(one.chunks.len(), other.chunks.len());
    Ok(())
}

/// What only one side changed is that side's text to the byte.
pub(super) fn follows_the_only_change(
    merge: Merging<'_>,
    [base, mine, _]: [&str; 3],
) -> TestCaseResult {
    let expected = Some(mine.to_owned());
    prop_assert_eq!(
        &merge(base, mine, base).text,
        &expected,
        "only mine changed"
    );
    prop_assert_eq!(
        &merge(base, base, mine).text,
        &expected,
        "only theirs changed"
    );
    prop_assert_eq!(
        &merge(base, mine, mine).text,
        &expected,
        "both changed alike"
    );
    Ok(())
}

/// A merge that is merged again with one of its parents stays as it is.
pub(super) fn is_idempotent(merge: Merging<'_>, case: &Case) -> TestCaseResult {
    let Case { base, mine, theirs } = case;
    if let Some(text) = merge(base, mine, theirs).text {
        let again = [merge(base, mine, &text), merge(base, &text, theirs)];
        for again in again {
            prop_assert_eq!(again.text.as_ref(), Some(&text));
        }
    }
    Ok(())
}

/// A side's whole text can be had by choosing that side everywhere it is asked for.
pub(super) fn shows_each_side(merge: Merging<'_>, case: &Case) -> TestCaseResult {
    let merged = merge(&case.base, &case.mine, &case.theirs);
    for (of_mine, side) in [(true, &case.mine), (false, &case.theirs)] {
        let shown: String = merged
            .chunks
            .iter()
            .map(|chunk| match chunk {
                Chunk::Agreed { text, .. } => text.as_str(),
                Chunk::Overlap { mine, .. } if of_mine => mine,
                Chunk::Overlap { theirs, .. } => theirs,
            })
            .collect();
        let base = lines(&case.base);
        for line in lines(side).iter().filter(|line| !base.contains(line)) {
            prop_assert!(lines(&shown).contains(line), "{line:?} in {shown:?}");
        }
    }
    Ok(())
}

fn inner(base: &str, mine: &str, theirs: &str) -> Merge {
    crate::weave::merge_by(&crate::weave::Rules::SOUND, base, mine, theirs)
}

/// Where the base has a line more than once, each side may delete another copy of it. Only then
/// does a person choose, although every place was changed by one side alone.
fn needs_its_proof_for_copies_alone([base, mine, theirs]: [&str; 3]) -> TestCaseResult {
    let (found, merged) = (inner(base, mine, theirs), crate::merge(base, mine, theirs));
    if found == merged {
        return Ok(());
    }
    prop_assert_eq!(&merged.text, &None);
    let text = found.text.unwrap_or_default();
    let refused: Vec<&str> = lines(base)
        .into_iter()
        .filter(|line| lines(mine).contains(line) && lines(theirs).contains(line))
        .filter(|line| !lines(&text).contains(line))
        .collect();
    let copies = |line: &str| lines(base).iter().filter(|one| **one == line).count();
    prop_assert!(!refused.is_empty(), "nothing to refuse in {:?}", &text);
    prop_assert!(
        refused.iter().all(|line| copies(line) > 1),
        "{:?} in {:?}",
        refused,
        base
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn keeps_every_line_that_either_side_added(case in case()) {
        keeps_what_was_written(&crate::merge, &case)?;
    }

    #[test]
    fn shows_every_line_even_where_it_is_not_clean(case in case()) {
        shows_each_side(&crate::merge, &case)?;
    }

    #[test]
    fn finds_the_same_from_both_ends(case in case(), texts in repeating()) {
        is_symmetric(&crate::merge, [&case.base, &case.mine, &case.theirs])?;
        is_symmetric(&crate::merge, [&texts[0], &texts[1], &texts[2]])?;
    }

    #[test]
    fn takes_over_what_only_one_changed(case in case(), texts in repeating()) {
        follows_the_only_change(&crate::merge, [&case.base, &case.mine, &case.theirs])?;
        follows_the_only_change(&crate::merge, [&texts[0], &texts[1], &texts[2]])?;
    }

    #[test]
    fn merging_again_changes_nothing(case in case()) {
        is_idempotent(&crate::merge, &case)?;
    }

    #[test]
    fn the_inner_merge_needs_its_proof_only_where_lines_repeat(case in case(), texts in repeating()) {
        let Case { base, mine, theirs } = &case;
        prop_assert_eq!(inner(base, mine, theirs), crate::merge(base, mine, theirs));
        needs_its_proof_for_copies_alone([&texts[0], &texts[1], &texts[2]])?;
    }

    #[test]
    fn a_comparison_has_every_line_of_both_sides_once(texts in repeating()) {
        let shown = crate::diff(&texts[0], &texts[1]);
        let side = |other: crate::DiffKind| -> Vec<String> {
            let of_side = shown.iter().filter(|line| line.kind != other);
            of_side.map(|line| line.text.clone()).collect()
        };
        prop_assert_eq!(side(crate::DiffKind::Theirs), lines(&texts[0]));
        prop_assert_eq!(side(crate::DiffKind::Mine), lines(&texts[1]));
    }
}
