//! Following a run that the engine was asked for to its end.

use std::sync::Arc;

use engine::view::{AccountView, PairView, RunResult, SyncSwitch};
use engine::{Connection, Reply, Request, RunKind, View};

use crate::context::Context;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::words;

/// Asks for work and follows it until all `pairs` have ended it.
pub(crate) async fn complete(
    context: &Context,
    connection: &Connection,
    request: Request,
    pairs: &[String],
) -> Result<Arc<View>, Failure> {
    if let Reply::Run { number } = context.ask(connection, request).await? {
        follow(context, connection, number, pairs).await
    } else {
        Ok(connection.view())
    }
}

/// Follows the run with this number until all `pairs` have ended it.
pub(crate) async fn follow(
    context: &Context,
    connection: &Connection,
    number: u64,
    pairs: &[String],
) -> Result<Arc<View>, Failure> {
    let progress = Progress::new(&context.output, "Comparing");
    let mut views = connection.watch();
    let switch_before = views.borrow().sync.clone();
    loop {
        let view = views.borrow_and_update().clone();
        progress.show(view.pairs.iter().find_map(|pair| pair.running.as_ref()));
        match standing(&view, number, pairs, &switch_before) {
            Standing::Running => {}
            Standing::Finished if connection.is_shared() && was_cut_off(&view, &switch_before) => {
                return Err(Failure::gone());
            }
            Standing::Finished => return Ok(view),
            Standing::Lost(failure) => return Err(failure),
        }
        tokio::select! {
            changed = views.changed() => changed.map_err(|_| Failure::gone())?,
            failure = context.interrupted() => return Err(failure),
        }
    }
}

/// Sends what was decided here on its way. It stands either way: what cannot go now goes with the
/// next sync.
pub(crate) async fn carry(context: &Context, connection: &Connection) {
    let view = connection.view();
    if view.sync != SyncSwitch::On {
        return;
    }
    let pairs: Vec<String> = view.pairs.iter().map(|pair| pair.id.clone()).collect();
    let request = Request::SyncNow {
        pair: None,
        run: RunKind::Sync,
    };
    if let Err(failure) = complete(context, connection, request, &pairs).await {
        tracing::info!(?failure, "what was decided waits for the next sync");
        context
            .output
            .warn("It goes to the cloud with the next sync");
    }
}

/// Whether the program whose engine we had joined left, and its engine stopped our run.
fn was_cut_off(view: &View, switch_before: &SyncSwitch) -> bool {
    let stopped = |pair: &PairView| {
        let last = pair.last_run.as_ref();
        last.is_some_and(|run| run.result == RunResult::Stopped)
    };
    view.sync == *switch_before && view.pairs.iter().any(stopped)
}

#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Running,
    Finished,
    /// It will never end.
    Lost(Failure),
}

fn standing(view: &View, number: u64, pairs: &[String], switch_before: &SyncSwitch) -> Standing {
    let asked: Vec<&PairView> = view
        .pairs
        .iter()
        .filter(|pair| pairs.contains(&pair.id))
        .collect();
    let ended = |pair: &&PairView| {
        pair.last_run
            .as_ref()
            .is_some_and(|run| run.number >= number)
    };
    if asked.len() < pairs.len() {
        return Standing::Lost(match &view.account {
            AccountView::SignedOut { reason } => signed_out(reason.as_deref()),
            AccountView::SigningIn { .. }
            | AccountView::AwaitingBrowser { .. }
            | AccountView::SignedIn { .. } => {
                Failure::new("not_set_up", "The folder was taken off the list meanwhile")
            }
        });
    }
    if asked.iter().all(ended) {
        return Standing::Finished;
    }
    let switched_off = view.sync != SyncSwitch::On && view.sync != *switch_before;
    if switched_off && view.pairs.iter().all(|pair| pair.running.is_none()) {
        let failure = Failure::new("stopped_by_pause", "Sync was paused meanwhile");
        return Standing::Lost(failure.hint("Turn it on again in the tray menu, then try again."));
    }
    Standing::Running
}

/// What is said when there is no session, with the cause where it is known.
pub(crate) fn signed_out(reason: Option<&str>) -> Failure {
    let message = match reason {
        Some(reason) => words::capitalized(reason),
        None => "Nobody is signed in".to_owned(),
    };
    Failure::new("signed_out", message)
        .hint("Run `bm-cloud login`. Your folder stays as it is, and edits wait.")
}

#[cfg(test)]
mod tests {
    use engine::view::{ProfileName, RunView};

    use super::*;

    fn view(last_number: Option<u64>) -> View {
        let run = |number| RunView {
            number,
            ended_at_ms: 0,
            duration_ms: 0,
            result: RunResult::Verified,
            uploaded: 0,
            downloaded: 0,
            removed_here: 0,
            removed_in_cloud: 0,
            conflicts: 0,
            requests: 0,
        };
        let pair = PairView {
            last_run: last_number.map(run),
            ..PairView::new("pair_1", "/notes", "b", ProfileName::Safe)
        };
        View {
            pairs: vec![pair],
            ..View::starting("laptop")
        }
    }

    fn standing_of(view: &View) -> Standing {
        standing(view, 2, &["pair_1".to_owned()], &SyncSwitch::On)
    }

    #[test]
    fn a_run_is_finished_when_its_number_is_reached() {
        assert_eq!(standing_of(&view(None)), Standing::Running);
        assert_eq!(standing_of(&view(Some(1))), Standing::Running);
        assert_eq!(standing_of(&view(Some(2))), Standing::Finished);
        assert_eq!(standing_of(&view(Some(7))), Standing::Finished);
    }

    #[test]
    fn a_run_whose_session_ended_is_lost() {
        let reason = Some("signed out: the session has ended".to_owned());
        let account = AccountView::SignedOut { reason };
        let ended = View {
            pairs: Vec::new(),
            account,
            ..view(None)
        };
        let Standing::Lost(failure) = standing_of(&ended) else {
            panic!("it is lost")
        };
        assert_eq!(failure.code, "signed_out");
        assert_eq!(failure.message, "Signed out: the session has ended");
    }

    #[test]
    fn a_run_that_a_pause_took_off_the_queue_is_lost() {
        let paused = View {
            sync: SyncSwitch::Off,
            ..view(Some(1))
        };
        assert!(matches!(standing_of(&paused), Standing::Lost(_)));
        let paused_all_along = standing(&paused, 2, &["pair_1".to_owned()], &SyncSwitch::Off);
        assert_eq!(paused_all_along, Standing::Running);
    }
}
