//! Which paths of a cycle wait for a person, and the facts that tell. The rest goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use guard::{Access, BucketError, Support};

use super::halt::was_shown;
use super::verify::{Verified, hash_all};
use super::{Confirmed, CycleFailure, CycleInput, Place, Tally, probe};
use crate::RunKind;
use crate::brakes::{self, Brake, Rewrites};
use crate::disk::{self, Room};
use crate::plan::Side;
use crate::state::{Happening, Node, Publication};
use crate::vault::{PathProblem, ProblemCode};
use crate::view::ChangeAction;

/// Changed notes that are looked into, at most: they stand for all.
const SAMPLE: usize = 200;
/// Old versions that are fetched to compare with, at most.
const FETCHED: usize = 24;
/// Of each, so many bytes.
const LOOKED_AT: u64 = 64 * 1024;

/// The `ETag` of no object: the cloud's version is a newer one.
const BROUGHT_BACK: &str = "brought-back";

/// Takes out of the plan what waits.
///
/// # Errors
/// A brake that lets nothing pass.
pub(super) async fn hold(
    input: &CycleInput,
    verified: &mut Verified,
    tally: &mut Tally,
) -> Result<Hold, CycleFailure> {
    if let Some(brake) = collision(&tally.problems) {
        tally.held = Some(brake);
    }
    if verified.plan.scope.is_empty() {
        return Ok(Hold::GoOn);
    }
    make_room(input, verified, tally).await?;
    if is_left_to_itself(input) {
        return Ok(Hold::GoOn);
    }
    let Verified {
        plan, scan, cloud, ..
    } = &*verified;
    if let Some(brake) = brakes::emptied(plan, scan, cloud, input.profile) {
        if may_pass(input, &brake) {
            // There is nothing that this would not be the cause of.
            if matches!(
                brake,
                Brake::VaultEmptied { .. } | Brake::CloudEmptied { .. }
            ) {
                return Ok(Hold::GoOn);
            }
        } else if input.confirmed == Confirmed::Restore && brake.can_be_restored() {
            let paths = verified.baseline.keys().cloned().collect();
            bring_back(input, verified, paths).await?;
            return Ok(Hold::Restored);
        } else {
            return Err(CycleFailure::Braked(brake));
        }
    }
    if input.place == Place::Lost && input.kind == RunKind::Sync {
        let held = differing(input, verified).await?;
        let brake = Brake::ListingsLost { held };
        if !brake.evidence().is_empty() && !may_pass(input, &brake) {
            verified.keep_back(brake, tally);
        }
    }
    if input.access == Access::ReadWrite
        && let Some(brake) = rewrites(input, verified).await?
        && !may_pass(input, &brake)
    {
        verified.keep_back(brake, tally);
    }
    for side in [ChangeAction::RemoveHere, ChangeAction::RemoveInCloud] {
        let held = brakes::deletes(&verified.plan, side, &verified.scan, &verified.cloud);
        if held.is_empty() {
            continue;
        }
        let recent = recent_deletes(input, side).await?;
        let judge =
            |held| brakes::too_many_deletes(held, recent, &verified.baseline, side, input.profile);
        if judge(held.clone()).is_none() {
            continue;
        }
        let renamed = renamed(input, verified, side, &held).await?;
        let held = held.into_iter().filter(|path| !renamed.contains(path));
        if let Some(brake) = judge(held.collect())
            && !may_pass(input, &brake)
        {
            verified.keep_back(brake, tally);
        }
    }
    match &tally.held {
        Some(brake) if input.confirmed == Confirmed::Restore && brake.can_be_restored() => {
            let paths = brake.evidence().to_vec();
            bring_back(input, verified, paths).await?;
            Ok(Hold::Restored)
        }
        Some(_) | None => Ok(Hold::GoOn),
    }
}

/// Whether nobody is there to look, and whoever began the run answers for all of it.
fn is_left_to_itself(input: &CycleInput) -> bool {
    input.confirmed == Confirmed::Yes && input.accepted.is_none()
}

