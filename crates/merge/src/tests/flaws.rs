//! Merges with a planted fault. Each must be caught by one of the properties, or the properties
//! test nothing.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::properties::{self, Merging};
use crate::weave::{Merge, Origin, Piece, Rules, merge_by, settle};

fn agreed<'t>(lines: Vec<&'t str>) -> Piece<'t> {
    Piece::Agreed {
        lines,
        from: Origin::Both,
    }
}

fn overlap_or<'t>(
    base: &[&'t str],
    mine: &[&'t str],
    theirs: &[&'t str],
    otherwise: impl FnOnce() -> Vec<&'t str>,
) -> Piece<'t> {
    match settle(base, mine, theirs) {
        Piece::Overlap { .. } => agreed(otherwise()),
        settled @ Piece::Agreed { .. } => settled,
    }
}

fn flaws() -> Vec<(&'static str, Rules)> {
    let with = |settle| Rules {
        settle,
        ..Rules::SOUND
    };
    vec![
        (
            "mine wins an overlap",
            with(|b, m, t| overlap_or(b, m, t, || m.to_vec())),
        ),
        (
            "theirs wins an overlap",
            with(|b, m, t| overlap_or(b, m, t, || t.to_vec())),
        ),
        (
            "an overlap joins both",
            with(|b, m, t| overlap_or(b, m, t, || [m, t].concat())),
        ),
        (
            "an overlap goes back to the base",
            with(|b, m, t| overlap_or(b, m, t, || b.to_vec())),
        ),
        (
            "the longer side wins an overlap",
            with(|b, m, t| {
                overlap_or(b, m, t, || {
                    if m.len() >= t.len() {
                        m.to_vec()
                    } else {
                        t.to_vec()
                    }
                })
            }),
        ),
        (
            "a deletion loses against an edit",
            with(|b, m, t| match (m, t) {
                ([], edited) | (edited, []) if edited != b && !edited.is_empty() => {
                    agreed(edited.to_vec())
                }
                _ => settle(b, m, t),
            }),
        ),
        (
            "a deletion is ignored",
            with(|b, m, t| {
                if m.is_empty() || t.is_empty() {
                    agreed(b.to_vec())
                } else {
                    settle(b, m, t)
                }
            }),
        ),
        (
            "what both added comes twice",
            with(|b, m, t| {
                if m == t && m != b {
                    agreed([m, t].concat())
                } else {
                    settle(b, m, t)
                }
            }),
        ),
        (
            "a change of theirs is dropped",
            with(|b, m, t| {
                if m == b {
                    agreed(b.to_vec())
                } else {
                    settle(b, m, t)
                }
            }),
        ),
        (
            "a change of mine is dropped",
            with(|b, m, t| {
                if t == b {
                    agreed(b.to_vec())
                } else {
                    settle(b, m, t)
                }
            }),
        ),
        (
            "a change comes backwards",
            with(|b, m, t| match settle(b, m, t) {
                Piece::Agreed { mut lines, from } => {
                    lines.reverse();
                    Piece::Agreed { lines, from }
                }
                overlap @ Piece::Overlap { .. } => overlap,
            }),
        ),
        (
            "neighbors are no overlap",
            Rules {
                touches: |start, end| start < end,
                ..Rules::SOUND
            },
        ),
        (
            "everything after a change overlaps it",
            Rules {
                touches: |_, _| true,
                ..Rules::SOUND
            },
        ),
        (
            "the line before a change is lost",
            Rules {
                untouched: |lines| lines.split_last().map_or(lines, |(_, rest)| rest),
                ..Rules::SOUND
            },
        ),
        (
            "the line after a change is lost",
            Rules {
                untouched: |lines| lines.split_first().map_or(lines, |(_, rest)| rest),
                ..Rules::SOUND
            },
        ),
    ]
}

/// How many cases it takes to find a fault; `None` if none does.
fn caught_after(merge: Merging<'_>) -> Option<usize> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let cases = properties::case();
    (1..=2000).find(|_| {
        let case = cases.new_tree(&mut runner).unwrap().current();
        let texts = || [case.base.as_str(), &case.mine, &case.theirs];
        let faults = [
            properties::keeps_what_was_written(merge, &case),
            properties::is_symmetric(merge, texts()),
            properties::follows_the_only_change(merge, texts()),
            properties::is_idempotent(merge, &case),
            properties::shows_each_side(merge, &case),
            joins_distant_changes(merge),
        ];
        faults.iter().any(Result::is_err)
    })
}

/// A merge that never says yes would keep every other promise.
fn joins_distant_changes(merge: Merging<'_>) -> proptest::test_runner::TestCaseResult {
    let merged = merge("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n").text;
    proptest::prop_assert_eq!(merged.as_deref(), Some("A\nb\nc\nD\n"));
    Ok(())
}

#[test]
fn every_planted_flaw_is_caught_and_the_real_merge_is_not() {
    assert_eq!(caught_after(&crate::merge), None);
    let survivors: Vec<&str> = flaws()
        .iter()
        .filter(|(_, rules)| {
            let merge = |base: &str, mine: &str, theirs: &str| -> Merge {
                merge_by(rules, base, mine, theirs)
            };
            caught_after(&merge).is_none()
        })
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(survivors, Vec::<&str>::new());
}

/// The check that stands behind every merge in use finds the faults that lose or invent lines.
#[test]
fn the_proof_refuses_what_lost_or_invented_a_line() {
    let holds = crate::proof::holds;
    assert!(holds(&["a", "b"], &["a", "m"], &["b"], &["m"]));
    assert!(
        !holds(&["a"], &["a", "m"], &["a"], &["a"]),
        "an addition is lost"
    );
    assert!(
        !holds(&["a", "b"], &["a", "b"], &["a", "b"], &["a"]),
        "a kept line is lost"
    );
    assert!(
        !holds(&["a"], &["a"], &["a"], &["a", "x"]),
        "a line is invented"
    );
}
