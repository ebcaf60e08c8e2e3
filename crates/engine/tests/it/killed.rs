//! A process that ends at once, at every step of a run, and what is there afterwards.

mod lane;
mod rig;

use std::collections::BTreeMap;
use std::fs;

use std::time::Duration;

use engine::view::{ConflictState, ProfileName, RunResult};
use engine::{Request, RunKind, Step};
use rustix::process::{Pid, Signal, kill_process};

use testkit::{Server, wait_for};

use super::device::{Home, LONG, is_signed_in};
use super::member::Member;

use self::rig::{
    ANA, CARRYING, Desk, Orders, RACING_TEXT, check_listed, die, die_of, first, second, third,
    undisputed,
};

/// The steps of a run that carries edits, deletes and a conflict, in order.
const CYCLE: [Step; 7] = [
    Step::Verified,
    Step::MirrorFilled,
    Step::BisyncStarting,
    Step::BisyncEnded,
    Step::Applied,
    Step::BeforeCommit,
    Step::Committed,
];

/// The steps of a change to one note, in order.
const APPLY: [Step; 7] = [
    Step::ApplyStaged,
    Step::ApplyIntended,
    Step::ApplySwapped,
    Step::ApplyVerified,
    Step::ApplyKept,
    Step::ApplySynced,
    Step::ApplySettled,
];

/// Steps at which a change of another kind than the first may be cut off.
const LATER: [Step; 4] = [
    Step::ApplyIntended,
    Step::ApplySwapped,
    Step::ApplyKept,
    Step::ApplySettled,
];

/// The steps around a conflict that the newer version wins.
const NEWER: [Step; 3] = [Step::BisyncEnded, Step::WinnerUploaded, Step::BeforeCommit];

/// The steps around a conflict that the older version loses.
const OLDER: [Step; 3] = [Step::ApplySwapped, Step::ApplySettled, Step::Applied];

const MINUTE: Duration = Duration::from_secs(60);

/// Which test kills at a step; a new step has to be put somewhere.
fn is_killed_at(step: Step) -> bool {
    match step {
        Step::Verified
        | Step::MirrorFilled
        | Step::BisyncStarting
        | Step::BisyncEnded
        | Step::Applied
        | Step::BeforeCommit
        | Step::Committed => CYCLE.contains(&step),
        Step::ApplyStaged
        | Step::ApplyIntended
        | Step::ApplySwapped
        | Step::ApplyVerified
        | Step::ApplyKept
        | Step::ApplySynced
        | Step::ApplySettled => APPLY.contains(&step),
        Step::WinnerUploaded => NEWER.contains(&step),
        // A first sync, a save in the very moment of a swap, and the lane have a test each.
        Step::SentinelReady | Step::ApplyPutBack | Step::LaneUploaded => true,
    }
}

