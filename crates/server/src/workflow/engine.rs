//! Claims what is due and carries it out, on as many replicas as there are.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::decide::{Outcome, Position, decide, exhausted};
use super::{Policy, Workflow};
use crate::clock::Clock;
use crate::error::chain;
use crate::store::StoreError;
use crate::store::workflows::{Ack, Claim, NewWorkflow, Progress, Workflows};

const STEPS: &str = "bm_workflow_steps_total";

#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineSettings {
    /// How many workflows one replica carries out at once.
    pub(crate) workers: usize,
    /// How long a claim holds. A step is cut off after three quarters of it, so that a worker has
    /// stopped before another one starts, as long as the replicas' clocks differ by less than the
    /// last quarter.
    pub(crate) lease: Duration,
    /// The longest pause between two looks for work that other replicas enqueued.
    pub(crate) poll: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            workers: 8,
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(1),
        }
    }
}

/// One replica's worker.
pub(crate) struct Engine {
    store: Arc<dyn Workflows>,
    workflows: Vec<Arc<dyn Workflow>>,
    kinds: Vec<&'static str>,
    clock: Clock,
    settings: EngineSettings,
    work: Notify,
    ended: watch::Sender<()>,
}

impl Engine {
    pub(crate) fn new(
        store: Arc<dyn Workflows>,
        workflows: Vec<Arc<dyn Workflow>>,
        clock: Clock,
        settings: EngineSettings,
    ) -> Self {
        let kinds = workflows.iter().map(|workflow| workflow.kind()).collect();
        Self {
            store,
            workflows,
            kinds,
            clock,
            settings,
            work: Notify::new(),
            ended: watch::Sender::new(()),
        }
    }

    /// Says that something was enqueued, so that it is looked at now.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }

