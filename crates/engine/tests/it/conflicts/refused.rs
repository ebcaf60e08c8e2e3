//! Decisions that are refused halfway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::view::{Choice, ProfileName};
use engine::{Observer, Step};

use super::{Desk, MINE, THEIRS, choose, open_count, resolve, texts, undo};

/// An observer that does something once, at a step, after it was armed.
fn once(at: Step, act: impl Fn() + Send + Sync + 'static) -> (Arc<AtomicBool>, Observer) {
    let armed = Arc::new(AtomicBool::new(false));
    let trigger = armed.clone();
    let observer = Observer::new(move |step| {
        if step == at && trigger.swap(false, Ordering::SeqCst) {
            act();
        }
    });
    (armed, observer)
}

/// The note is saved while an undo brings its copy back: the decision stands, and the copy does not
/// come back from the cloud afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_refused_halfway_leaves_no_copy_behind() {
    const LATE: &str = "saved in the moment of the undo\n";
    let mut desk = Desk::set_up(&["note.md".to_owned()], ProfileName::Safe).await;
    let conflict = desk.conflict();
    let copy = conflict.copy_path.clone().unwrap();
    let file = desk.laptop.vault().join("note.md");
    let save = move || super::super::device::write(&file, LATE);
    let (armed, observer) = once(Step::ApplyIntended, save);
    desk.one.close().await;
    desk.laptop.observer = observer;
    desk.one = desk.laptop.open().await;
    let (id, stale) = resolve(&desk.one, vec![choose(&conflict.id, Choice::KeepMine)]).await;
    assert_eq!(stale, Vec::<String>::new());

    armed.store(true, Ordering::SeqCst);
    let refused = undo(&desk.one, &id).await.unwrap_err();
    assert_eq!(refused.code, "changed_since");
    assert_eq!(desk.laptop.read("note.md").as_deref(), Some(LATE));
    assert_eq!(desk.laptop.read(&copy), None);
    desk.agree().await;
    assert_eq!(texts(desk.laptop.notes()), [LATE]);
    let history = desk.laptop.history();
    for version in [MINE, THEIRS] {
        assert!(history.iter().any(|text| text == version), "{version:?}");
    }
}

/// The disk fails between two decisions of one request: the first can still be taken back.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_settled_before_a_failure_can_be_taken_back() {
    let notes = ["a.md".to_owned(), "b.md".to_owned()];
    let mut desk = Desk::set_up(&notes, ProfileName::Safe).await;
    let before = desk.laptop.notes();
    let stage = stage_of(&desk);
    let away = stage.with_file_name("stage-away");
    let (from, to) = (stage.clone(), away.clone());
    let (armed, observer) = once(Step::ApplySettled, move || {
        super::super::device::rename(&from, &to);
        super::super::device::write(&from, "no folder");
    });
    desk.one.close().await;
    desk.laptop.observer = observer;
    desk.one = desk.laptop.open().await;
    let mut listed = desk.one.view().conflicts.clone();
    listed.sort_by(|one, other| one.path.cmp(&other.path));
    // Nothing to change for the first but its copy, so that it is settled by one step.
    let choices = listed
        .iter()
        .map(|conflict| choose(&conflict.id, Choice::KeepTheirs))
        .collect();
    armed.store(true, Ordering::SeqCst);
    let (id, stale) = resolve(&desk.one, choices).await;
    assert_eq!(stale, [listed[1].id.clone()]);
    assert_eq!(open_count(&desk.one.view()), 1);

    super::super::device::remove(&stage);
    super::super::device::rename(&away, &stage);
    undo(&desk.one, &id).await.unwrap();
    assert_eq!(desk.laptop.notes(), before);
    assert_eq!(open_count(&desk.one.view()), 2);
}

fn stage_of(desk: &Desk) -> std::path::PathBuf {
    let pair = desk.one.view().pairs[0].id.clone();
    let found = walk(desk.laptop.root(), &pair);
    found.expect("the pair has a working folder").join("stage")
}

fn walk(folder: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    for entry in entries.filter(|entry| entry.path().is_dir()) {
        if entry.file_name() == name && entry.path().join("stage").is_dir() {
            return Some(entry.path());
        }
        if let Some(found) = walk(&entry.path(), name) {
            return Some(found);
        }
    }
    None
}
