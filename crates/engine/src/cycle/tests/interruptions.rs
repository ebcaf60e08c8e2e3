use super::rig;
use super::*;
use crate::Step;
use crate::cycle::CycleFailure;

const STEPS: [Step; 13] = [
    Step::Verified,
    Step::MirrorFilled,
    Step::BisyncStarting,
    Step::BisyncEnded,
    Step::ApplyStaged,
    Step::ApplyIntended,
    Step::ApplySwapped,
    Step::ApplyVerified,
    Step::ApplyKept,
    Step::ApplySynced,
    Step::ApplySettled,
    Step::BeforeCommit,
    Step::Committed,
];

#[derive(Clone, Copy, Debug)]
enum Style {
    InPlace,
    Atomic,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_in_place_at_any_step_reaches_the_cloud() {
    save_at_each_step(Style::InPlace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_atomic_save_at_any_step_reaches_the_cloud() {
    save_at_each_step(Style::Atomic).await;
}

/// A save at any moment of a cycle is neither lost nor left behind.
async fn save_at_each_step(style: Style) {
    for step in STEPS {
        let cloud = Cloud::start().await;
        let mut laptop = Device::new("laptop", &cloud).await;
        let desktop = Device::new("desktop", &cloud).await;
        laptop.save("mine.md", "mine 0\n");
        laptop.save("theirs.md", "theirs 0\n");
        laptop.sync().await;
        desktop.sync().await;
        desktop.save("theirs.md", "theirs 1\n");
        desktop.sync().await;
        laptop.save("mine.md", "mine 1\n");

        let vault = laptop.vault.clone();
        let (fired, reached) = std::sync::mpsc::channel();
        laptop.at_step(step, move || {
            for path in ["mine.md", "theirs.md"] {
                match style {
                    Style::InPlace => rig::write(&vault.join(path), "late words\n"),
                    Style::Atomic => rig::replace(&vault.join(path), "late words\n"),
                }
            }
            fired.send(()).unwrap();
        });
        laptop.sync().await;
        reached.try_recv().expect("the step is part of this cycle");
        laptop.sync().await;
        let cloud_files = cloud.files().await;
        let what = format!("{step:?}, {style:?}: {cloud_files:?}");
        assert_eq!(laptop.files(), cloud_files, "{what}");
        assert_eq!(cloud_files["mine.md"], "late words\n", "{what}");
        assert!(
            cloud_files.values().any(|text| text == "late words\n"),
            "{what}"
        );
        // Once it was in the folder, a later save of the user replaces it rightly.
        let shown_before = step as u32 >= Step::ApplySwapped as u32;
        let seen = cloud_files.values().any(|text| text == "theirs 1\n");
        assert!(seen || shown_before, "{what}");
    }
}

/// A pause in the middle leaves everything as it was, and the next run finishes.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_is_taken_up_again() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    for number in 0..200 {
        laptop.save(&format!("n{number}.md"), &format!("{number}\n"));
    }
    let cancel = laptop.cancel.clone();
    laptop.at_step(Step::BisyncStarting, move || cancel.cancel());
    assert!(matches!(laptop.failure().await, CycleFailure::Stopped));
    laptop.cancel = tokio_util::sync::CancellationToken::new();
    laptop.observer = crate::Observer::none();
    laptop.sync().await;
    assert_eq!(cloud.files().await, laptop.files());
}

/// A run that dies between safe apply and its commit hides no version: history lists each, once.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_put_into_history_is_listed_by_the_next() {
    use futures::FutureExt as _;

    for step in [Step::ApplyKept, Step::ApplySettled, Step::Applied] {
        let cloud = Cloud::start().await;
        let mut laptop = Device::new("laptop", &cloud).await;
        laptop.save("changed.md", "before\n");
        laptop.save("removed.md", "last words\n");
        laptop.sync().await;
        cloud.put("changed.md", "after\n").await;
        cloud.remove("removed.md").await;
        laptop.at_step(step, || {
            panic!("the power fails here, as this test wants it")
        });
        let died = std::panic::AssertUnwindSafe(laptop.run()).catch_unwind();
        let died = !matches!(died.await, Ok((_, Ok(()))));
        assert!(died, "{step:?} is part of this run");
        laptop.observer = crate::Observer::none();
        for _ in 0..2 {
            laptop.sync().await;
            let state = laptop.state();
            let listed = state.with(|state| {
                let pairs = ["pair_test".to_owned()];
                state.versions(&pairs, None, None, 10)
            });
            let mut listed: Vec<_> = listed
                .await
                .unwrap()
                .into_iter()
                .map(|version| {
                    (
                        version.path,
                        std::fs::read_to_string(version.kept.file).unwrap(),
                    )
                })
                .collect();
            listed.sort();
            let wanted = [("changed.md", "before\n"), ("removed.md", "last words\n")];
            let wanted = wanted.map(|(path, text)| (path.to_owned(), text.to_owned()));
            assert_eq!(listed, wanted, "after {step:?}");
        }
    }
}
