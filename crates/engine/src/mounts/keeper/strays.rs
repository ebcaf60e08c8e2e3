//! What a program saved in the bare folder of a drive that was away.
//!
//! Nobody tells the programs of an instance that the drive is gone for a moment. What they save
//! then would keep the drive from coming back, so it waits elsewhere and is put into it afterwards.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::places::create_private;

/// Empties the folder into a new one below `aside`.
pub(super) fn set_aside(folder: &Path, aside: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let place = free_place(aside);
    create_private(&place)?;
    for entry in entries {
        let entry = entry?;
        tracing::warn!("something was saved while the drive was away; it waits for the drive");
        take(&entry.path(), &place.join(entry.file_name()))?;
    }
    Ok(())
}

/// Puts into the drive what waits. A note that is there with another text stays, and the one that
/// waited gets the name that `copy_name` makes of its own.
pub(super) fn bring_back(
    aside: &Path,
    folder: &Path,
    copy_name: impl Fn(&str) -> String,
) -> io::Result<()> {
    if !aside.exists() {
        return Ok(());
    }
    for place in fs::read_dir(aside)? {
        let place = place?.path();
        for entry in walkdir::WalkDir::new(&place) {
            let entry = entry?;
            let below = entry
                .path()
                .strip_prefix(&place)
                .map_err(io::Error::other)?;
            if entry.file_type().is_file() {
                put(entry.path(), folder, below, &copy_name)?;
            }
        }
        forget(&place)?;
    }
    Ok(())
}

fn put(
    from: &Path,
    folder: &Path,
    below: &Path,
    copy_name: impl Fn(&str) -> String,
) -> io::Result<()> {
    let bytes = fs::read(from)?;
    let target = folder.join(below);
    match fs::read(&target) {
        Ok(there) if there == bytes => Ok(()),
        Ok(_) => {
            let name = copy_name(&below.to_string_lossy());
            store(&folder.join(name), &bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => store(&target, &bytes),
        Err(error) => Err(error),
    }
}

fn store(target: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(target)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn free_place(aside: &Path) -> PathBuf {
    let mut number = 1;
    loop {
        let place = aside.join(number.to_string());
        if !place.exists() {
            return place;
        }
        number += 1;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the folder under a drive is no vault; nothing has the other name"
)]
fn take(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

#[expect(
    clippy::disallowed_methods,
    reason = "all of it is in the drive by now, and the folder is the engine's own"
)]
fn forget(place: &Path) -> io::Result<()> {
    fs::remove_dir_all(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the test plays the programs")]
    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_was_saved_under_a_drive_is_in_it_afterwards_and_replaces_nothing() {
        let home = tempfile::tempdir().unwrap();
        let (bare, aside) = (home.path().join("bare"), home.path().join("aside"));
        write(&bare.join("main/new.md"), "new");
        write(&bare.join("main/same.md"), "same");
        write(&bare.join("main/other.md"), "mine");
        set_aside(&bare, &aside).unwrap();
        assert_eq!(fs::read_dir(&bare).unwrap().count(), 0);
        write(&bare.join("more.md"), "more");
        set_aside(&bare, &aside).unwrap();
        set_aside(&bare, &aside).unwrap();

        let drive = home.path().join("drive");
        write(&drive.join("main/same.md"), "same");
        write(&drive.join("main/other.md"), "theirs");
        bring_back(&aside, &drive, |path| format!("{path} (copy)")).unwrap();
        let read = |path: &str| fs::read_to_string(drive.join(path)).unwrap();
        assert_eq!(read("main/new.md"), "new");
        assert_eq!(read("main/same.md"), "same");
        assert_eq!(read("main/other.md"), "theirs");
        assert_eq!(read("main/other.md (copy)"), "mine");
        assert_eq!(read("more.md"), "more");
        assert_eq!(fs::read_dir(drive.join("main")).unwrap().count(), 4);
        assert_eq!(fs::read_dir(&aside).unwrap().count(), 0);
    }
}
