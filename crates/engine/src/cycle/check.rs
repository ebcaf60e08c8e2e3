//! Compares both sides byte by byte: every object is downloaded and hashed, every file is read.
//!
//! Neither `ETag`s nor the baseline are believed, and nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use guard::BucketError;
use md5::{Digest, Md5};
use sha2::Sha256;

use super::{CycleFailure, CycleInput, blocking};
use crate::plan::RESERVED;
use crate::vault::{self, HashError, Scan};
use crate::view::{CheckDifference, CheckLine, CheckView};

/// Files that are compared at once; of each, one piece is in memory.
const AT_ONCE: usize = 8;

/// Differences that a check names.
const LINES: usize = 200;

/// How often a file is read again that is being saved meanwhile.
const READS: u32 = 3;

/// What one side holds under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Absent,
    /// With its MD5 in hex.
    Bytes(String),
    Unreadable,
}

pub(super) async fn check(input: &CycleInput) -> Result<CheckView, CycleFailure> {
    let (vault, filters) = (input.vault.clone(), input.filters.clone());
    let scan = blocking(move || vault::scan(&vault, &filters)).await?;
    let objects = input.bucket.sweep().await?;
    let cloud: BTreeSet<String> = objects
        .into_iter()
        .map(|object| object.key)
        .filter(|key| !key.starts_with(RESERVED) && input.filters.includes(key))
        .collect();
    let closed = closed(&scan, &cloud);
    let paths: BTreeSet<String> = scan
        .files
        .into_keys()
        .chain(cloud.iter().cloned())
        .chain(closed.iter().cloned())
        .collect();
    let total = paths.len() as u64;
    let mut compared = futures::stream::iter(paths)
        .map(|path| async {
            let sides = if closed.contains(&path) {
                (Content::Unreadable, Content::Absent)
            } else if cloud.contains(&path) {
                (here(input, &path).await?, there(input, &path).await?)
            } else {
                (here(input, &path).await?, Content::Absent)
            };
            Ok::<_, CycleFailure>((path, sides))
        })
        .buffer_unordered(AT_ONCE);
    let mut found = BTreeMap::new();
    while let Some(result) = compared.next().await {
        let (path, sides) = result?;
        found.insert(path, sides);
        input.report("check", found.len() as u64, total);
        if input.cancel.is_cancelled() {
            return Err(CycleFailure::Stopped);
        }
    }
    Ok(sum_up(found, input.number, input.clock.now_ms()))
}

/// Paths of which this side cannot tell what they hold.
fn closed(scan: &Scan, cloud: &BTreeSet<String>) -> BTreeSet<String> {
    let below = |path: &String| {
        scan.unreadable.contains("")
            || path
                .match_indices('/')
                .any(|(at, _)| scan.unreadable.contains(&path[..at]))
    };
    let problems = scan.problems.iter().map(|problem| problem.path.clone());
    problems
        .filter(|path| !scan.files.contains_key(path))
        .chain(cloud.iter().filter(|path| below(path)).cloned())
        .collect()
}

async fn here(input: &CycleInput, path: &str) -> Result<Content, CycleFailure> {
    let file = input.vault.join(path);
    blocking(move || {
        for _ in 0..READS {
            match vault::md5_of(&file) {
                Ok((md5, _)) => return Ok(Content::Bytes(md5)),
                Err(HashError::Missing) => return Ok(Content::Absent),
                Err(HashError::Moved) => {}
                Err(HashError::NotAFile | HashError::Unreadable { .. }) => break,
            }
        }
        Ok::<_, CycleFailure>(Content::Unreadable)
    })
    .await
}

async fn there(input: &CycleInput, path: &str) -> Result<Content, CycleFailure> {
    let download = match input.bucket.get(path, None).await {
        Ok(download) => download,
        Err(BucketError::NotFound { .. }) => return Ok(Content::Absent),
        Err(error) => return Err(error.into()),
    };
    let mut stream = download.stream;
    let mut md5 = Md5::new();
    while let Some(piece) = stream.next().await {
        md5.update(&piece?);
    }
    Ok(Content::Bytes(hex::encode(md5.finalize())))
}

fn sum_up(found: BTreeMap<String, (Content, Content)>, number: u64, at_ms: i64) -> CheckView {
    let mut receipt = Sha256::new();
    let mut equal = 0;
    let mut differences = Vec::new();
    for (path, sides) in found {
        let difference = match sides {
            (Content::Bytes(here), Content::Bytes(there)) if here == there => {
                equal += 1;
                receipt.update(format!("{here}  {path}\n"));
                continue;
            }
            (Content::Absent, Content::Absent) => continue,
            (Content::Unreadable, _) | (_, Content::Unreadable) => CheckDifference::Unreadable,
            (Content::Bytes(_), Content::Bytes(_)) => CheckDifference::Differs,
            (Content::Bytes(_), Content::Absent) => CheckDifference::OnlyHere,
            (Content::Absent, Content::Bytes(_)) => CheckDifference::OnlyInCloud,
        };
        differences.push(CheckLine { path, difference });
    }
    CheckView {
        number,
        at_ms,
        equal,
        difference_count: differences.len() as u64,
        differences: differences.into_iter().take(LINES).collect(),
        receipt: hex::encode(receipt.finalize()),
        sequence: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_that_of_the_sorted_equal_files() {
        let bytes = |md5: &str| Content::Bytes(md5.to_owned());
        let found = BTreeMap::from([
            ("b.md".to_owned(), (bytes("2"), bytes("2"))),
            ("a.md".to_owned(), (bytes("1"), bytes("1"))),
            ("c.md".to_owned(), (bytes("1"), bytes("2"))),
            ("d.md".to_owned(), (bytes("1"), Content::Absent)),
            ("e.md".to_owned(), (Content::Absent, bytes("1"))),
            ("f.md".to_owned(), (Content::Unreadable, bytes("1"))),
            ("g.md".to_owned(), (Content::Absent, Content::Absent)),
        ]);
        let view = sum_up(found, 7, 9);
        assert_eq!((view.equal, view.difference_count), (2, 4));
        let expected = hex::encode(Sha256::digest("1  a.md\n2  b.md\n"));
        assert_eq!(view.receipt, expected);
        let kinds: Vec<CheckDifference> = view
            .differences
            .iter()
            .map(|line| line.difference)
            .collect();
        assert_eq!(
            kinds,
            [
                CheckDifference::Differs,
                CheckDifference::OnlyHere,
                CheckDifference::OnlyInCloud,
                CheckDifference::Unreadable
            ]
        );
    }

    #[test]
    fn differences_are_cut_and_counted() {
        let only_here = |number| {
            let sides = (Content::Bytes("1".into()), Content::Absent);
            (format!("{number}.md"), sides)
        };
        let view = sum_up((0..250).map(only_here).collect(), 1, 1);
        assert_eq!(
            (view.differences.len(), view.difference_count),
            (LINES, 250)
        );
    }
}
