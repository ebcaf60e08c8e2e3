//! A process that dies in the middle of a decision.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use engine::view::{Choice, ProfileName};
use engine::{Mode, Observer, Step};
use rustix::process::{Signal, getpid, kill_process};

use super::super::device::{Device, LONG, config};
use super::{Desk, MINE, THEIRS, choose, resolve};

const ROOT: &str = "BM_TEST_DECIDING_ROOT";
const NOTE: &str = "BM_TEST_DECIDING_NOTE";
const STEP: &str = "BM_TEST_DECIDING_STEP";
const PASSED: &str = "BM_TEST_DECIDING_PASSED";

/// The process that is to die: it decides for its own version, and dies at a step of that.
async fn obey(root: PathBuf) {
    let text = |name| std::env::var_os(name).unwrap().into_string().unwrap();
    let step = text(STEP);
    let passed: u32 = text(PASSED).parse().unwrap();
    let seen = std::sync::atomic::AtomicU32::new(0);
    let observer = Observer::new(move |reached| {
        let matches = format!("{reached:?}") == step;
        if matches && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == passed {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    });
    let device = Device::open(config(&root, "laptop", Mode::OnRequest, observer)).await;
    let id = id_of(&device, &text(NOTE));
    let left = resolve(&device, vec![choose(&id, Choice::KeepMine)]).await;
    panic!("this process should be dead: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_a_resolution_loses_nothing_and_it_can_be_made_again() {
    if let Some(root) = std::env::var_os(ROOT) {
        return obey(root.into()).await;
    }
    let test = "conflicts::killed::a_kill_in_a_resolution_loses_nothing_and_it_can_be_made_again";
    // The note is replaced first, then its copy is moved away.
    let moments = [
        (Step::ApplyStaged, 0),
        (Step::ApplyIntended, 0),
        (Step::ApplySwapped, 0),
        (Step::ApplyVerified, 0),
        (Step::ApplyKept, 0),
        (Step::ApplySettled, 0),
        (Step::ApplySwapped, 1),
        (Step::ApplyKept, 1),
        (Step::ApplySettled, 1),
    ];
    let notes: Vec<String> = (0..moments.len())
        .map(|nth| format!("note {nth}.md"))
        .collect();
    let mut desk = Desk::set_up(&notes, ProfileName::Safe).await;
    for (note, (step, passed)) in notes.iter().zip(moments) {
        let at = format!("{step:?} {passed}");
        desk.one.close().await;
        let mut child = testkit::program(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads", "1"])
            .env(ROOT, desk.laptop.root())
            .env(NOTE, note)
            .env(STEP, format!("{step:?}"))
            .env(PASSED, passed.to_string())
            .spawn();
        let status = child.exit(LONG).await;
        assert_eq!(status.signal(), Some(9), "{at}: {}", child.stderr());
        let everywhere: Vec<String> = desk
            .laptop
            .notes()
            .into_iter()
            .filter(|(path, _)| path.starts_with(note.trim_end_matches(".md")))
            .map(|(_, text)| text)
            .chain(desk.laptop.aside(note.trim_end_matches(".md")))
            .collect();
        for version in [MINE, THEIRS] {
            assert!(
                everywhere.iter().any(|text| text == version),
                "{version:?} at {at}: {everywhere:#?}"
            );
        }

        desk.one = desk.laptop.open().await;
        let id = id_of(&desk.one, note);
        let (_, stale) = resolve(&desk.one, vec![choose(&id, Choice::KeepMine)]).await;
        assert_eq!(stale, Vec::<String>::new(), "{at}");
        assert_eq!(desk.laptop.read(note).as_deref(), Some(MINE), "{at}");
    }
    desk.agree().await;
    assert_eq!(desk.desktop.notes().len(), notes.len() + 1);
}

fn id_of(device: &Device, note: &str) -> String {
    let view = device.view();
    let found = view.conflicts.iter().find(|one| one.path == note);
    found.expect("the conflict is listed").id.clone()
}
