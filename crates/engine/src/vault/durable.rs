//! Making durable what a person saved, before the baseline says that both sides hold it.
//!
//! Editors mostly do not: after a power cut the file is then the old one or empty, and would look
//! like an edit of what the cloud has.

use std::io;
use std::path::Path;

use super::beneath::{Folder, PathError};
use super::system;

/// From so many files on, the whole file system is asked once.
const MANY: usize = 64;

/// Makes files below `tree` durable, and their names in the vault. The tree is the vault itself or
/// the mirror, whose links outlast a rename in the vault. What is gone by now is none to keep.
pub(crate) fn make_durable(vault: &Path, tree: &Path, paths: &[String]) -> io::Result<()> {
    let (root, tree) = (Folder::open_root(vault)?, Folder::open_root(tree)?);
    if paths.len() >= MANY
        && let Some(done) = system::sync_file_system(&root)
    {
        return done;
    }
    for path in paths {
        if let Some((folder, name)) = there(&tree, path)? {
            match folder.flush_file(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        if let Some((folder, _)) = there(&root, path)? {
            folder.sync()?;
        }
    }
    Ok(())
}

fn there<'p>(root: &Folder, path: &'p str) -> io::Result<Option<(Folder, &'p str)>> {
    match root.parent_of(path) {
        Ok(found) => Ok(Some(found)),
        Err(PathError::Missing | PathError::NotAFolder | PathError::Link) => Ok(None),
        Err(error @ (PathError::Malformed | PathError::Io(_))) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_becomes_durable_and_what_is_gone_is_no_error() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        std::fs::create_dir(root.join("d")).unwrap();
        let make = |path: &str| drop(std::fs::File::create_new(root.join(path)).unwrap());
        make("d/n.md");
        make("m.md");
        let few = ["d/n.md", "m.md", "gone.md", "gone/n.md", "m.md/n.md"].map(str::to_owned);
        make_durable(root, root, &few).unwrap();
        let many: Vec<String> = (0..MANY).map(|number| format!("{number}.md")).collect();
        make_durable(root, root, &many).unwrap();
    }
}
