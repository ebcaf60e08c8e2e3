//! Three writers of one tenant: two people on two devices, and an agent at the tenant's Basic Memory
//! through the server's proxy. Whatever stands between them is killed, in any order.
//!
//! `TENANCY_EDITS` (120 if not set) and `TENANCY_SEED` make it longer, or another one; with
//! `TENANCY_MOUNT=1` the instance has its files through a mount.

#![expect(
    clippy::print_stderr,
    reason = "a storm that fails is read from what it told"
)]

mod agent;
mod api;
mod instance;
mod layers;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::view::ProfileName;
use testkit::{BasicMemory, Weather, basic_memory};

use self::agent::Agent;
use self::instance::{Instance, Part};
use super::device::Home;
use super::storm::{City, Dice, Habits, Ledger, Person, Program, come_to_rest, number};

/// Of which each device makes two fifths, and the agent one.
const EDITS: u64 = 120;
/// For each so many edits something is killed: Basic Memory takes seconds to be back, and the agent
/// needs it.
const EDITS_A_KILL: u64 = 20;
/// Indexing goes on while everything else rests.
const ROUNDS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn three_writers_lose_nothing_whoever_is_killed() {
    storm(match number("TENANCY_MOUNT") {
        Some(_) => "mount",
        None => "replica",
    })
    .await;
}

/// Settings of a server whose tenants have the current Basic Memory.
fn with_instances(driver: &str, sync_every: Duration) -> String {
    let memory = BasicMemory::V0_24_1;
    format!(
        r#"
[instances]
kind = "local"
sync_every_s = {}
[instances.local]
files = "{driver}"
generation = "{}"
basic_memory = "{}"
rclone = "{}"
idle_s = 0
"#,
        sync_every.as_secs(),
        memory.generation(),
        basic_memory(memory).display(),
        testkit::rclone().display(),
    )
}

async fn storm(driver: &str) {
    let edits = number("TENANCY_EDITS").unwrap_or(EDITS);
    let seed = number("TENANCY_SEED").unwrap_or(1);
    eprintln!("TENANCY_SEED={seed} TENANCY_EDITS={edits}, {driver}");
    let began = Instant::now();
    let settings = with_instances(driver, Duration::from_secs(10));
    let mut city = City::build_with(&settings).await;
    let homes = [Home::new("laptop"), Home::new("desktop")];
    let mut bucket = String::new();
    for home in &homes {
        let device = home.open().await;
        city.sign_in(&device).await;
        device
            .set_up_once_prepared(&home.vault(), ProfileName::Safe)
            .await;
        bucket.clone_from(&device.view().pairs[0].bucket);
        device.close().await;
    }
    let instance = Instance::of(&city).await;
    let ledger = Ledger::default();
    let agent = Agent::new(&city, &instance, ledger.clone()).await;
    agent.is_heard().await;
    let ready = began.elapsed();

    city.proxy.set(Weather::Storm { seed });
    let (agent, kills) = live_through(&mut city, &homes, &instance, agent, (edits, seed)).await;
    let stormy = began.elapsed() - ready;
    city.proxy.set(Weather::Fair);

    let notes = become_equal(&homes, &instance).await;
    let told = ledger.judge_lines(&notes, &agent.possible);
    for folder in [homes[0].vault(), homes[1].vault(), instance.data()] {
        city.rclone_agrees(&folder, &bucket).await;
    }
    agent.finds_what_it_wrote(&notes).await;
    eprintln!(
        "{told}\n{} of the agent's {} notes were files, {kills:?} killed, weather {:?}\nready after \
         {ready:?}, {stormy:?} of storm, equal {:?} later",
        agent.proven,
        agent.possible.len(),
        city.proxy.fates(),
        began.elapsed() - stormy - ready,
    );
    for (part, times) in kills {
        assert!(times > 0, "{part:?} was never killed");
    }
    assert!(agent.proven > 0, "no note of the agent was ever a file");
    city.close().await;
    instance.is_gone().await;
}

