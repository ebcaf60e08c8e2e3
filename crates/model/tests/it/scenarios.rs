//! The correct decisions. `MODEL_SCENARIOS` (100 000 if not set) and `MODEL_SEED` run more, or others.

use std::time::Instant;

use model::{Rules, Scenario};

use super::number;

/// In each of four tests, so that every core has its share.
const SCENARIOS: u64 = 25_000;

fn nothing_breaks(share: u64) {
    let rules = Rules::none().unwrap();
    let count = number("MODEL_SCENARIOS").map_or(SCENARIOS, |all| all / 4);
    let first = number("MODEL_SEED").unwrap_or(0) + share * count;
    let began = Instant::now();
    for seed in first..first + count {
        let scenario = Scenario::of(seed);
        if let Some(broken) = scenario.run(&rules, None) {
            let small = scenario.shrunk(&rules, None);
            let again = small.run(&rules, None);
            panic!("seed {seed}: {broken:?}\nshrunk: {small:?}\n{again:?}");
        }
    }
    let took = began.elapsed();
    eprintln!("{count} scenarios from {first} on in {took:?}");
}

#[test]
fn nothing_breaks_in_the_first_share() {
    nothing_breaks(0);
}

#[test]
fn nothing_breaks_in_the_second_share() {
    nothing_breaks(1);
}

#[test]
fn nothing_breaks_in_the_third_share() {
    nothing_breaks(2);
}

#[test]
fn nothing_breaks_in_the_fourth_share() {
    nothing_breaks(3);
}

#[test]
fn nothing_breaks_where_notes_go_ahead_of_bisync() {
    let rules = Rules::none().unwrap();
    let count = number("MODEL_SCENARIOS").map_or(SCENARIOS, |all| all / 4);
    let first = number("MODEL_SEED").unwrap_or(0);
    for seed in first..first + count {
        let scenario = Scenario::of(seed).in_bulk();
        if let Some(broken) = scenario.run(&rules, None) {
            let small = scenario.shrunk(&rules, None);
            let again = small.run(&rules, None);
            panic!("seed {seed}: {broken:?}\nshrunk: {small:?}\n{again:?}");
        }
    }
}

/// What once broke, with the events it took; each was a fault of the engine or of the model.
#[test]
fn what_broke_once_stays_mended() {
    let rules = Rules::none().unwrap();
    for seed in [
        14, 20, 76, 143, 169, 188, 838, 1057, 1134, 1712, 4096, 5515, 6656, 7448, 11774, 12572,
        15449, 20500, 22427, 28667, 62666,
    ] {
        let scenario = Scenario::of(seed);
        assert_eq!(scenario.run(&rules, None), None, "seed {seed}");
    }
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    let rules = Rules::none().unwrap();
    for seed in 0..200 {
        let tell = || Scenario::of(seed).told(&rules, None);
        assert_eq!(tell(), tell(), "seed {seed}");
    }
}

/// Follows one scenario: `MODEL_TRACE=seed`, with `--no-capture`.
#[test]
fn one_scenario_can_be_followed() {
    let rules = Rules::none().unwrap();
    let seed = number("MODEL_TRACE").unwrap_or(1);
    let scenario = Scenario::of(seed).shrunk(&rules, None);
    let told = scenario.told(&rules, None);
    assert!(told.len() > scenario.events.len());
    for line in told {
        eprintln!("{line}");
    }
}
