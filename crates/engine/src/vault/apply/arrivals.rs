//! Many new notes at once. Each is staged and moved to its path as one alone is; their bytes become
//! durable together, before the first of them moves, and their names when the caller says so.

use std::path::Path;

use bytes::Bytes;
use time::OffsetDateTime;

use super::change::{Lasting, Placed, Source};
use super::work::{Stop, Work};
use super::{Applied, ApplyError, ApplyStep, NewBytes, doing};
use crate::vault::intent::Names;
use crate::vault::problem::PathProblem;
use crate::vault::side::Side;
use crate::vault::signature::Signature;
use crate::vault::system;

/// A new note in the stage. Until it is placed a crash costs its download and nothing else.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) path: String,
    md5: String,
    names: Names,
    signature: Signature,
}

/// Stages a note for a path that has nothing. The bytes have to be those of `md5`.
///
/// # Errors
/// [`ApplyError::WrongSource`] for other bytes; else what stops every note.
pub(crate) fn stage_arrival(
    vault: &Path,
    side: &Side,
    now: OffsetDateTime,
    (path, md5): (&str, &str),
    bytes: Bytes,
    mtime_ms: Option<i64>,
) -> Result<Arrival, ApplyError> {
    let work = Work::open(vault, side, "", now, &|_| {})?;
    let names = Names::new();
    let from = NewBytes::Here(bytes);
    let source = Source {
        from: &from,
        md5,
        mtime_ms,
    };
    match work.stage(path, &source, &names, &side.new_looks, Lasting::Later) {
        Ok(signature) => Ok(Arrival {
            path: path.to_owned(),
            md5: md5.to_owned(),
            names,
            signature,
        }),
        Err(stop) => {
            drop(work.stage.discard_own(&names.part));
            Err(stop.of_stage())
        }
    }
}

/// Makes the staged bytes durable, all at once where the system can, then moves each note to its
/// path if nothing is there. [`super::super::make_durable`] is still to be asked for the names.
///
/// # Errors
/// [`ApplyError`]; [`super::super::recover`] tidies the stage then.
pub(crate) fn place_arrivals(
    vault: &Path,
    side: &Side,
    now: OffsetDateTime,
    arrivals: Vec<Arrival>,
    reached: &dyn Fn(ApplyStep),
) -> Result<Vec<(String, Applied)>, ApplyError> {
    let work = Work::open(vault, side, "", now, reached)?;
    work.flush(&arrivals)?;
    work.reach(ApplyStep::Staged);
    let mut placed = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        let applied = work.place(&arrival);
        // A part was never in the vault, whatever happened.
        drop(work.stage.discard_own(&arrival.names.part));
        let applied = match applied {
            Ok(applied) => applied,
            Err(Stop::Blocked(code)) => Applied::Blocked(PathProblem::new(&arrival.path, code)),
            Err(Stop::Error(error)) => return Err(error),
        };
        placed.push((arrival.path, applied));
    }
    Ok(placed)
}

impl Work<'_> {
    fn flush(&self, arrivals: &[Arrival]) -> Result<(), ApplyError> {
        let failed = doing("stage the new version");
        if let Some(done) = system::sync_file_system(&self.stage) {
            return done.map_err(failed);
        }
        for arrival in arrivals {
            let flushed = self.stage.flush_file(&arrival.names.part);
            flushed.map_err(&failed)?;
        }
        Ok(())
    }

    fn place(&self, arrival: &Arrival) -> Result<Applied, Stop> {
        let Arrival {
            path,
            md5,
            names,
            signature,
        } = arrival;
        if let Some(answer) = self.answered(path, md5)? {
            return Ok(answer);
        }
        Ok(match self.place_new(path, md5, names, *signature)? {
            Placed::InPlace { signature, .. } => Applied::Done {
                signature: Some(signature),
                kept: None,
            },
            Placed::Answered(answer) => answer,
        })
    }
}