/// Whether a person went on after seeing what the brake holds.
fn may_pass(input: &CycleInput, brake: &Brake) -> bool {
    let shown = input.accepted.as_ref();
    input.confirmed == Confirmed::Yes && shown.is_none_or(|halt| was_shown(halt, brake))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    GoOn,
    /// What was held counts as a change of the other side now: the plan is to be made anew.
    Restored,
}

/// Takes the side that still has the notes as they were for the newer one. What is replaced here
/// goes to history, as ever; what is deleted on either side is new on the other.
async fn bring_back(
    input: &CycleInput,
    verified: &Verified,
    paths: Vec<String>,
) -> Result<(), CycleFailure> {
    let changed = |path: &&String| {
        let known = verified.baseline.contains_key(*path);
        known && verified.scan.files.contains_key(*path) && verified.cloud.contains_key(*path)
    };
    let rewritten = hash_all(input, paths.iter().filter(changed).cloned().collect()).await?;
    let mut news = Publication {
        at_ms: input.clock.now_ms(),
        wanted: true,
        ..Publication::default()
    };
    for path in paths {
        match (rewritten.get(&path), verified.baseline.get(&path)) {
            (Some((md5, signature)), Some(node)) if *md5 != node.md5 => {
                let node = Node {
                    md5: md5.clone(),
                    etag: BROUGHT_BACK.to_owned(),
                    size: signature.size,
                    signature: *signature,
                };
                news.set.insert(path, node);
            }
            (Some(_), _) | (None, None) => {}
            (None, Some(_)) => news.forget.push(path),
        }
    }
    let pair = input.pair.clone();
    Ok(input
        .state
        .with(move |state| state.publish(&pair, &news))
        .await?)
}

/// How a run ended that keeps something back.
pub(super) fn result(tally: &Tally) -> Result<(), CycleFailure> {
    match &tally.held {
        // Nothing waits: the names are told as problems, each for itself.
        None | Some(Brake::CaseCollision { .. }) => Ok(()),
        Some(brake) => Err(CycleFailure::Braked(brake.clone())),
    }
}

/// Holds what a store without versions would forget, unless a person accepted that.
pub(super) async fn keep_versions(
    input: &CycleInput,
    verified: &mut Verified,
    versioning: Support,
    tally: &mut Tally,
) -> Result<(), CycleFailure> {
    if versioning != Support::Ignored || is_left_to_itself(input) {
        return Ok(());
    }
    let pair = input.pair.clone();
    let accepted = input
        .state
        .with(move |state| state.is_accepted(&pair, "VersioningOff"))
        .await?;
    let replaced = verified.plan.scope.iter().filter(|(_, difference)| {
        matches!(difference.cloud, Side::Same | Side::Changed)
            && matches!(difference.here, Side::Changed | Side::Deleted)
    });
    let held: Vec<String> = replaced.map(|(path, _)| path.clone()).collect();
    if accepted || held.is_empty() {
        return Ok(());
    }
    // Before it stops, and for as long as it stands still: somebody may have turned versions on.
    if probe::again(input).await? == Support::Ignored {
        verified.keep_back(Brake::VersioningOff { held }, tally);
    }
    Ok(())
}

impl Verified {
    /// Takes a brake's paths out of the plan; of several brakes the first is told.
    fn keep_back(&mut self, brake: Brake, tally: &mut Tally) {
        tally.waiting += self.plan.hold(brake.evidence());
        match &tally.held {
            None | Some(Brake::CaseCollision { .. }) => tally.held = Some(brake),
            Some(
                Brake::VaultEmptied { .. }
                | Brake::CloudEmptied { .. }
                | Brake::AccessCheckFailed
                | Brake::MarkerRewritten
                | Brake::TooManyDeletes { .. }
                | Brake::MassRewrite { .. }
                | Brake::VersioningOff { .. }
                | Brake::ListingsLost { .. }
                | Brake::DiskFull { .. },
            ) => {}
        }
    }
}

