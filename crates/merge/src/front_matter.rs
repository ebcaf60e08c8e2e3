//! Front matter merged by key: a small, strict reader. Whatever it does not know in full is left
//! to the merge by lines.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::weave::{Origin, Piece, Rules};

const FENCE: &str = "---";

/// One key with all the lines of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry<'t> {
    key: &'t str,
    lines: Vec<&'t str>,
}

pub(crate) struct Head<'t> {
    pub(crate) pieces: Vec<Piece<'t>>,
    /// What follows the front matter of base, mine and theirs.
    pub(crate) rest: [Vec<&'t str>; 3],
}

/// Merges the front matter of three texts, if all of it is plain.
pub(crate) fn merge<'t>(
    rules: &Rules,
    base: &[&'t str],
    mine: &[&'t str],
    theirs: &[&'t str],
) -> Option<Head<'t>> {
    let (mine_head, mine_rest) = read(mine)?;
    let (theirs_head, theirs_rest) = read(theirs)?;
    let (base_head, base_rest) = match base.first() {
        Some(&FENCE) => read(base)?,
        Some(_) | None => (Vec::new(), base.to_vec()),
    };
    let spots = Spots::new(&base_head);
    let (mine_spots, theirs_spots) = (spots.of(&mine_head)?, spots.of(&theirs_head)?);
    if in_different_spots(&base_head, &mine_spots, &theirs_spots) {
        return None;
    }
    let fence = || Piece::Agreed {
        lines: vec![FENCE],
        from: Origin::Both,
    };
    let mut pieces = vec![fence()];
    for spot in 0..=base_head.len() {
        if let Some(known) = spot.checked_sub(1).and_then(|at| base_head.get(at)) {
            let [mine, theirs] = [&mine_head, &theirs_head].map(|head| value(head, known.key));
            pieces.push((rules.settle)(&known.lines, mine, theirs));
        }
        pieces.extend(additions(rules, &mine_spots[spot], &theirs_spots[spot]));
    }
    pieces.push(fence());
    Some(Head {
        pieces,
        rest: [base_rest, mine_rest, theirs_rest],
    })
}

/// The keys of a text's front matter, each with the place of its lines.
pub(crate) struct Keys<'t> {
    spans: Vec<(&'t str, Range<usize>)>,
    /// The lines of the front matter, its fences included.
    pub(crate) lines: usize,
}

impl<'t> Keys<'t> {
    /// Those of a text without front matter.
    pub(crate) fn none() -> Self {
        Self {
            spans: Vec::new(),
            lines: 0,
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'t str> {
        self.spans.iter().map(|(key, _)| *key)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.spans.iter().any(|(known, _)| *known == key)
    }

    /// Empty for a key that is not there.
    pub(crate) fn span(&self, key: &str) -> Range<usize> {
        let known = self.spans.iter().find(|(known, _)| *known == key);
        known.map_or(0..0, |(_, span)| span.clone())
    }
}

/// The keys of a text that has plain front matter.
pub(crate) fn keys<'t>(lines: &[&'t str]) -> Option<Keys<'t>> {
    let (entries, rest) = read(lines)?;
    let mut at = 1;
    let spans = entries.iter().map(|entry| {
        let start = at;
        at += entry.lines.len();
        (entry.key, start..at)
    });
    Some(Keys {
        spans: spans.collect(),
        lines: lines.len() - rest.len(),
    })
}

/// Reads the front matter and what follows it. `None` if there is none, or anything unusual in it.
fn read<'t>(lines: &[&'t str]) -> Option<(Vec<Entry<'t>>, Vec<&'t str>)> {
    let (first, after) = lines.split_first()?;
    if *first != FENCE {
        return None;
    }
    let end = after.iter().position(|line| *line == FENCE)?;
    let mut entries: Vec<Entry<'t>> = Vec::new();
    for line in &after[..end] {
        match key_of(line) {
            Some(key) if entries.iter().any(|entry| entry.key == key) => return None,
            Some(key) => entries.push(Entry {
                key,
                lines: vec![line],
            }),
            None if continues(line) => entries.last_mut()?.lines.push(line),
            None => return None,
        }
    }
    Some((entries, after[end + 1..].to_vec()))
}

/// The key of a line `key: value` or `key:`.
fn key_of(line: &str) -> Option<&str> {
    let (key, value) = line.split_once(':')?;
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let first = key.chars().next()?;
    let fine = first.is_alphanumeric() && key.chars().all(plain);
    (fine && (value.is_empty() || value.starts_with(' '))).then_some(key)
}

/// Whether a line belongs to the value above it.
fn continues(line: &str) -> bool {
    let indented = line.starts_with(' ') && !line.trim().is_empty();
    indented || line.starts_with("- ")
}

fn value<'h, 't>(head: &'h [Entry<'t>], key: &str) -> &'h [&'t str] {
    head.iter()
        .find(|entry| entry.key == key)
        .map_or(&[], |entry| &entry.lines)
}

/// The base's keys, and the places before, between and after them.
struct Spots<'h, 't>(&'h [Entry<'t>]);

impl<'h, 't> Spots<'h, 't> {
    fn new(base: &'h [Entry<'t>]) -> Self {
        Self(base)
    }

    /// A version's own keys by the place they stand at. `None` if it moved the base's keys.
    fn of(&self, head: &[Entry<'t>]) -> Option<Vec<Vec<Entry<'t>>>> {
        let mut spots = vec![Vec::new(); self.0.len() + 1];
        let mut spot = 0;
        for entry in head {
            match self.0.iter().position(|known| known.key == entry.key) {
                Some(at) if at < spot => return None,
                Some(at) => spot = at + 1,
                None => spots[spot].push(entry.clone()),
            }
        }
        Some(spots)
    }
}

/// Whether a key that both added stands at different places, or one side's place is not sure
/// because the key before it was deleted by the other.
fn in_different_spots(
    base: &[Entry<'_>],
    mine: &[Vec<Entry<'_>>],
    theirs: &[Vec<Entry<'_>>],
) -> bool {
    (0..=base.len()).any(|spot| {
        mine[spot].iter().any(|entry| {
            theirs
                .iter()
                .enumerate()
                .any(|(other, added)| other != spot && added.iter().any(|one| one.key == entry.key))
        })
    })
}

/// The keys that were added at one place, by either side or both.
fn additions<'t>(rules: &Rules, mine: &[Entry<'t>], theirs: &[Entry<'t>]) -> Vec<Piece<'t>> {
    let same_keys = mine.len() == theirs.len()
        && mine
            .iter()
            .zip(theirs)
            .all(|(one, other)| one.key == other.key);
    let keys: Vec<&str> = match (mine, theirs) {
        (only, []) | ([], only) => only.iter().map(|entry| entry.key).collect(),
        (_, _) if same_keys => mine.iter().map(|entry| entry.key).collect(),
        // Neither order is better than the other, and both devices have to find the same.
        (_, _) => mine
            .iter()
            .chain(theirs)
            .map(|entry| (entry.key, ()))
            .collect::<BTreeMap<_, _>>()
            .into_keys()
            .collect(),
    };
    keys.into_iter()
        .map(|key| (rules.settle)(&[], value(mine, key), value(theirs, key)))
        .collect()
}
