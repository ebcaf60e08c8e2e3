//! Which lines of two stretches stand beside each other: those that are versions of one line, in
//! their order, and what lies between them from its top on.
//!
//! Short stretches have the best pairs of all. In a long one, words that are in one line of each side
//! alone hold lines together, and the parts between are paired by themselves; the time does not grow
//! with how much the two differ.

use std::ops::Range;

use crate::long::longest_rising;
use crate::words::Bag;

/// Two lines that stand beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) mine: usize,
    pub(crate) theirs: usize,
    pub(crate) kin: Kin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kin {
    /// Versions of one line.
    Like,
    /// They only stand in one place.
    Unlike,
}

/// How often, on average, a line is compared with another one of a short stretch.
const SHORT: usize = 16;

/// How often a stretch is divided again.
const DEEPEST: usize = 2;

/// Pairs in the order of both sides.
pub(crate) fn pairs(mine: &[&str], theirs: &[&str]) -> Vec<Beside> {
    if mine.is_empty() || theirs.is_empty() {
        return Vec::new();
    }
    let bags = |lines: &[&str]| lines.iter().map(|line| Bag::of(line)).collect::<Vec<_>>();
    let (mine, theirs) = (bags(mine), bags(theirs));
    let whole = Part {
        mine: &mine,
        theirs: &theirs,
        here: 0..mine.len(),
        there: 0..theirs.len(),
    };
    let mut like = Vec::new();
    whole.pair(DEEPEST, &mut like);
    filled(&like, mine.len(), theirs.len())
}

/// What lies between two pairs is put side by side from its top on.
fn filled(like: &[(usize, usize)], mine: usize, theirs: usize) -> Vec<Beside> {
    let mut found = Vec::new();
    let (mut at, mut beside) = (0, 0);
    for pair in like.iter().map(Some).chain([None]) {
        let (one, other) = pair.copied().unwrap_or((mine, theirs));
        let between = (at..one).zip(beside..other);
        found.extend(between.map(|(mine, theirs)| Beside {
            mine,
            theirs,
            kin: Kin::Unlike,
        }));
        found.extend(pair.map(|(mine, theirs)| Beside {
            mine: *mine,
            theirs: *theirs,
            kin: Kin::Like,
        }));
        (at, beside) = (one + 1, other + 1);
    }
    found
}

#[derive(Clone)]
struct Part<'b> {
    mine: &'b [Bag],
    theirs: &'b [Bag],
    here: Range<usize>,
    there: Range<usize>,
}

