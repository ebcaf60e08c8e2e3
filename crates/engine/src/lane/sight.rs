//! What is at the named paths: here, in the baseline, and where hinted in the cloud.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use guard::{Access, BucketError, Object};

use super::{Hint, LARGEST, LaneInput, MOST_PATHS};
use crate::cycle::{CycleFailure, blocking, late, trial_holds};
use crate::plan::{self, Plan, Side};
use crate::state::Baseline;
use crate::vault::{self, Note, RootError, Scan, Signature};

/// Requests under way at once.
pub(super) const AT_ONCE: usize = 8;

pub(super) struct Seen {
    pub(super) plan: Plan,
    pub(super) baseline: Baseline,
    /// What changed here, as it was read.
    pub(super) notes: BTreeMap<String, Note>,
    /// Files that look different but hold the known bytes.
    pub(super) touched: BTreeMap<String, Signature>,
    pub(super) left: BTreeSet<String>,
}

/// What the state knows of the paths.
struct Known {
    baseline: Baseline,
    root_ino: Option<u64>,
    tried_at: Option<i64>,
    /// Folders of the baseline, and names that some disk takes for others.
    beyond: BTreeSet<String>,
}

pub(super) async fn look(input: &LaneInput) -> Result<Seen, CycleFailure> {
    let mut paths: BTreeSet<String> = input
        .saved
        .iter()
        .chain(input.hinted.keys())
        .cloned()
        .collect();
    paths.retain(|path| {
        // What moves as a whole is told as one name, that of the folder, which is no note's.
        let may_hold_notes = || input.saved.contains(path) && input.filters.includes_folder(path);
        input.filters.includes(path) || may_hold_notes()
    });
    if paths.len() > MOST_PATHS {
        return Ok(Seen::all_left(paths));
    }
    let known = known(input, paths.clone()).await?;
    let (scan, root_ino) = scan(input, paths.clone()).await?;
    let tried =
        input.access == Access::ReadOnly || trial_holds(known.tried_at, input.clock.now_ms());
    // An untried store, or another folder in the place of the one that was compared.
    if known.root_ino != Some(root_ino) || !tried {
        return Ok(Seen::all_left(paths));
    }
    let mut left = known.beyond;
    left.extend(scan.unreadable.iter().cloned());
    let cloud = cloud(input, &paths, &known.baseline, &mut left).await?;
    let mut plan = plan::plan(&known.baseline, &scan, &cloud, &input.filters);
    let mut seen = Seen {
        notes: BTreeMap::new(),
        touched: BTreeMap::new(),
        plan: Plan::default(),
        baseline: known.baseline,
        left,
    };
    read_changed(input, &mut plan, &mut seen).await?;
    prove_deletions(input, &mut plan, &mut seen.left).await?;
    seen.plan = plan;
    Ok(seen)
}

impl Seen {
    fn all_left(left: BTreeSet<String>) -> Self {
        Self {
            plan: Plan::default(),
            baseline: Baseline::new(),
            notes: BTreeMap::new(),
            touched: BTreeMap::new(),
            left,
        }
    }
}

async fn known(input: &LaneInput, paths: BTreeSet<String>) -> Result<Known, CycleFailure> {
    let (pair, bucket) = (input.pair.clone(), input.bucket.name().to_owned());
    let known = input.state.with(move |state| {
        let baseline = state.nodes(&pair, &paths)?;
        let mut beyond = BTreeSet::new();
        for path in &paths {
            let is_known = baseline.contains_key(path);
            if !is_known && (state.knows_below(&pair, path)? || state.knows_twin(&pair, path)?) {
                beyond.insert(path.clone());
            }
        }
        Ok(Known {
            baseline,
            root_ino: state.root_ino(&pair)?,
            tried_at: state.probed_at(&bucket)?,
            beyond,
        })
    });
    Ok(known.await?)
}

async fn scan(input: &LaneInput, paths: BTreeSet<String>) -> Result<(Scan, u64), CycleFailure> {
    let (vault, filters) = (input.vault.clone(), input.filters.clone());
    blocking(move || {
        let ino = vault::root_ino(&vault)?;
        Ok::<_, RootError>((vault::look(&vault, &filters, &paths)?, ino))
    })
    .await
}