fn collision(problems: &[PathProblem]) -> Option<Brake> {
    let twins = problems
        .iter()
        .filter(|problem| problem.code == ProblemCode::NameTwins);
    let names: Vec<String> = twins.map(|problem| problem.path.clone()).collect();
    (!names.is_empty()).then_some(Brake::CaseCollision { names })
}

/// Leaves downloads in the cloud that would not fit: what was saved here goes up before.
async fn make_room(
    input: &CycleInput,
    verified: &mut Verified,
    tally: &mut Tally,
) -> Result<(), CycleFailure> {
    let coming = |path: &String| Some(verified.cloud.get(path)?.size);
    let downloads: Vec<String> = verified
        .plan
        .scope
        .iter()
        .filter(|(_, difference)| difference.action() == Some(ChangeAction::Download))
        .map(|(path, _)| path.clone())
        .collect();
    if downloads.is_empty() {
        return Ok(());
    }
    let needed: u64 = downloads.iter().filter_map(coming).sum();
    let vault = input.vault.clone();
    let room = tokio::task::spawn_blocking(move || disk::room(&vault))
        .await
        .map_err(CycleFailure::panicked)?;
    let Some(Room { free, total }) = room else {
        return Ok(());
    };
    // The mirror gets a copy first, and the old version stays in history.
    if free < brakes::reserve(total) + needed * 2 {
        verified.keep_back(Brake::DiskFull { held: downloads }, tally);
    }
    Ok(())
}

/// The paths of the plan that are not the same bytes on both sides.
async fn differing(input: &CycleInput, verified: &Verified) -> Result<Vec<String>, CycleFailure> {
    let contested = verified.plan.contested().cloned().collect();
    let hashed = hash_all(input, contested).await?;
    let equal = |path: &String| {
        let object = verified.cloud.get(path);
        let here = hashed.get(path);
        matches!((here, object), (Some((md5, _)), Some(object)) if *md5 == object.etag)
    };
    let paths = verified.plan.scope.keys();
    Ok(paths.filter(|path| !equal(path)).cloned().collect())
}

async fn recent_deletes(input: &CycleInput, side: ChangeAction) -> Result<usize, CycleFailure> {
    let (pair, since) = (input.pair.clone(), input.clock.now_ms() - brakes::WINDOW_MS);
    let happening = match side {
        ChangeAction::RemoveHere => Happening::RemovedHere,
        ChangeAction::RemoveInCloud
        | ChangeAction::Upload
        | ChangeAction::Download
        | ChangeAction::Conflict => Happening::RemovedInCloud,
    };
    Ok(input
        .state
        .with(move |state| state.happened(&pair, happening, since))
        .await?)
}

/// Those of the deleted paths whose bytes are new under another name on the same side.
async fn renamed(
    input: &CycleInput,
    verified: &Verified,
    side: ChangeAction,
    deleted: &[String],
) -> Result<BTreeSet<String>, CycleFailure> {
    let node = |path: &String| verified.baseline.get(path);
    let sizes: BTreeSet<u64> = deleted.iter().filter_map(node).map(|it| it.size).collect();
    let fresh = |wanted: fn(&crate::plan::Difference) -> Side| {
        let scope = verified.plan.scope.iter();
        scope
            .filter(move |(_, difference)| wanted(difference) == Side::New)
            .map(|(path, _)| path)
    };
    let arrived: Vec<String> = if side == ChangeAction::RemoveHere {
        fresh(|difference| difference.cloud)
            .filter_map(|path| Some(verified.cloud.get(path)?.etag.clone()))
            .collect()
    } else {
        let alike = fresh(|difference| difference.here).filter(|path| {
            let file = verified.scan.files.get(*path);
            file.is_some_and(|file| sizes.contains(&file.size))
        });
        let hashed = hash_all(input, alike.cloned().collect()).await?;
        hashed.into_values().map(|(md5, _)| md5).collect()
    };
    let deleted = deleted
        .iter()
        .filter_map(|path| Some((path.as_str(), node(path)?.md5.as_str())));
    Ok(brakes::moved(deleted, arrived))
}

