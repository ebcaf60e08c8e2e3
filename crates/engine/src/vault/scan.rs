use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::beneath::{Folder, Found, PathError};
use super::problem::{PathProblem, ProblemCode};
use super::signature::Signature;
use super::system::{self, Reading, Stat};
use crate::filters::Filters;
use crate::naming;

/// What a walk over a vault saw. Paths are relative, `/`-separated, exactly as on the disk.
///
/// A path that is in none of `files` is not thereby deleted: ask [`Scan::is_gone`], and
/// [`absent`] before acting on the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The files that take part in sync.
    pub files: BTreeMap<String, Signature>,
    pub folders: BTreeSet<String>,
    /// Folders whose content is not known.
    pub unreadable: BTreeSet<String>,
    /// Links and special files, which do not sync.
    pub skipped: BTreeSet<String>,
    pub problems: Vec<PathProblem>,
    /// Names that sync, and that another system cannot hold; the first [`REMARKS`] that were met.
    pub remarks: Vec<PathProblem>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RootError {
    #[error("the notes folder is missing")]
    Missing,
    #[error("something other than a folder is in the place of the notes folder")]
    NotAFolder,
    #[error("the notes folder cannot be read")]
    Unreadable {
        #[source]
        source: io::Error,
    },
}

/// The longest path, in bytes, that S3 accepts as a key.
const LONGEST_PATH: usize = 1024;

/// As many as anybody is shown.
const REMARKS: usize = 100;

impl Scan {
    /// Whether this scan speaks for a deletion of `path`: it takes part in sync, was not seen, and
    /// nothing that could hide it is in its place or above it.
    pub(crate) fn is_gone(&self, path: &str, filters: &Filters) -> bool {
        let hidden = |set: &BTreeSet<String>| {
            set.contains(path) || folders_of(path).any(|folder| set.contains(folder))
        };
        filters.includes(path)
            && !self.files.contains_key(path)
            && !self.unreadable.contains("")
            && !hidden(&self.unreadable)
            && !hidden(&self.skipped)
            && !self.problems.iter().any(|problem| problem.path == path)
    }
}

/// Walks a vault. Links are not followed; folders that the filters leave out are not entered.
///
/// # Errors
/// [`RootError`] if there is no vault to speak of; anything below it becomes a problem instead.
pub(crate) fn scan(root: &Path, filters: &Filters) -> Result<Scan, RootError> {
    let folder = open(root)?;
    let stat = folder
        .stat()
        .map_err(|source| RootError::Unreadable { source })?;
    let mut walk = Walk {
        filters,
        device: stat.signature.dev,
        scan: Scan::default(),
    };
    walk.folder(&folder, "")
        .map_err(|source| RootError::Unreadable { source })?;
    // A vault that was unmounted or replaced meanwhile must not look emptied.
    let after = open(root)?
        .stat()
        .map_err(|source| RootError::Unreadable { source })?;
    let which = |stat: Stat| (stat.signature.dev, stat.signature.ino);
    if which(after) != which(stat) {
        return Err(RootError::Missing);
    }
    walk.scan.leave_out_twins();
    walk.scan.problems.sort();
    walk.scan.remarks.sort();
    Ok(walk.scan)
}

/// Whether no note has this path now. The proof that a deletion needs: a walk can miss a name that
/// is renamed under it. A note that only its letters' case was changed of has another path, though
/// a disk that ignores case finds it by both.
///
/// # Errors
/// [`RootError`] if the vault, or a folder on the way, cannot be read.
pub(crate) fn absent(root: &Path, path: &str) -> Result<bool, RootError> {
    let unreadable = |source| RootError::Unreadable { source };
    let folder = open(root)?;
    match folder.parent_of(path) {
        Ok((parent, name)) => Ok(match parent.find(name).map_err(unreadable)? {
            // A folder took the name: the note that had it is gone.
            None | Some(Found::Folder) => true,
            Some(Found::File(stat)) => has_other_letters(&folder, path, &stat),
            Some(Found::Link | Found::Other) => false,
        }),
        // Nothing is below a file: it took the name of the folder that was there.
        Err(PathError::Missing | PathError::NotAFolder) => Ok(true),
        Err(PathError::Malformed | PathError::Link) => Ok(false),
        Err(PathError::Io(source)) => Err(unreadable(source)),
    }
}

