use std::sync::Arc;

use super::*;
use crate::state_folder::{Deployment, StateFolder};

const NOW: i64 = 1_700_000_000_000;

fn state() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    drop(StateFolder::open(&state, Deployment::Configured).unwrap());
    let database = rusqlite::Connection::open(state.join("server.db")).unwrap();
    database
        .execute_batch("pragma journal_mode = wal; create table note (text); insert into note values ('kept');")
        .unwrap();
    std::fs::write(state.join("keys/instance.secret"), [7; 32]).unwrap();
    (folder, state)
}

fn notes(state: &Path) -> Vec<String> {
    let database = rusqlite::Connection::open(state.join("server.db")).unwrap();
    let mut query = database.prepare("select text from note").unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn what_is_restored_is_what_was_there_at_the_moment_of_the_backup() {
    let (folder, state) = state();
    let target = folder.path().join("backup");
    // A writer that keeps its connection, as a running server does.
    let writer = rusqlite::Connection::open(state.join("server.db")).unwrap();
    let report = back_up(&state, &target, NOW).unwrap();
    assert_eq!(report.files, 3, "{report:?}");
    writer
        .execute_batch("insert into note values ('later')")
        .unwrap();
    drop(writer);

    std::fs::remove_dir_all(&state).unwrap();
    let restored = restore(&target, &state, Replace::Never, NOW).unwrap();
    assert_eq!(restored.moved_aside, None);
    assert_eq!(notes(&state), ["kept"]);
    assert_eq!(
        std::fs::read(state.join("keys/instance.secret")).unwrap(),
        [7; 32]
    );
    StateFolder::open(&state, Deployment::Configured).unwrap();
}

#[test]
fn a_state_is_replaced_only_when_told_and_never_lost() {
    let (folder, state) = state();
    let target = folder.path().join("backup");
    back_up(&state, &target, NOW).unwrap();
    let refused = restore(&target, &state, Replace::Never, NOW);
    assert!(
        matches!(refused, Err(BackupError::TargetNotEmpty { .. })),
        "{refused:?}"
    );

    let running = StateFolder::open(&state, Deployment::Configured).unwrap();
    let refused = restore(&target, &state, Replace::MoveAside, NOW);
    assert!(
        matches!(refused, Err(BackupError::InUse { .. })),
        "{refused:?}"
    );
    drop(running);

    std::fs::write(state.join("keys/other.secret"), "new").unwrap();
    let restored = restore(&target, &state, Replace::MoveAside, NOW).unwrap();
    let aside = restored.moved_aside.unwrap();
    assert!(aside.join("keys/other.secret").exists());
    assert!(!state.join("keys/other.secret").exists());
    assert_eq!(notes(&aside), ["kept"]);
}

#[test]
fn a_changed_backup_is_refused_and_nothing_is_touched() {
    let (folder, state) = state();
    let target = folder.path().join("backup");
    back_up(&state, &target, NOW).unwrap();
    std::fs::write(target.join("keys/instance.secret"), [8; 32]).unwrap();
    let fresh = folder.path().join("fresh");
    let refused = restore(&target, &fresh, Replace::Never, NOW);
    assert!(
        matches!(&refused, Err(BackupError::Damaged { file }) if file.ends_with("keys/instance.secret")),
        "{refused:?}"
    );
    assert!(!fresh.exists());

    std::fs::remove_file(target.join("backup.json")).unwrap();
    let refused = restore(&target, &fresh, Replace::Never, NOW);
    assert!(
        matches!(refused, Err(BackupError::NotABackup { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_backup_goes_to_an_empty_place_and_comes_from_a_state() {
    let (folder, state) = state();
    let taken = back_up(&state, &state, NOW);
    assert!(
        matches!(taken, Err(BackupError::TargetNotEmpty { .. })),
        "{taken:?}"
    );
    let nothing = folder.path().join("nothing");
    let none = back_up(&nothing, &folder.path().join("backup"), NOW);
    assert!(
        matches!(none, Err(BackupError::NotAState { .. })),
        "{none:?}"
    );
}

/// Two databases that change together are never copied apart from each other.
#[test]
fn databases_that_change_one_after_the_other_are_copied_at_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    for path in [&from, &to] {
        std::fs::create_dir(path).unwrap();
    }
    let open = |name: &str| {
        let database = rusqlite::Connection::open(from.join(name)).unwrap();
        database
            .busy_timeout(std::time::Duration::from_secs(30))
            .unwrap();
        database
            .execute_batch("pragma journal_mode = wal; create table step (number);")
            .unwrap();
        database
    };
    let (first, second) = (open("a.db"), open("b.db"));
    let going = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let still = Arc::clone(&going);
    let writing = std::thread::spawn(move || {
        let mut number = 0;
        while still.load(std::sync::atomic::Ordering::Relaxed) {
            number += 1;
            for database in [&first, &second] {
                database
                    .execute("insert into step values (?1)", [number])
                    .unwrap();
            }
        }
    });
    let count = |name: &str| -> i64 {
        let copy = rusqlite::Connection::open(to.join(name)).unwrap();
        copy.query_row("select count(*) from step", [], |row| row.get(0))
            .unwrap()
    };
    for _ in 0..20 {
        snapshot(&from, &to, &["a.db", "b.db"]).unwrap();
        let (first, second) = (count("a.db"), count("b.db"));
        // The writer is between two databases, or after both.
        assert!(
            first == second || first == second + 1,
            "{first} and {second}"
        );
    }
    going.store(false, std::sync::atomic::Ordering::Relaxed);
    writing.join().unwrap();
}
