//! Versions page by page, in one order: the newest first; of one moment those of this device before
//! those of the cloud, the last recorded and the last stored first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{HistoryError, Shelf, VersionId, in_cloud, view};
use crate::state::{Baseline, State, StateError};
use crate::view::VersionView;

/// Versions on a page.
const PAGE: usize = 100;

/// A page of versions, and what the next one is asked with. Those in the bucket are listed only for
/// one named note; a listing that began without them goes on without them.
pub(crate) async fn list(
    shelves: &[Shelf],
    path: Option<String>,
    after: Option<&str>,
) -> Result<(Vec<VersionView>, Option<String>), HistoryError> {
    let after = match after {
        Some(text) => Some(Place::parse(text).ok_or(HistoryError::NoSuchPage)?),
        None => None,
    };
    let Some(first) = shelves.first() else {
        return Ok((Vec::new(), None));
    };
    let cloud = match (&path, after.as_ref().map(|place| place.listed)) {
        (None, _) | (_, Some(Listed::HereAlone)) => None,
        (Some(path), None) => in_clouds(shelves, path).await,
        (Some(path), Some(Listed::WithCloud)) => {
            let found = in_clouds(shelves, path).await;
            Some(found.ok_or(HistoryError::CloudAway)?)
        }
    };
    let wanted = Wanted {
        pairs: shelves.iter().map(|shelf| shelf.pair.clone()).collect(),
        path,
        after,
    };
    let (versions, next) = first
        .state
        .with(move |state| page(state, &wanted, cloud, PAGE))
        .await?;
    Ok((versions, next.map(|place| place.text())))
}

/// All or none, so that the pages after it know what it began with.
async fn in_clouds(shelves: &[Shelf], path: &str) -> Option<Vec<VersionView>> {
    let mut found = Vec::new();
    for shelf in shelves {
        found.extend(in_cloud(shelf, path).await?);
    }
    Some(found)
}

/// Whether a listing has the versions of the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    HereAlone,
    WithCloud,
}

/// The last version of a page: the next page begins behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    listed: Listed,
    at_ms: i64,
    id: VersionId,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (listed, rest) = match text.strip_prefix("all:") {
            Some(rest) => (Listed::WithCloud, rest),
            None => (Listed::HereAlone, text.strip_prefix("here:")?),
        };
        let (at_ms, id) = rest.split_once(':')?;
        Some(Self {
            listed,
            at_ms: at_ms.parse().ok()?,
            id: VersionId::parse(id)?,
        })
    }

    fn text(&self) -> String {
        let listed = match self.listed {
            Listed::HereAlone => "here",
            Listed::WithCloud => "all",
        };
        format!("{listed}:{}:{}", self.at_ms, self.id.text())
    }

    /// The time and id behind which the versions of this device follow.
    fn here(&self) -> (i64, i64) {
        match self.id {
            VersionId::Here(id) => (self.at_ms, id),
            // Those of this moment came before it.
            VersionId::InCloud { .. } => (self.at_ms, i64::MIN),
        }
    }

    /// What follows of the cloud's versions, which are in their order. If the one it ended at is
    /// gone, those of its moment are told again rather than left out.
    fn rest(&self, mut cloud: Vec<VersionView>) -> Vec<VersionView> {
        let id = self.id.text();
        let last = cloud.iter().position(|version| version.id == id);
        let from = match last {
            Some(last) => last + 1,
            None => cloud.partition_point(|version| version.at_ms > self.at_ms),
        };
        cloud.split_off(from)
    }
}

struct Wanted {
    pairs: Vec<String>,
    path: Option<String>,
    after: Option<Place>,
}

type Page = (Vec<VersionView>, Option<Place>);

fn page(
    state: &State,
    wanted: &Wanted,
    cloud: Option<Vec<VersionView>>,
    length: usize,
) -> Result<Page, StateError> {
    let (path, after) = (wanted.path.as_deref(), wanted.after.as_ref());
    let listed = match cloud {
        Some(_) => Listed::WithCloud,
        None => Listed::HereAlone,
    };
    let mut versions = here(state, &wanted.pairs, path, after, length + 1)?;
    let mut stored = cloud.unwrap_or_default();
    stored.sort_by_key(|version| Reverse(version.at_ms));
    versions.extend(match after {
        Some(place) => place.rest(stored),
        None => stored,
    });
    versions.sort_by_key(|version| Reverse(version.at_ms));
    let is_last = versions.len() <= length;
    versions.truncate(length);
    let last = versions.last().filter(|_| !is_last);
    let next = last.and_then(|last| {
        Some(Place {
            listed,
            at_ms: last.at_ms,
            id: VersionId::parse(&last.id)?,
        })
    });
    Ok((versions, next))
}

fn here(
    state: &State,
    pairs: &[String],
    path: Option<&str>,
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<VersionView>, StateError> {
    let found = state.versions(pairs, path, after.map(Place::here), limit)?;
    let mut known: BTreeMap<&str, Baseline> = BTreeMap::new();
    for pair in pairs {
        let own = found.iter().filter(|version| version.pair == *pair);
        let paths: Vec<&String> = own.map(|version| &version.path).collect();
        known.insert(pair, state.nodes(pair, paths)?);
    }
    let views = found.into_iter().map(|version| {
        let nodes = known.get(version.pair.as_str());
        let node = nodes.and_then(|nodes| nodes.get(&version.path));
        let current = node.is_some_and(|node| node.md5 == version.kept.md5);
        view(version, current)
    });
    Ok(views.collect())
}

#[cfg(test)]
mod tests;
