//! The clean room: the mirror holds the paths in question, the guard shows the same ones, and
//! bisync makes the two equal.

use std::collections::{BTreeMap, BTreeSet};

use guard::{SessionOutcome, SessionSpec, Visibility};
use rclone::listing::Entry;
use rclone::{Bisync, DryRun, Pacing};
use tokio::sync::{mpsc, watch};

use super::copy_names;
use super::meter::Meter;
use super::resolve::{blocking, keep_durably};
use super::settle::{Evidence, Settled, settle};
use super::verify::{Verified, sentinel};
use super::workdir::{Workdir, fresh_folder};
use super::{CycleFailure, CycleInput};
use crate::config::Step;
use crate::plan::{SENTINEL, SENTINEL_TEXT};
use crate::profile::AccessCheck;
use crate::state::{Node, Publication};
use crate::vault::{self, MirrorFile, PathProblem, Side, Signature};

/// A bisync run that succeeded, with the meaning of every path.
pub(super) struct Carried {
    pub(super) verified: Verified,
    pub(super) settled: BTreeMap<String, Settled>,
    /// Paths whose file changed before it could be linked.
    pub(super) moved: BTreeSet<String>,
    /// Files that could not be linked.
    pub(super) problems: Vec<PathProblem>,
}

pub(super) async fn carry(
    input: &CycleInput,
    side: &Side,
    mut verified: Verified,
) -> Result<Carried, CycleFailure> {
    input.report("refresh", 0, verified.plan.scope.len() as u64);
    let sentinel = sentinel(input, &verified.cloud).await?;
    let filled = fill_mirror(input, &verified, side.clone()).await?;
    input.observer.reached(Step::MirrorFilled);
    // What could not be shown must not look deleted to rclone.
    let unseen = filled.problems.iter().map(|problem| &problem.path);
    for path in filled.moved.iter().chain(unseen) {
        verified.plan.scope.remove(path);
    }

    let scope = &verified.plan.scope;
    let mut visible: BTreeSet<String> = scope.keys().cloned().collect();
    let mut entries: Vec<Entry> = scope
        .keys()
        .filter_map(|path| {
            let known = verified.baseline.get(path)?;
            Some(Entry {
                path: path.clone(),
                size: known.size,
                md5: Some(known.md5.clone()),
            })
        })
        .collect();
    let mut snapshot: Vec<guard::Object> = scope
        .keys()
        .filter_map(|path| verified.cloud.get(path).cloned())
        .collect();
    if let Some(object) = &sentinel {
        visible.insert(SENTINEL.to_owned());
        entries.push(Entry {
            path: SENTINEL.to_owned(),
            size: object.size,
            md5: Some(object.etag.clone()),
        });
        snapshot.push(object.clone());
    }
    entries.sort_by(|one, other| one.path.cmp(&other.path));

    let names = copy_names::namer(input, &verified).await?;
    let (events, received) = mpsc::channel(64);
    let session = input.guard.open(SessionSpec {
        snapshot,
        visible: Visibility::Keys(visible),
        access: input.access,
        rename: Some(names),
        events,
    });
    let remote = format!("guard:{}", session.bucket());
    let workdir = Workdir::render(
        &input.work,
        &side.mirror,
        &remote,
        &entries,
        input.clock.now(),
    )?;
    fresh_folder(&input.run_dir).map_err(|source| CycleFailure::Disk {
        what: "the run folder",
        source,
    })?;
    let mut meter = Meter::new(input, &verified.plan, &verified.scan, &verified.cloud);
    let bisync = Bisync {
        mirror: side.mirror.clone(),
        endpoint: session.endpoint(),
        bucket: session.bucket().to_owned(),
        access_key: session.access_key().to_owned(),
        secret_key: session.secret_key().clone(),
        workdir: workdir.path().to_owned(),
        filters: None,
        check_filename: check_filename(input, sentinel.is_some()),
        conflict_suffix: input.mark.clone(),
        // Only paths of the scope are in reach, and the brake has counted their deletes against
        // the whole baseline.
        max_delete_percent: 100,
        transfers: 16,
        dry_run: DryRun::No,
        bandwidth: None,
        pacing: if input.bucket.limits() == guard::Limits::default() {
            Pacing::Free
        } else {
            Pacing::HeldBack
        },
        run_dir: input.run_dir.clone(),
    };
    input.progress.send_replace(Some(meter.view()));
    input.observer.reached(Step::BisyncStarting);
    let finished = run_rclone(input, &bisync, &mut meter, received).await;
    let outcome = session.outcome();
    drop(session);
    if let Err(error) = finished {
        record_uploads(input, side, &verified, &outcome).await?;
        return Err(CycleFailure::from_run(error, &outcome));
    }
    input.observer.reached(Step::BisyncEnded);
    read_evidence(input, verified, side, filled, &workdir, &outcome).await
}

