use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::buckets::VersionsPage;
use crate::retention::VersionRule;

const DAY: i64 = 24 * 60 * 60 * 1000;
const NOW: i64 = 1000 * DAY;

/// A listing cut into parts of a length of its own.
struct Parts {
    entries: Vec<VersionEntry>,
    length: usize,
    /// Left out of listings that are not of the key alone.
    hidden: Option<String>,
    asked: Mutex<usize>,
}

impl Parts {
    /// Keys in order, each with the ages of its versions in days; `-` marks a delete.
    fn new(length: usize, keys: &[(&str, &str)]) -> Self {
        let mut entries = Vec::new();
        for (key, ages) in keys {
            for (index, age) in ages.split(' ').enumerate() {
                let (age, kind) = match age.strip_prefix('-') {
                    Some(age) => (age, VersionKind::DeleteMarker),
                    None => (age, VersionKind::Content),
                };
                entries.push(VersionEntry {
                    key: (*key).to_owned(),
                    version: format!("{key}{index}"),
                    kind,
                    size: 10,
                    etag: String::new(),
                    modified_ms: NOW - age.parse::<i64>().unwrap() * DAY,
                    is_latest: index == 0,
                });
            }
        }
        Self {
            entries,
            length,
            hidden: None,
            asked: Mutex::default(),
        }
    }

    fn start(&self, mark: Option<&VersionMark>) -> usize {
        let Some(mark) = mark else {
            return 0;
        };
        let is_before = |entry: &&VersionEntry| match &mark.version {
            None => entry.key <= mark.key,
            Some(version) => {
                let at =
                    |wanted: &VersionEntry| self.entries.iter().position(|found| found == wanted);
                let last = self.entries.iter().find(|found| found.version == *version);
                at(entry) <= last.and_then(at)
            }
        };
        self.entries.iter().take_while(is_before).count()
    }
}

#[async_trait]
impl Versions for Parts {
    async fn list_versions(
        &self,
        _: &str,
        prefix: &str,
        after: Option<&VersionMark>,
    ) -> Result<VersionsPage, BucketError> {
        *self.asked.lock().unwrap() += 1;
        let rest = &self.entries[self.start(after)..];
        let part = &rest[..self.length.min(rest.len())];
        let next = part.last().filter(|_| part.len() < rest.len());
        let next = next.map(|last| VersionMark {
            key: last.key.clone(),
            version: Some(last.version.clone()),
        });
        if !prefix.is_empty() {
            let mut of_key = self.entries.clone();
            of_key.retain(|entry| entry.key.starts_with(prefix));
            let entries = of_key;
            return Ok(VersionsPage {
                entries,
                next: None,
            });
        }
        let mut entries = part.to_vec();
        entries.retain(|entry| Some(&entry.version) != self.hidden.as_ref());
        Ok(VersionsPage { entries, next })
    }
}

const TERMS: Terms<'static> = Terms {
    rule: VersionRule {
        kept_for: Some(Duration::from_secs(90 * 24 * 60 * 60)),
        newest_kept: 0,
    },
    snapshots: &[],
    now: NOW,
};

const KEYS: [(&str, &str); 5] = [
    ("a", "10 20 100 200 300"),
    ("b", "-100 200"),
    ("c", "5"),
    ("d", "-100"),
    ("e", "95 100 110"),
];

/// Walks to the end, beginning anew after every `pages` pages; what goes.
async fn gone(parts: &Parts, pages: usize) -> BTreeSet<String> {
    let (mut gone, mut after) = (BTreeSet::new(), None::<String>);
    loop {
        let mut walk = Walk::new(parts, "bucket", TERMS, after.clone());
        let mut passed = 0;
        while let Some(found) = walk.next().await.unwrap() {
            for removal in found.removals {
                assert!(removal.latest.ends_with('0'), "{removal:?}");
                gone.extend(removal.versions);
            }
            walk.passed();
            passed += 1;
            if passed >= pages && walk.place() != after.as_deref() {
                break;
            }
        }
        match walk.place() {
            None => return gone,
            Some(place) => after = Some(place.to_owned()),
        }
    }
}

#[tokio::test]
async fn the_same_goes_however_the_listing_is_cut_and_wherever_a_walk_goes_on() {
    let expected = ["a3", "a4", "b1", "d0", "e1", "e2"].map(str::to_owned);
    let expected = BTreeSet::from(expected);
    for length in 1..=12 {
        let parts = Parts::new(length, &KEYS);
        for pages in [1, 2, 100] {
            let found = gone(&parts, pages).await;
            assert_eq!(found, expected, "{pages} pages of {length}");
        }
    }
}

#[tokio::test]
async fn the_mark_of_a_delete_stays_where_a_listing_leaves_out_what_it_hides() {
    let mut parts = Parts::new(100, &[("d", "-100 200")]);
    parts.hidden = Some("d1".to_owned());
    assert_eq!(gone(&parts, 1).await, BTreeSet::new());
    parts.hidden = Some("d0".to_owned());
    assert_eq!(gone(&parts, 1).await, BTreeSet::new());
}

#[tokio::test]
async fn what_was_not_passed_is_looked_at_again() {
    let parts = Parts::new(3, &KEYS);
    let mut walk = Walk::new(&parts, "bucket", TERMS, Some("a".to_owned()));
    walk.next().await.unwrap().unwrap();
    assert_eq!(walk.place(), Some("a"));
    walk.passed();
    assert_eq!(walk.place(), Some("b"));
}

#[tokio::test]
async fn a_listing_that_turns_in_circles_is_an_error() {
    struct Circle;

    #[async_trait]
    impl Versions for Circle {
        async fn list_versions(
            &self,
            _: &str,
            _: &str,
            _: Option<&VersionMark>,
        ) -> Result<VersionsPage, BucketError> {
            let next = VersionMark {
                key: "a".to_owned(),
                version: None,
            };
            Ok(VersionsPage {
                entries: Vec::new(),
                next: Some(next),
            })
        }
    }

    let mut walk = Walk::new(&Circle, "bucket", TERMS, None);
    walk.next().await.unwrap().unwrap();
    assert!(walk.next().await.is_err());
}
