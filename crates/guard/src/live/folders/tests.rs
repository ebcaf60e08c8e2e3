use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::listing::{ListQuery, ListVersion, Naming, page};
use crate::object::Object;

const FOLDERS: [&str; 4] = ["", "a/", "a/b/", "c/"];

fn object(key: &str, etag: &str) -> Object {
    Object {
        key: key.to_owned(),
        size: 1,
        etag: etag.to_owned(),
        last_modified_ms: 0,
        mtime_ms: None,
    }
}

fn query(folder: &str, after: Option<String>, max_keys: usize) -> ListQuery {
    ListQuery {
        version: ListVersion::V2,
        prefix: folder.to_owned(),
        delimiter: Some("/".to_owned()),
        max_keys,
        after,
        start_after: None,
        token: None,
        naming: Naming::Plain,
    }
}

/// What a bucket with these entries answers.
fn upstream(entries: &Entries, query: &ListQuery) -> UpstreamPage {
    let page = page(entries, query);
    let objects = page.objects.iter();
    UpstreamPage {
        bucket: "notes".to_owned(),
        key_count: None,
        is_truncated: page.next.is_some(),
        next_token: page.next.clone(),
        objects: objects
            .map(|(key, entry)| object(key, &entry.etag))
            .collect(),
        folders: page.prefixes,
    }
}

fn bucket(keys: &[&str]) -> Entries {
    keys.iter()
        .map(|key| ((*key).to_owned(), Entry::sample("e")))
        .collect()
}

/// A session beside the bucket that it follows.
struct Pair {
    bucket: Entries,
    entries: Entries,
    folders: Folders,
    held: Held,
    under_way: BTreeMap<&'static str, (Asked, UpstreamPage)>,
    late: Vec<(&'static str, Asked, UpstreamPage)>,
}

impl Pair {
    fn over(bucket: Entries) -> Self {
        Self {
            bucket,
            entries: Entries::new(),
            folders: Folders::default(),
            held: Arc::new(|_| false),
            under_way: BTreeMap::new(),
            late: Vec::new(),
        }
    }

    fn list(&mut self, folder: &'static str) {
        self.ask(folder, 1000);
        self.answer(folder, 1000);
    }

    fn ask(&mut self, folder: &'static str, max_keys: usize) {
        if !self.under_way.contains_key(folder) {
            let asked = self.folders.ask(folder, None);
            let page = upstream(&self.bucket, &query(folder, None, max_keys));
            self.under_way.insert(folder, (asked, page));
        }
    }

    /// Takes in the page that is under way, and asks for the next.
    fn answer(&mut self, folder: &'static str, max_keys: usize) {
        let Some((asked, page)) = self.under_way.remove(folder) else {
            return;
        };
        self.take(folder, asked, &page);
        if page.is_truncated {
            let asked = self.folders.ask(folder, page.next_token.as_deref());
            let next = query(folder, page.next_token, max_keys);
            let next = upstream(&self.bucket, &next);
            self.under_way.insert(folder, (asked, next));
        }
    }

    /// A page of the bucket's own folder, as it is now.
    fn page(&mut self, token: Option<&str>, max_keys: usize) -> (Asked, UpstreamPage) {
        let asked = self.folders.ask("", token);
        let query = query("", token.map(str::to_owned), max_keys);
        (asked, upstream(&self.bucket, &query))
    }

    fn take(&mut self, folder: &'static str, asked: Asked, page: &UpstreamPage) {
        for object in &page.objects {
            if self.folders.believes((folder, asked), &object.key) {
                let entry = Entry::sample(&object.etag);
                self.entries.insert(object.key.clone(), entry);
            }
        }
        let (entries, held) = (&mut self.entries, &self.held);
        self.folders
            .learn_page(entries, held, (folder, asked), page);
        self.folders.answered();
    }

    /// Nobody waits for the page that is under way any more.
    fn give_up(&mut self, folder: &'static str) {
        if let Some((asked, page)) = self.under_way.remove(folder) {
            self.late.push((folder, asked, page));
        }
    }

    fn come_late(&mut self, number: usize) {
        if !self.late.is_empty() {
            let (folder, asked, page) = self.late.remove(number % self.late.len());
            self.take(folder, asked, &page);
        }
    }

    fn write(&mut self, key: &str, etag: &str) {
        for entries in [&mut self.bucket, &mut self.entries] {
            entries.insert(key.to_owned(), Entry::sample(etag));
        }
        self.folders.changed(key);
    }