/// Whether the disk lists the very file that it finds at `path` by other letters.
fn has_other_letters(root: &Folder, path: &str, found: &Stat) -> bool {
    let Some(listed) = as_listed(root, path).filter(|listed| listed != path) else {
        return false;
    };
    let Ok((parent, name)) = root.parent_of(&listed) else {
        return false;
    };
    let number = |stat: &Stat| (stat.signature.dev, stat.signature.ino);
    matches!(parent.find(name), Ok(Some(Found::File(stat))) if number(&stat) == number(found))
}

/// The path in the letters that the folders on the way list it by; `None` if they list none.
fn as_listed(root: &Folder, path: &str) -> Option<String> {
    let mut listed = String::new();
    for part in path.split('/') {
        let (folder, _) = root.parent_of(&format!("{listed}{part}")).ok()?;
        let names: Vec<String> = folder.names().ok()?.into_iter().flatten().collect();
        listed.push_str(alike(&names, part)?);
        listed.push('/');
    }
    listed.pop();
    Some(listed)
}

/// The name itself, or else the one that some disk takes for it.
fn alike<'n>(names: &'n [String], name: &str) -> Option<&'n str> {
    let key = naming::fold_key(name);
    let mut twins = names.iter().filter(|it| naming::fold_key(it) == key);
    let exact = names.iter().find(|it| *it == name);
    exact.or_else(|| twins.next()).map(String::as_str)
}

/// The folder's number on its disk, by which another folder in its place is noticed.
pub(crate) fn root_ino(vault: &Path) -> Result<u64, RootError> {
    system::root_ino(vault).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            RootError::Missing
        } else {
            RootError::Unreadable { source }
        }
    })
}

pub(super) fn open(root: &Path) -> Result<Folder, RootError> {
    Folder::open_root(root).map_err(|source| {
        let kind = source.kind();
        if kind == io::ErrorKind::NotFound {
            RootError::Missing
        } else if kind == io::ErrorKind::NotADirectory {
            RootError::NotAFolder
        } else {
            RootError::Unreadable { source }
        }
    })
}

struct Walk<'f> {
    filters: &'f Filters,
    device: u64,
    scan: Scan,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Folder, prefix: &str) -> io::Result<()> {
        for name in folder.names()? {
            match name {
                Ok(name) => {
                    let path = if prefix.is_empty() {
                        name.clone()
                    } else {
                        format!("{prefix}/{name}")
                    };
                    self.entry(folder, &name, path);
                }
                Err(lossy) => self.unnamed(prefix, &lossy),
            }
        }
        Ok(())
    }

    fn entry(&mut self, folder: &Folder, name: &str, path: String) {
        let found = match folder.find(name) {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(_) => return self.unknown(path),
        };
        match found {
            Found::File(stat) => {
                if self.filters.includes(&path) {
                    self.file(folder, name, path, &stat);
                }
            }
            Found::Folder => {
                if self.filters.includes_folder(&path) {
                    self.enter(folder, name, path);
                }
            }
            Found::Link | Found::Other => {
                self.scan.skipped.insert(path);
            }
        }
    }

    fn file(&mut self, folder: &Folder, name: &str, path: String, stat: &Stat) {
        if let Some(code) = unfit(name, &path) {
            self.scan.problems.push(PathProblem::new(&path, code));
        } else if stat.reading == Reading::Unknown && !folder.may_read(name) {
            self.scan
                .problems
                .push(PathProblem::new(&path, ProblemCode::Unreadable));
        } else {
            self.remark(name, &path);
            self.scan.files.insert(path, stat.signature);
        }
    }

    fn enter(&mut self, folder: &Folder, name: &str, path: String) {
        if let Some(code) = unfit(name, &path) {
            return self.closed(path, code);
        }
        let child = match folder.child(name) {
            Ok(child) => child,
            Err(PathError::Missing) => return,
            Err(PathError::Malformed | PathError::Link | PathError::NotAFolder) => {
                self.scan.skipped.insert(path);
                return;
            }
            Err(PathError::Io(_)) => return self.unknown(path),
        };
        match child.stat() {
            Ok(stat) if stat.signature.dev != self.device => {
                return self.closed(path, ProblemCode::OtherFileSystem);
            }
            Ok(_) => {}
            Err(_) => return self.unknown(path),
        }
        self.remark(name, &path);
        self.scan.folders.insert(path.clone());
        if self.folder(&child, &path).is_err() {
            self.unknown(path);
        }
    }

    fn remark(&mut self, name: &str, path: &str) {
        if !naming::fits_windows(name) && self.scan.remarks.len() < REMARKS {
            let remark = PathProblem::new(path, ProblemCode::NameNotEverywhere);
            self.scan.remarks.push(remark);
        }
    }

    fn unknown(&mut self, path: String) {
        self.closed(path, ProblemCode::Unreadable);
    }

    fn closed(&mut self, path: String, code: ProblemCode) {
        self.scan.problems.push(PathProblem::new(&path, code));
        self.scan.unreadable.insert(path);
    }

    fn unnamed(&mut self, prefix: &str, lossy: &str) {
        let path = if prefix.is_empty() {
            lossy.to_owned()
        } else {
            format!("{prefix}/{lossy}")
        };
        self.scan
            .problems
            .push(PathProblem::new(&path, ProblemCode::NameNotUtf8));
    }
}

