//! Saves that come late: a program read a version and writes it back, with more in its front
//! matter, after a newer one came.

use crate::front_matter::{self, Keys};

const FENCE: &str = "---";

/// Whether `text` is `older` with more in its front matter, and has nothing of what `newer`
/// changed. Space around the text below the front matter does not count, nor do line endings.
///
/// Where that is not certain it is no late save: an edit of the newer version is one.
pub fn is_late(text: &str, older: &str, newer: &str) -> bool {
    let [text, older, newer] = [text, older, newer].map(Parts::of);
    if text.body != older.body || text.head == older.head {
        return false;
    }
    if older.body != newer.body {
        return true;
    }
    let (Some(own), Some(before), Some(after)) = (text.keys(), older.keys(), newer.keys()) else {
        return false;
    };
    let names = before.names().chain(after.names());
    let mut changed = names
        .filter(|key| older.value(&before, key) != newer.value(&after, key))
        .peekable();
    changed.peek().is_some()
        && changed.all(|key| text.value(&own, key) == older.value(&before, key))
}

/// A text's front matter, its fences included, and what is below it.
struct Parts<'t> {
    head: Vec<&'t str>,
    body: Vec<&'t str>,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let has_head = lines.first() == Some(&FENCE);
        let end = lines.iter().skip(1).position(|line| *line == FENCE);
        let head = match end {
            Some(end) if has_head => end + 2,
            Some(_) | None => 0,
        };
        Self {
            body: trimmed(&lines[head..]),
            head: lines[..head].to_vec(),
        }
    }

    /// `None` where the front matter is not plain.
    fn keys(&self) -> Option<Keys<'t>> {
        if self.head.is_empty() {
            return Some(Keys::none());
        }
        front_matter::keys(&self.head)
    }

    fn value(&self, keys: &Keys<'t>, key: &str) -> &[&'t str] {
        &self.head[keys.span(key)]
    }
}

/// Without the space before the first and after the last word.
fn trimmed<'t>(lines: &[&'t str]) -> Vec<&'t str> {
    let is_blank = |line: &&str| line.trim().is_empty();
    let start = lines.iter().take_while(|line| is_blank(line)).count();
    let end = lines.iter().rev().take_while(|line| is_blank(line)).count();
    let mut kept = lines[start..lines.len().saturating_sub(end).max(start)].to_vec();
    if let Some(first) = kept.first_mut() {
        *first = first.trim_start();
    }
    if let Some(last) = kept.last_mut() {
        *last = last.trim_end();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLDER: &str = "# Plan\n\none\n";
    const NEWER: &str = "# Plan\n\none and a half\n";

    #[test]
    fn front_matter_added_to_the_older_version_is_late() {
        for (older, newer, text) in [
            (OLDER, NEWER, "---\npermalink: plan\n---\n\n# Plan\n\none"),
            ("a\r\nb\r\n", "a\n", "---\npermalink: p\n---\n\na\nb"),
            ("\n\n  a \n\n", "b", "---\npermalink: p\n---\n\na"),
            (
                "---\nt: [x]\n---\na",
                "---\nt: [x]\n---\nb",
                "---\nt:\n- x\np: q\n---\n\na",
            ),
            ("---\n? odd\n---\na", "b", "---\n? odd\np: q\n---\n\na"),
            ("a", "---\ntags: x\n---\na", "---\np: q\n---\n\na"),
            (
                "---\nk: 1\n---\na",
                "---\nk: 2\n---\na",
                "---\nk: 1\np: q\n---\n\na",
            ),
            ("---\nk: 1\n---\na", "a", "---\nk: 1\np: q\n---\n\na"),
            ("", "b", "---\np: q\n---\n\n"),
        ] {
            assert!(is_late(text, older, newer), "{text:?}");
        }
    }

    #[test]
    fn an_edit_of_the_newer_version_and_what_is_not_certain_is_not_late() {
        for (older, newer, text) in [
            (
                OLDER,
                NEWER,
                "---\npermalink: plan\n---\n\n# Plan\n\none and a half",
            ),
            (OLDER, NEWER, "---\npermalink: plan\n---\n\n# Plan\n\nthree"),
            // Somebody put the older version back.
            (OLDER, NEWER, OLDER),
            (OLDER, NEWER, "# Plan\n\none"),
            (
                "a",
                "---\ntags: [x]\n---\na",
                "---\ntags:\n- x\np: q\n---\n\na",
            ),
            (
                "---\nk: 1\n---\na",
                "---\nk: 2\n---\na",
                "---\nk: '2'\np: q\n---\n\na",
            ),
            ("---\nk: 1\n---\na", "a", "---\np: q\n---\n\na"),
            (
                "---\n? odd\n---\na",
                "---\n? other\n---\na",
                "---\n? odd\np: q\n---\na",
            ),
            ("a", "a\n", "---\np: q\n---\n\na"),
            ("---\nno end", "b", "---\nno end"),
        ] {
            assert!(!is_late(text, older, newer), "{text:?}");
        }
    }
}
