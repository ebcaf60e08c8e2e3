//! The folders whose content a live session knows, for a time without the bucket. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Held;
use crate::listing::{Page, UpstreamPage};
use crate::snapshot::Entry;

type Entries = BTreeMap<String, Entry>;

/// What is known of folders, beside the entries of a snapshot. A folder is named by its prefix, which ends with a
/// slash; that of the bucket is empty.
#[derive(Debug, Default)]
pub(super) struct Folders {
    /// Those that were listed to their end, or that the session made itself.
    known: BTreeMap<String, Known>,
    under_way: BTreeMap<String, Listing>,
    asked: u64,
}

/// Which page of a listing it is: later ones have higher numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked(u64);

#[derive(Debug, Default)]
struct Known {
    /// The folders in it.
    folders: BTreeSet<String>,
    /// The last page of the listing that told so.
    asked: Asked,
}

/// A listing whose last page has not come.
#[derive(Debug, Default)]
struct Listing {
    names: BTreeSet<String>,
    /// Keys that the session changed meanwhile: of these the listing may tell what was before.
    changed: BTreeSet<String>,
}

impl Folders {
    /// The first page of a folder is asked for.
    pub(super) fn begin(&mut self, folder: &str) {
        self.under_way.entry(folder.to_owned()).or_default();
    }

    pub(super) fn ask(&mut self) -> Asked {
        self.asked += 1;
        Asked(self.asked)
    }

    pub(super) fn abandon(&mut self, folder: &str) {
        self.under_way.remove(folder);
    }

    /// Whether a page of a folder is believed about a key: not where a listing that was asked for later came before it,
    /// nor where the session changed the key meanwhile.
    pub(super) fn believes(&self, (folder, asked): (&str, Asked), key: &str) -> bool {
        let listing = self.under_way.get(folder);
        !self.is_late(folder, asked)
            && listing.is_some_and(|listing| !listing.changed.contains(key))
    }

    fn is_late(&self, folder: &str, asked: Asked) -> bool {
        let known = self.known.get(folder);
        known.is_some_and(|known| known.asked > asked)
    }

    /// Takes in one page. With the last one, what no page named is gone, unless the client holds changes of it.
    pub(super) fn learn_page(
        &mut self,
        entries: &mut Entries,
        held: &Held,
        (folder, asked): (&str, Asked),
        page: &UpstreamPage,
    ) {
        if self.is_late(folder, asked) {
            return;
        }
        let Some(mut listing) = self.under_way.remove(folder) else {
            return;
        };
        let keys = page.objects.iter().map(|object| &object.key);
        listing.names.extend(keys.chain(&page.folders).cloned());
        if page.is_truncated {
            self.under_way.insert(folder.to_owned(), listing);
            return;
        }
        let changed = listing.changed.iter().map(|key| name_in(folder, key));
        listing.names.extend(changed.map(str::to_owned));
        for name in names_in(entries, folder) {
            if !listing.names.contains(&name) {
                self.forget(entries, held, (folder, &name));
            }
        }
        let names = listing.names.into_iter();
        let folders = names.filter(|name| name.ends_with('/') && name != folder);
        let folders = folders.collect();
        self.known
            .insert(folder.to_owned(), Known { folders, asked });
    }

    fn forget(&mut self, entries: &mut Entries, held: &Held, (folder, name): (&str, &str)) {
        if name == folder || !name.ends_with('/') {
            if !held(name) {
                entries.remove(name);
            }
            return;
        }
        for inner in below(&self.known, name) {
            self.known.remove(&inner);
        }
        for key in below(entries, name) {
            if !held(&key) {
                entries.remove(&key);
            }
        }
    }

    /// The session itself wrote or deleted a key. A folder that was not there before is known from its first key on.
    pub(super) fn changed(&mut self, key: &str) {
        for (folder, listing) in &mut self.under_way {
            if key.starts_with(folder.as_str()) {
                listing.changed.insert(key.to_owned());
            }
        }
        let mut folder = "";
        for (slash, _) in key.match_indices('/') {
            let inner = &key[..=slash];
            let known = self.known.get_mut(folder);
            if known.is_some_and(|known| known.folders.insert(inner.to_owned())) {
                self.known.insert(inner.to_owned(), Known::default());
            }
            folder = inner;
        }
    }

    /// The whole content of a folder, where that is known. One that is missing in a known folder is empty.
    pub(super) fn page<'a>(&self, entries: &'a Entries, folder: &str) -> Option<Page<'a>> {
        let prefixes = match self.known.get(folder) {
            Some(known) => known.folders.iter().cloned().collect(),
            None if self.is_missing(folder) => Vec::new(),
            None => return None,
        };
        let names = names_in(entries, folder).into_iter();
        let objects = names
            .filter(|name| name == folder || !name.ends_with('/'))
            .filter_map(|name| entries.get_key_value(&name))
            .map(|(key, entry)| (key.as_str(), entry));
        Some(Page {
            objects: objects.collect(),
            prefixes,
            next: None,
        })
    }

    fn is_missing(&self, folder: &str) -> bool {
        let Some(name) = folder.strip_suffix('/') else {
            return false;
        };
        let around = name.rfind('/').map_or("", |slash| &folder[..=slash]);
        match self.known.get(around) {
            Some(known) => !known.folders.contains(folder),
            None => self.is_missing(around),
        }
    }
}

/// What a listing of the folder calls a key in it: the key, or the folder that it is in.
fn name_in<'a>(folder: &str, key: &'a str) -> &'a str {
    match key[folder.len()..].find('/') {
        Some(slash) => &key[..=folder.len() + slash],
        None => key,
    }
}

/// The names directly in a folder; what is deeper is stepped over.
fn names_in(entries: &Entries, folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut from = folder.to_owned();
    while let Some((key, _)) = entries.range(from..).next() {
        if !key.starts_with(folder) {
            break;
        }
        let name = name_in(folder, key);
        from = match name.strip_suffix('/') {
            // '0' is the character after '/'.
            Some(inner) if name != folder => format!("{inner}0"),
            Some(_) | None => format!("{name}\0"),
        };
        names.push(name.to_owned());
    }
    names
}

fn below<T>(map: &BTreeMap<String, T>, folder: &str) -> Vec<String> {
    let from = map.range(folder.to_owned()..);
    from.map(|(key, _)| key.clone())
        .take_while(|key| key.starts_with(folder))
        .collect()
}

#[cfg(test)]
mod tests;
