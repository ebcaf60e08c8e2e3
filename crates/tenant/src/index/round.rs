//! One round of indexing: everything that waits, in as few requests as it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Backlog;
use super::projects::{self, Projects};
use crate::generation::Generation;
use crate::upstream::{CallError, Caller};

/// More notes of one project than this are found faster by a walk over it.
const MOST_BY_NAME: usize = 40;
/// A watcher that waits a tenth of a second has begun by then.
const FIRST_LOOK: Duration = Duration::from_millis(150);
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// A watcher that does nothing for so long missed something.
const STUCK_AFTER: Duration = Duration::from_secs(4);
/// What a permalink may have besides letters and digits.
const PLAIN: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

pub(crate) struct Round {
    caller: Caller,
    generation: Generation,
    data: PathBuf,
    projects: Projects,
    turn: Arc<Mutex<()>>,
    /// Folders that were walked over, so that another walk finds little to do.
    walked: BTreeSet<String>,
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
            walked: BTreeSet::new(),
        }
    }

    /// Works on all of it; what failed and is worth another try.
    pub(super) async fn run(&mut self, work: Backlog) -> Backlog {
        match self.learn_projects(&work).await {
            Ok(()) => {}
            Err(error) => {
                tracing::info!(%error, "the projects could not be listed");
                return work;
            }
        }
        let mut left = Backlog::default();
        for (folder, errand) in self.errands(&work) {
            let Some(project) = self.projects.get(&folder).cloned() else {
                continue;
            };
            let walks = errand.whole;
            let carried = self.carry_out(&folder, &project, errand).await;
            if walks && carried.is_ok() {
                self.walked.insert(folder.clone());
            }
            if let Err(error) = carried {
                tracing::info!(%error, "a project was not indexed");
                let own = format!("{folder}/");
                let paths = work.paths.iter().filter(|path| path.starts_with(&own));
                left.paths.extend(paths.cloned());
                left.anything |= work.anything;
            }
        }
        left
    }

    /// Asks for the projects where one is missing, and makes those that still are.
    async fn learn_projects(&mut self, work: &Backlog) -> Result<(), CallError> {
        let named = work.paths.iter().filter_map(|path| top(path));
        let mut wanted: BTreeSet<String> = named.map(str::to_owned).collect();
        if work.anything {
            wanted.extend(folders_in(&self.data));
        }
        wanted.retain(|folder| projects::can_be_project(folder));
        let all_known = wanted
            .iter()
            .all(|folder| self.projects.contains_key(folder));
        if all_known && !work.anything {
            return Ok(());
        }
        self.projects = projects::list(&self.caller, self.generation, &self.data).await?;
        let missing: Vec<&String> = wanted
            .iter()
            .filter(|folder| !self.projects.contains_key(*folder))
            .filter(|folder| self.data.join(folder).is_dir())
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

    fn errands(&self, work: &Backlog) -> BTreeMap<String, Errand> {
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
            let is_note = note.ends_with(".md") && self.data.join(path).is_file();
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

    async fn carry_out(
        &self,
        folder: &str,
        project: &str,
        errand: Errand,
    ) -> Result<(), CallError> {
        if errand.whole {
            return match self.generation {
                Generation::V0_15 => self.watch_until_found(folder).await,
                Generation::V0_24 => {
                    let path = format!("/v2/projects/{project}/index?run_in_background=false");
                    // The first walk may take minutes, for which nothing would be followed.
                    let _turn = match self.walked.contains(folder) {
                        true => Some(self.turn.lock().await),
                        false => None,
                    };
                    self.caller.json(Method::POST, &path, None).await.map(drop)
                }
            };
        }
        let path = format!("/v2/projects/{project}/knowledge/index-file");
        let indexed = futures::stream::iter(errand.notes)
            .then(|note| {
                let body = json!({ "file_path": note });
                let path = &path;
                async move {
                    let _turn = self.turn.lock().await;
                    self.caller.json(Method::POST, path, Some(&body)).await
                }
            })
            .collect::<Vec<_>>()
            .await;
        for answer in indexed {
            match answer {
                // Gone meanwhile, or of a kind that it does not index: a later arrival tells.
                Ok(_) | Err(CallError::Status(StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST)) => {
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Its own watcher indexes, and "sync initiated" proves nothing: its report is read until it
    /// finds nothing to do. A walk is asked for only while nothing moves, because two at once get
    /// in each other's way.
    async fn watch_until_found(&self, folder: &str) -> Result<(), CallError> {
        let name = utf8_percent_encode(folder, PLAIN);
        let (sync, status) = (
            format!("/{name}/project/sync"),
            format!("/{name}/project/status"),
        );
        let mut moved = Instant::now();
        let mut last = None;
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            let report = self.caller.json(Method::POST, &status, None).await?;
            let left = report["total"].as_u64().ok_or(CallError::Malformed)?;
            if left == 0 {
                return Ok(());
            }
            if last != Some(left) {
                last = Some(left);
                moved = Instant::now();
            } else if moved.elapsed() >= STUCK_AFTER {
                self.caller.json(Method::POST, &sync, None).await?;
                return Err(CallError::TooSlow);
            }
            // Its report costs a look at every note.
            pause = (pause * 2).min(LONGEST_LOOK).max(asked.elapsed() * 2);
        }
    }
}

fn top(path: &str) -> Option<&str> {
    path.split_once('/').map(|(folder, _)| folder)
}

fn folders_in(data: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
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
        let of = |generation, paths: &[&str]| {
            round(generation, data.path())
                .errands(&backlog(paths, false))
                .remove("main")
                .unwrap()
        };
        let named = of(Generation::V0_24, &["main/a.md"]);
        assert_eq!((named.notes.len(), named.whole), (1, false));
        for other in ["main/b.png", "main/gone.md"] {
            assert!(of(Generation::V0_24, &[other]).whole, "{other}");
        }
        assert!(of(Generation::V0_15, &["main/a.md"]).whole);
        let all = round(Generation::V0_24, data.path()).errands(&backlog(&[], true));
        assert!(all["main"].whole);
        let root = round(Generation::V0_24, data.path()).errands(&backlog(&["a.md"], false));
        assert!(root.is_empty(), "what is in no folder is in no project");
    }
}
