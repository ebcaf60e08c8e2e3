//! The three-way merge.

use crate::front_matter;
use crate::hunks::{Hunk, hunks};
use crate::lines::Format;
use crate::proof;

/// Which version a piece of agreed text is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody changed it, or both did alike.
    Both,
    Mine,
    Theirs,
}

/// A piece of a merge. The pieces in order are the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    Agreed {
        text: String,
        from: Origin,
    },
    /// Both changed this place, and not alike.
    Overlap {
        base: String,
        mine: String,
        theirs: String,
    },
}

/// What two versions of one text say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    pub chunks: Vec<Chunk>,
    /// The merged text, if no place is left to choose.
    pub text: Option<String>,
}

/// Merges two texts that came from `base`.
///
/// A clean merge has every line that either side added, and lacks a line of the base only if one
/// side deleted it and the other left it alone. Merging the other way round gives the same text.
/// Line endings and the newline at the end follow the side that changed them.
pub fn merge(base: &str, mine: &str, theirs: &str) -> Merge {
    let format = Format::of_merge(base, mine, theirs);
    let [b, m, t] = [base, mine, theirs].map(|text| format.lines(text));
    let merged = merge_by(&Rules::SOUND, base, mine, theirs);
    let sound = |text: &String| proof::holds(&b, &m, &t, &format.lines(text));
    if merged.text.as_ref().is_none_or(sound) {
        return merged;
    }
    Merge {
        chunks: vec![Chunk::Overlap {
            base: base.to_owned(),
            mine: mine.to_owned(),
            theirs: theirs.to_owned(),
        }],
        text: None,
    }
}

/// Lines of a merge that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Agreed {
        lines: Vec<&'t str>,
        from: Origin,
    },
    Overlap {
        base: Vec<&'t str>,
        mine: Vec<&'t str>,
        theirs: Vec<&'t str>,
    },
}

/// The choices inside a merge; tests plant wrong ones.
pub(crate) struct Rules {
    /// Whether a hunk that starts here belongs to a region that ends there.
    pub(crate) touches: fn(usize, usize) -> bool,
    pub(crate) settle: Settle,
    /// The lines that nobody touched, of those up to the next region.
    pub(crate) untouched: for<'l, 't> fn(&'l [&'t str]) -> &'l [&'t str],
}

type Settle = for<'t> fn(&[&'t str], &[&'t str], &[&'t str]) -> Piece<'t>;

impl Rules {
    pub(crate) const SOUND: Self = Self {
        touches: |start, end| start <= end,
        settle,
        untouched: |lines| lines,
    };
}

/// What becomes of one place that was changed.
pub(crate) fn settle<'t>(base: &[&'t str], mine: &[&'t str], theirs: &[&'t str]) -> Piece<'t> {
    let agreed = |lines: &[&'t str], from| Piece::Agreed {
        lines: lines.to_vec(),
        from,
    };
    if mine == theirs {
        agreed(mine, Origin::Both)
    } else if mine == base {
        agreed(theirs, Origin::Theirs)
    } else if theirs == base {
        agreed(mine, Origin::Mine)
    } else {
        Piece::Overlap {
            base: base.to_vec(),
            mine: mine.to_vec(),
            theirs: theirs.to_vec(),
        }
    }
}

pub(crate) fn merge_by(rules: &Rules, base: &str, mine: &str, theirs: &str) -> Merge {
    let format = Format::of_merge(base, mine, theirs);
    let [b, m, t] = [base, mine, theirs].map(|text| format.lines(text));
    let (mut pieces, [b, m, t]) = match front_matter::merge(rules, &b, &m, &t) {
        Some(head) => (head.pieces, head.rest),
        None => (Vec::new(), [b, m, t]),
    };
    pieces.extend(weave(rules, &b, &m, &t));
    let pieces = joined(pieces);
    let clean: Option<Vec<&str>> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Agreed { lines, .. } => Some(lines.as_slice()),
            Piece::Overlap { .. } => None,
        })
        .collect::<Option<Vec<_>>>()
        .map(|parts| parts.concat());
    let last = pieces.len().saturating_sub(1);
    let chunks = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| {
            let text = |lines: &[&str], whole: Option<&str>| match (at == last, whole) {
                (false, _) => format.part(lines),
                (true, None) => format.last_part(lines),
                (true, Some(whole)) => format.closed_as(whole).last_part(lines),
            };
            match piece {
                Piece::Agreed { lines, from } => Chunk::Agreed {
                    text: text(lines, None),
                    from: *from,
                },
                Piece::Overlap {
                    base: b,
                    mine: m,
                    theirs: t,
                } => Chunk::Overlap {
                    base: text(b, Some(base)),
                    mine: text(m, Some(mine)),
                    theirs: text(t, Some(theirs)),
                },
            }
        })
        .collect();
    Merge {
        chunks,
        text: clean.map(|lines| format.last_part(&lines)),
    }
}

