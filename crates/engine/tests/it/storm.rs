//! Two devices in bad weather: real programs, the real rclone, a store of somebody else's, and a
//! proxy that is late, refuses and cuts. Programs are killed. Two people go on saving.
//!
//! `STORM_OPERATIONS` (2 000 if not set) and `STORM_SEED` make it longer, or another one.

mod city;
mod ledger;
mod person;
mod program;

use std::time::{Duration, Instant};

use engine::view::{ProfileName, RunResult, Status};
use engine::{Reply, Request};
use testkit::Weather;

pub(crate) use self::city::City;
pub(crate) use self::ledger::Ledger;
pub(crate) use self::person::{Dice, Habits, Person};
pub(crate) use self::program::{Program, dressed};
use super::device::{Device, Home, LONG, is_running, last_number};

const OPERATIONS: u64 = 2_000;

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own setting, which only a person gives"
)]
pub(crate) fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_in_a_storm_lose_nothing_and_become_equal() {
    let operations = number("STORM_OPERATIONS").unwrap_or(OPERATIONS);
    let seed = number("STORM_SEED").unwrap_or(1);
    eprintln!("STORM_SEED={seed} STORM_OPERATIONS={operations}");
    let began = Instant::now();
    let city = City::build().await;
    let homes = [Home::new("laptop"), Home::new("desktop")];
    for home in &homes {
        let device = home.open().await;
        city.sign_in(&device).await;
        device.set_up(&home.vault(), ProfileName::Safe).await;
        device.close().await;
    }
    let ready = began.elapsed();

    city.proxy.set(Weather::Storm { seed });
    let ledger = Ledger::default();
    let kills = live_through(&homes, &ledger, operations, seed).await;
    let stormy = began.elapsed() - ready;
    city.proxy.set(Weather::Fair);

    let laptop = homes[0].open().await;
    let desktop = homes[1].open().await;
    let bucket = laptop.view().pairs[0].bucket.clone();
    let rounds = come_to_rest([&laptop, &desktop]).await;
    for device in [laptop, desktop] {
        device.close().await;
    }
    let took = began.elapsed();
    let notes = homes[0].notes();
    assert_eq!(notes, homes[1].notes(), "both devices hold the same");
    let told = ledger.judge(&notes);
    for home in &homes {
        city.rclone_agrees(&home.vault(), &bucket).await;
        assert_eq!(home.leftovers(), Vec::<String>::new());
    }
    let fates = city.proxy.fates();
    eprintln!(
        "{told}\n{kills} kills, {fates:?}\nready after {ready:?}, {stormy:?} of storm, at rest after \
         {rounds} rounds and {:?}",
        took - stormy - ready
    );
    assert_eq!(city.proxy.unconditional(), Vec::<String>::new());
    if operations >= OPERATIONS {
        assert!(kills > 0);
        assert_eq!(fates.len(), 9, "weather of every kind: {fates:?}");
    }
}

/// Both people work until they are done; meanwhile their programs die. How often they did.
async fn live_through(homes: &[Home; 2], ledger: &Ledger, operations: u64, seed: u64) -> usize {
    let mut people = tokio::task::JoinSet::new();
    for (home, number) in homes.iter().zip(1..) {
        let person = Person::new(home, ledger.clone(), Dice::new(seed * 10 + number));
        people.spawn(person.work(operations / 2));
    }
    let mut dice = Dice::new(seed * 10);
    let mut programs = [Program::watch(&homes[0]), Program::watch(&homes[1])];
    let mut kills = 0;
    loop {
        let pause = Duration::from_millis(1_500 + dice.throw(4_000));
        let done =
            tokio::time::timeout(pause, async { while people.join_next().await.is_some() {} });
        if done.await.is_ok() {
            break;
        }
        let at = usize::try_from(dice.throw(2)).unwrap();
        programs[at].kill().await;
        homes[at].let_minutes_pass();
        kills += 1;
        programs[at] = Program::watch(&homes[at]);
    }
    for program in &mut programs {
        program.end().await;
    }
    for home in homes {
        home.let_minutes_pass();
    }
    kills
}

/// Syncs until a round finds nothing to do; a person says yes to whatever asks.
pub(crate) async fn come_to_rest(devices: [&Device; 2]) -> usize {
    for round in 1..=12 {
        let mut verified = 0;
        for device in devices {
            match device.run().await.result {
                RunResult::Verified => verified += 1,
                RunResult::Halted { .. } => confirm(device).await,
                RunResult::Synced | RunResult::Failed { .. } | RunResult::Stopped => {}
                RunResult::Previewed => panic!("nobody asked for a preview"),
            }
        }
        if verified == devices.len() {
            for device in devices {
                let view = device.view();
                assert!(view.problems.is_empty(), "{:#?}", view.problems);
                assert_ne!(view.status, Status::Error, "{view:#?}");
            }
            return round;
        }
    }
    let views = devices.map(|device| device.view().pairs[0].last_run.clone());
    panic!("no rest: {views:#?}");
}

/// What waited behind a stop asks once that one is over.
async fn confirm(device: &Device) {
    let settled = async {
        while device.view().pairs[0].halt.is_some() {
            let pair = device.view().pairs[0].id.clone();
            let reply = device.ask(Request::ConfirmHalt { pair }).await;
            let Reply::Run { number } = reply else {
                panic!("{reply:?}")
            };
            let ended = device.until(|view| last_number(view) >= number && !is_running(view));
            ended.await;
        }
    };
    tokio::time::timeout(LONG, settled).await.unwrap();
}
