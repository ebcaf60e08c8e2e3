//! What a session over the bucket as it is knows of it: the memory behind a mount's compare-and-swap. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::decide::Target;
use crate::listing::ListQuery;
use crate::object::{Object, Precondition};
use crate::snapshot::Entry;

/// Whether the client holds changes of a key that are not stored yet. What is learned of such a key from others must
/// not become the state that the changes are taken to be made from.
pub type Held = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Gives the key of a copy, from the key it is a copy of and a number that grows with each name that was taken.
pub type CopyName = Arc<dyn Fn(&str, u32) -> String + Send + Sync>;

/// How long an unreachable bucket is not asked again.
const DOWN: Duration = Duration::from_secs(1);
/// What listings kept for a time without the bucket may take, in bytes.
const LARGEST_KEPT: usize = 16 * 1024 * 1024;

/// A write goes here instead of the key it names, because somebody else changed that key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Aside {
    stored: String,
    /// The entity tag of what was stored there; `None` before the first time.
    etag: Option<String>,
    number: u32,
}

/// The memory of a live session, beside the entries of its snapshot.
pub(crate) struct Live {
    held: Held,
    copy_name: CopyName,
    /// The version of each key whose content the client has seen or made: a write replaces this one or none.
    shown: BTreeMap<String, String>,
    changes: u64,
    aside: BTreeMap<String, Aside>,
    down_until: Option<Instant>,
    kept: HashMap<String, (String, String)>,
    kept_bytes: usize,
}

impl Live {
    pub(crate) fn new(held: Held, copy_name: CopyName, shown: BTreeMap<String, String>) -> Self {
        Self {
            held,
            copy_name,
            shown,
            changes: 0,
            aside: BTreeMap::new(),
            down_until: None,
            kept: HashMap::new(),
            kept_bytes: 0,
        }
    }