/// All three write until they are done; meanwhile one part after the other dies. How often each did.
async fn live_through(
    city: &mut City,
    homes: &[Home; 2],
    instance: &Instance,
    agent: Agent,
    (edits, seed): (u64, u64),
) -> (Agent, BTreeMap<Part, usize>) {
    let habits = Habits {
        folder: "main",
        pause_ms: 500,
        front_matter: true,
    };
    let mut people = tokio::task::JoinSet::new();
    for (home, number) in homes.iter().zip(1..) {
        let dice = Dice::new(seed * 10 + number);
        let person = Person::with_habits(home, agent.ledger.clone(), dice, habits);
        people.spawn(person.work(edits * 2 / 5));
    }
    let agent = tokio::spawn(agent.work(edits / 5));
    let mut dice = Dice::new(seed * 10);
    let mut programs = [Program::watch(&homes[0]), Program::watch(&homes[1])];
    let mut kills: BTreeMap<Part, usize> = Part::ALL.map(|part| (part, 0)).into();
    let mut next = Vec::new();
    loop {
        let is_over = people.is_empty() && agent.is_finished();
        let each_died = kills.values().all(|times| *times > 0);
        if is_over && each_died {
            break;
        }
        let count: usize = kills.values().sum();
        if each_died && count as u64 >= edits / EDITS_A_KILL {
            if let Some(done) = people.join_next().await {
                done.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        if next.is_empty() {
            next = shuffled(&mut dice);
        }
        let part = next.pop().unwrap();
        let died = match part {
            Part::Server => {
                city.kill_server().await;
                true
            }
            Part::Instance | Part::BasicMemory | Part::Rclone => instance.kill(part).await,
        };
        *kills.entry(part).or_default() += usize::from(died);
        eprintln!("{part:?}: {}", if died { "killed" } else { "not there" });
        // Every other time the next one dies before this one is back.
        if dice.throw(2) == 0 {
            instance.is_heard().await;
        }
        let pause = Duration::from_millis(dice.throw(2_500));
        let all = async {
            while let Some(done) = people.join_next().await {
                done.unwrap();
            }
        };
        // Whoever is done waits for the others.
        if tokio::time::timeout(pause, all).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    for program in &mut programs {
        program.end().await;
    }
    for home in homes {
        home.let_minutes_pass();
    }
    (agent.await.unwrap(), kills)
}

fn shuffled(dice: &mut Dice) -> Vec<Part> {
    let mut parts = Part::ALL.to_vec();
    for at in (1..parts.len()).rev() {
        let with = usize::try_from(dice.throw(at as u64 + 1)).unwrap();
        parts.swap(at, with);
    }
    parts
}

/// Both devices and the instance come to hold the same; what that is.
async fn become_equal(homes: &[Home; 2], instance: &Instance) -> BTreeMap<String, String> {
    let (laptop, desktop) = (homes[0].open().await, homes[1].open().await);
    let mut differences = Vec::new();
    for _ in 0..ROUNDS {
        instance.is_heard().await;
        come_to_rest([&laptop, &desktop]).await;
        instance.is_settled().await;
        let folders = [homes[0].vault(), homes[1].vault(), instance.data()];
        let [here, there, cloud] = folders.map(|folder| notes_below(&folder));
        if here == there && here == cloud {
            laptop.close().await;
            desktop.close().await;
            return here;
        }
        differences = differing(&here, &there);
        differences.extend(differing(&here, &cloud));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("never equal: {differences:#?}");
}

fn notes_below(folder: &Path) -> BTreeMap<String, String> {
    let mut notes = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap();
        // What is replaced meanwhile is read in the next round.
        if entry.file_type().is_file()
            && !path.starts_with(".basic-memory-")
            && let Ok(bytes) = std::fs::read(entry.path())
        {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            notes.insert(path.to_owned(), text);
        }
    }
    notes
}

fn differing(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let paths = one.keys().chain(other.keys());
    let mut paths: Vec<String> = paths
        .filter(|path| one.get(*path) != other.get(*path))
        .map(|path| format!("{path}: {:?}, {:?}", one.get(path), other.get(path)))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}