    fn delete(&mut self, key: &str) {
        for entries in [&mut self.bucket, &mut self.entries] {
            entries.remove(key);
        }
        self.folders.changed(key);
    }

    fn names(&self, folder: &str) -> Option<Vec<String>> {
        let page = self.folders.page(&self.entries, folder)?;
        let keys = page.objects.iter().map(|(key, _)| (*key).to_owned());
        Some(keys.chain(page.prefixes).collect())
    }
}

#[test]
fn own_writes_since_the_last_listing_are_in_what_is_known() {
    let mut pair = Pair::over(bucket(&["a/1", "n"]));
    assert_eq!(pair.names(""), None, "nothing was listed");
    pair.list("");
    pair.write("own", "e");
    pair.delete("n");
    assert_eq!(pair.names("").unwrap(), ["own", "a/"]);
    assert_eq!(pair.names("a/"), None, "it is there, and was not listed");
    assert_eq!(pair.names("a/b/"), None);
}

#[test]
fn a_folder_that_is_not_there_is_empty_and_what_is_made_in_it_is_known() {
    let mut pair = Pair::over(bucket(&["n"]));
    pair.list("");
    assert_eq!(pair.names("a/b/"), Some(vec![]));
    pair.write("a/b/1", "e");
    assert_eq!(pair.names("").unwrap(), ["n", "a/"]);
    assert_eq!(pair.names("a/").unwrap(), ["a/b/"]);
    assert_eq!(pair.names("a/b/").unwrap(), ["a/b/1"]);
}

#[test]
fn a_whole_listing_tells_what_is_gone_there_and_nowhere_else() {
    let keys = ["a/1", "f/1", "f/2", "f/held", "f/sub/1", "f/sub/held", "g"];
    let mut pair = Pair::over(bucket(&keys));
    pair.held = Arc::new(|key| key.ends_with("held"));
    for folder in ["", "f/", "f/sub/"] {
        pair.list(folder);
    }
    for key in ["a/1", "f/1", "f/held", "f/sub/1", "f/sub/held"] {
        pair.bucket.remove(key);
    }
    pair.list("f/");
    let left: Vec<&str> = pair.entries.keys().map(String::as_str).collect();
    assert_eq!(left, ["f/2", "f/held", "f/sub/held", "g"]);
    assert_eq!(pair.names("f/").unwrap(), ["f/2", "f/held"]);
    assert_eq!(pair.names("f/sub/").unwrap(), ["f/sub/held"]);
    assert_eq!(pair.names("").unwrap(), ["g", "a/", "f/"]);
}

#[test]
fn a_listing_in_pages_counts_from_its_last_page_on() {
    let mut pair = Pair::over(bucket(&["1", "2", "3", "a/1"]));
    pair.ask("", 2);
    pair.answer("", 2);
    assert_eq!(pair.names(""), None);
    pair.answer("", 2);
    assert_eq!(pair.names("").unwrap(), ["1", "2", "3", "a/"]);
}

#[test]
fn pages_of_two_listings_are_never_put_together() {
    let mut pair = Pair::over(bucket(&["1", "2", "3"]));
    pair.ask("", 2);
    pair.answer("", 2);
    pair.give_up("");
    pair.bucket.remove("1");
    pair.ask("", 1);
    pair.answer("", 1);
    pair.come_late(0);
    assert_eq!(pair.names(""), None);
    pair.answer("", 1);
    assert_eq!(pair.names("").unwrap(), ["2", "3"]);
}

#[test]
fn a_page_that_was_asked_for_twice_counts_once() {
    let mut pair = Pair::over(bucket(&["1", "2", "3"]));
    let (asked, page) = pair.page(None, 2);
    pair.take("", asked, &page);
    for (asked, page) in [0; 2].map(|_| pair.page(Some("2"), 2)) {
        pair.take("", asked, &page);
        assert_eq!(pair.names("").unwrap(), ["1", "2", "3"]);
    }
}

#[test]
fn a_page_of_a_listing_that_was_left_belongs_to_no_other() {
    let mut pair = Pair::over(bucket(&["1", "2", "3"]));
    for (token, max_keys) in [(None, 2), (None, 1), (Some("2"), 2)] {
        let (asked, page) = pair.page(token, max_keys);
        pair.take("", asked, &page);
    }
    assert_eq!(pair.names(""), None);
}

#[test]
fn what_changes_between_two_pages_stays() {
    let mut pair = Pair::over(bucket(&["2", "3", "4"]));
    let (asked, page) = pair.page(None, 2);
    pair.write("0", "e");
    pair.take("", asked, &page);
    pair.write("1", "e");
    let (asked, page) = pair.page(Some("3"), 2);
    pair.take("", asked, &page);
    assert_eq!(pair.names("").unwrap(), ["0", "1", "2", "3", "4"]);
}

#[test]
fn a_folder_that_is_made_again_has_nothing_of_the_one_before() {
    let mut pair = Pair::over(bucket(&["a/1"]));
    pair.list("");
    pair.ask("a/", 1000);
    pair.give_up("a/");
    pair.bucket.clear();
    pair.list("");
    pair.write("a/own", "e");
    pair.come_late(0);
    assert_eq!(pair.names("a/").unwrap(), ["a/own"]);
}

#[test]
fn what_the_session_changes_during_a_listing_stays_as_it_made_it() {
    let mut pair = Pair::over(bucket(&["gone", "n"]));
    pair.ask("", 1000);
    pair.write("own", "e");
    pair.write("n", "mine");
    pair.delete("gone");
    pair.answer("", 1000);
    assert_eq!(pair.names("").unwrap(), ["n", "own"]);
    assert_eq!(pair.entries["n"].etag, "mine");
}

#[test]
fn a_page_that_comes_after_a_newer_listing_tells_nothing() {
    let mut pair = Pair::over(bucket(&["n"]));
    pair.ask("", 1000);
    pair.give_up("");
    pair.bucket.insert("n".to_owned(), Entry::sample("newer"));
    pair.bucket.insert("other".to_owned(), Entry::sample("e"));
    pair.list("");
    pair.ask("", 1000);
    pair.come_late(0);
    assert_eq!(pair.names("").unwrap(), ["n", "other"]);
    assert_eq!(pair.entries["n"].etag, "newer");
    pair.answer("", 1000);
    assert_eq!(pair.names("").unwrap(), ["n", "other"]);
}

#[test]
fn nothing_is_left_of_a_folder_that_is_gone() {
    let mut pair = Pair::over(bucket(&["a/b/1"]));
    for folder in ["", "a/", "a/b/"] {
        pair.list(folder);
    }
    pair.bucket.clear();
    pair.list("");
    for folder in ["", "a/", "a/b/"] {
        assert_eq!(pair.names(folder), Some(vec![]), "{folder}");
    }
}

#[test]
fn an_object_that_stands_for_its_folder_is_in_the_folder_alone() {
    let mut pair = Pair::over(bucket(&["a/", "a/1"]));
    pair.list("");
    pair.list("a/");
    assert_eq!(pair.names("").unwrap(), ["a/"]);
    assert_eq!(pair.names("a/").unwrap(), ["a/", "a/1"]);
    pair.bucket.remove("a/");
    pair.list("a/");
    assert_eq!(pair.names("a/").unwrap(), ["a/1"]);
}

#[derive(Clone, Debug)]
enum Step {
    Write(String),
    Delete(String),
    Ask(&'static str),
    Answer(&'static str),
    GiveUp(&'static str),
    ComeLate(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || "(a/|a/b/|c/|)[x-z]";
    let folder = || proptest::sample::select(&FOLDERS[..]);
    prop_oneof![
        key().prop_map(Step::Write),
        key().prop_map(Step::Delete),
        folder().prop_map(Step::Ask),
        folder().prop_map(Step::Answer),
        folder().prop_map(Step::GiveUp),
        (0_usize..4).prop_map(Step::ComeLate),
    ]
}

proptest! {
    #[test]
    fn alone_with_its_bucket_a_session_knows_each_folder_as_it_is(
        before in proptest::collection::btree_set("(a/|a/b/|c/|)[x-z]", 0..6),
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let mut pair = Pair::over(bucket(&before));
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Write(key) => pair.write(&key, &number.to_string()),
                Step::Delete(key) => pair.delete(&key),
                Step::Ask(folder) => pair.ask(folder, 2),
                Step::Answer(folder) => pair.answer(folder, 2),
                Step::GiveUp(folder) => pair.give_up(folder),
                Step::ComeLate(number) => pair.come_late(number),
            }
            for folder in FOLDERS {
                let Some(known) = pair.folders.page(&pair.entries, folder) else {
                    continue;
                };
                let query = query(folder, None, 1000);
                let real = page(&pair.bucket, &query);
                prop_assert_eq!(&known.objects, &real.objects);
                let missed = real.prefixes.iter().find(|inner| !known.prefixes.contains(inner));
                prop_assert_eq!(missed, None, "in {:?}", folder);
            }
        }
    }
}