    /// Changes whenever this replica lets go of a workflow.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    /// Works until `cancel`. Steps under way are dropped then, and their leases given back.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        self.arm_recurring().await;
        let tasks = TaskTracker::new();
        let free = Arc::new(Semaphore::new(self.settings.workers.max(1)));
        loop {
            let permit = tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                permit = Arc::clone(&free).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            let pause = match self.claim().await {
                Ok(Claimed::Work(claim)) => {
                    let (engine, cancel) = (Arc::clone(&self), cancel.clone());
                    tasks.spawn(async move {
                        engine.drive(*claim, &cancel).await;
                        drop(permit);
                        engine.work.notify_one();
                    });
                    continue;
                }
                Ok(Claimed::Nothing { look_again }) => look_again,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "could not look for work");
                    self.settings.poll
                }
            };
            drop(permit);
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.work.notified() => {}
                () = sleep(pause) => {}
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Claims one workflow that is due and drives it as far as it goes now; tells whether there
    /// was one.
    #[cfg(test)]
    pub(crate) async fn run_one(&self) -> Result<bool, StoreError> {
        match self.claim().await? {
            Claimed::Work(claim) => {
                self.drive(*claim, &CancellationToken::new()).await;
                Ok(true)
            }
            Claimed::Nothing { .. } => Ok(false),
        }
    }

    async fn arm_recurring(&self) {
        for workflow in &self.workflows {
            let (Some(_), Some(first)) = (workflow.recurs_after(), workflow.steps().first()) else {
                continue;
            };
            let now = (self.clock)();
            let work = NewWorkflow {
                kind: workflow.kind(),
                tenant_id: None,
                step: first,
                input: "{}".to_owned(),
                run_at: now,
            };
            if let Err(error) = self.store.ensure_workflow(&work, now).await {
                tracing::warn!(kind = workflow.kind(), error = %chain(&error), "not armed");
            }
        }
    }

    /// Reads before it writes: looking for work that is not there locks nothing.
    async fn claim(&self) -> Result<Claimed, StoreError> {
        let next = self.store.next_workflow_at(&self.kinds).await?;
        let now = (self.clock)();
        let wait = match next {
            Some(at) if at <= now => {
                let until = now + self.lease_ms();
                match self.store.claim_workflow(&self.kinds, now, until).await? {
                    Some(claim) => return Ok(Claimed::Work(Box::new(claim))),
                    None => self.settings.poll,
                }
            }
            Some(at) => Duration::from_millis(u64::try_from(at - now).unwrap_or_default()),
            None => self.settings.poll,
        };
        Ok(Claimed::Nothing {
            look_again: wait.min(self.settings.poll),
        })
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.settings.lease.as_millis()).unwrap_or(i64::MAX / 4)
    }

    async fn drive(&self, claim: Claim, cancel: &CancellationToken) {
        if let Err(error) = self.steps(claim, cancel).await {
            // The row stays as it was; the step runs again when its lease has ended.
            tracing::warn!(error = %chain(&error), "a workflow's progress was not recorded");
        }
        self.ended.send_replace(());
    }

    async fn steps(&self, mut claim: Claim, cancel: &CancellationToken) -> Result<(), StoreError> {
        let kind = claim.kind.as_str();
        let Some(workflow) = self.workflows.iter().find(|known| known.kind() == kind) else {
            return Ok(());
        };
        let policy = workflow.policy();
        loop {
            let outcome = self.attempt(&**workflow, &claim, policy, cancel).await;
            let now = (self.clock)();
            let position = Position {
                steps: workflow.steps(),
                step: &claim.step,
                attempt: claim.attempt,
                recurs_after: workflow.recurs_after(),
            };
            let progress = decide(position, outcome, now, policy, rand::random());
            tell(&claim, &progress);
            let until = now + self.lease_ms();
            let ack = self
                .store
                .record_progress(&claim, &progress, now, until)
                .await?;
            match (ack, progress) {
                (Ack::Recorded(next), Progress::Advance { .. }) => claim = next,
                (
                    Ack::Recorded(_),
                    Progress::Finish
                    | Progress::Rearm { .. }
                    | Progress::Wait { .. }
                    | Progress::Retry { .. }
                    | Progress::GiveUp { .. },
                ) => return Ok(()),
                (Ack::Fenced, _) => {
                    tracing::warn!(
                        job.id = claim.id,
                        step = claim.step,
                        "another worker has this workflow now; nothing was written"
                    );
                    return Ok(());
                }
            }
        }
    }

    async fn attempt(
        &self,
        workflow: &dyn Workflow,
        claim: &Claim,
        policy: Policy,
        cancel: &CancellationToken,
    ) -> Outcome {
        if exhausted(claim.attempt, policy) {
            let starts = claim.attempt - 1;
            return Outcome::Permanent(format!("{starts} starts of this step never ended"));
        }
        let limit = self.settings.lease.mul_f64(0.75);
        tokio::select! {
            biased;
            () = cancel.cancelled() => Outcome::NotBefore((self.clock)()),
            outcome = timeout(limit, workflow.run(claim)) => outcome.unwrap_or_else(|_| {
                Outcome::Transient(format!("cut off after {} s", limit.as_secs()))
            }),
        }
    }
}

enum Claimed {
    Work(Box<Claim>),
    Nothing { look_again: Duration },
}

/// Counts and tells how a step ended. Both labels come from closed sets.
fn tell(claim: &Claim, progress: &Progress) {
    let outcome = match progress {
        Progress::Advance { .. } | Progress::Finish | Progress::Rearm { .. } => "done",
        Progress::Wait { .. } => "waits",
        Progress::Retry { .. } => "failed",
        Progress::GiveUp { .. } => "given_up",
    };
    counter!(STEPS, "kind" => claim.kind.clone(), "outcome" => outcome).increment(1);
    let (job, step, attempt) = (&claim.id, &claim.step, claim.attempt);
    let tenant = claim.tenant_id.as_deref().unwrap_or("none");
    match progress {
        Progress::Advance { .. } | Progress::Rearm { .. } => {
            tracing::debug!(job.id = job, tenant.id = tenant, step, attempt, "step done");
        }
        Progress::Finish => {
            tracing::info!(
                job.id = job,
                tenant.id = tenant,
                kind = claim.kind,
                "workflow done"
            );
        }
        Progress::Wait { at } => {
            tracing::debug!(job.id = job, tenant.id = tenant, step, at, "step waits");
        }
        Progress::Retry { at, error } => {
            tracing::warn!(
                job.id = job, tenant.id = tenant, step, attempt, at, %error, "step failed"
            );
        }
        Progress::GiveUp { error } => {
            tracing::error!(
                job.id = job, tenant.id = tenant, step, attempt, %error, "workflow given up"
            );
        }
    }
}
