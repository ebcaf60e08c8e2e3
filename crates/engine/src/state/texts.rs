//! The text that small notes had when both sides were last equal: what two later edits of a note
//! are merged by. Kept by content, within a budget; what no baseline and no conflict needs goes.

use std::collections::BTreeSet;

use md5::{Digest, Md5};
use rusqlite::{OptionalExtension, Transaction};

use super::{State, StateError};

/// A note's text that is in its baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseText {
    md5: String,
    text: String,
}

impl BaseText {
    /// The largest text kept, in bytes; a merge of larger notes is no longer read by anybody.
    pub(crate) const LARGEST: u64 = 256 * 1024;

    /// All texts together, in bytes. The ones recorded longest ago go first.
    pub(crate) const BUDGET: usize = 64 * 1024 * 1024;

    /// A version's text, if it is the one with this hash and of a note that can be merged.
    pub(crate) fn of(path: &str, md5: &str, bytes: &[u8]) -> Option<Self> {
        let fits = is_mergeable(path, bytes.len() as u64);
        let text = std::str::from_utf8(bytes).ok().filter(|_| fits)?;
        (hex::encode(Md5::digest(bytes)) == md5).then(|| Self {
            md5: md5.to_owned(),
            text: text.to_owned(),
        })
    }

    pub(crate) fn is(&self, md5: &str) -> bool {
        self.md5 == md5
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn size(&self) -> usize {
        self.text.len()
    }
}

/// Whether a note of this name and size is merged at all.
pub(crate) fn is_mergeable(path: &str, size: u64) -> bool {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension);
    let markdown = extension.is_some_and(|extension| {
        ["md", "markdown"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    });
    markdown && size <= BaseText::LARGEST
}

impl State {
    pub(crate) fn base_text(&self, md5: &str) -> Result<Option<String>, StateError> {
        let query = "SELECT text FROM base_text WHERE md5 = ?1";
        Ok(self
            .connection
            .query_row(query, [md5], |row| row.get(0))
            .optional()?)
    }

    /// Records texts ahead of the baseline that will name them.
    pub(crate) fn record_texts(&mut self, texts: &[BaseText]) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        record(&transaction, texts)?;
        Ok(transaction.commit()?)
    }
}

pub(super) fn record(transaction: &Transaction<'_>, texts: &[BaseText]) -> Result<(), StateError> {
    let budget = i64::try_from(BaseText::BUDGET).unwrap_or(i64::MAX);
    for BaseText { md5, text } in texts {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO base_text(md5, text) VALUES (?1, ?2)")?
            .execute([md5, text])?;
    }
    while !texts.is_empty() && used(transaction)? > budget {
        let oldest = "DELETE FROM base_text WHERE id IN
                      (SELECT id FROM base_text ORDER BY id LIMIT 64)";
        if transaction.execute(oldest, [])? == 0 {
            break;
        }
    }
    Ok(())
}

fn used(transaction: &Transaction<'_>) -> Result<i64, StateError> {
    Ok(transaction.query_row("SELECT bytes FROM base_use", [], |row| row.get(0))?)
}

/// The hashes that the baseline has for some paths.
pub(super) fn known<'p>(
    transaction: &Transaction<'_>,
    pair: &str,
    paths: impl Iterator<Item = &'p String>,
) -> Result<BTreeSet<String>, StateError> {
    let mut query =
        transaction.prepare_cached("SELECT md5 FROM node WHERE pair = ?1 AND path = ?2")?;
    let mut found = BTreeSet::new();
    for path in paths.filter(|path| is_mergeable(path, 0)) {
        found.extend(query.query_row([pair, path], |row| row.get(0)).optional()?);
    }
    Ok(found)
}

/// Lets go of those texts that nothing refers to any more.
pub(super) fn prune(
    transaction: &Transaction<'_>,
    hashes: BTreeSet<String>,
) -> Result<(), StateError> {
    let mut drop_unused = transaction.prepare_cached(
        "DELETE FROM base_text WHERE md5 = ?1
         AND NOT EXISTS(SELECT 1 FROM node WHERE md5 = ?1)
         AND NOT EXISTS(SELECT 1 FROM conflict WHERE base_md5 = ?1)",
    )?;
    for md5 in hashes {
        drop_unused.execute([md5])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Publication;
    use super::super::tests::node;
    use super::*;

    fn md5_of(text: &str) -> String {
        hex::encode(Md5::digest(text))
    }

    fn base(text: &str) -> BaseText {
        BaseText::of("n.md", &md5_of(text), text.as_bytes()).unwrap()
    }

    #[test]
    fn only_small_markdown_of_the_right_hash_is_kept() {
        let of = |path: &str, bytes: &[u8]| {
            BaseText::of(path, &hex::encode(Md5::digest(bytes)), bytes).is_some()
        };
        assert!(of("a/b.MD", b"text"));
        assert!(!of("a/b.txt", b"text"));
        assert!(!of("a.md", &[0xff]));
        assert!(!of("a.md", &vec![b' '; 256 * 1024 + 1]));
        assert!(BaseText::of("a.md", &md5_of("other"), b"text").is_none());
    }

    #[test]
    fn a_text_goes_when_no_baseline_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(&folder.path().join("state.db")).unwrap();
        let set = |path: &str, text: &str| Publication {
            set: [(path.to_owned(), node(&md5_of(text)))].into(),
            texts: vec![base(text)],
            ..Publication::default()
        };
        state.publish("p", &set("a.md", "one")).unwrap();
        state.publish("p", &set("b.md", "one")).unwrap();
        state.publish("p", &set("a.md", "two")).unwrap();
        let has = |state: &State, text: &str| state.base_text(&md5_of(text)).unwrap().is_some();
        assert!(has(&state, "one") && has(&state, "two"));
        let gone = Publication {
            forget: vec!["b.md".into()],
            ..Publication::default()
        };
        state.publish("p", &gone).unwrap();
        assert!(!has(&state, "one") && has(&state, "two"));
    }

    #[test]
    fn the_oldest_texts_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(&folder.path().join("state.db")).unwrap();
        let large = |nth: usize| base(&format!("{nth} {}", "x".repeat(255 * 1024)));
        for nth in 0..3 {
            let texts: Vec<BaseText> = (0..130).map(|part| large(nth * 130 + part)).collect();
            state.record_texts(&texts).unwrap();
        }
        let transaction = state.connection.transaction().unwrap();
        assert!(used(&transaction).unwrap() <= i64::try_from(BaseText::BUDGET).unwrap());
        drop(transaction);
        assert_eq!(state.base_text(&large(0).md5).unwrap(), None);
        assert!(state.base_text(&large(389).md5).unwrap().is_some());
    }
}
