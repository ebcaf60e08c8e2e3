//! The engine on both databases, with workers that die, stall and race.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineSettings, Outcome, Policy, Workflow};
use crate::clock::Clock;
use crate::store::Workflows;
use crate::store::tests::{Fixture, on_both};
use crate::store::workflows::{Claim, NewWorkflow};

on_both!(
    every_effect_happens_once_whatever_the_workers_do,
    a_stalled_worker_cannot_write_what_another_has_done,
    a_step_without_an_end_is_cut_off,
    a_step_that_kills_its_worker_is_given_up,
    a_stopping_worker_gives_its_lease_back,
    what_is_enqueued_is_done_at_once,
    recurring_work_comes_again,
);

const STEPS: &[&str] = &["one", "two", "three", "four"];
const LEASE: Duration = Duration::from_secs(60);

const STUBBORN: Policy = Policy {
    max_attempts: None,
    first_pause: Duration::from_millis(10),
    longest_pause: Duration::from_secs(1),
};

const SETTINGS: EngineSettings = EngineSettings {
    workers: 2,
    lease: LEASE,
    poll: Duration::from_secs(3_600),
};

/// A clock that is moved by hand.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.0);
        Arc::new(move || now.load(Ordering::SeqCst))
    }

    fn forward(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap();
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

fn engine(fixture: &Fixture, workflow: Arc<dyn Workflow>, hands: &Hands) -> Arc<Engine> {
    engine_with(fixture, workflow, hands, SETTINGS)
}

fn engine_with(
    fixture: &Fixture,
    workflow: Arc<dyn Workflow>,
    hands: &Hands,
    settings: EngineSettings,
) -> Arc<Engine> {
    let store: Arc<dyn Workflows> = fixture.store.clone();
    Arc::new(Engine::new(store, vec![workflow], hands.clock(), settings))
}

async fn enqueue(fixture: &Fixture, tenant: usize) {
    let work = NewWorkflow {
        kind: "trial",
        tenant_id: Some(format!("t{tenant}")),
        step: "one",
        input: "{}".to_owned(),
        run_at: 0,
    };
    fixture.store.ensure_workflow(&work, 0).await.unwrap();
}

async fn rows(fixture: &Fixture) -> Vec<String> {
    fixture
        .texts("select step || ' ' || status || ' ' || attempt from workflow order by id")
        .await
}

/// What happened outside, by tenant and step: a receipt for each idempotency key.
type Ledger = Arc<Mutex<BTreeMap<(String, String), Vec<String>>>>;

fn receipt(ledger: &Ledger, claim: &Claim) {
    let tenant = claim.tenant_id.clone().unwrap();
    let mut ledger = ledger.lock().unwrap();
    let receipts = ledger.entry((tenant, claim.step.clone())).or_default();
    if !receipts.contains(&claim.idempotency_key) {
        receipts.push(claim.idempotency_key.clone());
    }
}

/// A worker's life: in 16 of 100 steps it ends, before the effect or behind it.
struct Trial {
    ledger: Ledger,
    chance: Mutex<StdRng>,
    died: Notify,
}

impl Trial {
    async fn die(&self) -> Outcome {
        self.died.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Workflow for Trial {
    fn kind(&self) -> &'static str {
        "trial"
    }

    fn steps(&self) -> &'static [&'static str] {
        STEPS
    }

    fn policy(&self) -> Policy {
        STUBBORN
    }

    async fn run(&self, claim: &Claim) -> Outcome {
        let fate: f64 = self.chance.lock().unwrap().random();
        if fate < 0.08 {
            return self.die().await;
        }
        receipt(&self.ledger, claim);
        if fate < 0.16 {
            return self.die().await;
        }
        Outcome::Done
    }
}

async fn every_effect_happens_once_whatever_the_workers_do(fixture: Fixture) {
    for tenant in 0..100 {
        enqueue(&fixture, tenant).await;
    }
    let hands = Hands::default();
    let ledger = Ledger::default();
    let workers = (0..8).map(|seed| {
        let trial = Arc::new(Trial {
            ledger: Arc::clone(&ledger),
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            died: Notify::new(),
        });
        let engine = engine(&fixture, trial.clone(), &hands);
        let (hands, store) = (hands.clone(), fixture.store.clone());
        async move {
            let mut deaths = 0;
            loop {
                tokio::select! {
                    ran = engine.run_one() => if !ran.unwrap() {
                        if store.next_workflow_at(&["trial"]).await.unwrap().is_none() {
                            return deaths;
                        }
                        // Also past the leases of workers that are alive.
                        hands.forward(Duration::from_secs(7));
                        tokio::task::yield_now().await;
                    },
                    () = trial.died.notified() => deaths += 1,
                }
            }
        }
    });
    let deaths: u32 = futures::future::join_all(workers).await.into_iter().sum();
    assert!(deaths > 40, "{deaths}");
    let receipts: Vec<usize> = ledger.lock().unwrap().values().map(Vec::len).collect();
    assert_eq!(receipts, [1; 400]);
    let states = fixture
        .texts("select distinct step || ' ' || status from workflow")
        .await;
    assert_eq!(states, ["four done"]);
}

/// Runs whatever the test wants.
struct Script<F> {
    steps: &'static [&'static str],
    policy: Policy,
    recurs_after: Option<Duration>,
    play: F,
}

