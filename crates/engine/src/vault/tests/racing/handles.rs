//! Programs that hold on to a file: what they write is never out of sight.

use std::fs::OpenOptions;
use std::io::{Seek, Write};
use std::sync::mpsc;

use super::mapping::Mapping;
use super::*;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_mapping_that_outlasts_syncs_patience_stays_the_note() {
    let rig = Rig::new();
    let path = rig.write(PATH, "before\n");
    let change = rig.install(PATH, "cloud\n", content("before\n"));
    let mapping = std::cell::RefCell::new(None);
    let applied = rig.apply_with(&change, &|step| {
        if step == ApplyStep::Intended {
            let file = OpenOptions::new().read(true).write(true).open(&path);
            *mapping.borrow_mut() = Some(Mapping::of(file.unwrap(), 7));
        }
    });
    let in_use = PathProblem::new(PATH, ProblemCode::InUse);
    assert_eq!(applied, Applied::Blocked(in_use));
    mapping.take().unwrap().write(0, b"after!\n");
    assert_eq!(rig.vault_files(), [(PATH.into(), "after!\n".into())].into());
    assert!(!rig.history_texts().contains("before\n"));
    assert_eq!(rig.recover(), []);
    assert_eq!(rig.read(PATH).as_deref(), Some("after!\n"));
}

/// It found the note's path before the change and got its handle when all was proven. It writes
/// when sync has looked again, too.
#[test]
fn a_program_that_opened_the_old_version_and_writes_late_is_seen() {
    let rig = Rig::new();
    rig.write(PATH, "before\n");
    let change = rig.install(PATH, "cloud\n", content("before\n"));
    let (asked, ask) = mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let history = rig.side.history.clone();
        let opening = scope.spawn(move || {
            ask.recv().unwrap();
            let kept = walk(&history).into_iter().next().unwrap();
            // Waits until sync gives the old version up.
            OpenOptions::new().write(true).open(kept).unwrap()
        });
        let applied = rig.apply_with(&change, &|step| {
            if step == ApplyStep::Kept {
                asked.send(()).unwrap();
                yield_until(Duration::from_millis(50), || false);
            }
        });
        assert!(matches!(applied, Applied::Done { .. }), "{applied:?}");
        let mut file = opening.join().unwrap();
        assert_eq!(rig.recover(), []);
        file.rewind().unwrap();
        file.write_all(b"late!!\n").unwrap();
        drop(file);
    });
    let settled = rig.recover();
    assert!(
        matches!(&settled[..], [one] if matches!(one.outcome, Applied::KeptBoth { .. })),
        "{settled:?}"
    );
    let visible: BTreeSet<String> = rig.vault_files().into_values().collect();
    assert_eq!(visible, ["cloud\n".into(), "late!!\n".into()].into());
    assert_eq!(rig.recover(), []);
}

/// Mapped memory that is dirty already takes more bytes without a new time.
#[test]
fn what_is_written_to_mapped_memory_after_a_look_is_found() {
    // Times of files in memory are not touched by such writes at all; a disk's are, now and then.
    let scratch = testkit::scratch();
    let path = write(&scratch.path().join("n.md"), "first.\n");
    let file = OpenOptions::new().read(true).write(true).open(&path);
    let mut mapping = Mapping::of(file.unwrap(), 7);
    mapping.write(0, b"second\n");
    let trusted = || md5_of(&path).unwrap().1;
    // So long that the time of the last write is surely over.
    yield_until(Duration::from_millis(30), || false);
    let (digest, looked) = md5_of(&path).unwrap();
    assert_eq!(digest, md5("second\n"));
    mapping.write(0, b"third!\n");
    drop(mapping);
    let (digest, now) = md5_of(&path).unwrap();
    assert_eq!(digest, md5("third!\n"));
    assert!(!now.unchanged_since(&looked), "{looked:?}");
    // Once nobody has it open, it is trusted again.
    yield_until(SOON, || trusted().ctime_ns != Signature::UNTRUSTED);
    assert!(trusted().unchanged_since(&trusted()));
    assert_ne!(trusted().ctime_ns, Signature::UNTRUSTED);
}

fn walk(root: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root).into_iter().flatten();
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(walkdir::DirEntry::into_path).collect()
}