/// Whether most of many changes here made notes unreadable.
async fn rewrites(
    input: &CycleInput,
    verified: &mut Verified,
) -> Result<Option<Brake>, CycleFailure> {
    let plan = &verified.plan;
    let (changed, resuffixed) = (brakes::rewritten_here(plan), brakes::resuffixed(plan));
    if changed.is_empty() && resuffixed.is_empty() {
        return Ok(None);
    }
    let (pair, since) = (input.pair.clone(), input.clock.now_ms() - brakes::WINDOW_MS);
    let recent = input
        .state
        .with(move |state| state.happened(&pair, Happening::Spoiled, since))
        .await?;
    let spoiled = spoiled(input, verified, &changed).await?;
    let many = Rewrites {
        changed: changed.len() + resuffixed.len() + recent,
        spoiled: spoiled.len() + resuffixed.len() + recent,
        known: verified.baseline.len(),
    };
    if !many.trip() {
        verified.spoiled = spoiled;
        return Ok(None);
    }
    let from_here = verified.plan.scope.iter().filter(|(_, difference)| {
        matches!(difference.here, Side::New | Side::Changed | Side::Deleted)
    });
    Ok(Some(Brake::MassRewrite {
        changed: many.changed,
        known: many.known,
        held: from_here.map(|(path, _)| path.clone()).collect(),
    }))
}

/// The changed notes that became unreadable, as far as a sample tells. What they were is in the
/// cloud; it is asked only where the new bytes give reason to.
async fn spoiled(
    input: &CycleInput,
    verified: &Verified,
    changed: &[String],
) -> Result<BTreeSet<String>, CycleFailure> {
    let every = changed.len().div_ceil(SAMPLE).max(1);
    let looked: Vec<String> = changed.iter().step_by(every).cloned().collect();
    let vault = input.vault.clone();
    let suspects: BTreeMap<String, Vec<u8>> = tokio::task::spawn_blocking(move || {
        let read = |path: String| Some((head_of(&vault, &path)?, path));
        looked
            .into_iter()
            .filter_map(read)
            .filter(|(bytes, _)| brakes::looks_spoiled(bytes))
            .map(|(bytes, path)| (path, bytes))
            .collect()
    })
    .await
    .map_err(CycleFailure::panicked)?;
    let mut fetched = 0_usize;
    let mut innocent = 0_usize;
    for (path, after) in suspects.iter().take(FETCHED) {
        let Some(node) = verified.baseline.get(path) else {
            continue;
        };
        fetched += 1;
        let before = old_head(input, path, &node.etag).await?;
        if !before.is_some_and(|before| brakes::is_spoiled(&before, after)) {
            innocent += 1;
        }
    }
    if innocent * 2 > fetched {
        return Ok(BTreeSet::new());
    }
    // One looked at stands for its neighbors.
    let spoiled = |(place, _): &(usize, &String)| {
        changed
            .get(place - place % every)
            .is_some_and(|path| suspects.contains_key(path))
    };
    let all = changed.iter().enumerate().filter(spoiled);
    Ok(all.map(|(_, path)| path.clone()).collect())
}

fn head_of(vault: &Path, path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file: PathBuf = vault.join(path);
    let read = File::open(file)
        .ok()?
        .take(LOOKED_AT)
        .read_to_end(&mut bytes);
    read.is_ok().then_some(bytes)
}

/// The beginning of the version that is in the cloud; `None` if another one is there now.
async fn old_head(
    input: &CycleInput,
    path: &str,
    etag: &str,
) -> Result<Option<Vec<u8>>, CycleFailure> {
    let mut download = match input.bucket.get(path, Some(etag)).await {
        Ok(download) => download,
        Err(BucketError::PreconditionFailed { .. } | BucketError::NotFound { .. }) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    let wanted = usize::try_from(LOOKED_AT).unwrap_or(usize::MAX);
    while bytes.len() < wanted {
        match download.stream.try_next().await? {
            Some(part) => bytes.extend_from_slice(&part),
            None => break,
        }
    }
    bytes.truncate(wanted);
    Ok(Some(bytes))
}