impl Part<'_> {
    /// Adds the pairs of like lines, in order.
    fn pair(&self, deep: usize, like: &mut Vec<(usize, usize)>) {
        if self.is_short() {
            return self.best(like);
        }
        let anchors = match deep {
            0 => Vec::new(),
            _ => self.anchors(),
        };
        if anchors.is_empty() {
            return self.in_place(like);
        }
        let (mut at, mut beside) = (self.here.start, self.there.start);
        for pair in anchors.into_iter().map(Some).chain([None]) {
            let (one, other) = pair.unwrap_or((self.here.end, self.there.end));
            let between = Part {
                here: at..one,
                there: beside..other,
                ..self.clone()
            };
            between.pair(deep - 1, like);
            like.extend(pair);
            (at, beside) = (one + 1, other + 1);
        }
    }

    fn is_short(&self) -> bool {
        let (ours, others) = (self.here.len(), self.there.len());
        let words = |bags: &[Bag]| bags.iter().map(Bag::len).sum::<usize>();
        let all = [
            words(&self.mine[self.here.clone()]),
            words(&self.theirs[self.there.clone()]),
        ];
        let work = all[0].saturating_mul(others) + all[1].saturating_mul(ours);
        ours.saturating_mul(others) <= SHORT * (ours + others)
            && work <= 2 * SHORT * (all[0] + all[1])
    }

    /// The pairs that have the most in common together.
    fn best(&self, like: &mut Vec<(usize, usize)>) {
        let (ours, others) = (self.here.len(), self.there.len());
        if ours == 0 || others == 0 {
            return;
        }
        let width = others + 1;
        let mut single = Vec::with_capacity(ours * others);
        for one in self.here.clone() {
            let beside = self.there.clone();
            single.extend(beside.map(|other| self.mine[one].likeness(&self.theirs[other])));
        }
        // The most that the lines from here on can have in common.
        let mut most = vec![0_u64; (ours + 1) * width];
        for one in (0..ours).rev() {
            for other in (0..others).rev() {
                let skipped = most[(one + 1) * width + other].max(most[one * width + other + 1]);
                let paired = single[one * others + other]
                    .map_or(0, |score| score + most[(one + 1) * width + other + 1]);
                most[one * width + other] = skipped.max(paired);
            }
        }
        let (mut one, mut other) = (0, 0);
        while one < ours && other < others {
            let here = most[one * width + other];
            let paired = single[one * others + other]
                .is_some_and(|score| score + most[(one + 1) * width + other + 1] == here);
            if paired {
                like.push((self.here.start + one, self.there.start + other));
                (one, other) = (one + 1, other + 1);
            } else if most[(one + 1) * width + other] == here {
                one += 1;
            } else {
                other += 1;
            }
        }
    }

    /// Like lines that share what no other line of either side has.
    fn anchors(&self) -> Vec<(usize, usize)> {
        let of = |side, bags: &[Bag], lines: Range<usize>| {
            let traits = lines.flat_map(|line| bags[line].traits().map(move |it| (it, side, line)));
            traits.collect::<Vec<(u64, Side, usize)>>()
        };
        let mut all = of(Side::Mine, self.mine, self.here.clone());
        all.extend(of(Side::Theirs, self.theirs, self.there.clone()));
        all.sort_unstable();
        all.dedup();
        let mut shared: Vec<(usize, usize)> = all
            .chunk_by(|one, other| one.0 == other.0)
            .filter_map(|lines| match lines {
                [(_, Side::Mine, one), (_, Side::Theirs, other)] => Some((*one, *other)),
                _ => None,
            })
            .collect();
        shared.sort_unstable();
        // The line of theirs that each of mine shares the most with.
        let mut found: Vec<(usize, usize)> = Vec::new();
        for lines in shared.chunk_by(|one, other| one.0 == other.0) {
            let most = lines
                .chunk_by(|one, other| one.1 == other.1)
                .max_by_key(|same| same.len());
            found.extend(most.map(|same| same[0]).filter(|pair| self.is_like(*pair)));
        }
        longest_rising(&found)
    }

    /// Line by line, where nothing holds a long part together.
    fn in_place(&self, like: &mut Vec<(usize, usize)>) {
        let places = self.here.clone().zip(self.there.clone());
        like.extend(places.filter(|pair| self.is_like(*pair)));
    }

    fn is_like(&self, (one, other): (usize, usize)) -> bool {
        self.mine[one].likeness(&self.theirs[other]).is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Mine,
    Theirs,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn like(mine: &[&str], theirs: &[&str]) -> Vec<(usize, usize)> {
        let found = pairs(mine, theirs).into_iter();
        let like = found.filter(|pair| pair.kin == Kin::Like);
        like.map(|pair| (pair.mine, pair.theirs)).collect()
    }

    #[test]
    fn like_lines_are_paired_whatever_was_added_around_them() {
        let mine = [
            "- [ ] order compost",
            "- [x] water the beans",
            "- [ ] mend the fence",
        ];
        let theirs = [
            "- [ ] ask for a ladder",
            "- [ ] order two bags of compost",
            "- [x] water the beans and peas",
            "- [ ] sharpen the saw",
            "- [ ] mend the fence with Marta",
        ];
        assert_eq!(like(&mine, &theirs), [(0, 1), (1, 2), (2, 4)]);
        assert_eq!(like(&theirs, &mine), [(1, 0), (2, 1), (4, 2)]);
    }

    #[test]
    fn pairs_never_cross() {
        let mine = ["the first thing to do", "a second thing that came up"];
        let theirs = [
            "a second thing that came up again",
            "the first thing to do now",
        ];
        assert_eq!(like(&mine, &theirs), [(1, 0)]);
    }

    #[test]
    fn what_lies_between_stands_side_by_side_from_its_top() {
        let mine = ["Rain all day.", "Called Marta about the fence."];
        let theirs = ["## Friday", "Sunny.", "Called Marta about the gate."];
        let found: Vec<_> = pairs(&mine, &theirs)
            .into_iter()
            .map(|pair| (pair.mine, pair.theirs, pair.kin))
            .collect();
        assert_eq!(found, [(0, 0, Kin::Unlike), (1, 2, Kin::Like)]);
    }

    /// Paragraphs of made-up words, none of them common.
    fn note(lines: usize, salt: usize) -> Vec<String> {
        let word = |number: usize| format!("w{:x}", number.wrapping_mul(2_654_435_761) % 99_991);
        let line = |line: usize| {
            let words = (0..12).map(|at| word((line * 12 + at) * 7 + salt));
            words.collect::<Vec<_>>().join(" ")
        };
        (0..lines).map(line).collect()
    }

    #[test]
    fn lines_of_a_long_stretch_find_each_other() {
        let old = note(3000, 1);
        let mut new: Vec<String> = old.iter().map(|line| format!("{line} edited")).collect();
        new.splice(1200..1200, note(40, 5));
        new.remove(400);
        let texts = |lines: &[String]| lines.to_vec();
        let (old, new) = (texts(&old), texts(&new));
        let [old, new] =
            [&old, &new].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
        let found = like(&old, &new);
        assert_eq!(found.len(), 2999);
        assert!(found.contains(&(399, 399)) && found.contains(&(401, 400)));
        assert!(found.contains(&(2999, 3038)));
    }

    #[test]
    fn long_stretches_that_have_nothing_in_common_are_done_at_once() {
        let (one, other) = (note(20_000, 1), note(30_000, 3));
        let [one, other] =
            [&one, &other].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(pairs(&one, &other).len(), 20_000);
        let same = vec!["- [ ] the same thing again"; 20_000];
        let again = vec!["- [x] the same thing again"; 30_000];
        assert_eq!(like(&same, &again).len(), 20_000);
    }

    proptest! {
        #[test]
        fn every_line_has_one_place(
            mine in prop::collection::vec("[abc ]{0,6}", 0..12),
            theirs in prop::collection::vec("[abc ]{0,6}", 0..12),
        ) {
            let [ours, others] = [&mine, &theirs]
                .map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
            let found = pairs(&ours, &others);
            let rises = |one: &Beside, other: &Beside| one.mine < other.mine && one.theirs < other.theirs;
            prop_assert!(found.is_sorted_by(rises));
            // Nothing stands alone on both sides of a gap.
            let mut gap = (0, 0);
            for (one, other) in found
                .iter()
                .map(|pair| (pair.mine, pair.theirs))
                .chain([(mine.len(), theirs.len())])
            {
                prop_assert!(one == gap.0 || other == gap.1);
                gap = (one + 1, other + 1);
            }
        }
    }
}
