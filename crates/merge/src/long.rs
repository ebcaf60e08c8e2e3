//! What long sequences have in common, in a time that does not grow with how much they differ.
//!
//! Items that each has once hold the rest in place; between them short parts are compared like any
//! short sequence. A long part without such items counts as different.

use std::collections::HashMap;
use std::hash::Hash;

use crate::hunks::{Equal, shortest};

/// Below this product of both lengths a part is compared like any short sequence.
const SHORT: usize = 1_000_000;

/// How often a part is divided again.
const DEEPEST: usize = 32;

/// An item as a number, with its place in the whole sequence.
type Placed = (usize, usize);

/// The runs that both have, in order.
pub(crate) fn equal_runs<T: Hash + Eq>(old: &[T], new: &[T]) -> Vec<Equal> {
    let mut numbers: HashMap<&T, (usize, [bool; 2])> = HashMap::new();
    for (side, items) in [old, new].into_iter().enumerate() {
        for item in items {
            let next = numbers.len();
            numbers.entry(item).or_insert((next, [false; 2])).1[side] = true;
        }
    }
    // What only one side has can be part of no run.
    let shared = |items: &[T]| -> Vec<Placed> {
        let placed = items.iter().enumerate();
        let known = placed.filter_map(|(at, item)| match numbers.get(item) {
            Some((number, [true, true])) => Some((*number, at)),
            Some(_) | None => None,
        });
        known.collect()
    };
    let mut pairs = Vec::new();
    part(&shared(old), &shared(new), DEEPEST, &mut pairs);
    runs(pairs)
}

/// Adds the places that belong together, in order.
fn part(old: &[Placed], new: &[Placed], deep: usize, pairs: &mut Vec<(usize, usize)>) {
    let head = alike(old.iter(), new.iter());
    let (old_head, old) = old.split_at(head);
    let (new_head, new) = new.split_at(head);
    let tail = alike(old.iter().rev(), new.iter().rev());
    let (old, old_tail) = old.split_at(old.len() - tail);
    let (new, new_tail) = new.split_at(new.len() - tail);
    add(old_head, new_head, pairs);
    if old.len().saturating_mul(new.len()) <= SHORT {
        let [olds, news] = [old, new].map(|part| numbers(part).collect::<Vec<_>>());
        for (one, other, length) in shortest(&olds, &news) {
            add(&old[one..one + length], &new[other..other + length], pairs);
        }
    } else if let Some(deep) = deep.checked_sub(1) {
        divide(old, new, deep, pairs);
    }
    add(old_tail, new_tail, pairs);
}

fn divide(old: &[Placed], new: &[Placed], deep: usize, pairs: &mut Vec<(usize, usize)>) {
    let anchors = anchors(old, new);
    if anchors.is_empty() {
        return;
    }
    let (mut at, mut there) = (0, 0);
    for (one, other) in anchors.into_iter().chain([(old.len(), new.len())]) {
        part(&old[at..one], &new[there..other], deep, pairs);
        pairs.extend(
            old.get(one)
                .zip(new.get(other))
                .map(|(one, other)| (one.1, other.1)),
        );
        (at, there) = (one + 1, other + 1);
    }
}

fn add(old: &[Placed], new: &[Placed], pairs: &mut Vec<(usize, usize)>) {
    pairs.extend(old.iter().zip(new).map(|(one, other)| (one.1, other.1)));
}

fn numbers(part: &[Placed]) -> impl Iterator<Item = usize> {
    part.iter().map(|placed| placed.0)
}

fn alike<'p>(
    old: impl Iterator<Item = &'p Placed>,
    new: impl Iterator<Item = &'p Placed>,
) -> usize {
    let pairs = old.zip(new);
    pairs.take_while(|(one, other)| one.0 == other.0).count()
}

/// The longest row of items that each part has once and that stand in one order in both.
fn anchors(old: &[Placed], new: &[Placed]) -> Vec<(usize, usize)> {
    let once = |part: &[Placed]| -> HashMap<usize, Option<usize>> {
        let mut places = HashMap::new();
        for (at, number) in numbers(part).enumerate() {
            places
                .entry(number)
                .and_modify(|place| *place = None)
                .or_insert(Some(at));
        }
        places
    };
    let (old_places, new_places) = (once(old), once(new));
    let both = numbers(old).enumerate().filter_map(|(at, number)| {
        old_places.get(&number)?.as_ref()?;
        Some((at, (*new_places.get(&number)?)?))
    });
    longest_rising(&both.collect::<Vec<_>>())
}

/// Of pairs in the order of their first place, the most whose second places rise, too.
pub(crate) fn longest_rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // The last pair of the best row of each length, and the pair before each pair in its row.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::new();
    for (nth, pair) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < pair.1);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = nth,
            None => ends.push(nth),
        }
    }
    let mut row: Vec<(usize, usize)> =
        std::iter::successors(ends.last().copied(), |nth| before[*nth])
            .map(|nth| pairs[nth])
            .collect();
    row.reverse();
    row
}

/// Neighboring places as runs.
fn runs(pairs: Vec<(usize, usize)>) -> Vec<Equal> {
    let mut runs: Vec<Equal> = Vec::new();
    for (one, other) in pairs {
        match runs.last_mut() {
            Some((at, there, length)) if (*at + *length, *there + *length) == (one, other) => {
                *length += 1;
            }
            Some(_) | None => runs.push((one, other, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The runs hold: in order, and the same on both sides.
    fn check(old: &[u32], new: &[u32]) -> usize {
        let (mut at, mut there, mut all) = (0, 0, 0);
        for (one, other, length) in equal_runs(old, new) {
            assert!(one >= at && other >= there && length > 0);
            assert_eq!(old[one..one + length], new[other..other + length]);
            (at, there, all) = (one + length, other + length, all + length);
        }
        all
    }

    #[test]
    fn finds_what_stayed_of_a_long_note() {
        let old: Vec<u32> = (0..20_000).collect();
        let mut new = old.clone();
        new.splice(12_000..12_000, [1, 2, 3]);
        new.remove(7_000);
        new[500] = 99_999;
        assert_eq!(check(&old, &new), 19_998);
    }

    #[test]
    fn repeated_items_between_held_ones_are_found_too() {
        let old: Vec<u32> = (0..9_000)
            .map(|at| if at % 3 == 0 { at } else { 1 })
            .collect();
        let new: Vec<u32> = old.iter().filter(|item| **item % 2 == 1).copied().collect();
        assert_eq!(check(&old, &new), new.len());
    }

    #[test]
    fn long_sequences_that_differ_everywhere_are_done_at_once() {
        let random = |mut seed: u64| -> Vec<u32> {
            let next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                u32::try_from((seed >> 33) % 1000).unwrap_or(0)
            };
            std::iter::repeat_with(next).take(200_000).collect()
        };
        assert!(check(&random(1), &random(2)) < 200_000);
        let apart = |from: u32| -> Vec<u32> { (from..from + 200_000).collect() };
        assert_eq!(check(&apart(0), &apart(200_000)), 0);
    }

    proptest! {
        #[test]
        fn whatever_is_found_is_the_same(
            old in prop::collection::vec(0_u32..40, 0..1500),
            new in prop::collection::vec(0_u32..4000, 0..1500),
        ) {
            check(&old, &new);
            prop_assert_eq!(check(&old, &old), old.len());
        }
    }
}
