//! File events of the pairs' folders. They only say where to look; a look tells what changed.

use std::io;
use std::path::PathBuf;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::core::Input;
use crate::lane::{Debounce, MOST_PATHS};

/// Paths that may wait to be taken in; more at once are looked at by a pass of everything.
const BACKLOG: usize = 4096;

pub(super) struct FileEvents {
    _watcher: RecommendedWatcher,
}

impl FileEvents {
    /// `None` where there is nothing to watch or no events are to be had. What cannot be watched
    /// is reported, and the rest is watched all the same.
    pub(super) fn watch(folders: &[PathBuf], inputs: &mpsc::Sender<Input>) -> Option<Self> {
        if folders.is_empty() {
            return None;
        }
        let (seen, events) = mpsc::channel(BACKLOG);
        let (lost, losses) = watch::channel(());
        let ear = Ear {
            seen,
            lost,
            blind: inputs.clone(),
        };
        let mut watcher = match notify::recommended_watcher(move |event| ear.hear(event)) {
            Ok(watcher) => watcher,
            Err(error) => {
                report(inputs, &error);
                return None;
            }
        };
        for folder in folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::Recursive) {
                let placed = error.paths.is_empty().then(|| folder.clone());
                report(
                    inputs,
                    &placed.into_iter().fold(error, notify::Error::add_path),
                );
            }
        }
        tokio::spawn(settle(events, losses, inputs.clone()));
        Some(Self { _watcher: watcher })
    }
}

/// Takes the system's events in, on its own thread.
struct Ear {
    seen: mpsc::Sender<PathBuf>,
    /// Events are missing: only a look at everything tells.
    lost: watch::Sender<()>,
    blind: mpsc::Sender<Input>,
}

impl Ear {
    fn hear(&self, event: notify::Result<notify::Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.lost.send_replace(()),
            Ok(event) if matters(event.kind) => {
                for path in event.paths {
                    if self.seen.try_send(path).is_err() {
                        self.lost.send_replace(());
                    }
                }
            }
            Ok(_) => {}
            Err(error) => {
                report(&self.blind, &error);
                self.lost.send_replace(());
            }
        }
    }
}

/// The loop is told once at least; a full queue means that it hears of trouble anyway.
fn report(inputs: &mpsc::Sender<Input>, error: &notify::Error) {
    if let Err(unheard) = inputs.try_send(Input::FileEventsLost(reason(error))) {
        tracing::warn!(%error, %unheard, "file events are incomplete");
    }
}

/// Why events are missing, and what a person can do.
fn reason(error: &notify::Error) -> String {
    let place = |words: &str| match error.paths.first() {
        Some(path) => format!("{words} in {}", path.display()),
        None => words.to_owned(),
    };
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            "this system watches no more folders; raise fs.inotify.max_user_watches".to_owned()
        }
        ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            place("a folder may not be read")
        }
        ErrorKind::Io(cause) => place(&cause.to_string()),
        ErrorKind::Generic(_)
        | ErrorKind::PathNotFound
        | ErrorKind::WatchNotFound
        | ErrorKind::InvalidConfig(_) => place(&error.to_string()),
    }
}

