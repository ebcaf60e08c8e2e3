//! Whether a path could be changed now, before anything is fetched for it.

use std::path::Path;

use super::apply::{Stop, on_way};
use super::beneath::{Folder, Found};
use super::lease::Claim;
use super::problem::{PathProblem, ProblemCode};

/// What stands in the way of each path, for those where something does. It may be gone when the
/// path is changed, or come meanwhile; safe apply looks again.
pub(crate) fn obstacles<'p>(
    vault: &Path,
    paths: impl IntoIterator<Item = &'p String>,
) -> Vec<PathProblem> {
    let Ok(root) = Folder::open_root(vault) else {
        return Vec::new();
    };
    // A save is over soon; who keeps one file open for long is not waited for at each.
    let mut patience = Patience::Left;
    let problem = |path: &'p String| {
        let code = obstacle(&root, path, &mut patience)?;
        Some(PathProblem::new(path, code))
    };
    paths.into_iter().filter_map(problem).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Left,
    Lost,
}

fn obstacle(root: &Folder, path: &str, patience: &mut Patience) -> Option<ProblemCode> {
    let (folder, name) = match root.nearest_to(path) {
        Ok(found) => found,
        Err(error) => {
            return match on_way(error) {
                Stop::Blocked(code) => Some(code),
                Stop::Error(_) => None,
            };
        }
    };
    let found = match name {
        Some(name) => folder.find(name).ok()?,
        None => None,
    };
    match found {
        Some(Found::Folder | Found::Link | Found::Other) => return Some(ProblemCode::NotAFile),
        Some(Found::File(_)) | None if !folder.lets_change() => {
            return Some(ProblemCode::NotPermitted);
        }
        Some(Found::File(_)) => {}
        None => return None,
    }
    let file = folder.open_file(name?).ok()?;
    let claim = match patience {
        Patience::Left => Claim::take(&file),
        Patience::Lost => Claim::take_now(&file),
    };
    match claim {
        Claim::Held(_) | Claim::Unsupported => None,
        Claim::Busy => {
            *patience = Patience::Lost;
            Some(ProblemCode::InUse)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_what_stands_in_the_way_and_nothing_else() {
        let vault = tempfile::tempdir().unwrap();
        let root = vault.path();
        fs::create_dir(root.join("folder")).unwrap();
        for name in ["free.md", "held.md", "folder/a.md"] {
            let file = fs::File::options()
                .create(true)
                .append(true)
                .open(root.join(name));
            drop(file.unwrap());
        }
        let writer = fs::File::options().append(true).open(root.join("held.md"));
        let paths = [
            "free.md",
            "held.md",
            "folder",
            "free.md/below.md",
            "new/note.md",
        ]
        .map(str::to_owned);
        let found: Vec<(String, ProblemCode)> = obstacles(root, &paths)
            .into_iter()
            .map(|problem| (problem.path, problem.code))
            .collect();
        let expected = [
            ("held.md".to_owned(), ProblemCode::InUse),
            ("folder".to_owned(), ProblemCode::NotAFile),
            ("free.md/below.md".to_owned(), ProblemCode::ParentIsAFile),
        ];
        assert_eq!(found, expected);
        drop(writer);
        assert!(obstacles(root, &paths[1..2]).is_empty());
    }
}
