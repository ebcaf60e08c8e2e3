//! One round of indexing: everything that waits, in as few requests as it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Backlog;
use super::look::{Seen, top};
use super::projects::{self, Projects};
use super::refused::{Next, Refused};
use super::walk::{Ended, Walk, Walked};
use crate::generation::Generation;
use crate::upstream::{CallError, Caller};

/// More notes of one project than this are found faster by a walk over it.
const MOST_BY_NAME: usize = 40;
/// A watcher that waits a tenth of a second has begun by then.
const FIRST_LOOK: Duration = Duration::from_millis(150);
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// A watcher that has not begun by then missed something, unless it looks at many notes first:
/// then it has so much longer for each.
const BEGINS_WITHIN: Duration = Duration::from_secs(1);
const LOOKS_AT_ONE: Duration = Duration::from_millis(20);
/// So long nothing moves while somebody is at work.
const STUCK_AFTER: Duration = Duration::from_secs(4);
/// What a permalink may have besides letters and digits.
const PLAIN: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

pub(crate) struct Round {
    caller: Caller,
    generation: Generation,
    data: PathBuf,
    projects: Projects,
    turn: Arc<Mutex<()>>,
    walked: BTreeMap<String, Walked>,
    refused: Refused,
}

/// What has to be done for one project.
#[derive(Debug, Default, PartialEq, Eq)]
struct Errand {
    /// Below the project's folder.
    notes: BTreeSet<String>,
    whole: bool,
}

impl Round {
    /// Indexing a note rewrites it: `turn` is held for that long.
    pub(crate) fn new(
        caller: Caller,
        generation: Generation,
        data: PathBuf,
        turn: Arc<Mutex<()>>,
    ) -> Self {
        Self {
            caller,
            generation,
            data,
            projects: Projects::new(),
            turn,
            walked: BTreeMap::new(),
            refused: Refused::default(),
        }
    }

    /// How much is left alone until it arrives again.
    pub(super) fn refused(&self) -> usize {
        self.refused.count()
    }

    /// They are others than they were.
    pub(super) fn ask_again_for(&mut self, paths: &BTreeSet<String>) {
        for path in paths {
            self.refused.forget(path);
        }
    }

    /// Works on all of it; what failed and is worth another try, and the walks to go on beside.
    pub(super) async fn run(&mut self, work: Backlog) -> (Backlog, Vec<Walk>) {
        let seen = Seen::look(self.data.clone(), &work).await;
        match self.learn_projects(&work, &seen).await {
            Ok(()) => {}
            Err(error) => {
                tracing::info!(%error, "the projects could not be listed");
                return (work, Vec::new());
            }
        }
        let mut left = Backlog::default();
        let mut walks = Vec::new();
        for (folder, mut errand) in self.errands(&work, &seen) {
            let Some(project) = self.projects.get(&folder).cloned() else {
                continue;
            };
            if self.goes_beside(&folder, &errand) {
                walks.extend(self.begin(&folder, project.clone()));
                if errand.notes.len() > MOST_BY_NAME {
                    continue;
                }
                errand.whole = false;
            }
            if !errand.whole {
                left.paths
                    .extend(self.index_named(&folder, &project, errand.notes).await);
                continue;
            }
            if let Err(error) = self.go_over(&folder, &project).await {
                tracing::info!(%error, "a project was not indexed");
                let own = format!("{folder}/");
                let paths = work.paths.iter().filter(|path| path.starts_with(&own));
                left.paths.extend(paths.cloned());
                left.anything |= work.anything;
            }
        }
        (left, walks)
    }

    /// Whether it takes so long that nothing may wait for it, or would be a second walk at once.
    fn goes_beside(&self, folder: &str, errand: &Errand) -> bool {
        match (self.generation, self.walked.get(folder)) {
            // Indexing rewrites notes: where one can be followed by then, the walk takes its turn.
            (Generation::V0_15, _) | (Generation::V0_24, Some(Walked::Once)) => false,
            (Generation::V0_24, None | Some(Walked::UnderWay | Walked::UnderWayAndWantedAgain)) => {
                errand.whole
            }
        }
    }

