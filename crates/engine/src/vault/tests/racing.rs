//! A person saves in every way an editor can, aimed at each step of a change, thousands of times.
//!
//! Every save returns the texts it replaced. At the end each settled text must be in the vault, at
//! its path or as a copy, unless a later save replaced just that text, or a change that had seen
//! just that text; then it must be in history. No file may hold a text that nobody wrote.
//!
//! `RACE_SAVES` sets how many saves there are in all; 10 000 if it is not set.

mod editor;
mod handles;
mod mapping;

use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use self::editor::{Editor, Style};
use super::*;

const PATH: &str = "d/n.md";
const SAVES: usize = 10_000;
const RACES: usize = 14;
/// Longer than any race takes on a busy machine.
const LONG: Duration = Duration::from_secs(240);

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

/// The texts of one writer.
#[derive(Default)]
struct Record {
    settled: BTreeSet<String>,
    /// Texts that a later save replaced; MD5s of those that a change was to replace, and took out.
    superseded: BTreeSet<String>,
}

/// What the two sides know of each other while they race.
#[derive(Default)]
struct Track {
    stop: AtomicBool,
    /// Saves that were asked for.
    shots: AtomicUsize,
    /// Saves that have touched the note.
    begun: AtomicUsize,
    saves: AtomicUsize,
    /// Steps of changes so far.
    steps: AtomicUsize,
}

impl Track {
    /// Asks for a save; on every second round sync waits until it has begun.
    fn shoot(&self, round: usize) {
        let shot = self.shots.fetch_add(1, Ordering::AcqRel) + 1;
        if round.is_multiple_of(2) {
            let begin = || self.begun.load(Ordering::Acquire) >= shot;
            yield_until(Duration::from_millis(1), begin);
        }
    }
}

/// Gives the other side its turns until something is true, or for this long.
fn yield_until(patience: Duration, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !is_true() && Instant::now() < end {
        std::thread::yield_now();
    }
}

fn saves_in_each_race() -> usize {
    let all = std::env::var("RACE_SAVES").map_or(SAVES, |count| count.parse().unwrap());
    all.div_ceil(RACES)
}

fn race(style: Style, swap: Swap) {
    let rig = Rig::with(swap, Linking::Hard);
    rig.write("d/keeps the folder.md", "");
    let (wanted, track) = (saves_in_each_race(), Track::default());
    let (cloud, user, outcomes) = std::thread::scope(|scope| {
        let editing = scope.spawn(|| Editor::new(&rig, &track, style).edit());
        let at_end = StopAtEnd(&track.stop);
        let (cloud, outcomes) = sync(&rig, &track, wanted);
        drop(at_end);
        (cloud, editing.join().unwrap(), outcomes)
    });
    judge(&rig, &cloud, &user);
    eprintln!(
        "{style:?}, {swap:?}: {} saves, {outcomes:?}",
        user.settled.len()
    );
    assert!(user.settled.len() >= wanted, "{}", user.settled.len());
    for outcome in ["done", "saved"] {
        assert!(outcomes.contains_key(outcome), "{outcomes:?}");
    }
}

/// Changes the note from the other side until so many saves were made.
fn sync(rig: &Rig, track: &Track, wanted: usize) -> (Record, BTreeMap<&'static str, usize>) {
    let mut cloud = Record::default();
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let end = Instant::now() + LONG;
    let mut round = 0;
    while track.saves.load(Ordering::Acquire) < wanted {
        assert!(Instant::now() < end, "{outcomes:?}");
        round += 1;
        let text = format!("cloud {round}\n");
        let change = match md5_of(&rig.vault.join(PATH)) {
            Ok((md5, _)) if round % 4 == 0 => Change::Remove {
                path: PATH.to_owned(),
                expect: Expect::Content { md5 },
            },
            Ok((md5, _)) => rig.install(PATH, &text, Expect::Content { md5 }),
            Err(_) => rig.install(PATH, &text, Expect::Absent),
        };
        let aim = AIMS[round % AIMS.len()];
        let applied = rig.apply_with(&change, &|step| {
            track.steps.fetch_add(1, Ordering::AcqRel);
            // A save that goes back is met by another one there.
            if step == aim || step == ApplyStep::PutBack {
                track.shoot(round);
            }
        });
        // A change that never gets to the aimed step must not stop the editor.
        if round % 8 == 7 {
            track.shoot(round);
        }
        if matches!(change, Change::Install { .. }) {
            cloud.settled.insert(text);
        }
        let (Change::Install { expect, .. } | Change::Remove { expect, .. }) = &change;
        let gave_way = match applied {
            Applied::Done { .. } => true,
            // While the old version was aside, a program found no note and made one: that replaces it.
            Applied::UserSaved => rig.side.swap == Swap::MoveAside,
            Applied::KeptBoth { .. } | Applied::Blocked(_) => false,
        };
        if let (true, Expect::Content { md5 }) = (gave_way, expect) {
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
    (cloud, outcomes)
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

fn race_on_every_file_system(style: Style) {
    for swap in [Swap::Exchange, Swap::MoveAside] {
        race(style, swap);
    }
}

#[test]
fn no_save_in_place_is_lost() {
    race_on_every_file_system(Style::InPlace);
}

#[test]
fn no_appended_save_is_lost() {
    race_on_every_file_system(Style::Append);
}

#[test]
fn no_save_over_a_truncated_file_is_lost() {
    race_on_every_file_system(Style::Truncate);
}

#[test]
fn no_save_through_a_handle_that_stays_open_is_lost() {
    race_on_every_file_system(Style::Held);
}

#[test]
fn no_save_through_mapped_memory_is_lost() {
    race_on_every_file_system(Style::Mapped);
}

#[test]
fn no_atomic_save_is_lost() {
    race_on_every_file_system(Style::Atomic);
}

#[test]
fn no_save_by_delete_and_create_is_lost() {
    race_on_every_file_system(Style::DeleteAndCreate);
}
