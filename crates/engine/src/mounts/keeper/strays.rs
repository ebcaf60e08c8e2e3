//! What a program saved in the bare folder of a drive that was away.
//!
//! Nobody tells the programs of an instance that the drive is gone for a moment. What they save
//! then would keep the drive from coming back, so it waits elsewhere and is put into it afterwards.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::places::create_private;
use crate::plan::RESERVED;

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
/// waited gets the name that `copy_name` makes of its own. What cannot be brought holds up nothing
/// else, and waits on.
pub(super) fn bring_back(
    aside: &Path,
    folder: &Path,
    copy_name: impl Fn(&str) -> String,
) -> io::Result<()> {
    if !aside.exists() {
        return Ok(());
    }
    let mut ended = Ok(());
    for place in fs::read_dir(aside)? {
        let place = place?.path();
        let mut brought = Ok(());
        for entry in walkdir::WalkDir::new(&place) {
            let entry = entry?;
            let below = entry
                .path()
                .strip_prefix(&place)
                .map_err(io::Error::other)?;
            if entry.file_type().is_file() {
                let put = put(entry.path(), folder, below, &copy_name)
                    .and_then(|()| forget_one(entry.path()));
                brought = brought.and(put);
            }
        }
        match brought {
            Ok(()) => forget(&place)?,
            Err(error) => ended = Err(error),
        }
    }
    discard_part(folder)?;
    ended
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
            store(folder, &folder.join(name), &bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => store(folder, &target, &bytes),
        Err(error) => Err(error),
    }
}

/// The name under which a note is written until it is whole: one of sync's own, which nobody takes
/// for a note. The next that is brought takes the place of what an end of the process left there.
fn part(folder: &Path) -> PathBuf {
    folder.join(format!("{RESERVED}stray"))
}

/// Has a note appear under its name, which must be free, whole or not at all.
fn store(folder: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    discard_part(folder)?;
    let part = part(folder);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    // A drive cannot be asked to rename without replacing; between these two lies nothing.
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => take(&part, target),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the part's name is the engine's own"
)]
fn discard_part(folder: &Path) -> io::Result<()> {
    match fs::remove_file(part(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
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
    reason = "a drive and the folder under it are no vault; nothing has the other name"
)]
fn take(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is in the drive by now, and the folder is the engine's own"
)]
fn forget_one(file: &Path) -> io::Result<()> {
    fs::remove_file(file)
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

    fn brought(aside: &Path, drive: &Path) -> io::Result<()> {
        bring_back(aside, drive, |path| format!("{path} (copy)"))
    }

    #[test]
    fn a_note_that_was_being_brought_when_the_process_ended_is_brought_whole() {
        let home = tempfile::tempdir().unwrap();
        let (drive, aside) = (home.path().join("drive"), home.path().join("aside"));
        write(&aside.join("1/main/note.md"), "all of it");
        write(&drive.join(".basic-memory-stray"), "all");
        brought(&aside, &drive).unwrap();
        let names: Vec<_> = fs::read_dir(&drive).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let text = fs::read_to_string(drive.join("main/note.md")).unwrap();
        assert_eq!(text, "all of it");
    }

    /// What a program sees of a note while it is brought: nothing, or all of it.
    #[test]
    fn a_note_appears_whole_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let (drive, aside) = (home.path().join("drive"), home.path().join("aside"));
        fs::create_dir(&drive).unwrap();
        let target = drive.join("note.md");
        for round in 0..20 {
            let text = "all of it\n".repeat(100_000 + round);
            write(&aside.join("1/note.md"), &text);
            let done = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                let looker = scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        if let Ok(seen) = fs::read(&target) {
                            assert_eq!(seen.len(), text.len());
                        }
                    }
                });
                brought(&aside, &drive).unwrap();
                done.store(true, std::sync::atomic::Ordering::Relaxed);
                looker.join().unwrap();
            });
            take(&target, &drive.join(format!("{round}.md"))).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_brought_waits_alone_and_is_copied_once() {
        let home = tempfile::tempdir().unwrap();
        let (drive, aside) = (home.path().join("drive"), home.path().join("aside"));
        write(&aside.join("1/a.md"), "mine");
        write(&aside.join("1/in-the-way.md"), "text");
        write(&aside.join("2/z.md"), "last");
        write(&drive.join("a.md"), "theirs");
        fs::create_dir(drive.join("in-the-way.md")).unwrap();
        let count = std::cell::Cell::new(0);
        let copied = |path: &str| {
            count.set(count.get() + 1);
            format!("{path} {}", count.get())
        };
        for _ in 0..2 {
            assert!(bring_back(&aside, &drive, copied).is_err());
            assert_eq!(fs::read_to_string(drive.join("a.md 1")).unwrap(), "mine");
            assert_eq!(fs::read_to_string(drive.join("z.md")).unwrap(), "last");
        }
        assert_eq!(count.get(), 1);
        assert_eq!(
            fs::read_to_string(aside.join("1/in-the-way.md")).unwrap(),
            "text"
        );
        fs::remove_dir(drive.join("in-the-way.md")).unwrap();
        bring_back(&aside, &drive, copied).unwrap();
        assert_eq!(
            fs::read_to_string(drive.join("in-the-way.md")).unwrap(),
            "text"
        );
        assert_eq!(fs::read_dir(&aside).unwrap().count(), 0);
    }
}
