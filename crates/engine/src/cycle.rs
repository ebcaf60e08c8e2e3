//! One cycle of a pair: verify, and where the sides differ, bisync in a clean room, safe apply,
//! publish.
//!
//! A cycle may be interrupted anywhere. Until [`publish`](crate::state::State::publish) commits,
//! nothing it did counts: the next cycle starts from the same baseline and finds what already got
//! through to be equal.

mod absence;
mod bulk;
mod carry;
mod check;
mod clean_room;
mod conflict;
mod copy_names;
mod damaged;
mod failure;
mod halt;
mod hold;
mod in_the_way;
pub(crate) mod late;
mod meter;
mod probe;
mod resolve;
mod settle;
mod store;
mod texts;
mod verify;
mod workdir;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use guard::{Access, Bucket, Guard};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::absence::Proof;
use self::damaged::{Cargo, Damaged};
use self::hold::Hold;
use crate::brakes::Brake;
use crate::config::{Observer, Step};
use crate::filters::Filters;
use crate::profile::Profile;
use crate::vault::Side;
use crate::view::{CheckView, HaltView, PreviewView, ProgressView, RunView};
use crate::{Clock, RunKind};

pub(crate) use clean_room::record_kept;
pub(crate) use failure::CycleFailure;
pub(crate) use halt::{LISTINGS_LOST, of_brake as halt_of_brake};

/// What the model test calls besides.
pub(crate) mod surface {
    pub(crate) use super::bulk::{Way as BulkWay, plain as plain_of};
    pub(crate) use super::conflict::{Winner, newer};
    pub(crate) use super::copy_names::{free_name, time_of};
    pub(crate) use super::settle::{CloudVersion, Evidence, Settled, original_of, settle};
}
pub(crate) use probe::holds as trial_holds;
pub(crate) use resolve::blocking;
pub(crate) use store::StateHandle;
pub(crate) use verify::{local_changes, touched_nodes};

/// How often a cycle is begun again at once, when the other side moved or the user saved
/// meanwhile, before it is left to the next pass.
const ATTEMPTS: u32 = 5;

/// All that a run needs; made anew for each.
pub(crate) struct CycleInput {
    pub(crate) number: u64,
    pub(crate) pair: String,
    pub(crate) vault: PathBuf,
    /// Where the pair's side folder goes when the vault is on the same file system.
    pub(crate) side_home: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) profile: Profile,
    pub(crate) kind: RunKind,
    pub(crate) access: Access,
    /// A person saw a halt's evidence and wants to go on.
    pub(crate) confirmed: Confirmed,
    /// The halt that a person saw and confirmed: what it did not show still asks. `None` where nobody
    /// looks.
    pub(crate) accepted: Option<HaltView>,
    pub(crate) place: Place,
    pub(crate) state: StateHandle,
    pub(crate) bucket: Bucket,
    pub(crate) guard: Arc<Guard>,
    pub(crate) rclone: rclone::Binary,
    pub(crate) filters: Filters,
    pub(crate) device: String,
    /// Distinguishes this device's conflict marks in mirror and listings.
    pub(crate) mark: String,
    pub(crate) clock: Clock,
    pub(crate) observer: Observer,
    pub(crate) progress: watch::Sender<Option<ProgressView>>,
    pub(crate) cancel: CancellationToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmed {
    No,
    Yes,
    /// No, and what a halt holds is to be brought back.
    Restore,
    /// What the last run did here was undone: this one carries that, and asks as ever.
    Undo,
}

/// Whether the baseline is the one that the last run left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Kept,
    /// It was damaged and begun anew: what differs may be old on either side.
    Lost,
}

/// What a run did, as far as it got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) uploaded: u64,
    pub(crate) downloaded: u64,
    pub(crate) removed_here: u64,
    pub(crate) removed_in_cloud: u64,
    pub(crate) conflicts: u64,
    /// Changes here that could not go up.
    pub(crate) waiting: u64,
    pub(crate) problems: Vec<crate::vault::PathProblem>,
    /// What is good to know of paths that sync.
    pub(crate) remarks: Vec<crate::vault::PathProblem>,
    pub(crate) preview: Option<PreviewView>,
    pub(crate) check: Option<CheckView>,
    /// Whether rclone was needed.
    pub(crate) carried: bool,
    /// The gravest brake that keeps some of the paths.
    pub(crate) held: Option<Brake>,
}

/// Whether another attempt has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Settled,
    Again,
}

