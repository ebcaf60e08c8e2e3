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
    /// Listings of which more is to come: the newest of each folder.
    begun: BTreeMap<String, Listing>,
    /// When the session changed a key, as long as a page may come that was made before.
    changed: BTreeMap<String, u64>,
    asked: u64,
    awaited: usize,
}

/// A page that was asked for. Of two the one with the higher number was asked for later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    number: u64,
    /// The number of the first page of its listing.
    listing: u64,
}

#[derive(Debug)]
struct Known {
    /// The folders in it.
    folders: BTreeSet<String>,
    /// The listing that told so; none is 0.
    listing: u64,
}

#[derive(Debug)]
struct Listing {
    number: u64,
    names: BTreeSet<String>,
    /// What the next page is asked for with.
    token: Option<String>,
}

impl Folders {
    /// A page is asked for: with no token, the first one. Each is followed by [`Folders::answered`].
    pub(super) fn ask(&mut self, folder: &str, token: Option<&str>) -> Asked {
        self.asked += 1;
        self.awaited += 1;
        let begun = self.begun.get(folder);
        let goes_on = begun.filter(|begun| token.is_some() && begun.token.as_deref() == token);
        Asked {
            number: self.asked,
            listing: match (token, goes_on) {
                (None, _) => self.asked,
                (Some(_), Some(begun)) => begun.number,
                (Some(_), None) => 0,
            },
        }
    }

    /// The answer to one page was taken in, or there will be none.
    pub(super) fn answered(&mut self) {
        self.awaited -= 1;
        if self.awaited == 0 && self.begun.is_empty() {
            self.changed.clear();
        }
    }

    /// Whether a page is believed about a key: not where a listing that was asked for later came before it, nor where
    /// the session changed the key since the page was asked for.
    pub(super) fn believes(&self, (folder, asked): (&str, Asked), key: &str) -> bool {
        let changed = self.changed.get(key);
        !self.is_late(folder, asked) && changed.is_none_or(|changed| *changed < asked.number)
    }

    fn is_late(&self, folder: &str, asked: Asked) -> bool {
        let known = self.known.get(folder);
        known.is_some_and(|known| known.listing > asked.listing)
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
        let mut listing = match self.begun.remove(folder) {
            Some(begun) if begun.number == asked.listing => begun,
            Some(newer) if newer.number > asked.listing => {
                self.begun.insert(folder.to_owned(), newer);
                return;
            }
            Some(_) | None if asked.number == asked.listing => Listing {
                number: asked.listing,
                names: BTreeSet::new(),
                token: None,
            },
            Some(_) | None => return,
        };
        let keys = page.objects.iter().map(|object| &object.key);
        listing.names.extend(keys.chain(&page.folders).cloned());
        if page.is_truncated {
            listing.token.clone_from(&page.next_token);
            self.begun.insert(folder.to_owned(), listing);
            return;
        }
        let changed = self.changed.iter();
        let changed = changed.filter(|(key, at)| **at >= listing.number && key.starts_with(folder));
        listing
            .names
            .extend(changed.map(|(key, _)| name_in(folder, key).to_owned()));
        for name in names_in(entries, folder) {
            if !listing.names.contains(&name) {
                self.forget(entries, held, (folder, &name));
            }
        }
        let names = listing.names.into_iter();
        let folders = names.filter(|name| name.ends_with('/') && name != folder);
        let known = Known {
            folders: folders.collect(),
            listing: listing.number,
        };
        self.known.insert(folder.to_owned(), known);
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
        if self.awaited > 0 || !self.begun.is_empty() {
            self.changed.insert(key.to_owned(), self.asked);
        }
        let mut folder = "";
        for (slash, _) in key.match_indices('/') {
            let inner = &key[..=slash];
            let around = self.known.get_mut(folder);
            if around.is_some_and(|around| around.folders.insert(inner.to_owned())) {
                let known = Known {
                    folders: BTreeSet::new(),
                    listing: self.asked,
                };
                self.known.insert(inner.to_owned(), known);
            }
            folder = inner;
        }
    }

    /// Whether [`Folders::page`] gives one.
    pub(super) fn knows(&self, folder: &str) -> bool {
        self.known.contains_key(folder) || self.is_missing(folder)
    }

    /// The whole content of a folder, where that is known. One that is missing in a known folder is empty.
    pub(super) fn page<'a>(&self, entries: &'a Entries, folder: &str) -> Option<Page<'a>> {
        if !self.knows(folder) {
            return None;
        }
        let known = self.known.get(folder).into_iter();
        let prefixes = known.flat_map(|known| known.folders.iter().cloned());
        let names = names_in(entries, folder).into_iter();
        let objects = names
            .filter(|name| name == folder || !name.ends_with('/'))
            .filter_map(|name| entries.get_key_value(&name))
            .map(|(key, entry)| (key.as_str(), entry));
        Some(Page {
            objects: objects.collect(),
            prefixes: prefixes.collect(),
            next: None,
        })
    }

    fn is_missing(&self, folder: &str) -> bool {
        let Some(name) = folder.strip_suffix('/') else {
            return false;
        };
        let around = name.rfind('/').map_or("", |slash| &folder[..=slash]);
        match self.known.get(around) {
            Some(around) => !around.folders.contains(folder),
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
