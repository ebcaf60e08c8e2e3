//! The folders whose content a live session knows, for a time without the bucket. Pure.

use std::collections::btree_map;
use std::collections::{BTreeMap, BTreeSet};

use super::Held;
use crate::listing::{Page, UpstreamPage};
use crate::snapshot::Entry;

type Entries = BTreeMap<String, Entry>;

/// What is known of folders, beside the entries of a snapshot. A folder is named by its prefix, which ends with a
/// slash; that of the bucket is empty.
#[derive(Debug, Default)]
pub(super) struct Folders {
    /// The folders in each folder that was listed to its end, or that the session made itself.
    known: BTreeMap<String, BTreeSet<String>>,
    /// The listing of each folder that was begun last.
    under_way: BTreeMap<String, Listing>,
    asked: u64,
}

/// Names one page that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked(u64);

/// A listing whose last page has not come.
#[derive(Debug, Default)]
struct Listing {
    /// The page that is believed. Others are of a listing before this one, and may come late.
    asked: Asked,
    /// What the page after the last one is asked for with.
    token: Option<String>,
    names: BTreeSet<String>,
    /// Keys that the session changed meanwhile: of these the listing may tell what was before.
    changed: BTreeSet<String>,
}

impl Folders {
    /// A page is asked for: with no token, the first one.
    pub(super) fn ask(&mut self, folder: &str, token: Option<&str>) -> Asked {
        self.asked += 1;
        let asked = Asked(self.asked);
        let before = self.under_way.remove(folder);
        let listing = match token {
            None => Some(Listing::default()),
            Some(_) => before.filter(|listing| listing.token.as_deref() == token),
        };
        if let Some(listing) = listing {
            self.under_way
                .insert(folder.to_owned(), Listing { asked, ..listing });
        }
        asked
    }

    /// Whether a page is believed about a key: where it is not late, and the session did not change the key meanwhile.
    pub(super) fn believes(&self, (folder, asked): (&str, Asked), key: &str) -> bool {
        let listing = self.under_way.get(folder);
        listing.is_some_and(|listing| listing.asked == asked && !listing.changed.contains(key))
    }

    /// Takes in one page. With the last one, what no page named is gone, unless the client holds changes of it.
    pub(super) fn learn_page(
        &mut self,
        entries: &mut Entries,
        held: &Held,
        (folder, asked): (&str, Asked),
        page: &UpstreamPage,
    ) {
        let btree_map::Entry::Occupied(mut entry) = self.under_way.entry(folder.to_owned()) else {
            return;
        };
        let listing = entry.get_mut();
        if listing.asked != asked {
            return;
        }
        let keys = page.objects.iter().map(|object| &object.key);
        listing.names.extend(keys.chain(&page.folders).cloned());
        if page.is_truncated {
            listing.token.clone_from(&page.next_token);
            return;
        }
        let mut listing = entry.remove();
        let changed = listing.changed.iter().map(|key| name_in(folder, key));
        listing.names.extend(changed.map(str::to_owned));
        for name in names_in(entries, folder) {
            if !listing.names.contains(&name) {
                self.forget(entries, held, (folder, &name));
            }
        }
        let names = listing.names.into_iter();
        let folders = names.filter(|name| name.ends_with('/') && name != folder);
        self.known.insert(folder.to_owned(), folders.collect());
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
            let folders = self.known.get_mut(folder);
            if folders.is_some_and(|folders| folders.insert(inner.to_owned())) {
                self.known.insert(inner.to_owned(), BTreeSet::new());
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
        let prefixes = self.known.get(folder).into_iter().flatten().cloned();
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
            Some(folders) => !folders.contains(folder),
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