    pub(crate) fn shown(&self) -> (u64, BTreeMap<String, String>) {
        (self.changes, self.shown.clone())
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Where a write of a key goes, and the state it goes to.
    pub(crate) fn target(&self, entries: &BTreeMap<String, Entry>, key: &str) -> Target {
        let stored_as = self.aside.get(key).map(|aside| aside.stored.clone());
        Target {
            key: key.to_owned(),
            when: self.condition(entries, key, stored_as.as_deref()),
            stored_as,
        }
    }

    pub(crate) fn condition(
        &self,
        entries: &BTreeMap<String, Entry>,
        key: &str,
        stored_as: Option<&str>,
    ) -> Precondition {
        let known = match (stored_as, self.aside.get(key)) {
            (Some(stored), Some(aside)) if aside.stored == stored => aside.etag.clone(),
            (Some(_), Some(_) | None) => None,
            (None, _) => self
                .shown
                .get(key)
                .or_else(|| entries.get(key).map(|entry| &entry.etag))
                .cloned(),
        };
        known.map_or(Precondition::Absent, Precondition::Match)
    }

    /// Takes in what the bucket says of one key.
    pub(crate) fn learn(&mut self, entries: &mut BTreeMap<String, Entry>, object: &Object) {
        let is_known = entries
            .get(&object.key)
            .is_some_and(|entry| entry.etag == object.etag && entry.stored_as.is_none());
        if is_known || (self.held)(&object.key) {
            return;
        }
        // There is nothing in an empty object that could be overwritten unseen.
        if object.size == 0 {
            self.show(&object.key, &object.etag);
        }
        entries.insert(
            object.key.clone(),
            Entry {
                stored_as: None,
                etag: object.etag.clone(),
                size: object.size,
                last_modified_ms: object.last_modified_ms,
                described: None,
            },
        );
    }

    /// Takes in one page of a listing; a page that is all of a folder also tells what is gone.
    pub(crate) fn learn_page(
        &mut self,
        entries: &mut BTreeMap<String, Entry>,
        query: &ListQuery,
        (objects, is_whole): (&[Object], bool),
    ) {
        for object in objects {
            self.learn(entries, object);
        }
        if is_whole && query.delimiter.as_deref() == Some("/") {
            let there = |key: &str| {
                objects
                    .binary_search_by(|object| object.key.as_str().cmp(key))
                    .is_ok()
            };
            for key in files_in(entries, &query.prefix) {
                if !there(&key) && !(self.held)(&key) {
                    entries.remove(&key);
                }
            }
        }
    }

    /// The client got this content, or gave it. `stored_as` is where, if not under its own key.
    pub(crate) fn exchanged(&mut self, key: &str, etag: &str, stored_as: Option<&str>) {
        match (stored_as, self.aside.get_mut(key)) {
            (None, _) => {
                self.aside.remove(key);
                self.show(key, etag);
            }
            (Some(stored), Some(aside)) if aside.stored == stored => {
                aside.etag = Some(etag.to_owned());
            }
            (Some(_), Some(_) | None) => {}
        }
    }

    pub(crate) fn deleted(&mut self, key: &str) {
        self.aside.remove(key);
        if self.shown.remove(key).is_some() {
            self.changes += 1;
        }
    }

    /// A write found another state than it was made for. What is written next goes beside what is there; where nothing
    /// is, it takes the free place.
    pub(crate) fn lost(
        &mut self,
        entries: &mut BTreeMap<String, Entry>,
        target: &Target,
        found: Option<&Object>,
    ) {
        let key = &target.key;
        match (found, &target.stored_as) {
            (None, None) => {
                entries.remove(key);
                if self.shown.remove(key).is_some() {
                    self.changes += 1;
                }
            }
            (None, Some(_)) => {
                if let Some(aside) = self.aside.get_mut(key) {
                    aside.etag = None;
                }
            }
            (Some(_), _) => {
                let number = self.aside.get(key).map_or(1, |aside| aside.number + 1);
                let aside = Aside {
                    stored: (self.copy_name)(key, number),
                    etag: None,
                    number,
                };
                self.aside.insert(key.clone(), aside);
            }
        }
    }

    fn show(&mut self, key: &str, etag: &str) {
        if self.shown.get(key).map(String::as_str) != Some(etag) {
            self.shown.insert(key.to_owned(), etag.to_owned());
            self.changes += 1;
        }
    }

    pub(crate) fn is_down(&self, now: Instant) -> bool {
        self.down_until.is_some_and(|until| now < until)
    }

    /// Requests that are refused meanwhile do not make the time longer.
    pub(crate) fn went_down(&mut self, now: Instant) {
        if !self.is_down(now) {
            self.down_until = Some(now + DOWN);
        }
    }

    /// Keeps a page for a time without the bucket.
    pub(crate) fn keep(&mut self, query: &str, prefix: &str, text: &str) {
        if self.kept_bytes + text.len() > LARGEST_KEPT {
            self.kept.clear();
            self.kept_bytes = 0;
        }
        let page = (prefix.to_owned(), text.to_owned());
        self.kept_bytes += text.len();
        if let Some((_, before)) = self.kept.insert(query.to_owned(), page) {
            self.kept_bytes -= before.len();
        }
    }

    pub(crate) fn kept(&self, query: &str) -> Option<String> {
        self.kept.get(query).map(|(_, text)| text.clone())
    }

    /// Own changes are in no page that was kept before them.
    pub(crate) fn forget_pages_with(&mut self, key: &str) {
        let bytes = &mut self.kept_bytes;
        self.kept.retain(|_, (prefix, text)| {
            let stays = !key.starts_with(prefix.as_str());
            if !stays {
                *bytes -= text.len();
            }
            stays
        });
    }
}

/// The keys directly in a folder; what is deeper is stepped over.
fn files_in(entries: &BTreeMap<String, Entry>, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut from = prefix.to_owned();
    while let Some((key, _)) = entries.range(from.clone()..).next() {
        let Some(rest) = key.strip_prefix(prefix) else {
            break;
        };
        match rest.find('/') {
            Some(at) => {
                // '0' is the character after '/'.
                from = format!("{prefix}{}0", &rest[..at]);
            }
            None => {
                found.push(key.clone());
                from = format!("{key}\0");
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