async fn every_round_keeps_both_versions(test: &str, kills: &[(Step, u32)]) {
    let rounds: Vec<String> = kills
        .iter()
        .map(|(step, after)| format!("{step:?}-{after}"))
        .collect();
    let desk = Desk::set_up(&rounds, ProfileName::Safe).await;
    for (round, (step, after)) in rounds.iter().zip(kills) {
        desk.work(round).await;
        die(&desk.laptop, test, *step, *after).await;
        let view = desk.heal().await;

        let mut notes = desk.notes(round);
        assert_eq!(
            notes.remove("both.md"),
            Some(second(round, "both, desktop")),
            "{round}"
        );
        let copies: Vec<String> = notes
            .keys()
            .filter(|name| name.starts_with("both (conflict laptop "))
            .cloned()
            .collect();
        assert_eq!(
            copies.len(),
            1,
            "{round}: one copy of the other version: {notes:#?}"
        );
        assert_eq!(
            notes.remove(&copies[0]),
            Some(second(round, "both, laptop")),
            "{round}"
        );
        assert_eq!(notes, undisputed(round), "{round}");
        check_listed(&view, round, &copies[0]);
        let history = desk.laptop.history();
        for replaced in [first(round, "there"), first(round, "gone-there")] {
            assert!(
                history.contains(&replaced),
                "{round}: {replaced:?} is not in {history:#?}"
            );
        }
    }
    desk.check_bucket().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_a_cycle_loses_nothing_and_heals() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::a_kill_at_any_step_of_a_cycle_loses_nothing_and_heals";
    every_round_keeps_both_versions(test, &CYCLE.map(|step| (step, 0))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_the_first_change_loses_nothing_and_heals() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::a_kill_at_any_step_of_the_first_change_loses_nothing_and_heals";
    every_round_keeps_both_versions(test, &APPLY.map(|step| (step, 0))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_a_later_change_loses_nothing_and_heals() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::a_kill_at_any_step_of_a_later_change_loses_nothing_and_heals";
    every_round_keeps_both_versions(test, &LATER.map(|step| (step, 2))).await;
}

/// The person goes on writing where the crash left off.
#[tokio::test(flavor = "multi_thread")]
async fn saves_after_a_kill_and_before_the_next_start_are_kept_beside_all_else() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::saves_after_a_kill_and_before_the_next_start_are_kept_beside_all_else";
    let rounds = APPLY.map(|step| format!("{step:?}"));
    let desk = Desk::set_up(&rounds, ProfileName::Safe).await;
    for ((round, step), after) in rounds.iter().zip(APPLY).zip([0, 2].into_iter().cycle()) {
        desk.work(round).await;
        desk.laptop.age(&format!("{round}/both.md"), MINUTE);
        die(&desk.laptop, test, step, after).await;
        let mut shown = Vec::new();
        for note in ["there", "both"] {
            let path = format!("{round}/{note}.md");
            shown.extend(desk.laptop.read(&path));
            desk.laptop.save(&path, &third(round, note));
        }
        desk.heal().await;

        let notes: Vec<String> = desk.notes(round).into_values().collect();
        let history = desk.laptop.history();
        for version in ["there", "both, desktop", "both, laptop"] {
            let version = second(round, version);
            let count = notes.iter().filter(|text| **text == version).count();
            let kept = shown.contains(&version) || history.contains(&version);
            assert!(
                count == 1 || (count == 0 && kept),
                "{round}: {version:?} in {notes:#?}"
            );
        }
        for version in ["there", "both"].map(|note| third(round, note)) {
            let count = notes.iter().filter(|text| **text == version).count();
            assert_eq!(count, 1, "{round}: {version:?} in {notes:#?}");
        }
    }
    desk.check_bucket().await;
}

/// A resolved conflict leaves no copy beside the note.
fn check_copies(notes: &BTreeMap<String, String>, round: &str) {
    let copies = notes.keys().filter(|name| name.contains(" (conflict "));
    assert_eq!(copies.count(), 0, "{round}: {notes:#?}");
}

/// The older version of a conflict is in history, whatever happens while the newer one wins.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_the_newer_version_wins_loses_nothing_and_heals() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::a_kill_while_the_newer_version_wins_loses_nothing_and_heals";
    let rounds = NEWER.map(|step| format!("{step:?}"));
    let desk = Desk::set_up(&rounds, ProfileName::Balanced).await;
    for (round, step) in rounds.iter().zip(NEWER) {
        desk.work(round).await;
        die(&desk.laptop, test, step, 0).await;
        desk.heal().await;

        let mut notes = desk.notes(round);
        assert_eq!(
            notes.remove("both.md"),
            Some(second(round, "both, laptop")),
            "{round}"
        );
        check_copies(&notes, round);
        assert_eq!(notes, undisputed(round), "{round}");
        let history = desk.laptop.history();
        let older = second(round, "both, desktop");
        assert!(
            history.contains(&older),
            "{round}: {older:?} is not in {history:#?}"
        );
    }
    desk.check_bucket().await;
}

