//! Single notes between two devices, carried as they change, without a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine::view::{ChangeAction, ExplainState, ProfileName, Status};
use engine::{Reply, Request};
use tempfile::TempDir;
use testkit::{Server, wait_until};

use super::device::{Device, Home, LONG, clock_after, is_running, last_number};

const ANA: &str = "ana@example.org";
/// So far away that no pass begins by itself.
const NEVER: Duration = Duration::from_secs(3600);

/// Two devices of one person that work by themselves.
struct Desk {
    laptop: Home,
    desktop: Home,
    one: Device,
    other: Device,
    _server: Server,
    _state: TempDir,
}

impl Desk {
    async fn set_up() -> Self {
        let state = testkit::scratch();
        let server = Server::start(state.path()).await;
        server.activate(ANA).await;
        let laptop = Home::in_background("laptop", NEVER);
        let desktop = Home::in_background("desktop", NEVER);
        laptop.save("first.md", "first\n");
        let one = laptop.join(&server, ANA, ProfileName::Safe).await;
        let other = desktop.join(&server, ANA, ProfileName::Safe).await;
        let desk = Self {
            laptop,
            desktop,
            one,
            other,
            _server: server,
            _state: state,
        };
        desk.calm().await;
        desk
    }

    /// Waits until no pass runs or follows on either device; the number of the last on each.
    async fn calm(&self) -> (u64, u64) {
        let numbers = || {
            (
                last_number(&self.one.view()),
                last_number(&self.other.view()),
            )
        };
        loop {
            let before = numbers();
            let quiet = Duration::from_millis(1500);
            let busy = |view: &engine::View| is_running(view);
            let (one, other) = tokio::join!(
                self.one.stays_without(quiet, busy),
                self.other.stays_without(quiet, busy)
            );
            if one && other && numbers() == before {
                return before;
            }
        }
    }

