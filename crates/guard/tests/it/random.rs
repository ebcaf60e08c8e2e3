use std::collections::BTreeMap;

use guard::{Body, BucketError, Precondition};
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

type Contents = BTreeMap<String, String>;

async fn contents(cloud: &Cloud) -> Contents {
    let mut all = Contents::new();
    for object in cloud.elsewhere.sweep().await.unwrap() {
        let text = cloud.read(&object.key).await.unwrap();
        all.insert(object.key, text);
    }
    all
}

/// Whatever two writers do, one of them through the guard: a write through the guard happens only over what the guard
/// had shown, and a refused one changes nothing.
async fn play(steps: Vec<Step>) {
    let cloud = Cloud::start().await;
    let mut machine = Machine::new(cloud.bucket()).await;
    let mut shown = Contents::new();
    for (serial, step) in steps.into_iter().enumerate() {
        let client = through(&machine.session);
        let before = contents(&cloud).await;
        let fresh = format!("content {serial}");
        let agree = |key: &str| before.get(key) == shown.get(key);
        let outcome = match &step {
            Step::Put(key) => {
                let body = Body::from(fresh.clone().into_bytes());
                let put = client
                    .put(KEYS[*key], body, Precondition::Absent, &[])
                    .await;
                assert_eq!(put.is_ok(), agree(KEYS[*key]), "{step:?}: {put:?}");
                put.map(|_| {
                    shown.insert(KEYS[*key].into(), fresh.clone());
                })
            }
            Step::Delete(key) => {
                let delete = client.delete(KEYS[*key], "any").await;
                let is_gone = !before.contains_key(KEYS[*key]);
                let is_unknown = !shown.contains_key(KEYS[*key]);
                let expected = agree(KEYS[*key]) || is_gone || is_unknown;
                assert_eq!(delete.is_ok(), expected, "{step:?}: {delete:?}");
                delete.map(|()| {
                    shown.remove(KEYS[*key]);
                })
            }
            Step::Copy(from, to) => {
                let (from, to) = (KEYS[*from], KEYS[*to]);
                let copy = client.copy(from, "any", to, Precondition::Absent).await;
                if copy.is_ok() {
                    let text = shown[from].clone();
                    shown.insert(to.into(), text);
                }
                copy.map(drop)
            }
            Step::Read(key) => {
                let read = client.get(KEYS[*key], None).await;
                match read {
                    Ok(download) => {
                        let bytes = download.into_bytes(1024).await.unwrap();
                        assert_eq!(bytes, shown[KEYS[*key]].as_bytes());
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            }
            Step::ElsewherePut(key) => {
                cloud
                    .write(KEYS[*key], &format!("elsewhere {serial}"))
                    .await;
                continue;
            }
            Step::ElsewhereDelete(key) => {
                if let Some(object) = cloud.elsewhere.head(KEYS[*key]).await.unwrap() {
                    cloud
                        .elsewhere
                        .delete(KEYS[*key], &object.etag)
                        .await
                        .unwrap();
                }
                continue;
            }
            Step::LoseNextPut => {
                cloud.watcher.lose_the_next_answer_to("PUT");
                continue;
            }
            Step::NewCycle => {
                machine = Machine::new(cloud.bucket()).await;
                shown = contents(&cloud).await;
                continue;
            }
        };
        let after = contents(&cloud).await;
        let mut allowed = before.clone();
        match (&step, &outcome) {
            (Step::Put(key), Ok(())) => {
                allowed.insert(KEYS[*key].into(), fresh);
            }
            // A delete of what the session never saw is answered without being sent.
            (Step::Delete(key), Ok(())) if before.get(KEYS[*key]) != after.get(KEYS[*key]) => {
                allowed.remove(KEYS[*key]);
            }
            (Step::Copy(from, to), Ok(())) => {
                allowed.insert(KEYS[*to].into(), before[KEYS[*from]].clone());
            }
            // The answer got lost in a way that only the next try can find out.
            (Step::Copy(..), Err(BucketError::Server { status: 503, .. })) => continue,
            _ => {}
        }
        assert_eq!(after, allowed, "{step:?}: {outcome:?}");
        cloud.watcher.assert_all_conditional();
    }
}

#[test]
fn no_sequence_of_writers_overwrites_what_was_not_seen() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut config = Config::with_cases(64);
    config.failure_persistence = None;
    let mut runner = TestRunner::new(config);
    let played = runner.run(&steps(), |steps| {
        runtime.block_on(play(steps));
        Ok(())
    });
    played.unwrap();
}
