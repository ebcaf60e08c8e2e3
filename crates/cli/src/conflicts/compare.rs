//! Two versions of a note on a terminal. Pure.

use engine::view::{DiffKind, DiffLine};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// Characters of one column, side by side.
const COLUMN: usize = 38;

/// One below the other: `-` are this device's lines, `+` the other's.
pub(super) fn unified(lines: &[DiffLine]) -> Vec<String> {
    let mut shown = Vec::new();
    for part in parts(lines) {
        shown.push(format!(
            "@@ -{} +{} @@",
            range(part.iter().filter_map(|line| line.mine_line)),
            range(part.iter().filter_map(|line| line.theirs_line)),
        ));
        shown.extend(part.iter().map(|line| {
            let sign = match line.kind {
                DiffKind::Same => ' ',
                DiffKind::Mine => '-',
                DiffKind::Theirs => '+',
            };
            format!("{sign}{}", line.text)
        }));
    }
    shown
}

/// First line and number of lines.
fn range(mut numbers: impl Iterator<Item = u32>) -> String {
    match numbers.next() {
        Some(first) => format!("{first},{}", numbers.count() + 1),
        None => "0,0".to_owned(),
    }
}

/// This device's lines on the left, the other's on the right.
pub(super) fn side_by_side(lines: &[DiffLine]) -> Vec<String> {
    let mut shown = Vec::new();
    for part in parts(lines) {
        if !shown.is_empty() {
            shown.push("···".to_owned());
        }
        let mut rest = part;
        while let Some(line) = rest.first() {
            if line.kind == DiffKind::Same {
                shown.push(row(Some(&line.text), ' ', Some(&line.text)));
                rest = &rest[1..];
                continue;
            }
            let run = |lines: &[DiffLine], kind| {
                lines.iter().take_while(|line| line.kind == kind).count()
            };
            let mine = run(rest, DiffKind::Mine);
            let theirs = run(&rest[mine..], DiffKind::Theirs);
            let (lines, after) = rest.split_at(mine + theirs);
            shown.extend(beside(lines.split_at(mine)));
            rest = after;
        }
    }
    shown
}

/// A line that stands alone comes before the next pair.
fn beside((mut mine, mut theirs): (&[DiffLine], &[DiffLine])) -> Vec<String> {
    let mut rows = Vec::new();
    loop {
        let (left, right) = match (mine.split_first(), theirs.split_first()) {
            (None, None) => return rows,
            (Some((left, _)), Some((right, _)))
                if left.beside.is_some() && left.beside == right.theirs_line =>
            {
                (Some(left), Some(right))
            }
            (Some((left, _)), None) => (Some(left), None),
            (Some((left, _)), Some(_)) if left.beside.is_none() => (Some(left), None),
            (_, Some((right, _))) => (None, Some(right)),
        };
        let sign = match (left, right) {
            (Some(_), None) => '<',
            (None, _) => '>',
            (Some(_), Some(_)) => '|',
        };
        let texts = [left, right].map(|line| line.map(|line| line.text.as_str()));
        rows.push(row(texts[0], sign, texts[1]));
        mine = &mine[usize::from(left.is_some())..];
        theirs = &theirs[usize::from(right.is_some())..];
    }
}

fn row(left: Option<&str>, sign: char, right: Option<&str>) -> String {
    let left = cut(left.unwrap_or(""));
    let right = cut(right.unwrap_or(""));
    let gap = " ".repeat(COLUMN - left.chars().count());
    format!("{left}{gap} {sign} {right}").trim_end().to_owned()
}

fn cut(text: &str) -> String {
    let plain: String = text.replace('\t', "    ");
    if plain.chars().count() <= COLUMN {
        return plain;
    }
    plain.chars().take(COLUMN - 1).chain(['…']).collect()
}

/// The changes with the lines around them; what is far from any change is left out.
fn parts(lines: &[DiffLine]) -> Vec<&[DiffLine]> {
    let mut parts: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.kind == DiffKind::Same {
            continue;
        }
        let (start, end) = (
            at.saturating_sub(CONTEXT),
            (at + 1 + CONTEXT).min(lines.len()),
        );
        match parts.last_mut() {
            Some(last) if last.end >= start => last.end = end,
            Some(_) | None => parts.push(start..end),
        }
    }
    parts.into_iter().map(|part| &lines[part]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[(&str, DiffKind)]) -> Vec<DiffLine> {
        let (mut mine, mut theirs) = (0, 0);
        text.iter()
            .map(|(text, kind)| {
                let in_mine = *kind != DiffKind::Theirs;
                let in_theirs = *kind != DiffKind::Mine;
                mine += u32::from(in_mine);
                theirs += u32::from(in_theirs);
                DiffLine {
                    kind: *kind,
                    mine_line: in_mine.then_some(mine),
                    theirs_line: in_theirs.then_some(theirs),
                    beside: None,
                    text: (*text).to_owned(),
                    marks: Vec::new(),
                }
            })
            .collect()
    }

    fn sample() -> Vec<DiffLine> {
        use DiffKind::{Mine, Same, Theirs};
        let mut text = vec![
            ("title", Same),
            ("old", Mine),
            ("more", Theirs),
            ("new", Theirs),
        ];
        text.extend([("far", Same); 9]);
        text.push(("gone", Mine));
        let mut lines = lines(&text);
        (lines[1].beside, lines[3].beside) = (Some(3), Some(2));
        lines
    }

    #[test]
    fn unified_shows_changes_with_their_surroundings() {
        assert_eq!(
            unified(&sample()),
            [
                "@@ -1,5 +1,6 @@",
                " title",
                "-old",
                "+more",
                "+new",
                " far",
                " far",
                " far",
                "@@ -9,4 +10,3 @@",
                " far",
                " far",
                " far",
                "-gone",
            ]
        );
        assert_eq!(unified(&[]), Vec::<String>::new());
    }

    #[test]
    fn side_by_side_puts_lines_where_the_engine_does_and_cuts_long_ones() {
        let column = |text: &str| format!("{text:<38}");
        let shown = side_by_side(&sample()[..4]);
        assert_eq!(
            shown,
            [
                format!("{}   title", column("title")),
                format!("{} > more", column("")),
                format!("{} | new", column("old")),
            ]
        );
        let alone = lines(&[("here", DiffKind::Mine), ("there", DiffKind::Theirs)]);
        assert_eq!(
            side_by_side(&alone),
            [
                format!("{} <", column("here")),
                format!("{} > there", column("")),
            ]
        );
        let long = "é".repeat(50);
        let cut = side_by_side(&lines(&[(&long, DiffKind::Mine)]));
        assert_eq!(cut, [format!("{}… <", "é".repeat(37))]);
    }
}