/// The cloud's objects: as hinted or asked for, elsewhere as they were last known. The condition
/// of each write, and the version that a download brings, prove it.
async fn cloud(
    input: &LaneInput,
    paths: &BTreeSet<String>,
    baseline: &Baseline,
    left: &mut BTreeSet<String>,
) -> Result<BTreeMap<String, Object>, CycleFailure> {
    let mut cloud = BTreeMap::new();
    let mut unsure = Vec::new();
    for path in paths {
        match (input.hinted.get(path), baseline.get(path)) {
            (Some(Hint::Ask), _) => unsure.push(path.clone()),
            (Some(Hint::Stored { etag, size }), _) => {
                cloud.insert(path.clone(), object(path, etag, *size));
            }
            (None, Some(node)) => {
                cloud.insert(path.clone(), object(path, &node.etag, node.size));
            }
            (None, None) => {}
        }
    }
    let mut asked = futures::stream::iter(unsure)
        .map(|path| async {
            let found = input.bucket.find(&path).await;
            (path, found)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((path, found)) = asked.next().await {
        match found {
            Ok(Some(object)) => {
                cloud.insert(path, object);
            }
            Ok(None) => {}
            Err(error @ (BucketError::Unreachable { .. } | BucketError::Refused { .. })) => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::debug!(%error, "a hinted path is left to a cycle");
                left.insert(path);
            }
        }
    }
    Ok(cloud)
}

fn object(path: &str, etag: &str, size: u64) -> Object {
    Object {
        key: path.to_owned(),
        size,
        etag: etag.to_owned(),
        last_modified_ms: 0,
        mtime_ms: None,
    }
}

/// Reads what is new or looks changed here. Known bytes are no change; what cannot be read as one
/// complete version is left.
async fn read_changed(
    input: &LaneInput,
    plan: &mut Plan,
    seen: &mut Seen,
) -> Result<(), CycleFailure> {
    let changed: Vec<String> = plan
        .scope
        .iter()
        .filter(|(_, difference)| matches!(difference.here, Side::New | Side::Changed))
        .map(|(path, _)| path.clone())
        .collect();
    let vault = input.vault.clone();
    let read = blocking(move || {
        let read = changed.into_iter().map(|path| {
            let note = vault::read_note(&vault, &path, LARGEST);
            (path, note)
        });
        Ok::<_, RootError>(read.collect::<Vec<_>>())
    })
    .await?;
    for (path, note) in read {
        let Ok(Some(note)) = note else {
            seen.left.insert(path);
            continue;
        };
        let known = seen.baseline.get(&path);
        // Emptied by a save that is under way, or lost in a power cut: a cycle looks again.
        let emptied = note.bytes.is_empty() && known.is_some_and(|node| node.size > 0);
        if emptied {
            seen.left.insert(path);
        } else if known.is_some_and(|node| node.md5 == note.md5) {
            plan.clear_suspect(&path);
            seen.touched.insert(path, note.signature);
        } else {
            seen.notes.insert(path, note);
        }
    }
    leave_late_saves(input, seen).await
}

/// What was written back late is for a cycle, which knows both versions.
async fn leave_late_saves(input: &LaneInput, seen: &mut Seen) -> Result<(), CycleFailure> {
    let changed = seen.notes.keys().filter_map(|path| {
        let node = seen.baseline.get(path)?;
        Some((path.clone(), node.clone()))
    });
    let changed = changed.collect();
    let now_ms = input.clock.now_ms();
    let found = late::find(&input.state, &input.pair, &input.vault, now_ms, changed).await?;
    for path in found.into_keys() {
        seen.notes.remove(&path);
        seen.left.insert(path);
    }
    Ok(())
}

/// Looks once more at what is to be deleted in the cloud: a save that renames shows a gap.
async fn prove_deletions(
    input: &LaneInput,
    plan: &mut Plan,
    left: &mut BTreeSet<String>,
) -> Result<(), CycleFailure> {
    let (vault, deleted) = (input.vault.clone(), plan.deleted_here());
    let present = blocking(move || {
        let mut present = Vec::new();
        for path in deleted {
            if !vault::absent(&vault, &path)? {
                present.push(path);
            }
        }
        Ok::<_, RootError>(present)
    });
    for path in present.await? {
        plan.drop_path(&path);
        left.insert(path);
    }
    Ok(())
}