/// Reading changes nothing, nor do modes and links; a mirror's links would wake us each cycle. Who
/// closes what it could write to may have stood in the way of a change from elsewhere.
fn matters(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// Passes on paths as they become due, and bursts as one look at everything.
async fn settle(
    mut events: mpsc::Receiver<PathBuf>,
    mut losses: watch::Receiver<()>,
    inputs: mpsc::Sender<Input>,
) {
    let mut debounce = Debounce::default();
    loop {
        let due = debounce.next_due();
        let input = tokio::select! {
            event = events.recv() => {
                let Some(path) = event else { return };
                debounce.saw(path, Instant::now());
                if debounce.len() <= MOST_PATHS {
                    continue;
                }
                debounce.clear();
                Input::FilesChanged
            }
            lost = losses.changed() => {
                if lost.is_err() {
                    return;
                }
                debounce.clear();
                Input::FilesChanged
            }
            () = sleep_until(due) => Input::Saved(debounce.take_due(Instant::now())),
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use notify::Event;
    use notify::event::{CreateKind, Flag};

    use super::*;

    /// An ear whose events are passed on as ever, and the loop that hears of them.
    fn listening() -> (Ear, mpsc::Receiver<Input>) {
        let (inputs, received) = mpsc::channel(8);
        let (seen, events) = mpsc::channel(BACKLOG);
        let (lost, losses) = watch::channel(());
        tokio::spawn(settle(events, losses, inputs.clone()));
        let blind = inputs;
        (Ear { seen, lost, blind }, received)
    }

    fn made(name: String) -> Event {
        let kind = EventKind::Create(CreateKind::File);
        Event::new(kind).add_path(PathBuf::from("/notes").join(name))
    }

    #[tokio::test]
    async fn what_the_system_could_not_tell_is_one_look_at_everything() {
        let (ear, mut received) = listening();
        ear.hear(Ok(made("lost.md".to_owned())));
        ear.hear(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert!(matches!(received.recv().await, Some(Input::FilesChanged)));
        // And from there on each change is told again.
        ear.hear(Ok(made("later.md".to_owned())));
        let mut told = Vec::new();
        while !told.contains(&PathBuf::from("/notes/later.md")) {
            let Some(Input::Saved(paths)) = received.recv().await else {
                panic!("nothing but saves comes next");
            };
            told.extend(paths);
        }
    }

    #[tokio::test]
    async fn ten_thousand_events_are_a_few_looks_at_everything() {
        let (ear, mut received) = listening();
        for number in 0..10_000 {
            ear.hear(Ok(made(format!("{number}.md"))));
        }
        let mut looks = 0;
        let silence = std::time::Duration::from_millis(500);
        while let Ok(Some(input)) = tokio::time::timeout(silence, received.recv()).await {
            if let Input::Saved(paths) = &input {
                assert!(paths.len() <= MOST_PATHS, "{}", paths.len());
            } else {
                assert!(matches!(input, Input::FilesChanged));
                looks += 1;
            }
        }
        let most = 10_000 / MOST_PATHS;
        assert!((1..=most).contains(&looks), "{looks} looks");
    }

    #[tokio::test]
    async fn a_limit_that_is_met_later_is_told_and_everything_is_looked_at() {
        let (ear, mut received) = listening();
        ear.hear(Err(notify::Error::new(ErrorKind::MaxFilesWatch)));
        let Some(Input::FileEventsLost(reason)) = received.recv().await else {
            panic!("the limit comes first");
        };
        assert!(reason.contains("max_user_watches"), "{reason}");
        assert!(matches!(received.recv().await, Some(Input::FilesChanged)));
    }

    #[test]
    fn the_reason_says_what_to_do() {
        let limit = reason(&notify::Error::new(ErrorKind::MaxFilesWatch));
        assert!(limit.contains("fs.inotify.max_user_watches"), "{limit}");
        let denied = notify::Error::io(io::ErrorKind::PermissionDenied.into())
            .add_path("/home/ana/Notes/private".into());
        assert_eq!(
            reason(&denied),
            "a folder may not be read in /home/ana/Notes/private"
        );
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_watched_is_told_and_the_others_are_watched() {
        let folder = tempfile::tempdir().unwrap();
        let (inputs, mut received) = mpsc::channel(8);
        let missing = folder.path().join("missing");
        let folders = [missing, folder.path().to_owned()];
        let _events = FileEvents::watch(&folders, &inputs).unwrap();
        let Some(Input::FileEventsLost(reason)) = received.recv().await else {
            panic!("the loss comes first");
        };
        assert!(reason.contains("missing"), "{reason}");
        let note = folder.path().join("note.md");
        #[expect(clippy::disallowed_methods, reason = "a person saves")]
        File::create(&note).unwrap();
        let Some(Input::Saved(paths)) = received.recv().await else {
            panic!("the save comes next");
        };
        assert_eq!(paths, [note]);
    }
}