/// The other way round: what this device saved is the older version.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_the_older_version_gives_way_loses_nothing_and_heals() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::a_kill_while_the_older_version_gives_way_loses_nothing_and_heals";
    let rounds = OLDER.map(|step| format!("{step:?}"));
    let desk = Desk::set_up(&rounds, ProfileName::Balanced).await;
    for (round, step) in rounds.iter().zip(OLDER) {
        desk.work(round).await;
        desk.laptop.age(&format!("{round}/both.md"), MINUTE);
        die(&desk.laptop, test, step, 0).await;
        desk.heal().await;

        let mut notes = desk.notes(round);
        let newer = second(round, "both, desktop");
        assert_eq!(notes.remove("both.md"), Some(newer), "{round}");
        check_copies(&notes, round);
        assert_eq!(notes, undisputed(round), "{round}");
        let older = second(round, "both, laptop");
        let history = desk.laptop.history();
        assert!(
            history.contains(&older),
            "{round}: {older:?} is not in {history:#?}"
        );
    }
    desk.check_bucket().await;
}

/// Sync takes the user's save back into place; killed in that moment, both versions stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_racing_save_is_put_back_loses_nothing_and_heals() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::a_kill_while_a_racing_save_is_put_back_loses_nothing_and_heals";
    let desk = Desk::set_up(&["race".to_owned()], ProfileName::Safe).await;
    desk.desktop.save("race/there.md", &second("race", "there"));
    desk.other.sync().await;
    let step = format!("{:?}", Step::ApplyPutBack);
    die_of(&desk.laptop, test, &step, 0, Some("race/there.md")).await;
    desk.heal().await;
    let notes: Vec<String> = desk.notes("race").into_values().collect();
    for version in [second("race", "there").as_str(), RACING_TEXT] {
        let count = notes.iter().filter(|text| *text == version).count();
        assert_eq!(count, 1, "{version:?} once in {notes:#?}");
    }
    desk.check_bucket().await;
}

/// Half of the notes are up, the rest is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_rclone_carries_loses_nothing_and_heals() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::a_kill_while_rclone_carries_loses_nothing_and_heals";
    let desk = Desk::set_up(&["many".to_owned()], ProfileName::Safe).await;
    desk.work("many").await;
    for number in 0..500 {
        desk.laptop
            .save(&format!("many/{number}.md"), &format!("{number}\n"));
    }
    die_of(&desk.laptop, test, CARRYING, 0, None).await;
    desk.heal().await;
    assert_eq!(desk.notes("many").len(), 500 + undisputed("many").len() + 2);
    desk.check_bucket().await;
}

/// The very first run of a pair; notes are on both sides already.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_first_sync_loses_nothing_and_heals() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::a_kill_in_the_first_sync_loses_nothing_and_heals";
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let (laptop, desktop) = (Home::new("laptop"), Home::new("desktop"));
    laptop.save("here.md", "from here\n");
    laptop.save("both.md", "from here\n");
    desktop.save("there.md", "from there\n");
    desktop.save("both.md", "from there\n");
    let device = laptop.open().await;
    device.sign_in(&server, ANA).await;
    device.close().await;
    die(&laptop, test, Step::SentinelReady, 0).await;
    die(&laptop, test, Step::BisyncEnded, 0).await;
    let other = desktop.join(&server, ANA, ProfileName::Safe).await;
    other.settle().await;
    die(&laptop, test, Step::ApplySwapped, 0).await;

    let device = laptop.open().await;
    assert!(is_signed_in(&device.view(), ANA));
    device.settle().await;
    other.settle().await;
    device.settle().await;
    let notes = laptop.notes();
    assert_eq!(notes, desktop.notes());
    assert_eq!(notes.len(), 4, "both versions of one note: {notes:#?}");
    assert_eq!(
        (&*notes["here.md"], &*notes["there.md"]),
        ("from here\n", "from there\n")
    );
    let here = notes.values().filter(|text| *text == "from here\n").count();
    assert_eq!(here, 2, "{notes:#?}");
    let conflicts = &other.view().conflicts;
    assert_eq!(conflicts.len(), 1, "{conflicts:#?}");
    assert_eq!(conflicts[0].state, ConflictState::Open);
}

