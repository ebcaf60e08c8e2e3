use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::apply::{ApplyError, doing};
use super::beneath::{Audience, Folder, Moved, PathError};
use super::intent::{Names, unsettled};
use super::side::Side;
use super::signature::{digest_into, md5_of_file};
use super::system::open_own;

/// A version in the history folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub file: PathBuf,
    pub md5: String,
    pub size: u64,
}

/// A made place for one version: `history/YYYY-MM-DD/<id>/<path>`.
///
/// It is made before the user's file is moved, so that a full disk shows then.
pub(super) struct Slot<'p> {
    root: Folder,
    folder: Folder,
    name: &'p str,
    below: String,
    pub file: PathBuf,
}

/// Where a version lies below the history folder.
pub(super) fn below(day: &str, id: &str, path: &str) -> String {
    format!("{day}/{id}/{path}")
}

impl<'p> Slot<'p> {
    pub(super) fn make(side: &Side, day: &str, id: &str, path: &'p str) -> Result<Self, PathError> {
        let root = Folder::open_root(&side.history)?;
        let below = below(day, id, path);
        let (folder, _) = root.make_parent_of(&below)?;
        let name = path.rsplit('/').next().ok_or(PathError::Malformed)?;
        Ok(Self {
            root,
            folder,
            name,
            file: side.history.join(&below),
            below,
        })
    }

    /// Moves a file of the stage here, durably.
    pub(super) fn take(&self, stage: &Folder, name: &str) -> io::Result<()> {
        match stage.move_to(name, &self.folder, self.name)? {
            Moved::Done => self.folder.sync(),
            Moved::Taken => Err(io::ErrorKind::AlreadyExists.into()),
            Moved::Gone => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Moves the file back into the stage.
    pub(super) fn give_back(&self, stage: &Folder, name: &str) -> io::Result<()> {
        match self.folder.move_to(self.name, stage, name)? {
            Moved::Done => Ok(()),
            Moved::Taken => Err(io::ErrorKind::AlreadyExists.into()),
            Moved::Gone => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Removes the folders that were made for nothing.
    pub(super) fn abandon(&self) {
        remove_empty_parents(&self.root, &self.below);
    }
}

/// The name of a day's folder.
pub(super) fn day(now: OffsetDateTime) -> String {
    let date = now.date();
    format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

/// Removes the folders on the way to `path` that are empty, from the deepest up.
pub(super) fn remove_empty_parents(root: &Folder, path: &str) {
    let mut rest = path;
    while let Some((folder, _)) = rest.rsplit_once('/') {
        match root.parent_of(folder) {
            Ok((parent, name)) if parent.remove_empty(name) => rest = folder,
            Ok(_) | Err(_) => return,
        }
    }
}

/// The versions that changes put into history since the last [`super::recover`], with their paths.
/// What made them may have failed, or died, before it recorded them.
///
/// # Errors
/// [`ApplyError`] if the stage cannot be read.
pub(crate) fn kept_lately(side: &Side) -> Result<Vec<(String, Kept)>, ApplyError> {
    let failed = doing("read the stage");
    let stage = Folder::open_root(&side.stage).map_err(&failed)?;
    let mut found = Vec::new();
    for (names, intent) in unsettled(&stage).map_err(&failed)? {
        let Some(intent) = intent else { continue };
        let file = side
            .history
            .join(below(&intent.day, &names.id, &intent.path));
        let Ok(held) = std::fs::symlink_metadata(&file) else {
            continue;
        };
        let kept = Kept {
            file,
            md5: intent.expect,
            size: held.len(),
        };
        found.push((intent.path, kept));
    }
    Ok(found)
}

/// Whether the version is what it is said to be.
pub(crate) fn is_whole(kept: &Kept) -> bool {
    open_own(&kept.file).is_ok_and(|file| md5_of_file(&file).is_ok_and(|(md5, _)| md5 == kept.md5))
}

/// Puts a copy of some version of a note straight into history.
///
/// # Errors
/// [`ApplyError::DiskFull`] and others; then nothing was kept.
pub(crate) fn keep_version(
    side: &Side,
    version: &Path,
    path: &str,
    now: OffsetDateTime,
) -> Result<Kept, ApplyError> {
    let stage = Folder::open_root(&side.stage).map_err(doing("open the stage"))?;
    let names = Names::new();
    let result = keep(side, &stage, &names, version, path, now);
    if result.is_err() {
        drop(stage.discard_own(&names.part));
    }
    result
}

fn keep(
    side: &Side,
    stage: &Folder,
    names: &Names,
    version: &Path,
    path: &str,
    now: OffsetDateTime,
) -> Result<Kept, ApplyError> {
    let failed = doing("keep a version in history");
    let mut copy = stage
        .create_file(&names.part, Audience::Owner)
        .map_err(&failed)?;
    let (md5, size) = open_own(version)
        .and_then(|mut file| digest_into(&mut file, &mut copy))
        .map_err(&failed)?;
    copy.sync_all().map_err(&failed)?;
    let slot =
        Slot::make(side, &day(now), &names.id, path).map_err(|error| failed(error.into()))?;
    slot.take(stage, &names.part).map_err(&failed)?;
    Ok(Kept {
        file: slot.file,
        md5,
        size,
    })
}

/// Removes a version that was kept long enough, and the folders that were made for it. One that is
/// gone already is a success.
pub(crate) fn discard_kept(kept: &Kept, path: &str) -> io::Result<()> {
    let below = Path::new(path).components().count() + 2;
    let Some(root) = kept.file.ancestors().nth(below) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let names: Option<Vec<&str>> = kept
        .file
        .strip_prefix(root)
        .ok()
        .and_then(|below| below.iter().map(OsStr::to_str).collect());
    let below = names.ok_or(io::ErrorKind::InvalidInput)?.join("/");
    let root = match Folder::open_root(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    match root.parent_of(&below) {
        Ok((folder, name)) => folder.discard_own(name)?,
        Err(PathError::Missing) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    remove_empty_parents(&root, &below);
    Ok(())
}
