//! Where a mount can be.

use std::path::{Path, PathBuf};

use super::super::made::MadeFolders;
use crate::Refusal;
use crate::settings::PairSettings;

/// Checks a folder for use as a mount's place and makes it if it is missing.
pub(super) fn fit_to_mount(
    folder: &Path,
    pairs: &[PairSettings],
    taken: &[PathBuf],
) -> Result<(PathBuf, MadeFolders), Refusal> {
    if !folder.is_absolute() {
        let message = "Give the folder's whole path".to_owned();
        return Err(Refusal::new("folder_relative", message).field("folder"));
    }
    let made = MadeFolders::make(folder).map_err(|error| unusable(folder, &error))?;
    match place_to_mount(folder, pairs, taken) {
        Ok(folder) => Ok((folder, made)),
        Err(refusal) => {
            made.take_back();
            Err(refusal)
        }
    }
}

fn unusable(folder: &Path, error: &std::io::Error) -> Refusal {
    let message = format!("{} cannot be used: {error}", folder.display());
    Refusal::new("folder_unusable", message).field("folder")
}

fn place_to_mount(
    folder: &Path,
    pairs: &[PairSettings],
    taken: &[PathBuf],
) -> Result<PathBuf, Refusal> {
    let refuse = |code: &str, message: String| Refusal::new(code, message).field("folder");
    let unusable = |error| unusable(folder, &error);
    let folder = dunce::canonicalize(folder).map_err(unusable)?;
    let overlaps = |other: &Path| {
        let other = dunce::canonicalize(other).unwrap_or_else(|_| other.to_owned());
        folder.starts_with(&other) || other.starts_with(&folder)
    };
    if let Some(pair) = pairs.iter().find(|pair| overlaps(&pair.folder)) {
        let message = format!(
            "This folder and {}, which syncs, overlap",
            pair.folder.display()
        );
        return Err(refuse("folder_nested", message));
    }
    if taken.iter().any(|other| overlaps(other)) {
        let message = "This folder is in use already; choose another".to_owned();
        return Err(refuse("folder_taken", message));
    }
    let mut entries = std::fs::read_dir(&folder).map_err(unusable)?;
    if entries.next().is_some() {
        let message = format!("{} is not empty", folder.display());
        let hint = "A mount would hide its files: choose an empty folder, or a new one.";
        return Err(refuse("folder_not_empty", message).hint(hint));
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_mount_is_empty_and_apart_from_everything() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        for name in ["Notes", "state", "full/inside"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let pair = PairSettings {
            id: "p".into(),
            folder: root.join("Notes"),
            profile: crate::view::ProfileName::Safe,
            account: "a".into(),
            bucket: "b".into(),
            filters: Vec::new(),
        };
        let taken = [root.join("state")];
        let pairs = std::slice::from_ref(&pair);
        let fit = |path: &Path| fit_to_mount(path, pairs, &taken).map(|(folder, _made)| folder);
        let code = |path: &Path| fit(path).unwrap_err().code;
        assert_eq!(code(Path::new("Drive")), "folder_relative");
        assert_eq!(code(&root.join("Notes/sub")), "folder_nested");
        assert_eq!(code(&root.join("state/x")), "folder_taken");
        assert_eq!(code(&root), "folder_nested");
        assert_eq!(code(&root.join("full")), "folder_not_empty");
        assert_eq!(fit(&root.join("Drive")).unwrap(), root.join("Drive"));
    }
}