/// Neighbors of one origin become one piece, and empty ones go.
fn joined(pieces: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    let mut joined: Vec<Piece<'_>> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (_, Piece::Agreed { lines, .. }) if lines.is_empty() => {}
            (
                Some(Piece::Agreed { lines, from }),
                Piece::Agreed {
                    lines: more,
                    from: same,
                },
            ) if *from == same => lines.extend(more),
            (_, piece) => joined.push(piece),
        }
    }
    joined
}

/// One side's hunks, taken in order.
struct Side<'s, 't> {
    lines: &'s [&'t str],
    hunks: Vec<Hunk>,
    next: usize,
}

impl<'s, 't> Side<'s, 't> {
    fn new(base: &[&str], lines: &'s [&'t str]) -> Self {
        Self {
            hunks: hunks(base, lines),
            lines,
            next: 0,
        }
    }

    fn peek(&self) -> Option<&Hunk> {
        self.hunks.get(self.next)
    }

    /// Takes the hunks of a region, which may grow by them; answers how far it reaches.
    fn absorb(&mut self, rules: &Rules, mut end: usize) -> usize {
        while let Some(hunk) = self.peek()
            && (rules.touches)(hunk.old.start, end)
        {
            end = end.max(hunk.old.end);
            self.next += 1;
        }
        end
    }

    /// This side's lines for the base's lines `start..end`, whose first hunk was `first`.
    fn lines_for(
        &self,
        base: &'s [&'t str],
        first: usize,
        start: usize,
        end: usize,
    ) -> Vec<&'t str> {
        let mut lines = Vec::new();
        let mut at = start;
        for hunk in &self.hunks[first..self.next] {
            lines.extend_from_slice(&base[at..hunk.old.start.max(at)]);
            lines.extend_from_slice(&self.lines[hunk.new.clone()]);
            at = hunk.old.end;
        }
        lines.extend_from_slice(&base[at.min(end)..end]);
        lines
    }
}

/// Merges lines: places that only one side changed are taken from it.
pub(crate) fn weave<'t>(
    rules: &Rules,
    base: &[&'t str],
    mine: &[&'t str],
    theirs: &[&'t str],
) -> Vec<Piece<'t>> {
    let mut pieces = Vec::new();
    let (mut mine, mut theirs) = (Side::new(base, mine), Side::new(base, theirs));
    let mut at = 0;
    loop {
        let starts = [mine.peek(), theirs.peek()].map(|hunk| hunk.map(|hunk| hunk.old.start));
        let start = starts.into_iter().flatten().min().unwrap_or(base.len());
        pieces.push(Piece::Agreed {
            lines: (rules.untouched)(&base[at..start]).to_vec(),
            from: Origin::Both,
        });
        if starts == [None, None] {
            return pieces;
        }
        let firsts = (mine.next, theirs.next);
        let mut end = start;
        if starts[0] == Some(start) {
            end = mine.take_first(end);
        } else {
            end = theirs.take_first(end);
        }
        loop {
            let grown = theirs.absorb(rules, mine.absorb(rules, end));
            if grown == end {
                break;
            }
            end = grown;
        }
        pieces.push((rules.settle)(
            &base[start..end],
            &mine.lines_for(base, firsts.0, start, end),
            &theirs.lines_for(base, firsts.1, start, end),
        ));
        at = end;
    }
}

impl Side<'_, '_> {
    fn take_first(&mut self, end: usize) -> usize {
        let Some(hunk) = self.hunks.get(self.next) else {
            return end;
        };
        self.next += 1;
        end.max(hunk.old.end)
    }
}