fn script<F, A>(play: F) -> Script<F>
where
    F: Fn(Claim) -> A + Send + Sync + 'static,
    A: Future<Output = Outcome> + Send + 'static,
{
    Script {
        steps: STEPS,
        policy: STUBBORN,
        recurs_after: None,
        play,
    }
}

#[async_trait]
impl<F, A> Workflow for Script<F>
where
    F: Fn(Claim) -> A + Send + Sync + 'static,
    A: Future<Output = Outcome> + Send + 'static,
{
    fn kind(&self) -> &'static str {
        "trial"
    }

    fn steps(&self) -> &'static [&'static str] {
        self.steps
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    fn recurs_after(&self) -> Option<Duration> {
        self.recurs_after
    }

    async fn run(&self, claim: &Claim) -> Outcome {
        (self.play)(claim.clone()).await
    }
}

async fn a_stalled_worker_cannot_write_what_another_has_done(fixture: Fixture) {
    enqueue(&fixture, 1).await;
    let hands = Hands::default();
    let (stalls, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (stalls, goes_on) = (stalls.clone(), goes_on.clone());
        script(move |_| {
            let (stalls, goes_on) = (stalls.clone(), goes_on.clone());
            async move {
                stalls.notify_one();
                goes_on.notified().await;
                Outcome::Permanent("from a worker that stalled".to_owned())
            }
        })
    };
    let slow = engine(&fixture, Arc::new(slow), &hands);
    let slow = tokio::spawn(async move { slow.run_one().await });
    stalls.notified().await;
    hands.forward(LEASE);
    let ledger = Ledger::default();
    let quick = {
        let ledger = ledger.clone();
        script(move |claim| {
            receipt(&ledger, &claim);
            async { Outcome::Done }
        })
    };
    assert!(
        engine(&fixture, Arc::new(quick), &hands)
            .run_one()
            .await
            .unwrap()
    );
    let before = fixture
        .texts("select event from workflow_event order by id")
        .await;
    goes_on.notify_one();
    assert!(slow.await.unwrap().unwrap());
    let after = fixture
        .texts("select event from workflow_event order by id")
        .await;
    assert_eq!(after, before);
    assert_eq!(rows(&fixture).await, ["four done 1"]);
    assert_eq!(ledger.lock().unwrap().len(), 4);
}

