//! Planted errors: a model that does not find one of them proves nothing.

use std::fmt::Write;

use model::{Broken, Mutant, Rules, Scenario};

use super::number;

/// More than the rarest error needs.
const PATIENCE: u64 = 60_000;

struct Caught {
    seed: u64,
    broken: Broken,
    events: usize,
}

fn hunt(rules: &Rules, mutant: Mutant) -> Option<Caught> {
    let first = number("MODEL_SEED").unwrap_or(0);
    (first..first + PATIENCE).find_map(|seed| {
        let scenario = Scenario::of(seed);
        let broken = scenario.run(rules, Some(mutant))?;
        let small = scenario.shrunk(rules, Some(mutant));
        Some(Caught {
            seed,
            broken,
            events: small.events.len(),
        })
    })
}

#[test]
fn no_planted_error_survives() {
    let rules = Rules::none().unwrap();
    let (front, back) = Mutant::ALL.split_at(Mutant::ALL.len() / 2);
    let hunted: Vec<(Mutant, Option<Caught>)> = std::thread::scope(|scope| {
        let [one, other] = [front, back].map(|half| {
            let rules = rules.clone();
            scope.spawn(move || {
                let hunted = half.iter().map(|mutant| (*mutant, hunt(&rules, *mutant)));
                hunted.collect::<Vec<_>>()
            })
        });
        let mut all = one.join().unwrap();
        all.extend(other.join().unwrap());
        all
    });
    let mut table = String::from("| planted error | first seed | breaks | events |\n");
    table += "| --- | --- | --- | --- |\n";
    for (mutant, caught) in &hunted {
        match caught {
            Some(Caught {
                seed,
                broken,
                events,
            }) => writeln!(
                table,
                "| {mutant:?} | {seed} | {:?} | {events} |",
                broken.invariant
            ),
            None => writeln!(table, "| {mutant:?} | **survives** | | |"),
        }
        .unwrap();
    }
    eprintln!("{table}");
    let alive: Vec<Mutant> = hunted
        .iter()
        .filter(|(_, caught)| caught.is_none())
        .map(|(mutant, _)| *mutant)
        .collect();
    assert_eq!(alive, [], "these survive {PATIENCE} scenarios");
}
