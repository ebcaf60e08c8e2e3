//! The first step of each cycle, and mostly the last: compare both sides with the baseline.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use guard::{Access, Body, BucketError, Object, Precondition};

use super::{Confirmed, CycleFailure, CycleInput, StateHandle, late};
use crate::RunKind;
use crate::config::Step;
use crate::filters::Filters;
use crate::plan::{self, Plan, SENTINEL, SENTINEL_TEXT, Side};
use crate::state::{Baseline, Node, Publication};
use crate::vault::{self, RootError, Scan, Signature};
use crate::view::PreviewView;

/// Lines a preview shows at most.
const PREVIEW_LINES: usize = 200;

pub(super) struct Verified {
    pub(super) plan: Plan,
    pub(super) baseline: Baseline,
    pub(super) scan: Scan,
    pub(super) cloud: BTreeMap<String, Object>,
    /// Files that look different but hold the known bytes.
    pub(super) touched: BTreeMap<String, Signature>,
    pub(super) root_ino: u64,
    /// Notes that became unreadable here, too few to stop.
    pub(super) spoiled: BTreeSet<String>,
}

pub(super) async fn verify(input: &CycleInput) -> Result<Verified, CycleFailure> {
    let local = {
        let (vault, filters) = (input.vault.clone(), input.filters.clone());
        tokio::task::spawn_blocking(move || {
            let ino = vault::root_ino(&vault)?;
            vault::scan(&vault, &filters).map(|scan| (scan, ino))
        })
    };
    let pair = input.pair.clone();
    let known = input
        .state
        .with(move |state| Ok((state.baseline(&pair)?, state.root_ino(&pair)?)));
    // The slowest of the three tells how long a pass takes; a failure here is told first.
    let (local, known, swept) = tokio::join!(local, known, input.bucket.sweep());
    let (scan, root_ino) = local.map_err(CycleFailure::panicked)??;
    let (baseline, known_ino) = known?;
    if known_ino.is_some_and(|known| known != root_ino) && !baseline.is_empty() {
        let code = CycleFailure::RootReplaced.code();
        let seen = input.accepted.as_ref().is_none_or(|it| it.code == code);
        return match input.confirmed {
            Confirmed::Yes if seen => {
                input.state.forget_baseline(&input.pair).await?;
                Box::pin(verify(input)).await
            }
            Confirmed::Yes | Confirmed::No | Confirmed::Restore | Confirmed::Undo => {
                Err(CycleFailure::RootReplaced)
            }
        };
    }
    let mut baseline = baseline;
    forget_hidden(input, &mut baseline, &scan).await?;
    let objects = swept?.into_iter();
    let cloud: BTreeMap<String, Object> =
        objects.map(|object| (object.key.clone(), object)).collect();
    let plan = plan::plan(&baseline, &scan, &cloud, &input.filters);
    let mut verified = Verified {
        plan,
        baseline,
        scan,
        cloud,
        touched: BTreeMap::new(),
        root_ino,
        spoiled: BTreeSet::new(),
    };
    clear_suspects(input, &mut verified).await?;
    prove_deletions(input, &mut verified.plan).await?;
    take_late_saves(input, &mut verified).await?;
    Ok(verified)
}

/// Forgets what the filters hide: it stays as it is on both sides, and is compared anew when it is
/// shown again, whatever happened to it meanwhile.
async fn forget_hidden(
    input: &CycleInput,
    baseline: &mut Baseline,
    scan: &Scan,
) -> Result<(), CycleFailure> {
    // What the walk saw is not hidden.
    let unseen = baseline
        .keys()
        .filter(|path| !scan.files.contains_key(*path));
    let hidden: Vec<String> = unseen
        .filter(|path| !input.filters.includes(path))
        .cloned()
        .collect();
    if hidden.is_empty() {
        return Ok(());
    }
    for path in &hidden {
        baseline.remove(path);
    }
    match input.kind {
        RunKind::DryRun | RunKind::Check => Ok(()),
        RunKind::Sync | RunKind::Resync => {
            let news = Publication {
                at_ms: input.clock.now_ms(),
                forget: hidden,
                ..Publication::default()
            };
            let pair = input.pair.clone();
            let publish = input.state.with(move |state| state.publish(&pair, &news));
            Ok(publish.await?)
        }
    }
}

/// How many paths differ because of something done here, as far as can be told without the cloud.
pub(crate) async fn local_changes(
    state: &StateHandle,
    pair: &str,
    vault: PathBuf,
    filters: Filters,
) -> Result<u64, CycleFailure> {
    let pair = pair.to_owned();
    let baseline = state.with(move |state| state.baseline(&pair)).await?;
    let scan = tokio::task::spawn_blocking(move || {
        vault::scan(&vault, &filters).map(|scan| (scan, filters))
    });
    let (scan, filters) = scan.await.map_err(CycleFailure::panicked)??;
    let as_known = |(path, node): (&String, &Node)| {
        let object = Object {
            key: path.clone(),
            size: node.size,
            etag: node.etag.clone(),
            last_modified_ms: 0,
            mtime_ms: None,
        };
        (path.clone(), object)
    };
    let cloud = baseline.iter().map(as_known).collect();
    Ok(plan::plan(&baseline, &scan, &cloud, &filters).waiting())
}

