//! What a session over the bucket as it is knows of it: the memory behind a mount's compare-and-swap. Pure.

mod folders;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::decide::Target;
use crate::listing::{ListQuery, Page, UpstreamPage};
use crate::object::{Object, Precondition};
use crate::snapshot::Entry;

pub(crate) use folders::Asked;
use folders::Folders;

/// Whether the client holds changes of a key that are not stored yet. What is learned of such a key from others must
/// not become the state that the changes are taken to be made from.
pub type Held = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Gives the key of a copy, from the key it is a copy of and a number that grows with each name that was taken.
pub type CopyName = Arc<dyn Fn(&str, u32) -> String + Send + Sync>;

/// How long an unreachable bucket is not asked again.
const DOWN: Duration = Duration::from_secs(1);

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
    folders: Folders,
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
            folders: Folders::default(),
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

    /// A page of a folder is asked for.
    pub(crate) fn ask(&mut self, query: &ListQuery) -> Option<Asked> {
        let folder = query.folder()?;
        Some(self.folders.ask(folder, query.token.as_deref()))
    }

    /// That page was taken in, or did not come.
    pub(crate) fn answered(&mut self, asked: Option<Asked>) {
        if asked.is_some() {
            self.folders.answered();
        }
    }

    /// Takes in one page of a listing; the last one of a folder also tells what is gone.
    pub(crate) fn learn_page(
        &mut self,
        entries: &mut BTreeMap<String, Entry>,
        (query, asked): (&ListQuery, Option<Asked>),
        page: &UpstreamPage,
    ) {
        let of = query.folder().zip(asked);
        for object in &page.objects {
            if of.is_none_or(|of| self.folders.believes(of, &object.key)) {
                self.learn(entries, object);
            }
        }
        if let Some(of) = of {
            self.folders.learn_page(entries, &self.held, of, page);
        }
    }

    /// Whether a listing can be answered without the bucket.
    pub(crate) fn knows(&self, query: &ListQuery) -> bool {
        first_of(query).is_some_and(|folder| self.folders.knows(folder))
    }

    /// A folder as its last listing and the session's own changes since then left it.
    pub(crate) fn known_page<'a>(
        &self,
        entries: &'a BTreeMap<String, Entry>,
        query: &ListQuery,
    ) -> Option<Page<'a>> {
        self.folders.page(entries, first_of(query)?)
    }

    /// The session changed a key in the bucket.
    pub(crate) fn changed(&mut self, stored: &str) {
        self.folders.changed(stored);
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

    /// Whether the bucket was not to be reached when it was asked last.
    pub(crate) fn is_away(&self) -> bool {
        self.down_until.is_some()
    }

    pub(crate) fn came_back(&mut self) {
        self.down_until = None;
    }

    /// Requests that are refused meanwhile do not make the time longer.
    pub(crate) fn went_down(&mut self, now: Instant) {
        if !self.is_down(now) {
            self.down_until = Some(now + DOWN);
        }
    }
}

/// The folder whose first page is asked for.
fn first_of(query: &ListQuery) -> Option<&str> {
    query.folder().filter(|_| query.token.is_none())
}

#[cfg(test)]
mod tests;
