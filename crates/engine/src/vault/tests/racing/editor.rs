use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::mapping::Mapping;
use super::*;

#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    InPlace,
    Append,
    /// The system empties the file as it is opened.
    Truncate,
    /// The file stays open over the next steps of the change, half written.
    Held,
    /// The file is closed over the next steps, and its memory written.
    Mapped,
    Atomic,
    DeleteAndCreate,
}

/// The person's program: one save for each shot.
pub(super) struct Editor<'r> {
    rig: &'r Rig,
    track: &'r Track,
    style: Style,
    record: Record,
    /// What this program last wrote to a file, by inode number.
    wrote: BTreeMap<u64, String>,
}

impl<'r> Editor<'r> {
    pub(super) fn new(rig: &'r Rig, track: &'r Track, style: Style) -> Self {
        Self {
            rig,
            track,
            style,
            record: Record::default(),
            wrote: BTreeMap::new(),
        }
    }

    pub(super) fn edit(mut self) -> Record {
        let (mut seen, mut number) = (0, 0_usize);
        while !self.track.stop.load(Ordering::Relaxed) {
            let shot = self.track.shots.load(Ordering::Acquire);
            if shot == seen {
                std::thread::yield_now();
                continue;
            }
            seen = shot;
            let text = format!("save {number} {}\n", "x".repeat(number % 97));
            self.save(text, number);
            self.has_begun();
            number += 1;
            self.track.saves.store(number, Ordering::Release);
        }
        self.record
    }

    /// The note is touched: sync may go on.
    fn has_begun(&self) {
        let shots = self.track.shots.load(Ordering::Acquire);
        self.track.begun.fetch_max(shots, Ordering::AcqRel);
    }

    /// Lets sync take some steps; it may wait for this very file.
    fn let_sync_go_on(&self, number: usize) {
        self.has_begun();
        let (steps, patience) = match number % 16 {
            0 => (12, Duration::from_millis(12)),
            _ => (2, Duration::from_millis(2)),
        };
        let goal = self.track.steps.load(Ordering::Acquire) + steps;
        yield_until(patience, || {
            self.track.steps.load(Ordering::Acquire) >= goal
        });
    }

    fn settle(&mut self, text: String, replaced: impl IntoIterator<Item = String>) {
        self.record.superseded.extend(replaced);
        self.record.settled.insert(text);
    }

    fn save(&mut self, text: String, number: usize) {
        match self.style {
            Style::InPlace | Style::Append | Style::Held | Style::Mapped => {
                let path = self.rig.vault.join(PATH);
                let options = OpenOptions::new().read(true).write(true).open(path);
                match options {
                    Ok(file) => self.save_into(file, text, number),
                    Err(_) => self.create(text),
                }
            }
            Style::Truncate => self.save_truncating(text),
            Style::Atomic => self.save_atomically(text),
            Style::DeleteAndCreate => self.delete_and_create(text),
        }
    }

    fn save_into(&mut self, mut file: File, text: String, number: usize) {
        let ino = file.metadata().unwrap().ino();
        let mut old = String::new();
        file.read_to_string(&mut old).unwrap();
        let text = match self.style {
            Style::Append if old.len() < 4000 => {
                file.write_all(text.as_bytes()).unwrap();
                format!("{old}{text}")
            }
            Style::Held => {
                let (first, second) = halves(&text);
                file.set_len(0).unwrap();
                file.rewind().unwrap();
                file.write_all(first).unwrap();
                self.let_sync_go_on(number);
                file.write_all(second).unwrap();
                text
            }
            Style::Mapped => {
                let (first, second) = halves(&text);
                file.set_len(text.len() as u64).unwrap();
                let mut mapping = Mapping::of(file, text.len());
                mapping.write(0, first);
                self.let_sync_go_on(number);
                mapping.write(first.len(), second);
                drop(mapping);
                text
            }
            Style::InPlace
            | Style::Append
            | Style::Truncate
            | Style::Atomic
            | Style::DeleteAndCreate => {
                file.set_len(0).unwrap();
                file.rewind().unwrap();
                write_slowly(&mut file, &text);
                text
            }
        };
        self.wrote.insert(ino, text.clone());
        self.settle(text, [old]);
    }

    /// What was there is not read before; it is what this program wrote to that file, or the
    /// cloud's.
    fn save_truncating(&mut self, text: String) {
        let path = self.rig.vault.join(PATH);
        match OpenOptions::new().write(true).truncate(true).open(path) {
            Ok(mut file) => {
                let ino = file.metadata().unwrap().ino();
                write_slowly(&mut file, &text);
                let replaced = self.wrote.insert(ino, text.clone());
                self.settle(text, replaced);
            }
            Err(_) => self.create(text),
        }
    }

    fn save_atomically(&mut self, text: String) {
        let path = self.rig.vault.join(PATH);
        let temporary = path.with_file_name(".n.md.swp");
        self.write_new(&temporary, &text);
        match renameat_with(CWD, &temporary, CWD, &path, RenameFlags::EXCHANGE) {
            Ok(()) => {
                let old = fs::read_to_string(&temporary).unwrap();
                fs::remove_file(&temporary).unwrap();
                self.settle(text, [old]);
            }
            Err(_) => {
                fs::remove_file(&temporary).unwrap();
                self.create(text);
            }
        }
    }

    /// An editor that moves the old text to a backup, and the backup is then removed.
    fn delete_and_create(&mut self, text: String) {
        let path = self.rig.vault.join(PATH);
        let backup = path.with_file_name("n.md~");
        if renameat_with(CWD, &path, CWD, &backup, RenameFlags::NOREPLACE).is_ok() {
            let old = fs::read_to_string(&backup).unwrap();
            fs::remove_file(&backup).unwrap();
            self.record.superseded.insert(old);
        }
        self.create(text);
    }

    /// Puts a new file where there was none; if there is one by now, the save is made beside it.
    fn create(&mut self, text: String) {
        let path = self.rig.vault.join(PATH);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let temporary = self.rig.dir.path().join("new");
        self.write_new(&temporary, &text);
        loop {
            match renameat_with(CWD, &temporary, CWD, &path, RenameFlags::NOREPLACE) {
                Ok(()) => return self.settle(text, []),
                Err(Errno::EXIST) => {
                    let backup = self.rig.dir.path().join("backup");
                    if renameat_with(CWD, &path, CWD, &backup, RenameFlags::NOREPLACE).is_ok() {
                        let old = fs::read_to_string(&backup).unwrap();
                        fs::remove_file(&backup).unwrap();
                        let put =
                            renameat_with(CWD, &temporary, CWD, &path, RenameFlags::NOREPLACE);
                        if put.is_ok() {
                            return self.settle(text, [old]);
                        }
                        // Both stay: what was taken out is put beside.
                        let beside = format!("put-beside-{}", md5(&old));
                        fs::write(self.rig.vault.join(beside), &old).unwrap();
                    }
                }
                Err(Errno::NOENT) => fs::create_dir_all(path.parent().unwrap()).unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn write_new(&mut self, path: &Path, text: &str) {
        let mut file = File::create(path).unwrap();
        write_slowly(&mut file, text);
        let ino = file.metadata().unwrap().ino();
        self.wrote.insert(ino, text.to_owned());
    }
}

fn halves(text: &str) -> (&[u8], &[u8]) {
    text.as_bytes().split_at(text.len() / 2)
}

/// In two halves, so that a torn text can be seen.
fn write_slowly(file: &mut File, text: &str) {
    let (first, second) = halves(text);
    file.write_all(first).unwrap();
    std::thread::yield_now();
    file.write_all(second).unwrap();
}
