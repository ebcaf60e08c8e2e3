use std::collections::BTreeMap;
use std::ops::Bound;

use crate::snapshot::Entry;

const LARGEST_PAGE: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListVersion {
    V1,
    V2,
}

/// How names are spelled in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    Plain,
    Encoded,
}

/// What a client asks to have listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListQuery {
    pub(crate) version: ListVersion,
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    pub(crate) max_keys: usize,
    /// Only names behind this one: a marker, `start-after` or what a continuation token holds.
    pub(crate) after: Option<String>,
    pub(crate) start_after: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) naming: Naming,
}

impl ListQuery {
    /// The folder that is asked for, where it is one folder with all that is directly in it.
    pub(crate) fn folder(&self) -> Option<&str> {
        let is_folder = self.prefix.is_empty() || self.prefix.ends_with('/');
        let is_whole = self.delimiter.as_deref() == Some("/") && self.start_after.is_none();
        (is_folder && is_whole).then_some(self.prefix.as_str())
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    pub(crate) objects: Vec<(&'a str, &'a Entry)>,
    pub(crate) prefixes: Vec<String>,
    /// The last name on this page, if there are more behind it.
    pub(crate) next: Option<String>,
}

/// Cuts one page out of a snapshot. A common prefix counts as one name, and is left out if it is not behind `after`.
pub(crate) fn page<'a>(entries: &'a BTreeMap<String, Entry>, query: &ListQuery) -> Page<'a> {
    let limit = query.max_keys.min(LARGEST_PAGE);
    let mut page = Page::default();
    if limit == 0 {
        return page;
    }
    let mut last: Option<String> = None;
    let mut count = 0;
    let start = match &query.after {
        Some(after) if after.as_str() >= query.prefix.as_str() => Bound::Excluded(after.as_str()),
        _ => Bound::Included(query.prefix.as_str()),
    };
    for (key, entry) in entries.range::<str, _>((start, Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(&query.prefix) else {
            break;
        };
        let cut = query.delimiter.as_deref().and_then(|delimiter| {
            let at = rest.find(delimiter)?;
            Some(query.prefix.len() + at + delimiter.len())
        });
        let name = &key[..cut.unwrap_or(key.len())];
        if cut.is_some() {
            let is_behind = query.after.as_deref().is_none_or(|after| name > after);
            if !is_behind || page.prefixes.last().is_some_and(|known| known == name) {
                continue;
            }
        }
        if count == limit {
            page.next = last;
            break;
        }
        count += 1;
        last = Some(name.to_owned());
        if cut.is_some() {
            page.prefixes.push(name.to_owned());
        } else {
            page.objects.push((key, entry));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn entries<'a>(keys: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Entry> {
        keys.into_iter()
            .map(|key| (key.to_owned(), Entry::sample("e")))
            .collect()
    }

    fn query(prefix: &str, delimiter: Option<&str>, max_keys: usize) -> ListQuery {
        ListQuery {
            version: ListVersion::V2,
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            max_keys,
            after: None,
            start_after: None,
            token: None,
            naming: Naming::Plain,
        }
    }

    fn walk(entries: &BTreeMap<String, Entry>, mut query: ListQuery) -> (Vec<String>, Vec<String>) {
        let (mut objects, mut prefixes) = (vec![], vec![]);
        loop {
            let page = page(entries, &query);
            assert!(page.objects.len() + page.prefixes.len() <= query.max_keys);
            objects.extend(page.objects.iter().map(|(key, _)| (*key).to_owned()));
            prefixes.extend(page.prefixes);
            let Some(next) = page.next else {
                return (objects, prefixes);
            };
            query.after = Some(next);
        }
    }

    #[test]
    fn folders_are_rolled_up_once() {
        let all = entries(["a/", "a/1", "a/b/2", "a/c", "b", "c/d"]);
        let root = walk(&all, query("", Some("/"), 1));
        assert_eq!(
            root,
            (vec!["b".to_owned()], vec!["a/".to_owned(), "c/".to_owned()])
        );
        let inside = walk(&all, query("a/", Some("/"), 1));
        let objects = ["a/", "a/1", "a/c"].map(str::to_owned).to_vec();
        assert_eq!(inside, (objects, vec!["a/b/".to_owned()]));
    }

    #[test]
    fn no_keys_are_asked_for_and_none_are_given() {
        assert_eq!(page(&entries(["a"]), &query("", None, 0)), Page::default());
    }

    proptest! {
        #[test]
        fn paging_gives_every_name_once_and_in_order(
            keys in proptest::collection::btree_set("[ab/é]{1,5}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in proptest::option::of(Just("/")),
            max_keys in 1usize..5,
        ) {
            let all = entries(keys.iter().map(String::as_str));
            let (objects, prefixes) = walk(&all, query(&prefix, delimiter, max_keys));
            let mut expected_objects = vec![];
            let mut expected_prefixes = BTreeSet::new();
            for key in keys.iter().filter(|key| key.starts_with(&prefix)) {
                match delimiter.and_then(|delimiter| key[prefix.len()..].find(delimiter)) {
                    Some(at) => { expected_prefixes.insert(key[..prefix.len() + at + 1].to_owned()); }
                    None => expected_objects.push(key.clone()),
                }
            }
            prop_assert_eq!(objects, expected_objects);
            prop_assert_eq!(prefixes, expected_prefixes.into_iter().collect::<Vec<_>>());
        }
    }
}
