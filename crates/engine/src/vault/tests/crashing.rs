//! A child process applies a change and kills itself at a named step; recovery then settles it.

use std::process::{Command, Stdio};

use super::*;

const VARIABLE: &str = "ENGINE_VAULT_CRASH";
const TEST: &str = "survives_a_kill_at_every_step";

const PATH: &str = "d/n.md";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    InstallNew,
    InstallOver,
    InstallOverASave,
    InstallBetweenSaves,
    Remove,
    RemoveASave,
}

const STORIES: [Story; 6] = [
    Story::InstallNew,
    Story::InstallOver,
    Story::InstallOverASave,
    Story::InstallBetweenSaves,
    Story::Remove,
    Story::RemoveASave,
];

impl Story {
    fn change(self, side: &Side) -> Change {
        let install = |expect| Change::Install {
            path: PATH.to_owned(),
            from: NewBytes::File(side.mirror.join("incoming")),
            md5: md5("ours"),
            mtime_ms: None,
            expect,
        };
        match self {
            Self::InstallNew => install(Expect::Absent),
            Self::InstallOver | Self::InstallOverASave | Self::InstallBetweenSaves => {
                install(content("old"))
            }
            Self::Remove | Self::RemoveASave => remove(PATH, "old"),
        }
    }

    /// What the user saves when a step is reached, if anything.
    fn save_at(self, step: ApplyStep) -> Option<&'static str> {
        let before = step == ApplyStep::Intended;
        let after = step == ApplyStep::Swapped;
        match self {
            Self::InstallNew | Self::InstallOver | Self::Remove => None,
            Self::InstallOverASave | Self::RemoveASave => before.then_some("saved"),
            Self::InstallBetweenSaves if after => Some("saved later"),
            Self::InstallBetweenSaves => before.then_some("saved"),
        }
    }
}

/// The child's part: never returns if the step is reached.
fn apply_and_die(order: &str) {
    let mut words = order.splitn(4, ' ');
    let story = STORIES[words.next().unwrap().parse::<usize>().unwrap()];
    let step = ApplyStep::ALL[words.next().unwrap().parse::<usize>().unwrap()];
    let swap = if words.next() == Some("exchange") {
        Swap::Exchange
    } else {
        Swap::MoveAside
    };
    let root = PathBuf::from(words.next().unwrap());
    let vault = root.join("notes");
    let mut side = Side::open(&vault, &root.join("data"), "p1").unwrap();
    side.swap = swap;
    apply(
        &vault,
        &side,
        &story.change(&side),
        DEVICE,
        NOW,
        &|reached| {
            if let Some(text) = story.save_at(reached) {
                fs::write(vault.join(PATH), text).unwrap();
            }
            if reached == step {
                die();
            }
        },
    )
    .unwrap();
}

/// As a power cut ends a process: nothing is tidied.
#[cfg(unix)]
fn die() -> ! {
    use rustix::process::{Signal, getpid, kill_process};

    kill_process(getpid(), Signal::KILL).unwrap();
    unreachable!("killed");
}

#[cfg(windows)]
fn die() -> ! {
    std::process::abort()
}

#[test]
fn survives_a_kill_at_every_step() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the order of the child that is to be killed"
    )]
    if let Ok(order) = std::env::var(VARIABLE) {
        return apply_and_die(&order);
    }
    let mut killed = BTreeSet::new();
    for (number, story) in STORIES.into_iter().enumerate() {
        for (index, step) in ApplyStep::ALL.into_iter().enumerate() {
            for swap in SWAPS {
                let swap = if *swap == Swap::Exchange {
                    "exchange"
                } else {
                    "aside"
                };
                let rig = Rig::new();
                write(&rig.side.mirror.join("incoming"), "ours");
                if story != Story::InstallNew {
                    rig.write(PATH, "old");
                }
                let order = format!("{number} {index} {swap} {}", rig.dir.path().display());
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the process that is to be killed"
                )]
                let status = Command::new(std::env::current_exe().unwrap())
                    .args([&format!("vault::tests::crashing::{TEST}"), "--exact"])
                    .env(VARIABLE, order)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
                if !status.success() {
                    killed.insert(step);
                }
                check(&rig, story, step, status.success());
            }
        }
    }
    assert_eq!(
        killed,
        ApplyStep::ALL.into_iter().collect(),
        "every step was reached"
    );
}

fn check(rig: &Rig, story: Story, step: ApplyStep, finished: bool) {
    let recovered = rig.recover();
    let state = format!("{story:?} at {step:?}, finished: {finished}, {recovered:?}");
    assert_eq!(rig.stage_names(), [""; 0], "{state}");
    assert_eq!(rig.recover(), [], "{state}");
    let texts = rig.retrievable();
    let saves: BTreeSet<&str> = ApplyStep::ALL
        .into_iter()
        .filter(|done| finished || *done <= step)
        .filter_map(|done| story.save_at(done))
        .collect();
    let visible: BTreeSet<String> = rig.vault_files().into_values().collect();
    for saved in &saves {
        assert!(
            visible.contains(*saved),
            "{saved} is lost: {state}, {visible:?}"
        );
    }
    match story {
        Story::InstallNew => assert!(texts.is_empty() || texts.contains("ours"), "{state}"),
        Story::InstallOver | Story::Remove => assert!(texts.contains("old"), "{state}"),
        Story::InstallOverASave | Story::InstallBetweenSaves | Story::RemoveASave => {
            assert!(
                saves.is_empty() == texts.contains("old"),
                "{state}, {texts:?}"
            );
        }
    }
    for text in &texts {
        assert!(
            ["old", "ours", "saved", "saved later"].contains(&text.as_str()),
            "{state}"
        );
    }
}
