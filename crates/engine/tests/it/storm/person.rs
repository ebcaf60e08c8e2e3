use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::super::device::Home;
use super::ledger::Ledger;

/// So many notes that both people may write to.
const NOTES: u64 = 140;
/// Those that they like best.
const DEAR: u64 = 10;

/// Somebody in front of one device, who saves in every way there is.
pub(crate) struct Person {
    device: String,
    vault: PathBuf,
    habits: Habits,
    /// On the same disk, and not synced: where editors keep what is to be renamed into place.
    desk: PathBuf,
    ledger: Ledger,
    dice: Dice,
    texts: u64,
}

/// How somebody works.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// The folder of the vault that all notes are in.
    pub(crate) folder: &'static str,
    /// The longest pause between two saves.
    pub(crate) pause_ms: u64,
    /// Some notes begin with front matter, to which Basic Memory adds.
    pub(crate) front_matter: bool,
}

impl Person {
    pub(super) fn new(home: &Home, ledger: Ledger, dice: Dice) -> Self {
        let habits = Habits {
            folder: "",
            pause_ms: 70,
            front_matter: false,
        };
        Self::with_habits(home, ledger, dice, habits)
    }

    pub(crate) fn with_habits(home: &Home, ledger: Ledger, dice: Dice, habits: Habits) -> Self {
        let desk = home.root().join("desk");
        fs::create_dir_all(&desk).unwrap();
        Self {
            device: home.device().to_owned(),
            vault: home.vault().join(habits.folder),
            habits,
            desk,
            ledger,
            dice,
            texts: 0,
        }
    }

    pub(crate) async fn work(mut self, operations: u64) {
        for _ in 0..operations {
            let path = self.choose();
            match self.dice.throw(100) {
                0..34 => self.save_in_place(&path),
                34..70 => self.save_atomically(&path),
                70..80 => self.save_in_a_new_file(&path),
                80..88 => self.delete(&path),
                88..100 => self.rename(&path),
                _ => unreachable!("a hundred sides"),
            }
            let pause = Duration::from_millis(self.dice.throw(self.habits.pause_ms));
            tokio::time::sleep(pause).await;
        }
    }

    fn choose(&mut self) -> PathBuf {
        let number = match self.dice.throw(4) {
            0 => self.dice.throw(DEAR),
            1 => {
                return self
                    .any_file()
                    .unwrap_or_else(|| self.vault.join("first.md"));
            }
            _ => self.dice.throw(NOTES),
        };
        let extension = if number.is_multiple_of(3) {
            "txt"
        } else {
            "md"
        };
        let name = format!("folder {}/note {number}.{extension}", number % 7);
        self.vault.join(name)
    }

    /// Also a copy of a conflict.
    fn any_file(&mut self) -> Option<PathBuf> {
        let entries = walkdir::WalkDir::new(&self.vault).into_iter().flatten();
        let files = entries.filter(|entry| entry.file_type().is_file());
        let mut files: Vec<PathBuf> = files.map(walkdir::DirEntry::into_path).collect();
        files.sort();
        let at = self.dice.throw(files.len().max(1) as u64);
        files.into_iter().nth(usize::try_from(at).unwrap())
    }

    /// A line like no other.
    fn words(&mut self, path: &Path) -> String {
        self.texts += 1;
        let length = usize::try_from(self.dice.throw(300)).unwrap();
        let words = "word ".repeat(length / 5);
        let line = format!(
            "{} wrote this as number {}: {words}\n",
            self.device, self.texts
        );
        let text = if self.habits.front_matter && self.texts.is_multiple_of(2) {
            format!("---\ntitle: {} {}\n---\n\n{line}", self.device, self.texts)
        } else {
            line
        };
        let path = path.strip_prefix(&self.vault).unwrap().to_string_lossy();
        self.ledger.saving(&path, &text);
        text
    }

    #[expect(clippy::disallowed_methods, reason = "the test plays the user")]
    fn save_in_place(&mut self, path: &Path) {
        let Ok(mut file) = OpenOptions::new().read(true).write(true).open(path) else {
            return self.save_in_a_new_file(path);
        };
        let mut old = String::new();
        file.read_to_string(&mut old).unwrap();
        let text = self.words(path);
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.ledger.replaced(old);
    }

    fn save_atomically(&mut self, path: &Path) {
        let text = self.words(path);
        let new = self.new_file(&text);
        if renameat_with(CWD, &new, CWD, path, RenameFlags::EXCHANGE).is_ok() {
            self.drop_from_desk(&new);
        } else {
            self.put_in_place(&new, path);
        }
    }

    fn save_in_a_new_file(&mut self, path: &Path) {
        let text = self.words(path);
        let new = self.new_file(&text);
        self.put_in_place(&new, path);
    }

    /// Gives a finished file its name. What had it is on this screen, and is replaced.
    fn put_in_place(&mut self, new: &Path, path: &Path) {
        loop {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match renameat_with(CWD, new, CWD, path, RenameFlags::NOREPLACE) {
                Ok(()) => return,
                Err(Errno::EXIST) => {
                    if renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE).is_ok() {
                        return self.drop_from_desk(new);
                    }
                }
                // Sync removes a folder that it emptied.
                Err(Errno::NOENT) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn delete(&mut self, path: &Path) {
        let bin = self.desk.join("deleted");
        match renameat_with(CWD, path, CWD, &bin, RenameFlags::NOREPLACE) {
            Ok(()) => self.drop_from_desk(&bin),
            Err(Errno::NOENT) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn rename(&mut self, path: &Path) {
        let to = self.choose();
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        match renameat_with(CWD, path, CWD, &to, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::NOENT | Errno::EXIST) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn new_file(&mut self, text: &str) -> PathBuf {
        let path = self.desk.join("new");
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        made.unwrap().write_all(text.as_bytes()).unwrap();
        path
    }

    /// What was taken out is read for what it was, and gone.
    #[expect(clippy::disallowed_methods, reason = "the test plays the user")]
    fn drop_from_desk(&self, file: &Path) {
        let mut old = String::new();
        File::open(file).unwrap().read_to_string(&mut old).unwrap();
        self.ledger.replaced(old);
        match fs::remove_file(file) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        }
    }
}

/// Splitmix64.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % sides
    }
}
