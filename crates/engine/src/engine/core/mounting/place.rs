//! Where a mount can be.

use std::path::{Path, PathBuf};

use super::super::made::MadeFolders;
use super::super::placing::resolved;
use crate::Refusal;

/// Checks a folder for use as a mount's place and makes it if it is missing.
pub(super) fn fit_to_mount(
    folder: &Path,
    synced: &[PathBuf],
    taken: &[PathBuf],
) -> Result<(PathBuf, MadeFolders), Refusal> {
    may_show_a_drive(folder, synced, taken)?;
    let made = MadeFolders::make(folder).map_err(|error| unusable(folder, &error))?;
    match may_show_a_drive(folder, synced, taken) {
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

/// The folder without links on the way, if a mount can be there: empty, or not there yet, and apart
/// from what syncs and what is in use. Makes nothing.
pub(super) fn may_show_a_drive(
    folder: &Path,
    synced: &[PathBuf],
    taken: &[PathBuf],
) -> Result<PathBuf, Refusal> {
    let refuse = |code: &str, message: String| Refusal::new(code, message).field("folder");
    if !folder.is_absolute() {
        let message = "Give the folder's whole path".to_owned();
        return Err(refuse("folder_relative", message));
    }
    let unusable = |error| unusable(folder, &error);
    let folder = resolved(folder);
    let overlaps = |other: &Path| {
        let other = resolved(other);
        folder.starts_with(&other) || other.starts_with(&folder)
    };
    if let Some(notes) = synced.iter().find(|notes| overlaps(notes)) {
        let message = format!("This folder and {}, which syncs, overlap", notes.display());
        return Err(refuse("folder_nested", message));
    }
    if taken.iter().any(|other| overlaps(other)) {
        let message = "This folder is in use already; choose another".to_owned();
        return Err(refuse("folder_taken", message));
    }
    if !folder.exists() {
        return Ok(folder);
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
        let root = dunce::canonicalize(scratch.path()).unwrap();
        for name in ["Notes", "state", "full/inside"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let (synced, taken) = ([root.join("Notes")], [root.join("state")]);
        let fit = |path: &Path| fit_to_mount(path, &synced, &taken).map(|(folder, _made)| folder);
        let code = |path: &Path| fit(path).unwrap_err().code;
        assert_eq!(code(Path::new("Drive")), "folder_relative");
        assert_eq!(code(&root.join("Notes/sub")), "folder_nested");
        assert_eq!(code(&root.join("state/x")), "folder_taken");
        assert_eq!(code(&root), "folder_nested");
        assert_eq!(code(&root.join("full")), "folder_not_empty");
        let drive = root.join("Drive");
        assert_eq!(may_show_a_drive(&drive, &synced, &taken).unwrap(), drive);
        assert!(!drive.exists(), "a look makes nothing");
        assert_eq!(fit(&drive).unwrap(), drive);
        let coming = [drive.clone()];
        let overlapping = may_show_a_drive(&drive.join("in"), &coming, &taken);
        assert_eq!(overlapping.unwrap_err().code, "folder_nested");
    }
}