impl Scan {
    /// Takes out every file whose path another file or folder has on a disk that ignores case.
    fn leave_out_twins(&mut self) {
        let mut first: BTreeMap<String, &str> = BTreeMap::new();
        let mut twins: BTreeSet<String> = BTreeSet::new();
        let folders: BTreeSet<String> = self
            .folders
            .iter()
            .map(|path| naming::fold_key(path))
            .collect();
        for path in self.files.keys() {
            let key = naming::fold_key(path);
            if folders.contains(&key) {
                twins.insert(path.clone());
            }
            if let Some(other) = first.insert(key, path) {
                twins.insert(other.to_owned());
                twins.insert(path.clone());
            }
        }
        for path in twins {
            self.files.remove(&path);
            self.problems
                .push(PathProblem::new(&path, ProblemCode::NameTwins));
        }
    }
}

pub(super) fn unfit(name: &str, path: &str) -> Option<ProblemCode> {
    if path.len() > LONGEST_PATH || name.len() > naming::LONGEST_NAME {
        return Some(ProblemCode::NameTooLong);
    }
    (!naming::is_portable(name)).then_some(ProblemCode::NameNotPortable)
}

/// What is good to know of a path that syncs: the first name in it that another system cannot hold.
pub(crate) fn remark_on(path: &str) -> Option<PathProblem> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    let mut parts = ends.chain([path.len()]).map(|end| &path[..end]);
    let fits = |part: &str| part.rsplit('/').next().is_some_and(naming::fits_windows);
    let unfit = parts.find(|part| !fits(part))?;
    Some(PathProblem::new(unfit, ProblemCode::NameNotEverywhere))
}

fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_in_the_letters_of_the_disk() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(scratch.path().join("Ideas/Deep")).unwrap();
        for file in ["Ideas/Deep/Note.md", "Ideas/a.md", "Ideas/A.md"] {
            drop(std::fs::File::create_new(scratch.path().join(file)).unwrap());
        }
        let root = open(scratch.path()).unwrap();
        let listed = |path: &str| as_listed(&root, path);
        for (asked, told) in [
            ("Ideas/Deep/note.md", Some("Ideas/Deep/Note.md")),
            ("Ideas/Deep/Note.md", Some("Ideas/Deep/Note.md")),
            // Where both are there, each is itself.
            ("Ideas/a.md", Some("Ideas/a.md")),
            ("Ideas/A.md", Some("Ideas/A.md")),
            ("Ideas/b.md", None),
        ] {
            assert_eq!(listed(asked).as_deref(), told, "{asked}");
        }
        // One that is there in just these letters is never told to be gone.
        for path in ["Ideas/a.md", "Ideas/Deep/Note.md"] {
            assert!(!absent(scratch.path(), path).unwrap(), "{path}");
        }
    }
}