    fn begin(&mut self, folder: &str, project: String) -> Option<Walk> {
        let is_under_way = matches!(
            self.walked.get(folder),
            Some(Walked::UnderWay | Walked::UnderWayAndWantedAgain)
        );
        let next = match is_under_way {
            true => Walked::UnderWayAndWantedAgain,
            false => Walked::UnderWay,
        };
        self.walked.insert(folder.to_owned(), next);
        (!is_under_way).then(|| Walk {
            caller: self.caller.clone(),
            folder: folder.to_owned(),
            project,
        })
    }

    /// Takes in how a walk ended; what is to be done after it.
    pub(super) fn ended(&mut self, ended: Ended) -> Backlog {
        let anything = match ended.result {
            Ok(()) => {
                let before = self.walked.insert(ended.folder, Walked::Once);
                before == Some(Walked::UnderWayAndWantedAgain)
            }
            Err(error) => {
                tracing::info!(%error, "a project was not indexed");
                self.walked.remove(&ended.folder);
                true
            }
        };
        Backlog {
            anything,
            paths: BTreeSet::new(),
        }
    }

    /// Of none that is under way will be heard.
    pub(super) fn lost_walks(&mut self) {
        self.walked.retain(|_, walked| *walked == Walked::Once);
    }

    /// Asks for the projects where one is missing, and makes those that still are.
    async fn learn_projects(&mut self, work: &Backlog, seen: &Seen) -> Result<(), CallError> {
        let named = work.paths.iter().filter_map(|path| top(path));
        let mut wanted: BTreeSet<&str> = named.collect();
        wanted.extend(seen.folders.iter().map(String::as_str));
        // A person may have made a project of a folder that we would not.
        wanted.retain(|folder| !folder.starts_with('.'));
        let all_known = wanted
            .iter()
            .all(|folder| self.projects.contains_key(*folder));
        if all_known && !work.anything {
            return Ok(());
        }
        self.projects = projects::list(&self.caller, self.generation, &self.data).await?;
        let missing: Vec<&str> = wanted
            .into_iter()
            .filter(|folder| !self.projects.contains_key(*folder))
            .filter(|folder| projects::can_be_project(folder, self.generation))
            .filter(|folder| seen.folders.contains(*folder))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        for folder in missing {
            if let Err(error) = projects::create(&self.caller, self.generation, folder).await {
                tracing::info!(%error, "a folder did not become a project");
            }
        }
        self.projects = projects::list(&self.caller, self.generation, &self.data).await?;
        Ok(())
    }

    fn errands(&self, work: &Backlog, seen: &Seen) -> BTreeMap<String, Errand> {
        let mut errands: BTreeMap<String, Errand> = BTreeMap::new();
        if work.anything {
            for folder in self.projects.keys() {
                errands.entry(folder.clone()).or_default().whole = true;
            }
        }
        for path in &work.paths {
            let Some((folder, note)) = path.split_once('/') else {
                continue;
            };
            let is_note = seen.notes.contains(path);
            let errand = errands.entry(folder.to_owned()).or_default();
            match (self.generation, is_note) {
                (Generation::V0_24, true) => {
                    errand.notes.insert(note.to_owned());
                }
                (Generation::V0_24, false) | (Generation::V0_15, _) => errand.whole = true,
            }
            errand.whole |= errand.notes.len() > MOST_BY_NAME;
        }
        errands
    }

    async fn go_over(&mut self, folder: &str, project: &str) -> Result<(), CallError> {
        match self.generation {
            Generation::V0_15 => self.watch_until_found(folder).await,
            Generation::V0_24 => {
                let walk = Walk {
                    caller: self.caller.clone(),
                    folder: folder.to_owned(),
                    project: project.to_owned(),
                };
                let _turn = self.turn.lock().await;
                walk.run().await.result
            }
        }
    }

