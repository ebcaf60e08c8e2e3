//! A look at a few paths, where [`scan`](super::scan()) walks them all.

use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::beneath::{Folder, Found, PathError};
use super::scan::{RootError, Scan, open, unfit};
use super::signature::{HashError, Signature, md5_of_open};
use crate::filters::Filters;

/// One complete version of a note, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) bytes: Bytes,
    /// Lower-case hexadecimal.
    pub(crate) md5: String,
    pub(crate) signature: Signature,
}

/// Looks at `paths` alone. What is not plainly a file or plainly gone counts as hidden, so that a
/// plan made of this leaves it alone.
///
/// # Errors
/// [`RootError`] if there is no vault to speak of.
pub(crate) fn look<'p>(
    root: &Path,
    filters: &Filters,
    paths: impl IntoIterator<Item = &'p String>,
) -> Result<Scan, RootError> {
    let folder = open(root)?;
    let device = folder
        .stat()
        .map_err(|source| RootError::Unreadable { source })
        .map(|stat| stat.signature.dev)?;
    let mut scan = Scan::default();
    for path in paths {
        match glance(&folder, device, path) {
            Ok(Some(signature)) if filters.includes(path) => {
                scan.files.insert(path.clone(), signature);
            }
            Ok(Some(_) | None) => {}
            Err(Hidden) => {
                scan.unreadable.insert(path.clone());
            }
        }
    }
    Ok(scan)
}

/// A path that only a whole walk may judge.
struct Hidden;

/// The file at `path`, if it is one that syncs; `None` if nothing is there.
fn glance(root: &Folder, device: u64, path: &str) -> Result<Option<Signature>, Hidden> {
    if path.split('/').any(|part| unfit(part, path).is_some()) {
        return Err(Hidden);
    }
    let (parent, name) = match root.parent_of(path) {
        Ok(found) => found,
        Err(PathError::Missing) => return Ok(None),
        Err(PathError::Malformed | PathError::Link | PathError::NotAFolder | PathError::Io(_)) => {
            return Err(Hidden);
        }
    };
    match parent.find(name) {
        Ok(None) => Ok(None),
        Ok(Some(Found::File(stat))) => (stat.signature.dev == device)
            .then_some(Some(stat.signature))
            .ok_or(Hidden),
        Ok(Some(Found::Folder | Found::Link | Found::Other)) | Err(_) => Err(Hidden),
    }
}

/// Reads one version of a note, of at most `limit` bytes. `None` if it is larger.
///
/// # Errors
/// [`HashError::Moved`] if it changed under the read; another event follows then.
pub(crate) fn read_note(root: &Path, path: &str, limit: u64) -> Result<Option<Note>, HashError> {
    let unreadable = |source| HashError::Unreadable { source };
    let folder = Folder::open_root(root).map_err(unreadable)?;
    let (parent, name) = match folder.parent_of(path) {
        Ok(found) => found,
        Err(PathError::Missing) => return Err(HashError::Missing),
        Err(error) => return Err(unreadable(error.into())),
    };
    let file = match parent.open_file(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(HashError::Missing),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    let read = md5_of_open(&file, |from| {
        let size = from.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok((hex::encode(Md5::digest(&bytes)), size as u64))
    });
    match read {
        Ok((md5, signature)) if signature.size <= limit => Ok(Some(Note {
            bytes: bytes.into(),
            md5,
            signature,
        })),
        Ok(_) => Ok(None),
        Err(HashError::Moved) if bytes.len() as u64 > limit => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn sees_files_and_gaps_and_leaves_everything_else_to_a_walk() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        std::fs::create_dir_all(root.join("folder/below")).unwrap();
        let file = |path: &str| drop(std::fs::File::create_new(root.join(path)).unwrap());
        file("note.md");
        file("folder/note.md");
        std::os::unix::fs::symlink(root.join("note.md"), root.join("link.md")).unwrap();
        std::os::unix::fs::symlink(root.join("folder"), root.join("linked")).unwrap();
        let paths: Vec<String> = [
            "note.md",
            "folder/note.md",
            "gone.md",
            "no/such/folder.md",
            "folder/below",
            "link.md",
            "linked/note.md",
            "note.md/below.md",
            ".git/config",
        ]
        .map(str::to_owned)
        .to_vec();
        let filters = Filters::parse(Filters::DEFAULT_TEXT).unwrap();
        let scan = look(root, &filters, &paths).unwrap();
        let seen: Vec<&str> = scan.files.keys().map(String::as_str).collect();
        assert_eq!(seen, ["folder/note.md", "note.md"]);
        let gone: Vec<&str> = paths
            .iter()
            .filter(|path| scan.is_gone(path, &filters))
            .map(String::as_str)
            .collect();
        assert_eq!(gone, ["gone.md", "no/such/folder.md"]);
    }

    #[test]
    fn reads_a_whole_version_or_says_that_it_is_too_large() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("note.md");
        std::io::Write::write_all(&mut std::fs::File::create_new(&path).unwrap(), b"hello")
            .unwrap();
        let note = read_note(scratch.path(), "note.md", 5).unwrap().unwrap();
        assert_eq!(note.bytes.as_ref(), b"hello");
        assert_eq!(note.md5, "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(note.signature.size, 5);
        assert_eq!(read_note(scratch.path(), "note.md", 4).unwrap(), None);
        assert!(matches!(
            read_note(scratch.path(), "other.md", 4),
            Err(HashError::Missing)
        ));
    }
}
