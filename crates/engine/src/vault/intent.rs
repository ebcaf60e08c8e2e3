use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::beneath::{Audience, Folder, Moved};

/// What a change is about to do with one path, durable before it moves the user's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub id: String,
    pub path: String,
    /// MD5 of the version that is put in; `None` for a removal.
    pub ours: Option<String>,
    /// MD5 of the version that is replaced or removed.
    pub expect: String,
    /// The day's folder of history, where the old version goes.
    pub day: String,
}

/// The names that one change uses in the stage.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub id: String,
    /// A copy in the making; it was never in the vault, so it may be thrown away.
    pub part: String,
    /// Ours before the swap, the user's after it.
    pub file: String,
    pub aside: String,
    intent: String,
    /// The intent of a settled change, until its old version has been looked at again.
    kept: String,
}

impl Names {
    pub(super) fn new() -> Self {
        Self::of(&Uuid::new_v4().simple().to_string())
    }

    pub(super) fn of(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            part: format!("{id}.part"),
            file: format!("{id}.file"),
            aside: format!("{id}.aside"),
            intent: format!("{id}.json"),
            kept: format!("{id}.kept"),
        }
    }

    pub(super) fn write(&self, stage: &Folder, intent: &Intent) -> io::Result<()> {
        let text = serde_json::to_vec(intent).map_err(io::Error::other)?;
        let mut file = stage.create_file(&self.intent, Audience::Owner)?;
        file.write_all(&text)?;
        file.sync_all()?;
        stage.sync()
    }

    /// Ends a change that moved nothing.
    pub(super) fn withdraw(&self, stage: &Folder) -> io::Result<()> {
        stage.discard_own(&self.intent)
    }

    /// Ends a change; what it put into history is to be looked at once more.
    pub(super) fn settle(&self, stage: &Folder) -> io::Result<()> {
        match stage.move_to(&self.intent, stage, &self.kept)? {
            Moved::Done | Moved::Gone => Ok(()),
            Moved::Taken => stage.discard_own(&self.intent),
        }
    }

    pub(super) fn forget(&self, stage: &Folder) -> io::Result<()> {
        stage.discard_own(&self.kept)
    }

    /// Whether the change itself is over.
    pub(super) fn is_settled(&self, stage: &Folder) -> io::Result<bool> {
        for name in [&self.intent, &self.file, &self.aside] {
            if stage.find(name)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The ids of all that lies in the stage, each with its intent if that can be read.
pub(super) fn unsettled(stage: &Folder) -> io::Result<Vec<(Names, Option<Intent>)>> {
    let mut ids: Vec<String> = stage
        .names()?
        .into_iter()
        .flatten()
        .filter_map(|name| {
            let (id, kind) = name.split_once('.')?;
            ["part", "file", "aside", "json", "kept"]
                .contains(&kind)
                .then(|| id.to_owned())
        })
        .collect();
    ids.sort();
    ids.dedup();
    let mut found = Vec::new();
    for id in ids {
        let names = Names::of(&id);
        let intent = match read(stage, &names.intent)? {
            Some(intent) => Some(intent),
            None => read(stage, &names.kept)?,
        };
        found.push((names, intent));
    }
    Ok(found)
}

/// A torn intent was not durable, so its change had not begun.
fn read(stage: &Folder, name: &str) -> io::Result<Option<Intent>> {
    let mut text = Vec::new();
    match stage.open_file(name) {
        Ok(mut file) => file.read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(serde_json::from_slice(&text).ok())
}
