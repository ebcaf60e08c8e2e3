//! Notes that are not UTF-8. 0.15 fails at one of them with its whole project, so it is told to
//! leave them out, in the file that it reads before each look: a pattern there is below the folder
//! of any project, so a note of the same path elsewhere is left out too.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

const BEGIN: &str = "# Notes that are not UTF-8";
const END: &str = "# End of those";

/// What 0.15 is told to leave out.
#[derive(Clone, Debug)]
pub(super) struct Unreadable {
    data: PathBuf,
    patterns: PathBuf,
    /// Paths below `data`; none before the first look, when the file may have those of an earlier
    /// start.
    notes: Option<BTreeSet<String>>,
}

impl Unreadable {
    /// `home` is Basic Memory's.
    pub(super) fn new(data: PathBuf, home: &Path) -> Self {
        Self {
            data,
            patterns: home.join(".basic-memory/.bmignore"),
            notes: None,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.notes.as_ref().map_or(0, BTreeSet::len)
    }

    /// Looks again at those of a folder, on a thread that nothing else needs; whether others are
    /// left out than before.
    pub(super) async fn look_again(&mut self, folder: &str) -> bool {
        let own = format!("{folder}/");
        let known: BTreeSet<String> = match &self.notes {
            Some(notes) => {
                let known = notes.iter().filter(|note| note.starts_with(&own));
                known.cloned().collect()
            }
            None => BTreeSet::new(),
        };
        if self.notes.is_some() && known.is_empty() {
            return false;
        }
        let data = self.data.clone();
        let still = move || {
            let kept = known.into_iter().filter(|note| !is_text(&data.join(note)));
            kept.collect()
        };
        self.leave_out(folder, still).await
    }

    /// As [`Self::look_again`], at all notes of the folder.
    pub(super) async fn look_everywhere(&mut self, folder: &str) -> bool {
        let (data, top) = (self.data.clone(), folder.to_owned());
        let find = move || {
            let mut found = BTreeSet::new();
            search(&data, &top, &mut found);
            found
        };
        self.leave_out(folder, find).await
    }

    async fn leave_out(
        &mut self,
        folder: &str,
        find: impl FnOnce() -> BTreeSet<String> + Send + 'static,
    ) -> bool {
        let own = format!("{folder}/");
        let mut notes = self.notes.clone().unwrap_or_default();
        notes.retain(|note| !note.starts_with(&own));
        let patterns = self.patterns.clone();
        let before = self.notes.clone();
        let looked = tokio::task::spawn_blocking(move || {
            notes.extend(find());
            if before.as_ref() != Some(&notes) {
                write(&patterns, &notes)?;
            }
            io::Result::Ok(notes)
        });
        match looked.await {
            Ok(Ok(notes)) => {
                let before = self.notes.replace(notes).unwrap_or_default();
                let left_out = self.count();
                let changed = self.notes.as_ref() != Some(&before);
                if changed {
                    tracing::warn!(left_out, "notes that are not UTF-8 are left out");
                }
                changed
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "what Basic Memory leaves out could not be told to it");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "the notes could not be looked at");
                false
            }
        }
    }
}

fn search(data: &Path, folder: &str, found: &mut BTreeSet<String>) {
    let entries = std::fs::read_dir(data.join(folder));
    for entry in entries.into_iter().flatten().flatten() {
        let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else {
            continue;
        };
        let path = format!("{folder}/{name}");
        if kind.is_dir() {
            search(data, &path, found);
        } else if name.ends_with(".md") && !name.contains('\n') && !is_text(&entry.path()) {
            found.insert(path);
        }
    }
}

/// What is gone is no obstacle either.
fn is_text(note: &Path) -> bool {
    std::fs::read(note).map_or(true, |bytes| std::str::from_utf8(&bytes).is_ok())
}

fn write(patterns: &Path, notes: &BTreeSet<String>) -> io::Result<()> {
    let text = match std::fs::read_to_string(patterns) {
        // Basic Memory makes the file when it first looks.
        Err(error) if error.kind() == io::ErrorKind::NotFound && notes.is_empty() => return Ok(()),
        read => read?,
    };
    let new = patterns.with_extension("new");
    std::fs::write(&new, rewritten(&text, notes))?;
    std::fs::rename(new, patterns)
}

/// The file with these notes in place of those that it had.
fn rewritten(text: &str, notes: &BTreeSet<String>) -> String {
    let mut ours = false;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        ours |= line == BEGIN;
        if !ours {
            lines.push(line.to_owned());
        }
        ours &= line != END;
    }
    if !notes.is_empty() {
        lines.push(BEGIN.to_owned());
        let below = notes.iter().filter_map(|note| note.split_once('/'));
        lines.extend(below.map(|(_, note)| format!("/{}", escaped(note))));
        lines.push(END.to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// As a pattern that fits nothing else.
fn escaped(note: &str) -> String {
    let letter = |letter: char| match letter {
        '*' | '?' | '[' => format!("[{letter}]"),
        other => other.to_string(),
    };
    note.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(notes: &[&str]) -> BTreeSet<String> {
        notes.iter().map(|note| (*note).to_owned()).collect()
    }

    #[test]
    fn other_patterns_stay_whatever_is_left_out() {
        let before = "# Patterns\n.git\n*.pyc\n";
        let first = rewritten(before, &notes(&["main/a.md", "main/b [1].md"]));
        assert_eq!(
            first,
            format!("{before}{BEGIN}\n/a.md\n/b [[]1].md\n{END}\n")
        );
        let second = rewritten(&first, &notes(&["work/c/d?.md"]));
        assert_eq!(second, format!("{before}{BEGIN}\n/c/d[?].md\n{END}\n"));
        assert_eq!(rewritten(&second, &notes(&[])), before);
    }

    #[tokio::test]
    async fn notes_are_left_out_until_they_can_be_read() {
        let root = tempfile::tempdir().unwrap();
        let (data, home) = (root.path().join("data"), root.path().join("home"));
        std::fs::create_dir_all(data.join("main/deep")).unwrap();
        std::fs::create_dir_all(home.join(".basic-memory")).unwrap();
        let patterns = home.join(".basic-memory/.bmignore");
        std::fs::write(&patterns, ".git\n").unwrap();
        std::fs::write(data.join("main/good.md"), "café").unwrap();
        std::fs::write(data.join("main/picture.png"), b"\xff").unwrap();
        let bad = data.join("main/deep/bad.md");
        std::fs::write(&bad, b"caf\xe9").unwrap();
        let mut unreadable = Unreadable::new(data, &home);
        assert!(!unreadable.look_again("main").await);
        assert!(unreadable.look_everywhere("main").await);
        assert_eq!(unreadable.notes, Some(notes(&["main/deep/bad.md"])));
        let told = std::fs::read_to_string(&patterns).unwrap();
        assert!(told.contains("\n/deep/bad.md\n"), "{told}");
        assert!(!unreadable.look_everywhere("main").await);
        assert!(!unreadable.look_again("main").await);
        assert_eq!(unreadable.count(), 1);

        // Another start does not know them.
        let mut unreadable = Unreadable::new(unreadable.data, &home);
        assert!(!unreadable.look_again("main").await);
        assert_eq!(std::fs::read_to_string(&patterns).unwrap(), ".git\n");
        assert!(unreadable.look_everywhere("main").await);
        std::fs::write(&bad, "café").unwrap();
        assert!(!unreadable.look_again("work").await);
        assert!(unreadable.look_again("main").await);
        assert_eq!(std::fs::read_to_string(&patterns).unwrap(), ".git\n");
    }
}
