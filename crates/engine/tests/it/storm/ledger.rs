use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// Every text that was saved, and which of them a person replaced while their device showed it.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    saved: BTreeMap<String, String>,
    replaced: BTreeSet<String>,
}

impl Ledger {
    /// To be written before the text can be seen: nobody may take it for a stranger's.
    pub(crate) fn saving(&self, path: &str, text: &str) {
        let mut book = self.0.lock().unwrap();
        let twice = book.saved.insert(text.to_owned(), path.to_owned());
        assert_eq!(twice, None, "every text is new");
    }

    pub(super) fn replaced(&self, text: String) {
        self.0.lock().unwrap().replaced.insert(text);
    }

    /// The same line by line, where somebody adds to what others save. Of what is only `possible`
    /// nobody knows whether it was saved.
    pub(crate) fn judge_lines(
        &self,
        notes: &BTreeMap<String, String>,
        possible: &BTreeSet<String>,
    ) -> String {
        let book = self.0.lock().unwrap();
        let visible: BTreeSet<&str> = notes.values().flat_map(|text| lines(text)).collect();
        let saved: BTreeSet<&str> = book.saved.keys().flat_map(|text| lines(text)).collect();
        let replaced: BTreeSet<&str> = book.replaced.iter().flat_map(|text| lines(text)).collect();
        let lost: Vec<_> = saved
            .iter()
            .filter(|line| !replaced.contains(*line) && !visible.contains(*line))
            .collect();
        assert!(lost.is_empty(), "lost {}: {lost:#?}", lost.len());
        let strange: Vec<_> = visible
            .iter()
            .filter(|line| !saved.contains(*line) && !possible.contains(**line))
            .collect();
        assert!(strange.is_empty(), "nobody wrote {strange:#?}");
        let copies = notes.keys().filter(|path| path.contains(" (conflict "));
        format!(
            "{} saves, {} lines replaced by people, {} visible, in {} notes at the end, {} of them \
             copies",
            saved.len(),
            replaced.len(),
            visible.len(),
            notes.len(),
            copies.count()
        )
    }

    /// What nobody replaced is there, and nothing is there that nobody wrote. What that came to.
    pub(super) fn judge(&self, notes: &BTreeMap<String, String>) -> String {
        let book = self.0.lock().unwrap();
        let visible: BTreeSet<&String> = notes.values().collect();
        let counts = |text: &&String| !book.replaced.contains(*text);
        let lost: Vec<_> = book
            .saved
            .iter()
            .filter(|(text, _)| counts(text) && !visible.contains(text))
            .collect();
        assert!(lost.is_empty(), "lost {}: {lost:#?}", lost.len());
        let strange = notes
            .iter()
            .filter(|(_, text)| !text.is_empty() && !book.saved.contains_key(*text));
        let strange: Vec<_> = strange.collect();
        assert!(strange.is_empty(), "nobody wrote {strange:#?}");
        let copies = notes.keys().filter(|path| path.contains(" (conflict "));
        format!(
            "{} saves, {} replaced by people, {} notes at the end, {} of them copies, {} texts \
             more than once",
            book.saved.len(),
            book.replaced.len(),
            notes.len(),
            copies.count(),
            notes.len() - visible.len()
        )
    }
}

/// What people and agents wrote, of a note that may have front matter by somebody else.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim_end);
    lines.filter(|line| line.contains(" wrote this as number "))
}
