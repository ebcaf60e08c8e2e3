//! Texts as lines, so that line endings and the newline at the end do not count as changes of the
//! lines themselves.

/// How a text ends its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Lf,
    CrLf,
    Mixed,
}

/// How three texts are cut into lines and how their merge is put together again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    cut: Ending,
    /// Whether the merged text's last line ends with a newline.
    closed: bool,
}

impl Format {
    /// The format of a merge: what one side changed of the base's, the merge takes over.
    pub(crate) fn of_merge(base: &str, mine: &str, theirs: &str) -> Self {
        Self {
            cut: common_ending(ending(base), ending(mine), ending(theirs)),
            closed: closed_after(closed(base), closed(mine), closed(theirs)),
        }
    }

    /// The format that two texts are compared in.
    pub(crate) fn of_two(one: &str, other: &str) -> Self {
        Self {
            cut: common_ending(None, ending(one), ending(other)),
            closed: true,
        }
    }

    /// The same lines, ending as `text` does.
    pub(crate) fn closed_as(self, text: &str) -> Self {
        Self {
            closed: closed(text).unwrap_or(self.closed),
            ..self
        }
    }

    /// The lines of a text. Where endings are mixed, a carriage return is part of its line.
    pub(crate) fn lines(self, text: &str) -> Vec<&str> {
        let plain = |line| match (self.cut, strip(line, "\n")) {
            (Ending::Mixed, (line, _)) | (Ending::Lf | Ending::CrLf, (line, false)) => line,
            (Ending::Lf | Ending::CrLf, (line, true)) => strip(line, "\r").0,
        };
        text.split_inclusive('\n').map(plain).collect()
    }

    /// A part of the text that more follows.
    pub(crate) fn part(self, lines: &[&str]) -> String {
        let end = match self.cut {
            Ending::CrLf => "\r\n",
            Ending::Lf | Ending::Mixed => "\n",
        };
        lines.iter().flat_map(|line| [*line, end]).collect()
    }

    /// The last part of the text, or all of it. An empty last line is closed in any case: open, it
    /// would be no line.
    pub(crate) fn last_part(self, lines: &[&str]) -> String {
        let mut text = self.part(lines);
        if !self.closed && lines.last().is_some_and(|line| !line.is_empty()) {
            let length = match self.cut {
                Ending::CrLf => 2,
                Ending::Lf | Ending::Mixed => 1,
            };
            text.truncate(text.len().saturating_sub(length));
        }
        text
    }
}

fn strip<'t>(text: &'t str, end: &str) -> (&'t str, bool) {
    match text.strip_suffix(end) {
        Some(rest) => (rest, true),
        None => (text, false),
    }
}

/// `None` for a text of at most one line without an end.
fn ending(text: &str) -> Option<Ending> {
    let all = text.matches('\n').count();
    let windows = text.matches("\r\n").count();
    match (all, windows) {
        (0, _) => None,
        (_, 0) => Some(Ending::Lf),
        (all, windows) if all == windows => Some(Ending::CrLf),
        (_, _) => Some(Ending::Mixed),
    }
}

fn common_ending(base: Option<Ending>, mine: Option<Ending>, theirs: Option<Ending>) -> Ending {
    if [base, mine, theirs].contains(&Some(Ending::Mixed)) {
        return Ending::Mixed;
    }
    let (mine, theirs) = (mine.or(base), theirs.or(base));
    let chosen = match (mine == base, mine == theirs) {
        (true, _) => theirs,
        (false, true) => mine,
        (false, false) if theirs == base => mine,
        (false, false) => Some(Ending::Lf),
    };
    chosen.unwrap_or(Ending::Lf)
}

/// `None` for an empty text, which has no last line.
fn closed(text: &str) -> Option<bool> {
    (!text.is_empty()).then(|| text.ends_with('\n'))
}

fn closed_after(base: Option<bool>, mine: Option<bool>, theirs: Option<bool>) -> bool {
    let chosen = if mine == base || mine.is_none() {
        theirs.or(mine)
    } else if theirs == base || theirs.is_none() {
        mine
    } else {
        Some(mine == Some(true) || theirs == Some(true))
    };
    chosen.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_put_together_as_it_was() {
        for text in [
            "",
            "a",
            "a\n",
            "\n",
            "a\nb",
            "a\r\nb\r\n",
            "a\r\nb",
            "a\r\nb\nc\r\n",
            "a\r",
            "a\r\nb\r",
            "\n\n",
            "\r\n",
        ] {
            let format = Format::of_merge(text, text, text);
            assert_eq!(format.last_part(&format.lines(text)), text, "{text:?}");
        }
    }

    #[test]
    fn the_side_that_changed_the_endings_decides_them() {
        let end = |base, mine, theirs| Format::of_merge(base, mine, theirs).part(&["x"]);
        assert_eq!(end("a\n", "a\r\n", "a\n"), "x\r\n");
        assert_eq!(end("a\r\n", "a\r\n", "a\n"), "x\n");
        assert_eq!(end("a\r\n", "a\r\n", "a\r\n"), "x\r\n");
        assert_eq!(end("", "a\r\n", "a\n"), "x\n");
        assert_eq!(end("", "", "a\r\n"), "x\r\n");
    }

    #[test]
    fn the_side_that_changed_the_last_newline_decides_it() {
        let end = |base, mine, theirs| Format::of_merge(base, mine, theirs).last_part(&["x"]);
        assert_eq!(end("a\n", "a", "a\n"), "x");
        assert_eq!(end("a", "a", "a\n"), "x\n");
        assert_eq!(end("a", "a", "a"), "x");
        assert_eq!(end("", "a", "a\n"), "x\n");
        assert_eq!(end("", "", "a"), "x");
    }

    #[test]
    fn an_empty_last_line_stays_a_line() {
        let open = Format::of_merge("a", "a", "a");
        assert_eq!(open.last_part(&["x", ""]), "x\n\n");
        assert_eq!(open.last_part(&[]), "");
    }
}
