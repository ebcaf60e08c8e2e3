//! Getting rclone by the machine's own means, after a person agreed, or taking one of theirs.

use std::path::{Path, PathBuf};

use super::{Answer, Core, Input};
use crate::view::{InstallWayView, RcloneView};
use crate::{Refusal, Reply};

impl Core {
    pub(super) fn list_install_ways(&self, answer: Answer) {
        let path = self.config.path_variable.clone();
        self.beside(answer, async move {
            let machine = rclone::Machine::look(path.as_deref()).await;
            let ways = rclone::ladder(&machine).iter().map(view).collect();
            Ok(Reply::InstallWays { ways })
        });
    }

    pub(super) fn install_with(&mut self, way: &str, answer: Answer) {
        let refused = || {
            Refusal::new("no_such_way", "This machine has no such way to get rclone")
                .field("way")
                .hint("The list of ways shows what it has.")
        };
        let Some(way) = rclone::Way::named(way) else {
            return self.reply(answer, Err(refused()));
        };
        if way == rclone::Way::Private {
            self.install_rclone();
            return self.reply(answer, Ok(Reply::Done));
        }
        let (config, inputs) = (self.config.clone(), self.inputs.clone());
        self.beside(answer, async move {
            let path = config.path_variable.as_deref();
            let machine = rclone::Machine::look(path).await;
            let rungs = rclone::ladder(&machine);
            let rung = rungs
                .iter()
                .find(|rung| rung.way == way)
                .ok_or_else(refused)?;
            let own = config.places.own_rclone();
            let search = rclone::candidates(config.rclone.as_deref(), &own, path);
            let binary = rclone::climb(rung, &search).await.map_err(|error| {
                Refusal::new(error.code(), error.to_string()).hint(error.hint())
            })?;
            if inputs.send(Input::Rclone(Ok(binary))).await.is_err() {
                tracing::debug!("the engine stopped after an installation");
            }
            Ok(Reply::Done)
        });
    }

    pub(super) fn test_rclone(&self, path: PathBuf, answer: Answer) {
        let folders = self.model.settings.synced_folders();
        self.beside(answer, async move {
            tested(&path, &folders).await.map(|binary| shown(&binary))
        });
    }

    pub(super) fn use_rclone(&mut self, path: Option<PathBuf>, answer: Answer) {
        if let Some(named) = &self.config.rclone {
            let message = format!("This program was started with {}", named.display());
            let hint = "BM_CLOUD_RCLONE goes before every choice; start it without that.";
            let refusal = Refusal::new("rclone_named", message).hint(hint);
            return self.reply(answer, Err(refusal.field("rclone")));
        }
        let Some(path) = path else {
            let forgotten = self.remember_rclone(None);
            if forgotten.is_ok() {
                self.model.rclone = RcloneView::Unknown;
                self.look_for_rclone();
            }
            return self.reply(answer, forgotten);
        };
        let (inputs, folders) = (self.inputs.clone(), self.model.settings.synced_folders());
        tokio::spawn(async move {
            let tested = Box::new(tested(&path, &folders).await);
            if inputs
                .send(Input::RcloneChosen(tested, answer))
                .await
                .is_err()
            {
                tracing::debug!("the engine stopped before a program was tested");
            }
        });
    }

    pub(super) fn take_choice_of_rclone(
        &mut self,
        tested: Result<rclone::Binary, Refusal>,
        answer: Answer,
    ) {
        let chosen = tested.and_then(|binary| {
            self.remember_rclone(Some(binary.path.clone()))?;
            let reply = shown(&binary);
            self.take_rclone(Ok(binary));
            Ok(reply)
        });
        self.reply(answer, chosen);
    }

    fn remember_rclone(&mut self, chosen: Option<PathBuf>) -> Result<Reply, Refusal> {
        self.write_settings(|settings| settings.rclone = chosen)
    }
}

/// Runs the program that a person named, to learn whether it is an rclone that can be used.
async fn tested(path: &Path, folders: &[PathBuf]) -> Result<rclone::Binary, Refusal> {
    let refused = |message: String, hint: &str| {
        Err(Refusal::new("rclone_unfit", message)
            .hint(hint)
            .field("rclone"))
    };
    if !path.is_absolute() {
        let hint = "It begins at the root of the disk.";
        return refused("Give the program's whole path".to_owned(), hint);
    }
    let real = dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_in = |folder: &PathBuf| real.starts_with(folder) || path.starts_with(folder);
    if folders.iter().any(is_in) {
        let message = "That file is synced: another device could put another program there";
        return refused(message.to_owned(), "Choose one outside of your notes.");
    }
    match rclone::find(&[path.to_owned()]).await {
        Ok(binary) => Ok(binary),
        Err(error @ rclone::FindError::TooOld { .. }) => refused(
            error.to_string(),
            "Update it, or let the app keep a copy of its own.",
        ),
        Err(error @ rclone::FindError::Broken { .. }) => {
            refused(error.to_string(), "Choose the program rclone itself.")
        }
        Err(rclone::FindError::Missing { .. }) => refused(
            format!("There is no program {}", path.display()),
            "Choose the program rclone itself.",
        ),
    }
}

fn shown(binary: &rclone::Binary) -> Reply {
    Reply::Rclone {
        version: binary.version.to_string(),
        path: binary.path.display().to_string(),
    }
}

fn view(rung: &rclone::Candidate) -> InstallWayView {
    InstallWayView {
        way: rung.way.name().to_owned(),
        command: rung.command.join(" "),
        administrator: match rung.rights {
            rclone::Rights::Administrator => true,
            rclone::Rights::Own => false,
        },
    }
}