/// Runs cycles until both sides are settled, a limit is reached, or something stands in the way.
pub(crate) async fn run(input: &CycleInput) -> (Tally, Result<(), CycleFailure>) {
    let mut tally = Tally::default();
    if input.kind == RunKind::Resync
        && let Err(error) = input.state.forget_baseline(&input.pair).await
    {
        return (tally, Err(error.into()));
    }
    if input.kind == RunKind::Check {
        let result = check::check(input).await.map(|check| {
            tally.check = Some(check);
        });
        return (tally, result);
    }
    let side = match clean_room::open(input).await {
        Ok(side) => side,
        Err(failure) => return (tally, Err(failure)),
    };
    let mut damaged = Damaged::default();
    for attempt in 1..=ATTEMPTS {
        let result = once(input, &side, &mut tally, &mut damaged).await;
        match result {
            Ok(Next::Settled) => {
                let result = hold::result(&tally);
                return (tally, result);
            }
            Ok(Next::Again) => tracing::info!(attempt, "changes came in meanwhile, going on"),
            Err(failure) if failure.heals_at_once() && attempt < ATTEMPTS => {
                tracing::info!(attempt, error = %failure, "the other side moved, comparing again");
                let pause = Duration::from_millis(50 * u64::from(attempt));
                tokio::time::sleep(pause).await;
            }
            Err(failure) => {
                let failure = failure.timed(input.clock.now_ms());
                return (tally, Err(failure));
            }
        }
        if input.cancel.is_cancelled() {
            return (tally, Err(CycleFailure::Stopped));
        }
    }
    (tally, Err(CycleFailure::Unsettled))
}

async fn once(
    input: &CycleInput,
    side: &Side,
    tally: &mut Tally,
    damaged: &mut Damaged,
) -> Result<Next, CycleFailure> {
    input.report("verify", 0, 0);
    clean_room::recover(input, side).await?;
    if input.kind != RunKind::DryRun {
        conflict::drop_copies(input).await?;
    }
    let mut verified = verify::verify(input).await?;
    input.observer.reached(Step::Verified);
    tally.problems = std::mem::take(&mut verified.plan.problems);
    tally.remarks = std::mem::take(&mut verified.scan.remarks);
    if input.kind == RunKind::DryRun {
        absence::prove(input, &mut verified).await?;
        tally.preview = Some(verify::preview(input, &verified).await?);
        return Ok(Next::Settled);
    }
    tally.waiting = 0;
    damaged.set_aside(&mut verified, tally);
    tally.held = None;
    // What the brakes hold back costs no request; what turns out to be there is for them to judge.
    loop {
        if input.access == Access::ReadOnly {
            tally.waiting += verified.plan.keep_downloads();
        }
        if hold::hold(input, &mut verified, tally).await? == Hold::Restored {
            return Ok(Next::Again);
        }
        match absence::prove(input, &mut verified).await? {
            Proof::Whole => break,
            Proof::Revised => tracing::warn!("the listing left objects out that are there"),
        }
    }
    if verified.plan.scope.is_empty() {
        verify::publish_touched(input, verified).await?;
        return Ok(Next::Settled);
    }
    if input.access == Access::ReadWrite {
        let versioning = probe::check(input).await?;
        hold::keep_versions(input, &mut verified, versioning, tally).await?;
        let ahead = bulk::carry(input, side, &mut verified, tally).await?;
        if verified.plan.scope.is_empty() {
            verify::publish_touched(input, verified).await?;
            return Ok(ahead);
        }
        if ahead == Next::Again {
            return Ok(Next::Again);
        }
    }
    let next = in_the_way::set_aside(input, &mut verified, tally).await?;
    if verified.plan.scope.is_empty() {
        verify::publish_touched(input, verified).await?;
        return Ok(Next::Settled);
    }
    let cargo = Cargo::of(&verified);
    let carried = match carry::carry(input, side, verified).await {
        Ok(carried) => carried,
        Err(failure) => return damaged.explain(failure, input, cargo).await,
    };
    tally.carried = true;
    let carried = resolve::apply_and_publish(input, side, carried, tally).await?;
    Ok(match next {
        Next::Again => Next::Again,
        Next::Settled => carried,
    })
}

impl CycleInput {
    pub(crate) fn report(&self, phase: &str, done: u64, total: u64) {
        let view = ProgressView::new(self.number, phase, done, total);
        self.progress.send_replace(Some(view));
    }
}

impl Tally {
    /// The finished run as front ends see it.
    pub(crate) fn view(
        &self,
        number: u64,
        ended_at_ms: i64,
        duration_ms: u64,
        result: crate::view::RunResult,
        requests: u64,
    ) -> RunView {
        RunView {
            number,
            ended_at_ms,
            duration_ms,
            result,
            uploaded: self.uploaded,
            downloaded: self.downloaded,
            removed_here: self.removed_here,
            removed_in_cloud: self.removed_in_cloud,
            conflicts: self.conflicts,
            requests,
        }
    }
}

#[cfg(test)]
mod tests;
