//! `bm-cloud bisync --watch`: stays, and tells what happens line by line.

use engine::view::ActivityView;
use engine::view::{AccountView, HaltView, RunResult, RunView, Status};
use engine::{Config, Connection, Mode, View};
use serde::Serialize;

use crate::arguments::Bisync;
use crate::bisync::{folders, set_profile};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words;

/// Something a person who watches wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Event {
    Status { status: Status, headline: String },
    Change(ActivityView),
    Run { folder: String, run: RunView },
    Halt { folder: String, halt: HaltView },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventOut<'a> {
    seen_at_ms: i64,
    #[serde(flatten)]
    event: &'a Event,
}

/// How watching one engine ended.
enum Ended {
    Signal,
    EngineGone,
}

pub(crate) async fn run(context: &Context, arguments: &Bisync) -> Result<Exit, Failure> {
    let config = Config {
        mode: Mode::Background {
            interval: arguments.interval,
        },
        ..context.config.clone()
    };
    loop {
        let connection = Connection::open_with(config.clone(), context.passphrase.clone()).await?;
        let joined = connection.is_shared();
        let ended = show(context, &connection, arguments).await;
        connection.close().await;
        match (ended?, joined) {
            (Ended::Signal, _) | (Ended::EngineGone, false) => {
                context
                    .output
                    .say("Sync has ended; edits wait in the folder.");
                return Ok(Exit::Done);
            }
            (Ended::EngineGone, true) => {
                context
                    .output
                    .say("The other program has ended; taking over.");
            }
        }
    }
}

async fn show(
    context: &Context,
    connection: &Connection,
    arguments: &Bisync,
) -> Result<Ended, Failure> {
    folders(connection)?;
    let output = &context.output;
    if connection.is_shared() {
        output.say(
            "Another program of this installation already syncs these folders. Showing what it \
             does; this one takes over when it ends.",
        );
    }
    if let Some(profile) = arguments.profile {
        set_profile(context, connection, profile).await?;
    }
    for pair in &connection.view().pairs {
        output.say(&format!("Watching {} (Ctrl-C ends)", pair.folder));
    }
    let mut views = connection.watch();
    let mut before = View::starting("");
    before.activity.clone_from(&connection.view().activity);
    loop {
        let view = views.borrow_and_update().clone();
        for event in events(&before, &view) {
            tell(context, &event);
        }
        before = (*view).clone();
        tokio::select! {
            changed = views.changed() => if changed.is_err() {
                return Ok(Ended::EngineGone);
            },
            _ = context.interrupt.wait() => return Ok(Ended::Signal),
        }
    }
}

fn tell(context: &Context, event: &Event) {
    let seen_at_ms = context.now_ms();
    let output = &context.output;
    output.json(&EventOut { seen_at_ms, event });
    let time = words::second(seen_at_ms, context.offset);
    for line in lines(event) {
        output.data(&format!("{time}  {line}"));
    }
}

fn lines(event: &Event) -> Vec<String> {
    let hinted = |line: String, hint: Option<&String>| {
        let hint = hint.map(|hint| format!("hint: {hint}"));
        std::iter::once(line).chain(hint).collect()
    };
    match event {
        Event::Status { headline, .. } => vec![headline.clone()],
        Event::Change(change) => vec![format!(
            "{}  {}",
            words::happened(change.action),
            change.path
        )],
        Event::Run { run, .. } => match &run.result {
            RunResult::Failed { message, hint, .. } => {
                hinted(words::capitalized(message), hint.as_ref())
            }
            RunResult::Verified
            | RunResult::Synced
            | RunResult::Previewed
            | RunResult::Halted { .. }
            | RunResult::Stopped => vec![words::ended(run, 0)],
        },
        Event::Halt { halt, .. } => hinted(halt.message.clone(), Some(&halt.hint)),
    }
}

/// What is new in `now`, in the order in which it happened as far as that is known.
fn events(before: &View, now: &View) -> Vec<Event> {
    let mut events = Vec::new();
    let fresh = fresh(&before.activity, &now.activity);
    events.extend(
        now.activity[..fresh]
            .iter()
            .rev()
            .cloned()
            .map(Event::Change),
    );
    for pair in &now.pairs {
        let known = before.pairs.iter().find(|known| known.id == pair.id);
        let run_before = known.and_then(|known| known.last_run.as_ref());
        if let Some(run) = pair
            .last_run
            .as_ref()
            .filter(|run| is_news(run_before, run))
        {
            events.push(Event::Run {
                folder: pair.folder.clone(),
                run: run.clone(),
            });
        }
        let halt_before = known.and_then(|known| known.halt.as_ref());
        if let Some(halt) = pair.halt.as_ref().filter(|halt| halt_before != Some(*halt)) {
            events.push(Event::Halt {
                folder: pair.folder.clone(),
                halt: halt.clone(),
            });
        }
    }
    if status_line(before) != status_line(now) {
        events.push(Event::Status {
            status: now.status,
            headline: now.headline.clone(),
        });
    }
    events
}

/// Runs that found nothing are no news, nor is a failure that was told already.
fn is_news(before: Option<&RunView>, run: &RunView) -> bool {
    let same_run = before.is_some_and(|before| before.number == run.number);
    match &run.result {
        RunResult::Synced => !same_run,
        RunResult::Failed { .. } => before.is_none_or(|before| before.result != run.result),
        RunResult::Verified
        | RunResult::Previewed
        | RunResult::Halted { .. }
        | RunResult::Stopped => false,
    }
}

/// The status as far as a change of it is news: the counting while it syncs is none.
fn status_line(view: &View) -> (Status, &str) {
    match (view.status, &view.account) {
        (Status::Syncing, _) => (Status::Syncing, ""),
        (Status::SignedOut, AccountView::SignedOut { .. }) => (Status::SignedOut, ""),
        (status, _) => (status, view.headline.as_str()),
    }
}

/// How many lines at the beginning of `now` were not in `before`; both have the newest first, and
/// the oldest fall off the end.
fn fresh(before: &[ActivityView], now: &[ActivityView]) -> usize {
    (0..now.len())
        .find(|&fresh| {
            let rest = &now[fresh..];
            before.starts_with(rest)
        })
        .unwrap_or(now.len())
}

#[cfg(test)]
mod tests;