#[test]
fn no_step_is_left_out() {
    let all = [
        Step::Verified,
        Step::SentinelReady,
        Step::MirrorFilled,
        Step::BisyncStarting,
        Step::BisyncEnded,
        Step::WinnerUploaded,
        Step::ApplyStaged,
        Step::ApplyIntended,
        Step::ApplySwapped,
        Step::ApplyVerified,
        Step::ApplyKept,
        Step::ApplyPutBack,
        Step::ApplySynced,
        Step::ApplySettled,
        Step::Applied,
        Step::BeforeCommit,
        Step::Committed,
    ];
    assert!(all.into_iter().all(is_killed_at));
}

/// rclone dies while it carries; the engine goes on.
#[tokio::test(flavor = "multi_thread")]
async fn two_conflicts_of_saves_in_one_second_are_both_kept() {
    let desk = Desk::set_up(&["twice".to_owned()], ProfileName::Safe).await;
    let device = desk.laptop.open().await;
    for (desktop, laptop) in [("desktop 1\n", "laptop 1\n"), ("desktop 2\n", "laptop 2\n")] {
        desk.desktop.save("twice/both.md", desktop);
        desk.other.sync().await;
        desk.laptop.save("twice/both.md", laptop);
        let file = desk.laptop.vault().join("twice/both.md");
        let file = fs::File::options().append(true).open(file).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
            .unwrap();
        drop(file);
        device.settle().await;
    }
    desk.other.settle().await;
    assert_eq!(desk.laptop.notes(), desk.desktop.notes());
    assert_eq!(desk.notes("twice").len(), 6 + 2);
    desk.check_bucket().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rclone_costs_nothing_but_time() {
    const NOTES: usize = 1500;
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let laptop = Home::new("laptop");
    let device = laptop.join(&server, ANA, ProfileName::Safe).await;
    let save_all = |word: &str| {
        for number in 0..NOTES {
            let path = format!("folder-{}/note-{number}.md", number % 20);
            laptop.save(&path, &format!("{word} {number}\n"));
        }
    };
    save_all("first");
    device.settle().await;
    // New notes would go ahead of rclone.
    save_all("second");
    device
        .ask(Request::SyncNow {
            pair: None,
            run: RunKind::Sync,
        })
        .await;
    let rclone = wait_for(LONG, async || child_of_ours(&laptop)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    kill_process(rclone, Signal::KILL).unwrap();
    let ended = device.until(|view| view.pairs[0].running.is_none()).await;
    let result = &ended.pairs[0].last_run.as_ref().unwrap().result;
    match result {
        RunResult::Synced
        | RunResult::Failed {
            transient: true, ..
        } => {}
        RunResult::Verified
        | RunResult::Previewed
        | RunResult::Halted { .. }
        | RunResult::Failed { .. }
        | RunResult::Stopped => panic!("{result:?}"),
    }
    device.settle().await;
    assert_eq!(laptop.notes().len(), NOTES);
    let mut bucket = Member::sign_in(&server, ANA).await.bucket().await;
    bucket.remove(".basic-memory-sync");
    assert_eq!(bucket, laptop.digests());
    device.close().await;
    assert_eq!(laptop.programs(), Vec::<i32>::new());
}

/// The rclone that this process started for the home.
fn child_of_ours(home: &Home) -> Option<Pid> {
    let ours = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1));
        parent == Some(&std::process::id().to_string())
    };
    Pid::from_raw(home.programs().into_iter().find(ours)?)
}
