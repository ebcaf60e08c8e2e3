//! The tree that rclone works on: links to the vault's files of this cycle, and the sentinel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::beneath::{Audience, Folder, Found, PathError, is_full};
use super::problem::{PathProblem, ProblemCode};
use super::side::{Linking, Side};
use super::signature::{Signature, digest_into};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    /// The vault's files that are now in the mirror, as they were after linking.
    pub linked: BTreeMap<String, Signature>,
    /// Changed or vanished since the scan: left to the next cycle.
    pub moved: BTreeSet<String>,
    pub problems: Vec<PathProblem>,
    placed: BTreeMap<String, (MirrorFile, Linking)>,
}

/// A file of the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MirrorFile {
    pub ino: u64,
    pub size: u64,
    pub mtime_ns: i64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum MirrorError {
    #[error("the disk is full")]
    DiskFull,
    #[error("could not {doing} the mirror")]
    Io {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the notes folder cannot be opened")]
    Vault {
        #[source]
        source: io::Error,
    },
}

impl Filled {
    /// Whether a file is still the one that was placed here, so that rclone did not replace it.
    ///
    /// rclone replaces whole files only. A hard link may show what the user saved meanwhile; that
    /// is the user's change, not rclone's.
    pub(crate) fn untouched(&self, path: &str, now: &MirrorFile) -> bool {
        match self.placed.get(path) {
            Some((placed, Linking::Hard)) => placed.ino == now.ino,
            Some((placed, Linking::Copy)) => placed == now,
            None => false,
        }
    }
}

/// Empties the mirror. Links go, the vault's files stay.
#[expect(
    clippy::disallowed_methods,
    reason = "the mirror is ours; no link in it is followed"
)]
pub(crate) fn clear(side: &Side) -> Result<(), MirrorError> {
    let failed = io_error("empty");
    for entry in fs::read_dir(&side.mirror).map_err(&failed)? {
        let path = entry.and_then(|entry| Ok((entry.file_type()?, entry.path())));
        let (kind, path) = path.map_err(&failed)?;
        if kind.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
        .map_err(&failed)?;
    }
    Ok(())
}

/// Empties the mirror and fills it with the wanted files and the sentinel.
///
/// # Errors
/// [`MirrorError`] if the mirror cannot be trusted; files that cannot be shown are listed instead.
pub(crate) fn fill(
    side: &Side,
    vault: &Path,
    wanted: &BTreeMap<String, Signature>,
    sentinel: (&str, &[u8]),
) -> Result<Filled, MirrorError> {
    clear(side)?;
    let failed = io_error("fill");
    let vault = Folder::open_root(vault).map_err(|source| MirrorError::Vault { source })?;
    let mirror = Folder::open_root(&side.mirror).map_err(&failed)?;
    let mut filled = Filled::default();
    for (path, expected) in wanted {
        match place(side.linking, &vault, &mirror, path, expected) {
            Ok(Placed::Shown {
                signature,
                file,
                how,
            }) => {
                filled.linked.insert(path.clone(), signature);
                filled.placed.insert(path.clone(), (file, how));
            }
            Ok(Placed::Moved) => {
                filled.moved.insert(path.clone());
            }
            Ok(Placed::Unreadable) => {
                filled
                    .problems
                    .push(PathProblem::new(path, ProblemCode::Unreadable));
            }
            Err(source) => return Err(failed(source)),
        }
    }
    let (name, bytes) = sentinel;
    let mut file = mirror.create_file(name, Audience::Owner).map_err(&failed)?;
    file.write_all(bytes).map_err(&failed)?;
    Ok(filled)
}

/// The files in the mirror after rclone's run, without the sentinel and rclone's leftovers.
pub(crate) fn read(
    side: &Side,
    sentinel: &str,
) -> Result<BTreeMap<String, MirrorFile>, MirrorError> {
    let failed = io_error("read");
    let mirror = Folder::open_root(&side.mirror).map_err(&failed)?;
    let mut files = BTreeMap::new();
    collect(&mirror, "", &mut files).map_err(&failed)?;
    files.remove(sentinel);
    Ok(files)
}

enum Placed {
    Shown {
        signature: Signature,
        file: MirrorFile,
        how: Linking,
    },
    Moved,
    Unreadable,
}

fn place(
    linking: Linking,
    vault: &Folder,
    mirror: &Folder,
    path: &str,
    expected: &Signature,
) -> io::Result<Placed> {
    let (folder, name) = match vault.parent_of(path) {
        Ok(found) => found,
        Err(PathError::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(Placed::Unreadable);
        }
        Err(PathError::Io(error)) => return Err(error),
        Err(
            PathError::Malformed | PathError::Missing | PathError::Link | PathError::NotAFolder,
        ) => {
            return Ok(Placed::Moved);
        }
    };
    let (room, _) = mirror.make_parent_of_undurably(path)?;
    match folder.find(name)? {
        Some(Found::File(stat)) if stat.signature.same_content_likely(expected) => {}
        Some(Found::File(_) | Found::Folder | Found::Link | Found::Other) | None => {
            return Ok(Placed::Moved);
        }
    }
    let mut file = match folder.open_file(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(Placed::Unreadable);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Placed::Moved),
        Err(error) => return Err(error),
    };
    let linked = match linking {
        // The system may refuse links to files of other users; those are copied.
        Linking::Hard => folder.link_to(name, &room, name).is_ok(),
        Linking::Copy => false,
    };
    if !linked {
        let mut copy = room.create_file(name, Audience::Owner)?;
        digest_into(&mut file, &mut copy)?;
    }
    let signature = Signature::of_file(&file)?;
    let Some(Found::File(stat)) = room.find(name)? else {
        return Ok(Placed::Moved);
    };
    let shown = stat.signature;
    let whole = shown.size == signature.size
        && (!linked || (shown.ino, shown.dev) == (signature.ino, signature.dev));
    if !whole || !signature.same_content_likely(expected) {
        room.discard_own(name)?;
        return Ok(Placed::Moved);
    }
    let how = if linked { Linking::Hard } else { Linking::Copy };
    Ok(Placed::Shown {
        signature,
        file: MirrorFile::of(&shown),
        how,
    })
}

impl MirrorFile {
    fn of(signature: &Signature) -> Self {
        Self {
            ino: signature.ino,
            size: signature.size,
            mtime_ns: signature.mtime_ns,
        }
    }
}

fn collect(
    folder: &Folder,
    prefix: &str,
    files: &mut BTreeMap<String, MirrorFile>,
) -> io::Result<()> {
    for name in folder.names()? {
        let Ok(name) = name else { continue };
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}/{name}")
        };
        match folder.find(&name)? {
            Some(Found::Folder) => match folder.child(&name) {
                Ok(child) => collect(&child, &path, files)?,
                Err(error) => return Err(error.into()),
            },
            Some(Found::File(stat)) if !is_leftover(&name) => {
                files.insert(path, MirrorFile::of(&stat.signature));
            }
            Some(Found::File(_) | Found::Link | Found::Other) | None => {}
        }
    }
    Ok(())
}

/// rclone names an unfinished download `name.<random>.partial`.
fn is_leftover(name: &str) -> bool {
    name.ends_with(crate::filters::PARTIAL_SUFFIX)
}

fn io_error(doing: &'static str) -> impl Fn(io::Error) -> MirrorError {
    move |source| {
        if is_full(&source) {
            MirrorError::DiskFull
        } else {
            MirrorError::Io { doing, source }
        }
    }
}
