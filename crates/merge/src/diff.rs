//! Two versions side by side, line by line, with the changed words marked.

use std::ops::Range;

use crate::front_matter;
use crate::hunks::hunks;
use crate::lines::Format;
use crate::pairs::{Beside, Kin, pairs};
use crate::words::tokens;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffKind {
    Same,
    /// Only in the first version.
    Mine,
    /// Only in the second.
    Theirs,
}

/// One line of the comparison, without its line ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    pub kind: DiffKind,
    /// Line numbers from 1.
    pub mine_line: Option<u32>,
    pub theirs_line: Option<u32>,
    /// The line of the other version that stands beside one that only this version has.
    pub beside: Option<u32>,
    pub text: String,
    /// Byte ranges of the words that changed, where the line beside it is a version of it.
    pub marks: Vec<Range<u32>>,
}

/// Lines longer than this, in bytes, are not compared word by word.
const LONGEST_MARKED: usize = 16 * 1024;

/// How the front matter of two texts differs, by key: the order of the keys does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadDiff {
    /// The keys that differ, in the order of the first text, then those that only the second has.
    pub keys: Vec<KeyDiff>,
    /// How many keys have the same value in both.
    pub same: u32,
    /// Whether the keys that both have stand in another order.
    pub reordered: bool,
    /// The lines of each text's front matter, its fences included.
    pub mine_lines: u32,
    pub theirs_lines: u32,
}

/// A key with the lines of both of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDiff {
    pub key: String,
    pub lines: Vec<DiffLine>,
}

/// Compares two texts. Line endings do not count. A line of plain front matter never stands beside
/// one of the text below it.
pub fn diff(mine: &str, theirs: &str) -> Vec<DiffLine> {
    let format = Format::of_two(mine, theirs);
    let (mine, theirs) = (format.lines(mine), format.lines(theirs));
    let ends = match (front_matter::keys(&mine), front_matter::keys(&theirs)) {
        (Some(ours), Some(others)) => (ours.lines, others.lines),
        (Some(_) | None, Some(_) | None) => (0, 0),
    };
    let mut lines = compare(&mine, &theirs, 0..ends.0, 0..ends.1);
    lines.extend(compare(
        &mine,
        &theirs,
        ends.0..mine.len(),
        ends.1..theirs.len(),
    ));
    lines
}

/// Compares the front matter of two texts by key. `None` where one has none, or anything unusual
/// in it, and where both are the same line by line.
pub fn head_diff(mine: &str, theirs: &str) -> Option<HeadDiff> {
    let format = Format::of_two(mine, theirs);
    let (mine, theirs) = (format.lines(mine), format.lines(theirs));
    let (ours, others) = (front_matter::keys(&mine)?, front_matter::keys(&theirs)?);
    let of_both: Vec<&str> = ours.names().filter(|key| others.has(key)).collect();
    let mut head = HeadDiff {
        keys: Vec::new(),
        same: 0,
        reordered: !others.names().filter(|key| ours.has(key)).eq(of_both),
        mine_lines: small(ours.lines),
        theirs_lines: small(others.lines),
    };
    let only_theirs = others.names().filter(|key| !ours.has(key));
    for key in ours.names().chain(only_theirs) {
        let (here, there) = (ours.span(key), others.span(key));
        if mine[here.clone()] == theirs[there.clone()] {
            head.same += 1;
        } else {
            head.keys.push(KeyDiff {
                key: key.to_owned(),
                lines: compare(&mine, &theirs, here, there),
            });
        }
    }
    (head.reordered || !head.keys.is_empty()).then_some(head)
}

/// Compares a part of one text with a part of the other.
fn compare(
    mine: &[&str],
    theirs: &[&str],
    here: Range<usize>,
    there: Range<usize>,
) -> Vec<DiffLine> {
    let mut lines = Vec::new();
    let (mut at, mut beside) = (here.start, there.start);
    for hunk in hunks(&mine[here.clone()], &theirs[there.clone()]) {
        let old = here.start + hunk.old.start..here.start + hunk.old.end;
        let new = there.start + hunk.new.start..there.start + hunk.new.end;
        lines.extend(same(mine, at..old.start, beside));
        lines.extend(changed(mine, theirs, &old, &new));
        (at, beside) = (old.end, new.end);
    }
    lines.extend(same(mine, at..here.end, beside));
    lines
}

fn same(mine: &[&str], range: Range<usize>, there: usize) -> Vec<DiffLine> {
    let start = range.start;
    range
        .map(|at| DiffLine {
            kind: DiffKind::Same,
            mine_line: Some(number(at)),
            theirs_line: Some(number(there + at - start)),
            beside: None,
            text: mine[at].to_owned(),
            marks: Vec::new(),
        })
        .collect()
}

fn changed(
    mine: &[&str],
    theirs: &[&str],
    old: &Range<usize>,
    new: &Range<usize>,
) -> Vec<DiffLine> {
    let line = |kind, at: usize, text: &str| DiffLine {
        kind,
        mine_line: (kind == DiffKind::Mine).then(|| number(at)),
        theirs_line: (kind == DiffKind::Theirs).then(|| number(at)),
        beside: None,
        text: text.to_owned(),
        marks: Vec::new(),
    };
    let of_mine = old.clone().map(|at| line(DiffKind::Mine, at, mine[at]));
    let of_theirs = new.clone().map(|at| line(DiffKind::Theirs, at, theirs[at]));
    let mut lines: Vec<DiffLine> = of_mine.chain(of_theirs).collect();
    let (here, there) = lines.split_at_mut(old.len());
    let found = pairs(&mine[old.clone()], &theirs[new.clone()]);
    for Beside { mine, theirs, kin } in found {
        let (one, other) = (&mut here[mine], &mut there[theirs]);
        (one.beside, other.beside) = (other.theirs_line, one.mine_line);
        if kin == Kin::Like {
            (one.marks, other.marks) = words(&one.text, &other.text);
        }
    }
    lines
}

/// Where two lines differ, as byte ranges of each. Nothing is marked where hardly a word is the
/// same.
fn words(one: &str, other: &str) -> (Vec<Range<u32>>, Vec<Range<u32>>) {
    if one.len().max(other.len()) > LONGEST_MARKED {
        return (Vec::new(), Vec::new());
    }
    let (ones, others) = (tokens(one), tokens(other));
    let texts = |of: &str, tokens: &[Range<usize>]| -> Vec<String> {
        tokens
            .iter()
            .map(|token| of[token.clone()].to_owned())
            .collect()
    };
    let mut marks = (Vec::new(), Vec::new());
    for hunk in hunks(&texts(one, &ones), &texts(other, &others)) {
        mark(&mut marks.0, &ones[hunk.old]);
        mark(&mut marks.1, &others[hunk.new]);
    }
    let marked: u32 = marks.0.iter().map(|range| range.end - range.start).sum();
    let kept = small(one.len()).saturating_sub(marked);
    if kept * 4 < small(one.trim().len().min(other.trim().len())) {
        return (Vec::new(), Vec::new());
    }
    marks
}

fn mark(marks: &mut Vec<Range<u32>>, tokens: &[Range<usize>]) {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return;
    };
    let (start, end) = (small(first.start), small(last.end));
    match marks.last_mut() {
        Some(previous) if previous.end == start => previous.end = end,
        Some(_) | None => marks.push(start..end),
    }
}

fn number(at: usize) -> u32 {
    small(at).saturating_add(1)
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
