//! Conflicts decided by a person: every choice, taken back, and in any crash.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::view::{
    Choice, ConflictChoice, ConflictDetail, ConflictKind, ConflictState, ConflictView, DiffKind,
    MergeChunk, NoticeCause, ProfileName, SeenVersions,
};
use engine::{Observer, Refusal, Reply, Request, Step, View};
use tempfile::TempDir;
use testkit::Server;

use super::device::{Device, Home};
use super::member::Member;

mod killed;
mod refused;

const ANA: &str = "ana@example.org";
const BASE: &str = "one\ntwo\nthree\n";
const MINE: &str = "one\ntwo\nthree, laptop\n";
const THEIRS: &str = "one, desktop\ntwo\nthree\n";
const MERGED: &str = "one, desktop\ntwo\nthree, laptop\n";

/// Two devices with one conflict per note, open on the laptop.
struct Desk {
    laptop: Home,
    desktop: Home,
    one: Device,
    other: Device,
    server: Server,
    _state: TempDir,
}

impl Desk {
    async fn set_up(notes: &[String], profile: ProfileName) -> Self {
        let state = testkit::scratch();
        let server = Server::start(state.path()).await;
        server.activate(ANA).await;
        let (laptop, desktop) = (Home::new("laptop"), Home::new("desktop"));
        for note in notes {
            laptop.save(note, BASE);
        }
        laptop.save("calm.md", "nobody touches this\n");
        let one = laptop.join(&server, ANA, profile).await;
        one.settle().await;
        let other = desktop.join(&server, ANA, profile).await;
        other.settle().await;
        let desk = Self {
            laptop,
            desktop,
            one,
            other,
            server,
            _state: state,
        };
        desk.disagree(notes).await;
        desk
    }

    /// Both edit each note; the laptop is the one that finds out.
    async fn disagree(&self, notes: &[String]) {
        for note in notes {
            self.desktop.save(note, THEIRS);
            self.laptop.save(note, MINE);
        }
        self.other.sync().await;
        self.one.settle().await;
        self.other.settle().await;
    }

    /// Both sync; then folders and bucket are the same, and neither has a conflict to decide.
    async fn agree(&self) {
        self.one.settle().await;
        self.other.settle().await;
        self.one.settle().await;
        assert_eq!(self.laptop.notes(), self.desktop.notes());
        let mut bucket = Member::sign_in(&self.server, ANA).await.bucket().await;
        bucket.remove(".basic-memory-sync");
        assert_eq!(bucket, self.laptop.digests());
        for device in [&self.one, &self.other] {
            assert_eq!(device.view().open_conflict_count, 0, "{:#?}", device.view());
        }
    }

    fn conflict(&self) -> ConflictView {
        let view = self.one.view();
        assert_eq!(view.conflicts.len(), 1, "{:#?}", view.conflicts);
        view.conflicts[0].clone()
    }

    async fn read(&self, id: &str) -> ConflictDetail {
        read(&self.one, id).await
    }
}

async fn read(device: &Device, id: &str) -> ConflictDetail {
    let reply = device
        .ask(Request::ReadConflict { id: id.to_owned() })
        .await;
    let Reply::Conflict { conflict } = reply else {
        panic!("no conflict: {reply:?}");
    };
    *conflict
}

async fn resolve(device: &Device, choices: Vec<ConflictChoice>) -> (String, Vec<String>) {
    let reply = device.ask(Request::ResolveConflicts { choices }).await;
    let Reply::Resolved { undo, stale } = reply else {
        panic!("not resolved: {reply:?}");
    };
    (undo, stale)
}

async fn undo(device: &Device, undo: &str) -> Result<Reply, Refusal> {
    let undo = undo.to_owned();
    device.try_ask(Request::UndoResolution { undo }).await
}

fn choose(id: &str, choice: Choice) -> ConflictChoice {
    ConflictChoice {
        id: id.to_owned(),
        choice,
        seen: None,
    }
}