    /// Those that are worth another try.
    async fn index_named(
        &mut self,
        folder: &str,
        project: &str,
        notes: BTreeSet<String>,
    ) -> BTreeSet<String> {
        let path = format!("/v2/projects/{project}/knowledge/index-file");
        let mut left = BTreeSet::new();
        for note in notes {
            let body = json!({ "file_path": note });
            let answer = {
                let _turn = self.turn.lock().await;
                self.caller.json(Method::POST, &path, Some(&body)).await
            };
            let note = format!("{folder}/{note}");
            match answer {
                // Gone meanwhile, or of a kind that it does not index: a later arrival tells.
                Ok(_) | Err(CallError::Status(StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST)) => {
                    self.refused.forget(&note);
                }
                Err(error) => {
                    tracing::info!(%error, "a note was not indexed");
                    if self.refused.take(&note, &error) == Next::TryAgain {
                        left.insert(note);
                    }
                }
            }
        }
        left
    }

    /// Its own watcher indexes, and "sync initiated" proves nothing: its report is read until it
    /// finds nothing to do. A walk is asked for only while nothing moves, because two at once get
    /// in each other's way.
    async fn watch_until_found(&mut self, folder: &str) -> Result<(), CallError> {
        let name = utf8_percent_encode(folder, PLAIN);
        let (sync, status) = (
            format!("/{name}/project/sync"),
            format!("/{name}/project/status"),
        );
        let mut moved = Instant::now();
        let mut last = None;
        let mut pause = FIRST_LOOK;
        let mut patience = BEGINS_WITHIN;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            let report = self.caller.json(Method::POST, &status, None).await?;
            let report = Report::read(&report)?;
            let left = report.left(&self.refused.left_in(folder));
            if left == 0 {
                return Ok(());
            }
            if last != Some(left) {
                last = Some(left);
                moved = Instant::now();
            } else if moved.elapsed() >= patience + looks_at(left) {
                self.caller.json(Method::POST, &sync, None).await?;
                if patience == STUCK_AFTER {
                    return self.refuse_all(folder, &report);
                }
                patience = STUCK_AFTER;
                moved = Instant::now();
                pause = FIRST_LOOK;
            }
            // Its report costs a look at every note.
            pause = (pause * 2).min(LONGEST_LOOK).max(asked.elapsed() * 2);
        }
    }

    /// It was asked, and nothing moves.
    fn refuse_all(&mut self, folder: &str, report: &Report) -> Result<(), CallError> {
        for note in &report.notes {
            // Asked for again with the others.
            let _next = self
                .refused
                .take(&format!("{folder}/{note}"), &CallError::TooSlow);
        }
        match report.left(&self.refused.left_in(folder)) {
            0 => Ok(()),
            _ => Err(CallError::TooSlow),
        }
    }
}

/// What 0.15 says that it has not indexed.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    changes: u64,
    /// Those that are new or changed.
    notes: BTreeSet<String>,
}

