//! Files and folders below an open folder, one path component at a time, never through a link.

use std::io;

use super::system::{self, NotOpened};

pub(super) use super::system::{Audience, Folder, Found, Moved};

#[derive(Debug, thiserror::Error)]
pub(super) enum PathError {
    #[error("the path is no relative path of plain names")]
    Malformed,
    #[error("a folder on the way is missing")]
    Missing,
    #[error("a link stands where a folder should be")]
    Link,
    #[error("a file stands where a folder should be")]
    NotAFolder,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<PathError> for io::Error {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Io(source) => source,
            PathError::Malformed | PathError::Missing | PathError::Link | PathError::NotAFolder => {
                Self::other(error)
            }
        }
    }
}

impl Folder {
    pub(super) fn child(&self, name: &str) -> Result<Self, PathError> {
        // A name that is a folder again by the time it is looked at is tried again, not for ever.
        for _ in 0..8 {
            match self.open_folder(name) {
                Ok(folder) => return Ok(folder),
                Err(NotOpened::Missing) => return Err(PathError::Missing),
                Err(NotOpened::NotAFolder) => match self.find(name)? {
                    Some(Found::Folder) => {}
                    Some(Found::Link) => return Err(PathError::Link),
                    Some(Found::File(_) | Found::Other) => return Err(PathError::NotAFolder),
                    None => return Err(PathError::Missing),
                },
                Err(NotOpened::Io(error)) => return Err(PathError::Io(error)),
            }
        }
        Err(PathError::Link)
    }

    /// Opens the folder that holds `path`, and gives the last name.
    pub(super) fn parent_of<'p>(&self, path: &'p str) -> Result<(Self, &'p str), PathError> {
        let (folders, name) = split(path)?;
        let mut folder = self.again()?;
        for component in folders {
            folder = folder.child(component)?;
        }
        Ok((folder, name))
    }

    /// Opens the last folder on the way to `path` that is there; with the last name, if it is the
    /// one that holds `path`.
    pub(super) fn nearest_to<'p>(
        &self,
        path: &'p str,
    ) -> Result<(Self, Option<&'p str>), PathError> {
        let (folders, name) = split(path)?;
        let mut folder = self.again()?;
        for component in folders {
            folder = match folder.child(component) {
                Err(PathError::Missing) => return Ok((folder, None)),
                other => other?,
            };
        }
        Ok((folder, Some(name)))
    }

    /// As [`Folder::parent_of`], making the folders that are missing, durably.
    pub(super) fn make_parent_of<'p>(&self, path: &'p str) -> Result<(Self, &'p str), PathError> {
        self.make_folders(path, Self::make)
    }

    /// As [`Folder::make_parent_of`], for folders that need not outlive a power cut.
    pub(super) fn make_parent_of_undurably<'p>(
        &self,
        path: &'p str,
    ) -> io::Result<(Self, &'p str)> {
        Ok(self.make_folders(path, Self::make_folder)?)
    }

    fn make_folders<'p>(
        &self,
        path: &'p str,
        make: impl Fn(&Self, &str) -> io::Result<bool>,
    ) -> Result<(Self, &'p str), PathError> {
        let (folders, name) = split(path)?;
        let mut folder = self.again()?;
        for component in folders {
            folder = match folder.child(component) {
                Err(PathError::Missing) => {
                    make(&folder, component)?;
                    folder.child(component)?
                }
                other => other?,
            };
        }
        Ok((folder, name))
    }

    fn make(&self, name: &str) -> io::Result<bool> {
        let made = self.make_folder(name)?;
        if made {
            self.sync()?;
        }
        Ok(made)
    }
}

/// Whether an operation failed for want of space.
pub(super) fn is_full(error: &io::Error) -> bool {
    [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].contains(&error.kind())
}

/// Cuts a relative path into its folders and its last name; refuses what could leave the root.
fn split(path: &str) -> Result<(Vec<&str>, &str), PathError> {
    let mut components: Vec<&str> = path.split('/').collect();
    if !components.iter().all(|name| system::is_plain(name)) {
        return Err(PathError::Malformed);
    }
    let name = components.pop().ok_or(PathError::Malformed)?;
    Ok((components, name))
}