async fn a_step_without_an_end_is_cut_off(fixture: Fixture) {
    enqueue(&fixture, 1).await;
    let hands = Hands::default();
    let settings = EngineSettings {
        lease: Duration::from_millis(40),
        ..SETTINGS
    };
    let endless = Arc::new(script(|_| std::future::pending()));
    let engine = engine_with(&fixture, endless, &hands, settings);
    assert!(engine.run_one().await.unwrap());
    assert_eq!(rows(&fixture).await, ["one queued 1"]);
    let error = fixture.texts("select error from workflow").await;
    assert!(error[0].starts_with("cut off after"), "{error:?}");
}

async fn a_step_that_kills_its_worker_is_given_up(fixture: Fixture) {
    enqueue(&fixture, 1).await;
    let hands = Hands::default();
    let died = Arc::new(Notify::new());
    let deadly = {
        let died = died.clone();
        script(move |_| {
            died.notify_one();
            std::future::pending()
        })
    };
    let deadly = Script {
        policy: Policy {
            max_attempts: Some(3),
            ..STUBBORN
        },
        ..deadly
    };
    let engine = engine(&fixture, Arc::new(deadly), &hands);
    let mut deaths = 0;
    loop {
        tokio::select! {
            ran = engine.run_one() => {
                assert!(ran.unwrap());
                break;
            }
            () = died.notified() => deaths += 1,
        }
        hands.forward(LEASE);
    }
    assert_eq!(deaths, 3);
    assert_eq!(rows(&fixture).await, ["one failed 4"]);
    let error = fixture.texts("select error from workflow").await;
    assert_eq!(error, ["3 starts of this step never ended"]);
}

async fn a_stopping_worker_gives_its_lease_back(fixture: Fixture) {
    enqueue(&fixture, 1).await;
    let hands = Hands::default();
    let started = Arc::new(Notify::new());
    let endless = {
        let started = started.clone();
        script(move |_| {
            started.notify_one();
            std::future::pending()
        })
    };
    let cancel = CancellationToken::new();
    let running = engine(&fixture, Arc::new(endless), &hands).run(cancel.clone());
    let running = tokio::spawn(running);
    started.notified().await;
    cancel.cancel();
    running.await.unwrap();
    assert_eq!(rows(&fixture).await, ["one queued 0"]);
    let done = engine(
        &fixture,
        Arc::new(script(|_| async { Outcome::Done })),
        &hands,
    );
    assert!(done.run_one().await.unwrap());
    assert_eq!(rows(&fixture).await, ["four done 1"]);
}

async fn what_is_enqueued_is_done_at_once(fixture: Fixture) {
    let hands = Hands::default();
    let done = engine(
        &fixture,
        Arc::new(script(|_| async { Outcome::Done })),
        &hands,
    );
    let mut ended = done.watch();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(done.clone().run(cancel.clone()));
    enqueue(&fixture, 1).await;
    done.wake();
    // The engine looks by itself only every hour.
    let told = tokio::time::timeout(Duration::from_secs(60), ended.changed()).await;
    told.unwrap().unwrap();
    assert_eq!(rows(&fixture).await, ["four done 1"]);
    cancel.cancel();
    running.await.unwrap();
}

async fn recurring_work_comes_again(fixture: Fixture) {
    let hands = Hands::default();
    let runs = Arc::new(AtomicI64::new(0));
    let counted = {
        let runs = runs.clone();
        script(move |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            async { Outcome::Done }
        })
    };
    let hourly = Script {
        steps: &["one"],
        recurs_after: Some(Duration::from_secs(3_600)),
        ..counted
    };
    let hourly = engine(&fixture, Arc::new(hourly), &hands);
    let mut ended = hourly.watch();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(hourly.clone().run(cancel.clone()));
    ended.changed().await.unwrap();
    hands.forward(Duration::from_secs(3_600));
    hourly.wake();
    ended.changed().await.unwrap();
    cancel.cancel();
    running.await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(rows(&fixture).await, ["one queued 0"]);
}
