//! One round of indexing: everything that waits, in as few requests as it takes.

mod named;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Mutex;

use super::Backlog;
use super::look::{Seen, top};
use super::projects::{self, Projects};
use super::refused::{Next, Refused};
use super::unreadable::Unreadable;
use super::walk::{Ended, Walk, Walked};
use crate::generation::Generation;
use crate::upstream::{CallError, Caller};

/// More notes of one project than this are found faster by a walk over it.
const MOST_BY_NAME: usize = 40;
pub(crate) struct Round {
    caller: Caller,
    generation: Generation,
    data: PathBuf,
    projects: Projects,
    turn: Arc<Mutex<()>>,
    walked: BTreeMap<String, Walked>,
    refused: Refused,
    unreadable: Unreadable,
}

/// What has to be done for one project.
#[derive(Debug, Default, PartialEq, Eq)]
struct Errand {
    /// Below the project's folder.
    notes: BTreeSet<String>,
    whole: bool,
}

impl Round {
    /// Indexing a note rewrites it: `turn` is held for that long. `home` is Basic Memory's.
    pub(crate) fn new(
        caller: Caller,
        generation: Generation,
        data: PathBuf,
        home: &Path,
        turn: Arc<Mutex<()>>,
    ) -> Self {
        let unreadable = Unreadable::new(data.clone(), home);
        Self {
            caller,
            generation,
            data,
            projects: Projects::new(),
            turn,
            walked: BTreeMap::new(),
            refused: Refused::default(),
            unreadable,
        }
    }

    /// How much is left alone until it arrives again.
    pub(super) fn refused(&self) -> usize {
        self.refused.count() + self.unreadable.count()
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
                let unknown = match self.generation {
                    Generation::V0_24 => {
                        let failed = self.index_named(&folder, &project, errand.notes).await;
                        left.paths.extend(failed);
                        continue;
                    }
                    Generation::V0_15 => self.watch_named(&folder, errand.notes).await,
                };
                if unknown.is_empty() {
                    continue;
                }
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
            if is_note {
                errand.notes.insert(note.to_owned());
            } else {
                errand.whole = true;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(generation: Generation, data: &std::path::Path) -> Round {
        let caller = Caller::new("/nowhere".into());
        let nowhere = Path::new("/nowhere");
        let mut round = Round::new(caller, generation, data.to_owned(), nowhere, Arc::default());
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
        assert!(!of(Generation::V0_15, &["main/a.md"]).whole);
        assert!(of(Generation::V0_15, &["main/gone.md"]).whole);
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
}