/// Hashes what merely looks different, so that a touched file costs no cycle.
async fn clear_suspects(input: &CycleInput, verified: &mut Verified) -> Result<(), CycleFailure> {
    let suspects = std::mem::take(&mut verified.plan.suspects);
    let hashed = hash_all(input, suspects.into_keys().collect()).await?;
    for (path, (md5, signature)) in hashed {
        if verified
            .baseline
            .get(&path)
            .is_some_and(|node| node.md5 == md5)
        {
            verified.plan.clear_suspect(&path);
            verified.touched.insert(path, signature);
        }
    }
    Ok(())
}

/// What was written back late is an edit of what was read, beside which the cloud has changed.
async fn take_late_saves(input: &CycleInput, verified: &mut Verified) -> Result<(), CycleFailure> {
    match input.kind {
        RunKind::DryRun | RunKind::Check => return Ok(()),
        RunKind::Sync | RunKind::Resync => {}
    }
    let changed = verified.plan.scope.iter().filter_map(|(path, difference)| {
        let node = verified.baseline.get(path)?;
        (difference.here == Side::Changed).then(|| (path.clone(), node.clone()))
    });
    let changed = changed.collect();
    let now_ms = input.clock.now_ms();
    let found = late::find(&input.state, &input.pair, &input.vault, now_ms, changed).await?;
    for (path, node) in found {
        if let Some(difference) = verified.plan.scope.get_mut(&path)
            && difference.cloud == Side::Same
        {
            difference.cloud = Side::Changed;
        }
        verified.baseline.insert(path, node);
    }
    Ok(())
}

/// Looks at each deleted path once more: a walk can miss a name that is renamed under it.
async fn prove_deletions(input: &CycleInput, plan: &mut Plan) -> Result<(), CycleFailure> {
    let (vault, deleted) = (input.vault.clone(), plan.deleted_here());
    let present = tokio::task::spawn_blocking(move || {
        let mut present = Vec::new();
        for path in deleted {
            if !vault::absent(&vault, &path)? {
                present.push(path);
            }
        }
        Ok::<_, RootError>(present)
    });
    for path in present.await.map_err(CycleFailure::panicked)?? {
        plan.drop_path(&path);
    }
    Ok(())
}

/// Hashes vault files; those that cannot be read or are being written are left out.
pub(super) async fn hash_all(
    input: &CycleInput,
    paths: Vec<String>,
) -> Result<BTreeMap<String, (String, Signature)>, CycleFailure> {
    let vault = input.vault.clone();
    tokio::task::spawn_blocking(move || {
        paths
            .into_iter()
            .filter_map(|path| {
                let hashed = vault::md5_of(&vault.join(&path)).ok()?;
                Some((path, hashed))
            })
            .collect()
    })
    .await
    .map_err(CycleFailure::panicked)
}

/// Records new signatures for files that were only touched; a quiet pass writes nothing.
pub(super) async fn publish_touched(
    input: &CycleInput,
    verified: Verified,
) -> Result<(), CycleFailure> {
    let Verified {
        baseline,
        touched,
        root_ino,
        ..
    } = verified;
    if touched.is_empty() && !baseline.is_empty() {
        return Ok(());
    }
    let news = Publication {
        at_ms: input.clock.now_ms(),
        set: touched_nodes(&baseline, &touched),
        root_ino: Some(root_ino),
        ..Publication::default()
    };
    let pair = input.pair.clone();
    Ok(input
        .state
        .with(move |state| state.publish(&pair, &news))
        .await?)
}

pub(crate) fn touched_nodes(
    baseline: &Baseline,
    touched: &BTreeMap<String, Signature>,
) -> BTreeMap<String, Node> {
    let touch = |(path, signature): (&String, &Signature)| {
        let known = baseline.get(path)?;
        Some((
            path.clone(),
            Node {
                signature: *signature,
                ..known.clone()
            },
        ))
    };
    touched.iter().filter_map(touch).collect()
}

/// Tells what a cycle would do, with equal files on both sides told apart from conflicts.
pub(super) async fn preview(
    input: &CycleInput,
    verified: &Verified,
) -> Result<PreviewView, CycleFailure> {
    let contested: Vec<String> = verified.plan.contested().cloned().collect();
    let hashed = hash_all(input, contested).await?;
    let identical: BTreeSet<String> = hashed
        .into_iter()
        .filter(|(path, (md5, _))| {
            verified
                .cloud
                .get(path)
                .is_some_and(|object| object.etag == *md5)
        })
        .map(|(path, _)| path)
        .collect();
    let changes = verified.plan.preview(&identical);
    let unchanged = verified
        .plan
        .known
        .saturating_sub(verified.plan.scope.len());
    Ok(PreviewView {
        number: input.number,
        change_count: changes.len() as u64,
        identical: (identical.len() + unchanged) as u64,
        changes: changes.into_iter().take(PREVIEW_LINES).collect(),
    })
}

/// Makes sure that the bucket holds the sentinel, and answers with it as it is there.
pub(super) async fn sentinel(
    input: &CycleInput,
    cloud: &BTreeMap<String, Object>,
) -> Result<Option<Object>, CycleFailure> {
    if let Some(object) = cloud.get(SENTINEL) {
        return Ok(Some(object.clone()));
    }
    if input.access == Access::ReadOnly {
        return Ok(None);
    }
    let body = Body::from(SENTINEL_TEXT.to_vec());
    match input
        .bucket
        .put(SENTINEL, body, Precondition::Absent, &[])
        .await
    {
        Ok(_) | Err(BucketError::PreconditionFailed { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    input.observer.reached(Step::SentinelReady);
    Ok(input.bucket.head(SENTINEL).await?)
}
