//! Which folders can hold notes. A look and a set-up judge them alike.

use std::io;
use std::path::{Path, PathBuf};

use super::made::MadeFolders;
use crate::Refusal;
use crate::disk::{self, Writing};
use crate::settings::PairSettings;
use crate::vault::{SidePlace, foresee};

/// What is in use already where notes may be kept.
pub(super) struct Ground {
    pub(super) pairs: Vec<PairSettings>,
    pub(super) drives: Vec<PathBuf>,
    /// Whose notes they are.
    pub(super) account: String,
    /// Folders of the app itself.
    pub(super) own: Vec<PathBuf>,
    /// Where the working folders of pairs are, unless they are beside the vault.
    pub(super) side_home: PathBuf,
}

/// Checks a folder for use as a vault and makes it if it is missing.
pub(super) fn fit_for_notes(
    folder: &Path,
    ground: &Ground,
) -> Result<(PathBuf, MadeFolders), Refusal> {
    may_hold_notes(folder, ground)?;
    let made = MadeFolders::make(folder).map_err(|error| {
        let message = format!("{} could not be made: {}", folder.display(), plain(&error));
        unusable(message)
    })?;
    match may_hold_notes(folder, ground) {
        Ok(folder) => Ok((folder, made)),
        Err(refusal) => {
            made.take_back();
            Err(refusal)
        }
    }
}

/// The folder without links on the way, if it may become a vault. Makes nothing.
pub(super) fn may_hold_notes(folder: &Path, ground: &Ground) -> Result<PathBuf, Refusal> {
    if !folder.is_absolute() {
        let refusal = refuse("folder_relative", "Give the folder's whole path".to_owned());
        return Err(refusal.hint("It begins with the name of a disk or a slash."));
    }
    let folder = resolved(folder);
    is_free(&folder, ground)?;
    is_usable(&folder)?;
    match foresee(&folder, &ground.side_home) {
        Ok(SidePlace::Apart | SidePlace::Beside(_)) => Ok(folder),
        Ok(SidePlace::Nowhere) => {
            let message = format!(
                "{} has no room beside it for the folder that sync works in",
                folder.display()
            );
            let hint = format!(
                "Choose a folder inside it, such as {}.",
                folder.join("Notes").display()
            );
            Err(refuse("folder_alone", message).hint(hint))
        }
        Err(error) => Err(unreadable(&folder, &error)),
    }
}

fn is_free(folder: &Path, ground: &Ground) -> Result<(), Refusal> {
    let overlaps = |other: &Path| folder.starts_with(other) || other.starts_with(folder);
    if ground.own.iter().any(|own| overlaps(&resolved(own))) {
        let message = "The app keeps its own files there; choose another folder";
        return Err(unusable(message.to_owned()));
    }
    if let Some(drive) = ground.drives.iter().find(|drive| overlaps(drive)) {
        let message = format!(
            "Your cloud is shown as a drive at {}; choose a folder apart from it",
            drive.display()
        );
        return Err(refuse("folder_drive", message));
    }
    let of_another = |pair: &&PairSettings| pair.folder == folder && pair.account != ground.account;
    if ground.pairs.iter().any(|pair| of_another(&pair)) {
        let message = "Another account keeps its notes in this folder; choose another";
        return Err(refuse("folder_taken", message.to_owned()));
    }
    let mut others = ground.pairs.iter().filter(|pair| pair.folder != folder);
    match others.find(|pair| overlaps(&pair.folder)) {
        Some(pair) => {
            let message = format!("This folder and {} overlap", pair.folder.display());
            let hint = "One folder in sync cannot be inside another; choose one apart from it.";
            Err(refuse("folder_nested", message).hint(hint))
        }
        None => Ok(()),
    }
}

/// Whether notes can be read and written there, or a folder be made for them.
fn is_usable(folder: &Path) -> Result<(), Refusal> {
    let Some(place) = folder.ancestors().find(|place| place.exists()) else {
        return Err(unusable(format!(
            "There is no disk for {}",
            folder.display()
        )));
    };
    if !place.is_dir() {
        let message = format!("{} is a file; choose a folder", place.display());
        return Err(unusable(message));
    }
    if place == folder {
        std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    }
    match disk::writing(place) {
        Writing::Allowed => Ok(()),
        Writing::Refused => {
            let message = format!("Nothing can be written to {}", place.display());
            let hint = "Choose another folder, or change its permissions.";
            Err(refuse("folder_read_only", message).hint(hint))
        }
    }
}