    async fn arrives(&self, path: &str, text: Option<&str>) {
        wait_until(LONG, async || {
            self.laptop.read(path).as_deref() == text && self.desktop.read(path).as_deref() == text
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn saves_renames_and_deletes_arrive_without_a_run() {
    let desk = Desk::set_up().await;
    let before = desk.calm().await;

    desk.laptop.save_atomically("first.md", "better\n");
    desk.arrives("first.md", Some("better\n")).await;
    desk.desktop.save("first.md", "best\n");
    desk.arrives("first.md", Some("best\n")).await;
    desk.laptop.save("new.md", "new\n");
    desk.arrives("new.md", Some("new\n")).await;
    desk.laptop.rename("new.md", "renamed.md");
    desk.arrives("renamed.md", Some("new\n")).await;
    desk.arrives("new.md", None).await;
    desk.desktop.delete("first.md");
    desk.arrives("first.md", None).await;

    assert_eq!(desk.calm().await, before, "no pass was needed");
    for device in [&desk.one, &desk.other] {
        let view = device.view();
        assert_eq!(view.status, Status::Idle, "{}", view.headline);
        assert_eq!(view.pairs[0].files, 1);
        assert!(view.conflicts.is_empty(), "{:#?}", view.conflicts);
    }
    let told: Vec<_> = desk
        .one
        .view()
        .activity
        .iter()
        .take(2)
        .map(|line| (line.path.clone(), line.action))
        .collect();
    assert!(
        told.contains(&("first.md".to_owned(), ChangeAction::RemoveHere)),
        "{told:?}"
    );
    let mut kept = desk.desktop.history();
    kept.sort();
    assert_eq!(kept, ["first\n", "new\n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_takes_a_notes_name_and_gives_it_back_on_both_devices() {
    let desk = Desk::set_up().await;
    desk.laptop.delete("first.md");
    desk.laptop.save("first.md/inner.md", "inner\n");
    desk.arrives("first.md/inner.md", Some("inner\n")).await;
    desk.calm().await;
    desk.laptop.delete("first.md/inner.md");
    std::fs::remove_dir(desk.laptop.vault().join("first.md")).unwrap();
    desk.laptop.save("first.md", "a note again\n");
    desk.arrives("first.md", Some("a note again\n")).await;
    desk.calm().await;
    for device in [&desk.one, &desk.other] {
        let view = device.view();
        assert_eq!(view.status, Status::Idle, "{}", view.headline);
        assert!(view.problems.is_empty(), "{:#?}", view.problems);
    }
    assert_eq!(desk.laptop.notes(), desk.desktop.notes());
    assert_eq!(desk.laptop.notes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_is_typed_arrives_whole_in_few_pieces() {
    let desk = Desk::set_up().await;
    let began = Instant::now();
    let mut text = String::new();
    for count in 0..150 {
        text.push_str(&format!("word {count} "));
        desk.laptop.save("first.md", &text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let typed = began.elapsed();
    desk.arrives("first.md", Some(&text)).await;
    desk.calm().await;
    let uploads = desk
        .one
        .view()
        .activity
        .iter()
        .filter(|line| line.action == ChangeAction::Upload)
        .count();
    // Twice as many as the lane's growing pauses let through, however slowly the words come.
    let allowed = 10 + usize::try_from(typed.as_secs() / 5).unwrap();
    assert!(
        uploads <= allowed,
        "{uploads} uploads of one note in {typed:?}"
    );
    for device in [&desk.one, &desk.other] {
        let view = device.view();
        assert!(view.conflicts.is_empty(), "{:#?}", view.conflicts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_notes_and_many_deletes_are_left_to_a_cycle() {
    let desk = Desk::set_up().await;
    for count in 0..30 {
        desk.laptop
            .save(&format!("folder/{count}.md"), &format!("{count}\n"));
    }
    wait_until(LONG, async || desk.desktop.notes().len() == 31).await;
    let (before, _) = desk.calm().await;
    for count in 0..20 {
        desk.laptop.delete(&format!("folder/{count}.md"));
    }
    let view = desk.one.until(|view| view.pairs[0].halt.is_some()).await;
    assert_eq!(view.pairs[0].halt.as_ref().unwrap().code, "TooManyDeletes");
    assert!(last_number(&view) > before);
    assert!(
        desk.desktop.notes().len() >= 29,
        "at most the spare deletes went out"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_a_program_holds_open_waits_for_it_and_nothing_else_does() {
    let desk = Desk::set_up().await;
    desk.laptop.save("held.md", "held\n");
    desk.arrives("held.md", Some("held\n")).await;
    let note = desk.laptop.vault().join("held.md");
    let holder = std::fs::File::options().append(true).open(note).unwrap();
    let (before, _) = desk.calm().await;

    desk.desktop.save("held.md", "theirs\n");
    desk.desktop.save("other.md", "other\n");
    desk.arrives("other.md", Some("other\n")).await;
    let view = desk.one.until(|view| view.problem_count == 1).await;
    let problem = &view.problems[0];
    assert_eq!(
        (problem.path.as_str(), problem.code.as_str()),
        ("held.md", "file_in_use")
    );
    let (tried, _) = desk.calm().await;
    assert!(tried > before && tried <= before + 8, "{before} to {tried}");
    // It is not tried again and again, and the rest goes on.
    desk.desktop.save("first.md", "edited meanwhile\n");
    desk.arrives("first.md", Some("edited meanwhile\n")).await;
    let time = Duration::from_secs(6);
    let spins = |view: &engine::View| last_number(view) > tried + 3;
    assert!(desk.one.stays_without(time, spins).await);
    assert_eq!(desk.laptop.read("held.md").as_deref(), Some("held\n"));
    assert_eq!(desk.one.view().status, Status::Idle);

    drop(holder);
    desk.arrives("held.md", Some("theirs\n")).await;
    desk.one.until(|view| view.problem_count == 0).await;
    assert!(desk.laptop.history().contains(&"held\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_windows_cannot_hold_syncs_and_is_remarked_on_where_it_is_made() {
    let desk = Desk::set_up().await;
    desk.laptop.save("what?.md", "text\n");
    desk.arrives("what?.md", Some("text\n")).await;
    let view = desk.one.until(|view| !view.problems.is_empty()).await;
    let told: Vec<_> = (view.problems.iter())
        .map(|problem| (problem.path.as_str(), problem.code.as_str()))
        .collect();
    assert_eq!(told, [("what?.md", "name_not_everywhere")]);
    let view = desk.one.until(|view| view.status == Status::Idle).await;
    assert_eq!((view.problem_count, &view.notices[..]), (0, &[][..]));
    let path = desk.laptop.vault().join("what?.md").display().to_string();
    let reply = desk.one.ask(Request::Explain { path }).await;
    let Reply::Explanation { state, reason, .. } = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(state, ExplainState::Synced);
    assert!(reason.contains("Windows cannot hold this name"), "{reason}");

    desk.laptop.rename("what?.md", "what.md");
    desk.arrives("what.md", Some("text\n")).await;
    desk.arrives("what?.md", None).await;
    desk.one.until(|view| view.problems.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_at_one_note_lose_no_word() {
    let desk = Desk::set_up().await;
    for round in 0..5 {
        let (mine, theirs) = (format!("laptop {round}\n"), format!("desktop {round}\n"));
        desk.laptop.save("first.md", &mine);
        desk.desktop.save("first.md", &theirs);
        wait_until(LONG, async || {
            let (one, other) = (desk.laptop.notes(), desk.desktop.notes());
            let has = |text: &String| one.values().any(|note| note == text);
            one == other && has(&mine) && has(&theirs)
        })
        .await;
    }
    desk.calm().await;
    assert_eq!(desk.laptop.notes(), desk.desktop.notes());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sleep_everything_is_looked_at() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let slept = Arc::new(AtomicU64::new(0));
    let mut laptop = Home::in_background("laptop", NEVER);
    laptop.clock = clock_after(&slept);
    laptop.save("first.md", "first\n");
    let device = laptop.join(&server, ANA, ProfileName::Safe).await;
    let quiet = Duration::from_millis(1500);
    device.stays_without(quiet, is_running).await;
    let before = last_number(&device.view());

    slept.store(120, Ordering::Relaxed);
    device
        .until(|view| last_number(view) > before && view.status == Status::Idle)
        .await;
}
