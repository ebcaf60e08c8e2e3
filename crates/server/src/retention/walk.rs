//! A bucket from a place on, page by page, and what of it may go.

use std::collections::{BTreeMap, VecDeque};

use super::decide::{Terms, Verdict, judge};
use crate::buckets::{
    BucketError, VersionEntry, VersionKind, VersionMark, VersionRemoval, Versions,
};

/// Marks of old deletes that are looked at one by one for each page; the others wait.
const LONE_MARKERS_A_PAGE: usize = 100;

/// What was looked at, and what of it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) listed: u64,
    /// Versions and marks of deletes.
    pub(crate) removed: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.listed += other.listed;
        self.removed += other.removed;
        self.bytes += other.bytes;
    }
}

/// What one page led to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) removals: Vec<VersionRemoval>,
    pub(crate) tally: Tally,
}

/// Changes nothing itself.
pub(crate) struct Walk<'a> {
    versions: &'a dyn Versions,
    bucket: &'a str,
    terms: Terms<'a>,
    next: Next,
    /// Of the key at the end of the page, which may go on on the next one.
    unfinished: Vec<VersionEntry>,
    /// A key behind which nothing has been judged.
    judged_to: Option<String>,
    place: Option<String>,
}

enum Next {
    Page(Option<VersionMark>),
    End,
}

impl<'a> Walk<'a> {
    /// Starts behind the key `after`, or at the start.
    pub(crate) fn new(
        versions: &'a dyn Versions,
        bucket: &'a str,
        terms: Terms<'a>,
        after: Option<String>,
    ) -> Self {
        let mark = after.clone().map(|key| VersionMark { key, version: None });
        Self {
            versions,
            bucket,
            terms,
            next: Next::Page(mark),
            unfinished: Vec::new(),
            judged_to: after.clone(),
            place: after,
        }
    }

    /// The key behind which another walk goes on with what this one has not [passed](Self::passed);
    /// absent at the end, and where that is the start.
    pub(crate) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Says that the last page is dealt with.
    pub(crate) fn passed(&mut self) {
        self.place = match self.next {
            Next::Page(_) => self.judged_to.clone(),
            Next::End => None,
        };
    }

    /// Judges the next page; `None` behind the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Found>, BucketError> {
        let mark = match &self.next {
            Next::Page(mark) => mark.clone(),
            Next::End => return Ok(None),
        };
        let page = self
            .versions
            .list_versions(self.bucket, "", mark.as_ref())
            .await?;
        if page.next.is_some() && page.next == mark {
            return Err(BucketError::Unreadable {
                operation: "ListObjectVersions",
            });
        }
        let mut found = Found::default();
        found.tally.listed = u64::try_from(page.entries.len()).unwrap_or(u64::MAX);
        let mut keys: BTreeMap<String, Vec<VersionEntry>> = BTreeMap::new();
        for entry in self.unfinished.drain(..).chain(page.entries) {
            keys.entry(entry.key.clone()).or_default().push(entry);
        }
        if let Some(next) = &page.next {
            self.unfinished = keys.remove(&next.key).unwrap_or_default();
        }
        let mut lone = VecDeque::new();
        for entries in keys.values() {
            match judge(entries, &self.terms) {
                Verdict::Nothing => {}
                Verdict::These(these) => found.take(entries, &these),
                Verdict::LoneMarker(marker) => lone.push_back(marker),
            }
        }
        for marker in lone.into_iter().take(LONE_MARKERS_A_PAGE) {
            if self.is_alone(marker).await? {
                found.take(std::slice::from_ref(marker), &[marker]);
            }
        }
        if let Some((last, _)) = keys.last_key_value() {
            self.judged_to = Some(last.clone());
        }
        self.next = match page.next {
            Some(mark) => Next::Page(Some(mark)),
            None => Next::End,
        };
        Ok(Some(found))
    }

    /// Asks for the key by itself: long listings of some stores leave out what is there.
    async fn is_alone(&self, marker: &VersionEntry) -> Result<bool, BucketError> {
        let page = self
            .versions
            .list_versions(self.bucket, &marker.key, None)
            .await?;
        let mut of_key = page.entries.iter().filter(|found| found.key == marker.key);
        Ok(of_key.next() == Some(marker) && of_key.next().is_none())
    }
}

impl Found {
    fn take(&mut self, key: &[VersionEntry], these: &[&VersionEntry]) {
        let Some(latest) = key.iter().find(|entry| entry.is_latest) else {
            return;
        };
        self.tally.removed += u64::try_from(these.len()).unwrap_or(u64::MAX);
        for entry in these {
            match entry.kind {
                VersionKind::Content => self.tally.bytes += entry.size,
                VersionKind::DeleteMarker => {}
            }
        }
        self.removals.push(VersionRemoval {
            key: latest.key.clone(),
            latest: latest.version.clone(),
            versions: these.iter().map(|entry| entry.version.clone()).collect(),
        });
    }
}

#[cfg(test)]
mod tests;