/// The folder without links on the way, as far as it is there.
pub(super) fn resolved(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|place| place.exists());
    let whole = there.and_then(|place| {
        let rest = folder.strip_prefix(place).ok()?;
        let place = dunce::canonicalize(place).ok()?;
        Some(if rest.as_os_str().is_empty() {
            place
        } else {
            place.join(rest)
        })
    });
    whole.unwrap_or_else(|| folder.to_owned())
}

fn refuse(code: &str, message: String) -> Refusal {
    Refusal::new(code, message).field("folder")
}

fn unusable(message: String) -> Refusal {
    refuse("folder_unusable", message)
}

fn unreadable(folder: &Path, error: &io::Error) -> Refusal {
    unusable(format!(
        "{} cannot be read: {}",
        folder.display(),
        plain(error)
    ))
}

/// What the system says, without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next();
    words.unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::ProfileName;

    fn ground(root: &Path) -> Ground {
        Ground {
            pairs: vec![PairSettings {
                id: "p".into(),
                folder: root.join("Notes"),
                profile: ProfileName::Safe,
                account: "a".into(),
                bucket: "b".into(),
                filters: Vec::new(),
            }],
            drives: vec![root.join("Cloud")],
            account: "a".into(),
            own: vec![root.join("state"), root.join("data")],
            side_home: root.join("data"),
        }
    }

    #[test]
    fn a_look_and_a_set_up_refuse_the_same_folders_and_make_none() {
        let scratch = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(scratch.path()).unwrap();
        std::fs::create_dir(root.join("state")).unwrap();
        let append = std::fs::File::options()
            .create(true)
            .append(true)
            .to_owned();
        append.open(root.join("file")).unwrap();
        let ground = ground(&root);
        for (folder, refused) in [
            (PathBuf::from("Notes"), "folder_relative"),
            (PathBuf::from("~/Notes"), "folder_relative"),
            (root.join("Notes/sub"), "folder_nested"),
            (root.clone(), "folder_unusable"),
            (root.join("state/x"), "folder_unusable"),
            (root.join("data"), "folder_unusable"),
            (root.join("Cloud"), "folder_drive"),
            (root.join("Cloud/Inbox"), "folder_drive"),
            (root.join("file"), "folder_unusable"),
            (root.join("file/below"), "folder_unusable"),
        ] {
            let code = may_hold_notes(&folder, &ground).unwrap_err().code;
            assert_eq!(code, refused, "{}", folder.display());
            let refusal = fit_for_notes(&folder, &ground).map(|_| ()).unwrap_err();
            assert_eq!(
                (refusal.code.as_str(), refusal.field.as_deref()),
                (refused, Some("folder"))
            );
        }
        let mut left: Vec<_> = std::fs::read_dir(&root).unwrap().flatten().collect();
        left.sort_by_key(std::fs::DirEntry::file_name);
        let left: Vec<_> = left.iter().map(std::fs::DirEntry::file_name).collect();
        assert_eq!(left, ["file", "state"], "what does not fit is not made");
    }

    #[test]
    fn a_set_up_makes_what_is_missing_and_knows_its_own_folder_again() {
        let scratch = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(scratch.path()).unwrap();
        let ground = ground(&root);
        let fit =
            |path: &str| fit_for_notes(&root.join(path), &ground).map(|(folder, _made)| folder);
        assert_eq!(fit("Notes").unwrap(), root.join("Notes"));
        assert_eq!(fit("Other/deep/").unwrap(), root.join("Other/deep"));
        let of_another = Ground {
            account: "b".into(),
            ..ground
        };
        let taken = fit_for_notes(&root.join("Notes"), &of_another).map(|_| ());
        assert_eq!(taken.unwrap_err().code, "folder_taken");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_judged_by_where_it_leads() {
        let scratch = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(scratch.path()).unwrap();
        std::fs::create_dir_all(root.join("Notes/sub")).unwrap();
        std::os::unix::fs::symlink(root.join("Notes/sub"), root.join("link")).unwrap();
        let refusal = may_hold_notes(&root.join("link"), &ground(&root)).unwrap_err();
        assert_eq!(refusal.code, "folder_nested");
    }
}
