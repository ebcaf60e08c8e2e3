//! A person saves in every way an editor can, aimed at each step of a change, thousands of times.
//!
//! Every save returns the texts it replaced. At the end each settled text must be in the vault, at
//! its path or as a copy, unless a later save replaced just that text, or a change that had seen
//! just that text; then it must be in history. No file may hold a text that nobody wrote.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::*;

const ROUNDS: usize = 1500;
const PATH: &str = "d/n.md";

#[derive(Clone, Copy, Debug)]
enum Style {
    InPlace,
    Append,
    Atomic,
    DeleteAndCreate,
}

/// Where the saves are aimed; rare steps are aimed at less.
const AIMS: [ApplyStep; 7] = [
    ApplyStep::Intended,
    ApplyStep::Swapped,
    ApplyStep::Staged,
    ApplyStep::Intended,
    ApplyStep::Verified,
    ApplyStep::Intended,
    ApplyStep::Kept,
];

#[derive(Default)]
struct Record {
    settled: BTreeSet<String>,
    /// Texts that a later save replaced; MD5s of those that a change was to replace, and did.
    superseded: BTreeSet<String>,
}

impl Record {
    fn saved(&mut self, text: String, replaced: Vec<String>) {
        self.superseded.extend(replaced);
        self.settled.insert(text);
    }
}

/// One save; the full text that is settled by it, and the texts it replaced.
fn save(rig: &Rig, style: Style, text: String) -> (String, Vec<String>) {
    let path = rig.vault.join(PATH);
    match style {
        Style::InPlace | Style::Append => {
            match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(mut file) => {
                    let mut old = String::new();
                    file.read_to_string(&mut old).unwrap();
                    let text = if matches!(style, Style::Append) && old.len() < 4000 {
                        file.write_all(text.as_bytes()).unwrap();
                        format!("{old}{text}")
                    } else {
                        file.set_len(0).unwrap();
                        file.rewind().unwrap();
                        write_slowly(&mut file, &text);
                        text
                    };
                    (text, vec![old])
                }
                Err(_) => create(rig, text),
            }
        }
        Style::Atomic => {
            let temporary = path.with_file_name(".n.md.swp");
            write_slowly(&mut File::create(&temporary).unwrap(), &text);
            match renameat_with(CWD, &temporary, CWD, &path, RenameFlags::EXCHANGE) {
                Ok(()) => {
                    let old = fs::read_to_string(&temporary).unwrap();
                    fs::remove_file(&temporary).unwrap();
                    (text, vec![old])
                }
                Err(_) => {
                    fs::remove_file(&temporary).unwrap();
                    create(rig, text)
                }
            }
        }
        Style::DeleteAndCreate => {
            // An editor that moves the old text to a backup, and the backup is then removed.
            let backup = path.with_file_name("n.md~");
            let old = match renameat_with(CWD, &path, CWD, &backup, RenameFlags::NOREPLACE) {
                Ok(()) => {
                    let old = fs::read_to_string(&backup).unwrap();
                    fs::remove_file(&backup).unwrap();
                    Some(old)
                }
                Err(_) => None,
            };
            let (text, mut replaced) = create(rig, text);
            replaced.extend(old);
            (text, replaced)
        }
    }
}