impl Report {
    fn read(report: &Value) -> Result<Self, CallError> {
        let named = ["new", "modified"].map(|kind| report[kind].as_array());
        let named = named.into_iter().flatten().flatten();
        Ok(Self {
            changes: report["total"].as_u64().ok_or(CallError::Malformed)?,
            notes: named.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// How many changes there are but those that it refuses.
    fn left(&self, refused: &BTreeSet<&str>) -> u64 {
        let known = |note: &&String| refused.contains(note.as_str());
        let refused = self.notes.iter().filter(known).count();
        self.changes
            .saturating_sub(u64::try_from(refused).unwrap_or(u64::MAX))
    }
}

fn looks_at(notes: u64) -> Duration {
    LOOKS_AT_ONE * u32::try_from(notes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(generation: Generation, data: &std::path::Path) -> Round {
        let caller = Caller::new("/nowhere".into());
        let mut round = Round::new(caller, generation, data.to_owned(), Arc::default());
        round.projects.insert("main".into(), "id-1".into());
        round
    }

    fn backlog(paths: &[&str], anything: bool) -> Backlog {
        Backlog {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            anything,
        }
    }

    #[test]
    fn notes_are_named_and_all_else_asks_for_a_walk() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("main")).unwrap();
        std::fs::write(data.path().join("main/a.md"), "a").unwrap();
        std::fs::write(data.path().join("main/b.png"), "b").unwrap();
        let all_of = |generation, work: &Backlog| {
            let seen = Seen::look_now(data.path(), work);
            round(generation, data.path()).errands(work, &seen)
        };
        let of = |generation, paths: &[&str]| {
            all_of(generation, &backlog(paths, false))
                .remove("main")
                .unwrap()
        };
        let named = of(Generation::V0_24, &["main/a.md"]);
        assert_eq!((named.notes.len(), named.whole), (1, false));
        for other in ["main/b.png", "main/gone.md"] {
            assert!(of(Generation::V0_24, &[other]).whole, "{other}");
        }
        assert!(of(Generation::V0_15, &["main/a.md"]).whole);
        let all = all_of(Generation::V0_24, &backlog(&[], true));
        assert!(all["main"].whole);
        let root = all_of(Generation::V0_24, &backlog(&["a.md"], false));
        assert!(root.is_empty(), "what is in no folder is in no project");
    }

    #[test]
    fn a_long_walk_goes_on_beside_and_never_twice_at_once() {
        let mut round = round(Generation::V0_24, std::path::Path::new("/nowhere"));
        let whole = |notes: usize| Errand {
            notes: (0..notes).map(|number| format!("{number}.md")).collect(),
            whole: true,
        };
        let one = Errand {
            whole: false,
            ..whole(1)
        };
        let end = |result| Ended {
            folder: "main".to_owned(),
            result,
        };
        assert!(round.goes_beside("main", &whole(0)), "the first one");
        assert!(round.begin("main", "id-1".into()).is_some());
        assert!(!round.goes_beside("main", &one), "a note does not wait");
        assert!(round.goes_beside("main", &whole(0)));
        assert!(round.begin("main", "id-1".into()).is_none());
        assert!(round.ended(end(Ok(()))).anything, "what came meanwhile");

        assert!(!round.goes_beside("main", &whole(0)), "finds little to do");
        assert!(
            !round.goes_beside("main", &whole(MOST_BY_NAME + 1)),
            "newer ones may come"
        );
        assert!(round.begin("main", "id-1".into()).is_some());
        assert!(round.ended(end(Ok(()))).is_empty());

        assert!(round.begin("main", "id-1".into()).is_some());
        assert!(round.ended(end(Err(CallError::TooSlow))).anything);
        assert!(
            round.goes_beside("main", &whole(0)),
            "it is the first again"
        );
    }

    #[test]
    fn what_is_refused_does_not_count_as_left() {
        let report =
            json!({ "total": 3, "new": ["bad.md"], "modified": ["a.md"], "deleted": ["b.md"] });
        let report = Report::read(&report).unwrap();
        assert_eq!(report.left(&BTreeSet::new()), 3);
        assert_eq!(report.left(&BTreeSet::from(["bad.md", "gone.md"])), 2);
        assert!(Report::read(&json!({})).is_err());

        let mut round = round(Generation::V0_15, std::path::Path::new("/nowhere"));
        let stuck = json!({ "total": 1, "new": ["bad.md"] });
        let stuck = Report::read(&stuck).unwrap();
        assert!(round.refuse_all("main", &stuck).is_err());
        assert!(round.refuse_all("main", &stuck).is_err());
        assert!(round.refuse_all("main", &stuck).is_ok());
        assert_eq!(round.refused(), 1);
        round.ask_again_for(&BTreeSet::from(["main/bad.md".to_owned()]));
        assert!(round.refuse_all("main", &stuck).is_err());
    }

    #[test]
    fn many_notes_are_looked_at_for_long_before_anything_is_found() {
        assert_eq!(looks_at(1), LOOKS_AT_ONE);
        assert!(looks_at(10_000) > Duration::from_secs(120));
        assert!(looks_at(u64::MAX) >= looks_at(1 << 31));
    }
}
