//! Lines as words: what a person sees as one, and how much two lines have in common.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

/// Words, runs of spaces, and every other character by itself: what a person sees as one, however
/// it is put together.
pub(crate) fn tokens(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut before = Class::Other;
    for (at, seen) in line.grapheme_indices(true) {
        let this = seen.chars().next().map_or(Class::Other, class);
        let end = at + seen.len();
        match found.last_mut() {
            Some(last) if this == before && this != Class::Other => last.end = end,
            Some(_) | None => found.push(at..end),
        }
        before = this;
    }
    found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Word,
    Space,
    Other,
}

fn class(c: char) -> Class {
    match c {
        c if is_written_without_spaces(c) => Class::Other,
        c if c.is_alphanumeric() || c == '_' => Class::Word,
        c if c.is_whitespace() => Class::Space,
        _ => Class::Other,
    }
}

/// Whether a character is of a writing that does not part its words: Thai and its neighbors,
/// Burmese, Khmer, Chinese, Japanese.
fn is_written_without_spaces(c: char) -> bool {
    matches!(
        u32::from(c),
        0x0e00..=0x0eff
            | 0x1000..=0x109f
            | 0x1780..=0x17ff
            | 0x2e80..=0x9fff
            | 0xf900..=0xfaff
            | 0xff66..=0xff9f
            | 0x2_0000..=0x3_ffff
    )
}

/// What a line says, in any order, without its spaces. A letter counts more than the signs that
/// every item of a list or row of a table has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bag {
    /// A number for each word, rising, and what it counts as often as it is there.
    words: Vec<(u64, u64)>,
    /// A number for each two words that follow on each other.
    twos: Vec<u64>,
    whole: u64,
}

const LETTER: u64 = 4;

/// So many different words tell whether two lines are far from each other.
const SOME: usize = 64;

impl Bag {
    pub(crate) fn of(line: &str) -> Self {
        let mut words: Vec<(u64, u64)> = Vec::new();
        let mut twos = Vec::new();
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let kind = class(first);
            let length = match kind {
                Class::Other => first.len_utf8(),
                Class::Word | Class::Space => rest.find(|c| class(c) != kind).unwrap_or(rest.len()),
            };
            let (word, after) = rest.split_at(length);
            let counts = if first.is_ascii_punctuation() && kind == Class::Other {
                1
            } else {
                LETTER * length as u64
            };
            if kind != Class::Space {
                let word = number(word);
                let before = words.last().map(|(before, _)| before);
                twos.extend(before.map(|before| before.rotate_left(1) ^ word));
                words.push((word, counts));
            }
            rest = after;
        }
        words.sort_unstable();
        words.dedup_by(|again, first| {
            let same = again.0 == first.0;
            first.1 += if same { again.1 } else { 0 };
            same
        });
        let whole = words.iter().map(|(_, counts)| counts).sum();
        Self { words, twos, whole }
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// What may tell the line from all others.
    pub(crate) fn traits(&self) -> impl Iterator<Item = u64> {
        let words = self.words.iter().map(|(number, _)| *number);
        words.chain(self.twos.iter().copied())
    }

    /// How well two lines go together. `None` where less than two fifths of what they say is in
    /// both: they are no versions of one line.
    pub(crate) fn likeness(&self, other: &Self) -> Option<u64> {
        let all = self.whole + other.whole;
        let is_like = |common: u64| common * 5 >= all;
        if !is_like(self.whole.min(other.whole)) || self.is_far_from(other) {
            return None;
        }
        let common = self.common(other);
        // Of two that have the same in common, the one that says less beside it.
        let score = 16 * common * common / all.max(1);
        is_like(common).then_some(score.max(1))
    }

    /// Whether long lines have hardly a word in common, told by some of their words: the numbers
    /// are as good as drawn by lot.
    fn is_far_from(&self, other: &Self) -> bool {
        let some = self.words.get(..SOME).zip(other.words.get(..SOME));
        some.is_some_and(|(ours, theirs)| shared(ours, theirs).count() < SOME / 16)
    }

    fn common(&self, other: &Self) -> u64 {
        shared(&self.words, &other.words)
            .map(|(one, another)| one.min(another))
            .sum()
    }
}

/// What each word that both have counts in either.
fn shared<'w>(
    mut ours: &'w [(u64, u64)],
    mut theirs: &'w [(u64, u64)],
) -> impl Iterator<Item = (u64, u64)> + 'w {
    std::iter::from_fn(move || {
        while let ([one, our_rest @ ..], [another, their_rest @ ..]) = (ours, theirs) {
            let order = one.0.cmp(&another.0);
            if order.is_le() {
                ours = our_rest;
            }
            if order.is_ge() {
                theirs = their_rest;
            }
            if order.is_eq() {
                return Some((one.1, another.1));
            }
        }
        None
    })
}

/// The same for the same word on every machine: two devices pair lines alike.
fn number(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_like(one: &str, other: &str) -> bool {
        let found = Bag::of(one).likeness(&Bag::of(other));
        assert_eq!(found, Bag::of(other).likeness(&Bag::of(one)));
        found.is_some()
    }

    #[test]
    fn versions_of_one_line_are_like() {
        for (one, other) in [
            ("- [ ] order compost", "- [x] order compost"),
            ("- [ ] call Marta", "- [ ] call Marta about the fence"),
            ("status: planted", "status: planned"),
            ("## Shopping", "### Shopping"),
            ("| Beans | 12 | April |", "| Beans | 20 | April |"),
            ("明天早上去买茶", "明天晚上去买茶"),
            ("", "   "),
            ("---", "----"),
        ] {
            assert!(are_like(one, other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn lines_that_share_no_more_than_their_signs_are_not() {
        for (one, other) in [
            ("- [ ] buy stamps", "- [ ] call the bank"),
            ("| Beans | 12 | April |", "| Peas | 30 | May |"),
            ("## Shopping", "## Garden"),
            (
                "Rain all day. Finished the shelf.",
                "Called Marta about the fence.",
            ),
            ("text", ""),
        ] {
            assert!(!are_like(one, other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_likest_line_says_the_least_beside() {
        let of = |other| Bag::of("order compost").likeness(&Bag::of(other));
        assert!(of("order compost!") > of("order compost and ask"));
    }
}