/// Keeps in mind what a failed run stored under its own name: the bucket has our version then, and
/// what is saved here next is newer than it, and no conflict.
async fn record_uploads(
    input: &CycleInput,
    side: &Side,
    verified: &Verified,
    outcome: &SessionOutcome,
) -> Result<(), CycleFailure> {
    let set: BTreeMap<String, Node> = outcome
        .uploaded
        .iter()
        .filter(|(path, stored)| {
            let in_scope = verified.plan.scope.contains_key(*path);
            in_scope && stored.key == **path && !stored.etag.contains('-')
        })
        .map(|(path, stored)| {
            let node = Node {
                md5: stored.etag.clone(),
                etag: stored.etag.clone(),
                size: stored.size,
                signature: Signature::unknown(),
            };
            (path.clone(), node)
        })
        .collect();
    if set.is_empty() {
        return Ok(());
    }
    keep_durably(input, side, set.keys().cloned().collect()).await?;
    let news = Publication {
        at_ms: input.clock.now_ms(),
        set,
        root_ino: Some(verified.root_ino),
        ..Publication::default()
    };
    let pair = input.pair.clone();
    let publish = input.state.with(move |state| state.publish(&pair, &news));
    Ok(publish.await?)
}

async fn fill_mirror(
    input: &CycleInput,
    verified: &Verified,
    side: Side,
) -> Result<vault::Filled, CycleFailure> {
    let wanted: BTreeMap<String, Signature> = verified
        .plan
        .scope
        .keys()
        .filter_map(|path| Some((path.clone(), *verified.scan.files.get(path)?)))
        .collect();
    let vault = input.vault.clone();
    let filled = tokio::task::spawn_blocking(move || {
        vault::fill(&side, &vault, &wanted, (SENTINEL, SENTINEL_TEXT))
    })
    .await
    .map_err(CycleFailure::panicked)?;
    Ok(filled?)
}

async fn run_rclone(
    input: &CycleInput,
    bisync: &Bisync,
    meter: &mut Meter,
    mut events: mpsc::Receiver<guard::GuardEvent>,
) -> Result<(), rclone::CycleError> {
    let (progress, mut seen) = watch::channel(rclone::Progress::default());
    let run = rclone::bisync(&input.rclone, bisync, progress, input.cancel.clone());
    let mut run = std::pin::pin!(run);
    loop {
        tokio::select! {
            result = &mut run => return result.map(|_| ()),
            Some(event) = events.recv() => meter.take(event),
            Ok(()) = seen.changed() => meter.take_count(&seen.borrow_and_update()),
        }
        input.progress.send_replace(Some(meter.view()));
    }
}

async fn read_evidence(
    input: &CycleInput,
    verified: Verified,
    side: &Side,
    filled: vault::Filled,
    workdir: &Workdir,
    outcome: &SessionOutcome,
) -> Result<Carried, CycleFailure> {
    let mirror = {
        let side = side.clone();
        tokio::task::spawn_blocking(move || vault::read_mirror(&side, SENTINEL))
            .await
            .map_err(CycleFailure::panicked)??
    };
    let listed = also_hashed(side, &mirror, &verified, workdir.listed()?).await?;
    let settled = settle(&Evidence {
        scope: &verified.plan.scope,
        baseline: &verified.baseline,
        linked: &filled.linked,
        untouched: &|path, file| filled.untouched(path, file),
        mirror: &mirror,
        snapshot: &verified.cloud,
        uploaded: &outcome.uploaded,
        deleted: &outcome.deleted,
        listed: &listed,
        mark: &input.mark,
    });
    Ok(Carried {
        verified,
        settled,
        moved: filled.moved,
        problems: filled.problems,
    })
}

/// rclone's listing leaves out the version that won a conflict, and the `ETag` of one that went up in
/// parts says nothing of its bytes. They came under the hash that rclone keeps with such an object.
async fn also_hashed(
    side: &Side,
    mirror: &BTreeMap<String, MirrorFile>,
    verified: &Verified,
    mut listed: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, CycleFailure> {
    let went_up_in_parts = |path: &&String| {
        let object = verified.cloud.get(*path);
        object.is_some_and(|object| object.etag.contains('-'))
    };
    let missing: Vec<String> = (verified.plan.scope.keys())
        .filter(|path| mirror.contains_key(*path) && !listed.contains_key(*path))
        .filter(went_up_in_parts)
        .cloned()
        .collect();
    if missing.is_empty() {
        return Ok(listed);
    }
    let folder = side.mirror.clone();
    let hashed = blocking(move || {
        let hash = |path: String| Some((vault::md5_of(&folder.join(&path)).ok()?.0, path));
        Ok::<_, CycleFailure>(missing.into_iter().filter_map(hash).collect::<Vec<_>>())
    });
    for (md5, path) in hashed.await? {
        listed.insert(path, md5);
    }
    Ok(listed)
}

fn check_filename(input: &CycleInput, present: bool) -> Option<String> {
    (input.profile.access_check == AccessCheck::Required && present).then(|| SENTINEL.to_owned())
}
