//! Somebody frees a note's name and takes it again with a new file, as fast as they can, while
//! changes put versions of their own there. Nothing that has the name may ever be replaced unseen.

use std::io::Write as _;

use super::*;

const PATH: &str = "d/n.md";
const ROUNDS: usize = 300;

/// What the other program wrote, and what of it that program removed itself.
#[derive(Default)]
struct Texts {
    written: BTreeSet<String>,
    removed: BTreeSet<String>,
}

#[test]
fn a_name_that_is_freed_and_taken_meanwhile_is_never_overwritten() {
    for &swap in SWAPS {
        let rig = Rig::with(swap, Linking::Hard);
        rig.write("d/keeps the folder.md", "");
        let stop = AtomicBool::new(false);
        let (texts, outcomes) = std::thread::scope(|scope| {
            let taking = scope.spawn(|| free_and_take(&rig, &stop));
            let at_end = StopAtEnd(&stop);
            let outcomes = change_again_and_again(&rig);
            drop(at_end);
            (taking.join().unwrap(), outcomes)
        });
        rig.recover();
        rig.recover();
        let left = rig.retrievable();
        let lost: Vec<&String> = texts
            .written
            .iter()
            .filter(|text| !texts.removed.contains(*text) && !left.contains(*text))
            .collect();
        assert!(lost.is_empty(), "{swap:?} lost {lost:?}");
        eprintln!("{swap:?}: {} taken, {outcomes:?}", texts.written.len());
        assert!(texts.written.len() > 10 && outcomes.contains_key("done"));
        assert_eq!(rig.stage_names(), [""; 0]);
    }
}

fn free_and_take(rig: &Rig, stop: &AtomicBool) -> Texts {
    let (path, away) = (rig.vault.join(PATH), rig.dir.path().join("away"));
    let mut texts = Texts::default();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        // Only freed if what was there can be told; a program may be refused here, and waits.
        if fs::rename(&path, &away).is_ok() {
            texts.removed.extend(fs::read_to_string(&away));
            fs::remove_file(&away).unwrap();
        }
        if let Ok(mut file) = fs::File::create_new(&path) {
            let text = format!("taken {number}");
            file.write_all(text.as_bytes()).unwrap();
            texts.written.insert(text);
            number += 1;
        }
        std::thread::yield_now();
    }
    texts
}

fn change_again_and_again(rig: &Rig) -> BTreeMap<&'static str, usize> {
    let mut outcomes = BTreeMap::new();
    for round in 0..ROUNDS {
        let text = format!("cloud {round}");
        let expect = match md5_of(&rig.vault.join(PATH)) {
            Ok((md5, _)) => Expect::Content { md5 },
            Err(_) => Expect::Absent,
        };
        let name = match rig.apply(&rig.install(PATH, &text, expect)) {
            Applied::Done { .. } => "done",
            Applied::UserSaved => "saved",
            Applied::KeptBoth { .. } => "both",
            Applied::Blocked(_) => "blocked",
        };
        *outcomes.entry(name).or_default() += 1;
    }
    outcomes
}