fn seen(detail: &ConflictDetail) -> SeenVersions {
    SeenVersions {
        mine: detail.mine.md5.clone(),
        theirs: detail.theirs.md5.clone(),
    }
}

fn open_count(view: &View) -> u32 {
    view.open_conflict_count
}

fn texts(notes: BTreeMap<String, String>) -> Vec<String> {
    notes
        .into_values()
        .filter(|text| text != "nobody touches this\n")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_whose_versions_become_the_same_closes_by_itself() {
    let desk = Desk::set_up(&["note.md".to_owned()], ProfileName::Safe).await;
    let conflict = desk.conflict();
    let copy = conflict.copy_path.unwrap();
    desk.desktop.save("note.md", MERGED);
    desk.desktop.save(&copy, MERGED);
    desk.other.settle().await;
    desk.one.sync().await;
    let closed = |view: &View| view.open_conflict_count == 0;
    let view = desk.one.until(closed).await;
    let conflict = &view.conflicts[0];
    assert_eq!(
        (conflict.state, conflict.merged),
        (ConflictState::Resolved, true)
    );
    desk.agree().await;
    assert_eq!(desk.laptop.read("note.md").as_deref(), Some(MERGED));
    assert_eq!(desk.laptop.read(&copy), None);

    let undo = conflict.undo.clone().unwrap();
    desk.one.ask(Request::UndoResolution { undo }).await;
    assert_eq!(desk.laptop.read(&copy).as_deref(), Some(MERGED));
}

#[tokio::test(flavor = "multi_thread")]
async fn not_now_keeps_a_conflict_in_the_list_and_in_the_count() {
    let mut desk = Desk::set_up(&["note.md".to_owned()], ProfileName::Safe).await;
    let id = desk.conflict().id;
    desk.one.ask(Request::DismissConflict { id }).await;
    let view = desk.one.view();
    assert_eq!(view.conflicts[0].state, ConflictState::Dismissed);
    assert_eq!(view.open_conflict_count, 1);
    assert!(view.notices.is_empty(), "{:#?}", view.notices);

    desk.one.close().await;
    desk.laptop.mode = engine::Mode::Background {
        interval: Some(Duration::from_secs(3600)),
    };
    desk.one = desk.laptop.open().await;
    let asks = |view: &View| view.conflicts[0].state == ConflictState::Open;
    desk.one.until(asks).await;
    let told = |view: &View| {
        let mut causes = view.notices.iter().map(|notice| notice.cause);
        causes.any(|cause| cause == NoticeCause::ConflictNew)
    };
    desk.one.until(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_shows_both_versions_their_base_and_a_merge() {
    let desk = Desk::set_up(&["a/note.md".to_owned()], ProfileName::Safe).await;
    let conflict = desk.conflict();
    assert_eq!(conflict.kind, ConflictKind::BothEdited);
    assert_eq!(conflict.mine_size, Some(MINE.len() as u64));
    assert_eq!(conflict.theirs_size, Some(THEIRS.len() as u64));
    assert!(conflict.mine_at_ms.is_some() && conflict.theirs_at_ms.is_some());
    let detail = desk.read(&conflict.id).await;
    assert_eq!(
        (&conflict.mine_md5, &conflict.theirs_md5),
        (&detail.mine.md5, &detail.theirs.md5)
    );
    assert_eq!(detail.path, "a/note.md");
    assert_eq!(detail.mine.text.as_deref(), Some(MINE));
    assert_eq!(detail.mine.device.as_deref(), Some("laptop"));
    assert_eq!(detail.theirs.text.as_deref(), Some(THEIRS));
    assert_eq!(detail.theirs.device.as_deref(), Some("desktop"));
    assert_eq!(conflict.theirs_device.as_deref(), Some("desktop"));
    assert_eq!(detail.base.unwrap().text.as_deref(), Some(BASE));
    let kinds: Vec<DiffKind> = detail.diff.iter().map(|line| line.kind).collect();
    use DiffKind::{Mine, Same, Theirs};
    assert_eq!(kinds, [Mine, Theirs, Same, Mine, Theirs]);
    let merge = detail.merge.unwrap();
    let text: String = merge
        .chunks
        .iter()
        .map(|chunk| match chunk {
            MergeChunk::Agreed { text, .. } => text.as_str(),
            MergeChunk::Overlap { .. } => panic!("{merge:#?}"),
        })
        .collect();
    assert!(merge.clean);
    assert_eq!(text, MERGED);
    let unknown = desk
        .one
        .try_ask(Request::ReadConflict { id: "x".into() })
        .await;
    assert_eq!(unknown.unwrap_err().code, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_choice_reaches_the_other_device_and_can_be_taken_back() {
    let text = MERGED.to_owned();
    for (choice, expected) in [
        (Choice::KeepMine, vec![MINE]),
        (Choice::KeepTheirs, vec![THEIRS]),
        (Choice::Merged { text }, vec![MERGED]),
        (Choice::KeepBoth, vec![MINE, THEIRS]),
    ] {
        let desk = Desk::set_up(&["note.md".to_owned()], ProfileName::Safe).await;
        let conflict = desk.conflict();
        let before = desk.laptop.notes();
        let detail = desk.read(&conflict.id).await;
        let decision = ConflictChoice {
            id: conflict.id.clone(),
            choice: choice.clone(),
            seen: Some(seen(&detail)),
        };
        let (id, stale) = resolve(&desk.one, vec![decision]).await;
        assert_eq!(stale, Vec::<String>::new(), "{choice:?}");
        assert_eq!(open_count(&desk.one.view()), 0);
        assert_eq!(desk.conflict().undo.as_deref(), Some(id.as_str()));
        desk.agree().await;
        let mut found = texts(desk.desktop.notes());
        found.sort();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(found, expected, "{choice:?}");
        for version in [MINE, THEIRS] {
            let reachable = texts(desk.laptop.notes())
                .into_iter()
                .chain(desk.laptop.history())
                .any(|text| text == version);
            assert!(reachable, "{version:?} after {choice:?}");
        }

        undo(&desk.one, &id).await.unwrap();
        assert_eq!(desk.laptop.notes(), before, "{choice:?} taken back");
        assert_eq!(desk.conflict().state, ConflictState::Open);
        assert_eq!(undo(&desk.one, &id).await.unwrap_err().code, "not_found");
        desk.one.settle().await;
        desk.other.settle().await;
        assert_eq!(
            desk.desktop.notes(),
            before,
            "{choice:?} taken back there, too"
        );
        assert_eq!(open_count(&desk.one.view()), 1);
        assert_eq!(open_count(&desk.other.view()), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_changed_since_is_not_touched() {
    let desk = Desk::set_up(&["note.md".to_owned()], ProfileName::Safe).await;
    let conflict = desk.conflict();
    let copy = conflict.copy_path.clone().unwrap();
    let detail = desk.read(&conflict.id).await;
    let decision = |choice| ConflictChoice {
        id: conflict.id.clone(),
        choice,
        seen: Some(seen(&detail)),
    };
    for (path, choice) in [
        ("note.md", Choice::KeepMine),
        (copy.as_str(), Choice::KeepTheirs),
    ] {
        desk.laptop.save(path, "saved while the dialog was open\n");
        let before = desk.laptop.notes();
        let (_, stale) = resolve(&desk.one, vec![decision(choice)]).await;
        assert_eq!(stale, vec![conflict.id.clone()], "{path}");
        assert_eq!(desk.laptop.notes(), before);
        assert_eq!(desk.conflict().state, ConflictState::Open);
        desk.laptop
            .save(path, if path == "note.md" { THEIRS } else { MINE });
    }
    let (id, stale) = resolve(&desk.one, vec![decision(Choice::KeepMine)]).await;
    assert_eq!(stale, Vec::<String>::new());
    let (_, stale) = resolve(&desk.one, vec![decision(Choice::KeepMine)]).await;
    assert_eq!(stale, vec![conflict.id.clone()], "it is resolved already");

    desk.laptop.save("note.md", "saved after the decision\n");
    let refused = undo(&desk.one, &id).await.unwrap_err();
    assert_eq!(refused.code, "changed_since");
    assert_eq!(
        refused.message,
        "note.md was changed since and stays as it is"
    );
    let note = desk.laptop.read("note.md");
    assert_eq!(note.as_deref(), Some("saved after the decision\n"));
    desk.agree().await;
}

/// A save falls into the moment in which the resolution replaces the note.
#[tokio::test(flavor = "multi_thread")]
async fn a_save_in_the_moment_of_the_decision_wins() {
    let notes = ["note.md".to_owned()];
    let mut desk = Desk::set_up(&notes, ProfileName::Safe).await;
    let id = desk.conflict().id;
    let file = desk.laptop.vault().join("note.md");
    desk.one.close().await;
    desk.laptop.observer = Observer::new(move |step| {
        if step == Step::ApplyIntended {
            super::device::write(&file, "saved in that moment\n");
        }
    });
    desk.one = desk.laptop.open().await;
    let (_, stale) = resolve(&desk.one, vec![choose(&id, Choice::KeepMine)]).await;
    assert_eq!(stale, [id]);
    let note = desk.laptop.read("note.md");
    assert_eq!(note.as_deref(), Some("saved in that moment\n"));
    assert!(texts(desk.laptop.notes()).contains(&MINE.to_owned()));
    assert_eq!(open_count(&desk.one.view()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_merge_happens_by_itself_and_can_be_taken_back() {
    let desk = Desk::set_up(&["note.md".to_owned()], ProfileName::Balanced).await;
    assert_eq!(desk.laptop.read("note.md").as_deref(), Some(MERGED));
    desk.agree().await;
    let conflict = desk.conflict();
    assert_eq!(conflict.state, ConflictState::Resolved);
    assert!(conflict.merged);
    assert!(
        desk.other.view().conflicts.is_empty(),
        "one entry for one cause"
    );
    let detail = desk.read(&conflict.id).await;
    assert_eq!(detail.mine.text.as_deref(), Some(MINE));
    assert_eq!(detail.theirs.text.as_deref(), Some(THEIRS));

    undo(&desk.one, &conflict.id).await.unwrap();
    assert_eq!(desk.laptop.read("note.md").as_deref(), Some(THEIRS));
    let conflict = desk.conflict();
    assert_eq!(
        (conflict.state, conflict.merged),
        (ConflictState::Open, false)
    );
    let copy = desk.laptop.read(conflict.copy_path.as_deref().unwrap());
    assert_eq!(copy.as_deref(), Some(MINE));
    desk.one.settle().await;
    desk.other.settle().await;
    assert_eq!(desk.desktop.notes(), desk.laptop.notes());
    resolve(&desk.one, vec![choose(&conflict.id, Choice::KeepMine)]).await;
    desk.agree().await;
    assert_eq!(desk.desktop.read("note.md").as_deref(), Some(MINE));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_version_s_victory_can_be_taken_back() {
    let notes = ["note.md".to_owned()];
    for hours in [0, 2] {
        let desk = Desk::set_up(&[], ProfileName::Balanced).await;
        desk.laptop.save("note.md", "base\n");
        desk.one.settle().await;
        desk.other.settle().await;
        desk.desktop.save("note.md", "theirs\n");
        desk.desktop.age("note.md", Duration::from_secs(3600));
        desk.laptop.save("note.md", "mine\n");
        desk.laptop
            .age("note.md", Duration::from_secs(3600 * hours));
        desk.other.sync().await;
        desk.one.settle().await;
        let winner = if hours == 0 { "mine\n" } else { "theirs\n" };
        assert_eq!(desk.laptop.read(&notes[0]).as_deref(), Some(winner));
        let conflict = desk.conflict();
        assert_eq!(
            (conflict.state, conflict.merged),
            (ConflictState::Resolved, false)
        );
        undo(&desk.one, &conflict.id).await.unwrap();
        assert_eq!(desk.laptop.read("note.md").as_deref(), Some("theirs\n"));
        let copy = desk.conflict().copy_path.unwrap();
        assert_eq!(desk.laptop.read(&copy).as_deref(), Some("mine\n"));
        resolve(&desk.one, vec![choose(&conflict.id, Choice::KeepMine)]).await;
        desk.agree().await;
        assert_eq!(desk.desktop.read("note.md").as_deref(), Some("mine\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_a_version_too() {
    let desk = Desk::set_up(&[], ProfileName::Safe).await;
    for note in ["edited here.md", "edited there.md"] {
        desk.laptop.save(note, BASE);
    }
    desk.one.settle().await;
    desk.other.settle().await;
    desk.laptop.save("edited here.md", MINE);
    desk.desktop.delete("edited here.md");
    desk.desktop.save("edited there.md", THEIRS);
    desk.laptop.delete("edited there.md");
    desk.other.sync().await;
    desk.one.settle().await;
    let listed = desk.one.view().conflicts.clone();
    assert_eq!(listed.len(), 2, "{listed:#?}");
    let mut choices = Vec::new();
    for conflict in &listed {
        let detail = desk.read(&conflict.id).await;
        let (choice, absent) = match conflict.kind {
            ConflictKind::EditedHereRemovedThere => (Choice::KeepTheirs, &detail.theirs),
            ConflictKind::RemovedHereEditedThere => (Choice::KeepMine, &detail.mine),
            ConflictKind::BothEdited | ConflictKind::CreatedTwice => panic!("{conflict:#?}"),
        };
        assert_eq!((&absent.md5, &absent.text), (&None, &None));
        choices.push(ConflictChoice {
            id: conflict.id.clone(),
            choice,
            seen: Some(seen(&detail)),
        });
    }
    let (id, stale) = resolve(&desk.one, choices).await;
    assert_eq!(stale, Vec::<String>::new());
    desk.agree().await;
    assert_eq!(texts(desk.desktop.notes()), Vec::<String>::new());
    undo(&desk.one, &id).await.unwrap();
    assert_eq!(desk.laptop.read("edited here.md").as_deref(), Some(MINE));
    assert_eq!(desk.laptop.read("edited there.md").as_deref(), Some(THEIRS));
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_are_resolved_at_once_and_taken_back_to_the_byte() {
    let notes: Vec<String> = (0..500)
        .map(|n| format!("f{}/note {n}.md", n % 7))
        .collect();
    let desk = Desk::set_up(&notes, ProfileName::Safe).await;
    assert_eq!(open_count(&desk.one.view()), 500);
    let before = desk.laptop.notes();
    assert_eq!(before.len(), 1001);
    let Reply::Conflicts { conflicts } = desk.one.ask(Request::ListConflicts).await else {
        panic!("a list is a list");
    };
    let choices = conflicts
        .iter()
        .enumerate()
        .map(|(nth, conflict)| {
            let choice = match nth % 3 {
                0 => Choice::KeepMine,
                1 => Choice::KeepTheirs,
                _ => Choice::Merged {
                    text: MERGED.to_owned(),
                },
            };
            choose(&conflict.id, choice)
        })
        .collect();
    let (id, stale) = resolve(&desk.one, choices).await;
    assert_eq!(stale, Vec::<String>::new());
    desk.agree().await;
    assert_eq!(desk.desktop.notes().len(), 501);

    undo(&desk.one, &id).await.unwrap();
    assert_eq!(desk.laptop.notes(), before);
    assert_eq!(open_count(&desk.one.view()), 500);
    desk.one.settle().await;
    desk.other.settle().await;
    assert_eq!(desk.desktop.notes(), before);
}
