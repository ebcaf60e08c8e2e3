use std::collections::{BTreeMap, BTreeSet};

use guard::{Body, Bucket, BucketError, Precondition};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::cloud::{Cloud, Machine, through};

const KEYS: [&str; 3] = ["a", "b c", "d/é"];

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Delete(usize),
    Copy(usize, usize),
    Read(usize),
    ElsewherePut(usize),
    ElsewhereDelete(usize),
    LoseNextPut,
    NewCycle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..KEYS.len();
    let step = prop_oneof![
        4 => key().prop_map(Step::Put),
        2 => key().prop_map(Step::Delete),
        2 => (key(), key()).prop_map(|(from, to)| Step::Copy(from, to)),
        1 => key().prop_map(Step::Read),
        3 => key().prop_map(Step::ElsewherePut),
        1 => key().prop_map(Step::ElsewhereDelete),
        1 => Just(Step::LoseNextPut),
        1 => Just(Step::NewCycle),
    ];
    proptest::collection::vec(step, 1..25)
}

/// Entity tags by key.
type Contents = BTreeMap<String, String>;

async fn contents(cloud: &Cloud) -> Contents {
    let objects = cloud.elsewhere.sweep().await.unwrap();
    objects
        .into_iter()
        .map(|object| (object.key, object.etag))
        .collect()
}

/// One step through the guard, and what it may do to the bucket if it succeeds.
async fn step_through_guard(
    client: &Bucket,
    step: &Step,
    text: &str,
    shown: &mut Contents,
) -> Result<(), BucketError> {
    match step {
        Step::Put(key) => {
            let body = Body::from(text.as_bytes().to_vec());
            let etag = client
                .put(KEYS[*key], body, Precondition::Absent, &[])
                .await?;
            shown.insert(KEYS[*key].into(), etag);
        }
        Step::Delete(key) => {
            client.delete(KEYS[*key], "any").await?;
            shown.remove(KEYS[*key]);
        }
        Step::Copy(from, to) => {
            let etag = client
                .copy(KEYS[*from], "any", KEYS[*to], Precondition::Absent)
                .await?;
            assert_eq!(
                Some(&etag),
                shown.get(KEYS[*from]),
                "a copy is of what was shown"
            );
            shown.insert(KEYS[*to].into(), etag);
        }
        Step::Read(key) => {
            let download = client.get(KEYS[*key], None).await?;
            assert_eq!(Some(&download.object.etag), shown.get(KEYS[*key]));
        }
        Step::ElsewherePut(_) | Step::ElsewhereDelete(_) | Step::LoseNextPut | Step::NewCycle => {}
    }
    Ok(())
}

/// Whatever two writers do, one of them through the guard: a write through the guard happens only over what the guard
/// had shown, and a refused one changes nothing.
async fn play(steps: Vec<Step>) {
    let cloud = Cloud::start().await;
    let mut machine = Machine::new(cloud.bucket()).await;
    let mut shown = Contents::new();
    let mut before = Contents::new();
    let mut own = BTreeSet::new();
    for (serial, step) in steps.into_iter().enumerate() {
        match &step {
            Step::ElsewherePut(key) => {
                cloud
                    .write(KEYS[*key], &format!("elsewhere {serial}"))
                    .await;
                before = contents(&cloud).await;
                continue;
            }
            Step::ElsewhereDelete(key) => {
                if let Some(etag) = before.remove(KEYS[*key]) {
                    cloud.elsewhere.delete(KEYS[*key], &etag).await.unwrap();
                }
                continue;
            }
            Step::LoseNextPut => {
                cloud.watcher.lose_the_next_answer_to("PUT");
                continue;
            }
            Step::NewCycle => {
                machine = Machine::new(cloud.bucket()).await;
                shown = before.clone();
                own.clear();
                continue;
            }
            Step::Put(_) | Step::Delete(_) | Step::Copy(..) | Step::Read(_) => {}
        }
        let client = through(&machine.session);
        if let Step::Delete(key) = &step
            && own.contains(key)
        {
            client.delete(KEYS[*key], "any").await.unwrap();
            assert_eq!(contents(&cloud).await, before, "its own version stays");
            continue;
        }
        let was_shown = shown.clone();
        let text = format!("content {serial}");
        let outcome = step_through_guard(&client, &step, &text, &mut shown).await;
        let after = contents(&cloud).await;
        let agreed = |key: usize| before.get(KEYS[key]) == was_shown.get(KEYS[key]);
        let mut expected = before.clone();
        match (&step, &outcome) {
            (Step::Put(key), Ok(())) => {
                assert!(agreed(*key), "{step:?} over what was not shown");
                expected.insert(KEYS[*key].into(), shown[KEYS[*key]].clone());
                own.insert(*key);
            }
            (Step::Copy(from, to), Ok(())) => {
                let is_there = before.get(KEYS[*to]) == was_shown.get(KEYS[*from]);
                assert!(agreed(*to) || is_there, "{step:?} over what was not shown");
                expected.insert(KEYS[*to].into(), shown[KEYS[*to]].clone());
                own.insert(*to);
            }
            // What the session never saw is not deleted, and that is no failure.
            (Step::Delete(key), Ok(())) if was_shown.contains_key(KEYS[*key]) => {
                let is_gone = !before.contains_key(KEYS[*key]);
                assert!(agreed(*key) || is_gone, "{step:?} of what was not shown");
                expected.remove(KEYS[*key]);
            }
            (Step::Put(key) | Step::Read(key) | Step::Delete(key), Err(error)) => {
                let is_missing = !was_shown.contains_key(KEYS[*key]);
                let may_fail = !agreed(*key) || matches!(step, Step::Read(_)) && is_missing;
                assert!(may_fail, "{step:?} failed for nothing: {error}");
            }
            _ => {}
        }
        assert_eq!(after, expected, "{step:?}: {outcome:?}");
        cloud.watcher.assert_all_conditional();
        before = after;
    }
}

#[test]
fn no_sequence_of_writers_overwrites_what_was_not_seen() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut config = Config::with_cases(24);
    config.failure_persistence = None;
    let mut runner = TestRunner::new(config);
    let played = runner.run(&steps(), |steps| {
        runtime.block_on(play(steps));
        Ok(())
    });
    played.unwrap();
}
