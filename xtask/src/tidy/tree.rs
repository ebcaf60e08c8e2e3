use std::collections::BTreeMap;

use anyhow::Result;

use crate::repo::Repo;
use crate::run::{self, Show};

/// The text files of the checkout, by path from its root. Binary files have an empty text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads every file that is tracked, or would be if it were added.
    pub(crate) fn read(repo: &Repo) -> Result<Self> {
        let words = [
            "git",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ];
        let listed = run::require(&mut run::command(repo.root(), words), Show::OnFailure)?;
        let mut files = BTreeMap::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // A file that was removed but not yet from the index, or that is no text.
            let Ok(bytes) = std::fs::read(repo.at(path)) else {
                continue;
            };
            files.insert(
                path.to_owned(),
                String::from_utf8(bytes).unwrap_or_default(),
            );
        }
        Ok(Self { files })
    }

    /// Files whose path starts and ends like this.
    pub(crate) fn matching<'a>(
        &'a self,
        start: &'a str,
        end: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.starts_with(start) && path.ends_with(end))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Whether there is such a file, or a folder with files in it.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&inside))
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        Self { files }
    }
}