/// Puts a new file where there was none; if there is one by now, the save is made beside it.
fn create(rig: &Rig, text: String) -> (String, Vec<String>) {
    let path = rig.vault.join(PATH);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let temporary = rig.dir.path().join("new");
    write_slowly(&mut File::create(&temporary).unwrap(), &text);
    loop {
        match renameat_with(CWD, &temporary, CWD, &path, RenameFlags::NOREPLACE) {
            Ok(()) => return (text, vec![]),
            Err(Errno::EXIST) => {
                let backup = rig.dir.path().join("backup");
                if renameat_with(CWD, &path, CWD, &backup, RenameFlags::NOREPLACE).is_ok() {
                    let old = fs::read_to_string(&backup).unwrap();
                    fs::remove_file(&backup).unwrap();
                    if renameat_with(CWD, &temporary, CWD, &path, RenameFlags::NOREPLACE).is_ok() {
                        return (text, vec![old]);
                    }
                    // Both stay: what was taken out is put beside.
                    fs::write(rig.vault.join(format!("put-beside-{}", md5(&old))), &old).unwrap();
                }
            }
            Err(Errno::NOENT) => fs::create_dir_all(path.parent().unwrap()).unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// In two halves, so that a torn text can be seen.
fn write_slowly(file: &mut File, text: &str) {
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    file.write_all(first).unwrap();
    std::thread::yield_now();
    file.write_all(second).unwrap();
}

fn race(style: Style, swap: Swap) {
    let rig = Rig::with(swap, Linking::Hard);
    rig.write("d/keeps the folder.md", "");
    let (stop, aim, shots) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let (cloud, user, outcomes) = std::thread::scope(|scope| {
        let editor = scope.spawn(|| {
            let mut record = Record::default();
            let mut seen = 0;
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let shot = shots.load(Ordering::Acquire);
                if shot == seen {
                    std::hint::spin_loop();
                    continue;
                }
                seen = shot;
                let text = format!("save {number} {}\n", "x".repeat(number % 97));
                let (text, replaced) = save(&rig, style, text);
                record.saved(text, replaced);
                number += 1;
                aim.store(number % AIMS.len(), Ordering::Release);
            }
            record
        });
        let at_end = linking::StopAtEnd(&stop);
        let mut cloud = Record::default();
        let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
        for round in 0..ROUNDS {
            let text = format!("cloud {round}\n");
            let change = match md5_of(&rig.vault.join(PATH)) {
                Ok((md5, _)) if round % 4 == 0 => {
                    let expect = Expect::Content { md5 };
                    Change::Remove {
                        path: PATH.to_owned(),
                        expect,
                    }
                }
                Ok((md5, _)) => rig.install(PATH, &text, Expect::Content { md5 }),
                Err(_) => rig.install(PATH, &text, Expect::Absent),
            };
            let applied = rig.apply_with(&change, &|step| {
                // A save that goes back is met by another one there.
                if AIMS[aim.load(Ordering::Acquire)] == step || step == ApplyStep::PutBack {
                    shots.fetch_add(1, Ordering::Release);
                    if round % 2 == 0 {
                        std::thread::yield_now();
                    }
                }
            });
            // A change that never gets to the aimed step must not stop the editor.
            if round % 8 == 7 {
                shots.fetch_add(1, Ordering::Release);
            }
            if matches!(change, Change::Install { .. }) {
                cloud.settled.insert(text);
            }
            let (Change::Install { expect, .. } | Change::Remove { expect, .. }) = &change;
            if let (Applied::Done { .. }, Expect::Content { md5 }) = (&applied, expect) {
                cloud.superseded.insert(md5.clone());
            }
            *outcomes
                .entry(match applied {
                    Applied::Done { .. } => "done",
                    Applied::UserSaved => "saved",
                    Applied::KeptBoth { .. } => "both",
                    Applied::Blocked(_) => "blocked",
                })
                .or_default() += 1;
        }
        drop(at_end);
        (cloud, editor.join().unwrap(), outcomes)
    });
    judge(&rig, &cloud, &user);
    eprintln!(
        "{style:?}, {swap:?}: {} saves, {outcomes:?}",
        user.settled.len()
    );
    assert!(
        outcomes["done"] > 0 && outcomes["saved"] > 0,
        "{outcomes:?}"
    );
    assert!(
        user.settled.len() > ROUNDS / 50,
        "{} saves",
        user.settled.len()
    );
}

fn judge(rig: &Rig, cloud: &Record, user: &Record) {
    let late = rig.recover();
    assert!(
        late.iter()
            .all(|settled| !matches!(settled.outcome, Applied::Done { .. }))
    );
    assert_eq!(fs::read_dir(&rig.side.stage).unwrap().count(), 0);
    assert_eq!(rig.stage_names(), [""; 0]);
    let texts = rig.retrievable();
    let visible: BTreeSet<String> = rig.vault_files().into_values().collect();
    let kept = rig.history_texts();
    let lost: Vec<&String> = user
        .settled
        .iter()
        .filter(|text| {
            let applied_over = cloud.superseded.contains(&md5(text)) && kept.contains(*text);
            !user.superseded.contains(*text) && !visible.contains(*text) && !applied_over
        })
        .collect();
    assert!(lost.is_empty(), "lost {}: {lost:?}", lost.len());
    let torn: Vec<&String> = texts
        .iter()
        .filter(|text| {
            !user.settled.contains(*text) && !cloud.settled.contains(*text) && !text.is_empty()
        })
        .collect();
    assert!(torn.is_empty(), "nobody wrote {torn:?}");
}

#[test]
fn no_save_in_place_is_lost() {
    race(Style::InPlace, Swap::Exchange);
    race(Style::InPlace, Swap::MoveAside);
}

#[test]
fn no_appended_save_is_lost() {
    race(Style::Append, Swap::Exchange);
    race(Style::Append, Swap::MoveAside);
}

#[test]
fn no_atomic_save_is_lost() {
    race(Style::Atomic, Swap::Exchange);
    race(Style::Atomic, Swap::MoveAside);
}

#[test]
fn no_save_by_delete_and_create_is_lost() {
    for swap in [Swap::Exchange, Swap::MoveAside] {
        race(Style::DeleteAndCreate, swap);
    }
}
