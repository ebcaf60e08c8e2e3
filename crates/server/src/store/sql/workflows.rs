//! Claims by fence, and the log of steps.

use async_trait::async_trait;
use sqlx::Row as _;
use uuid::Uuid;

use super::backend::{Row, SqlStore, Tx};
use crate::store::StoreError;
use crate::store::workflows::{Ack, Claim, NewWorkflow, Progress, StepEvent, Workflows};

/// Causes are kept for people to read, not whole.
const MAX_ERROR_CHARS: usize = 500;

statements! {
    ENQUEUE = "
insert into workflow
    (id, kind, tenant_id, step, status, attempt, next_run_at, fence, idempotency_key, input,
     created_at, updated_at)
values ($1, $2, $3, $4, 'queued', 0, $5, 0, $6, $7, $8, $8)
on conflict do nothing";

    CLAIM = concat!("
update workflow
set status = 'running', attempt = attempt + 1, fence = fence + 1, lease_until = $1,
    updated_at = $2
where id = (
    select id from workflow
    where status in ('queued', 'running') and next_run_at <= $2
        and (lease_until is null or lease_until <= $2)
        and $3 like '%,' || kind || ',%'
    order by next_run_at, id
    limit 1", skip_locked!(), ")
returning id, kind, tenant_id, step, attempt, fence, idempotency_key, input");

    NEXT_AT = "
select min(case when lease_until > next_run_at then lease_until else next_run_at end) as next_at
from workflow
where status in ('queued', 'running') and $1 like '%,' || kind || ',%'";

    RECORD = "
update workflow
set status = $1, step = $2, attempt = $3, idempotency_key = $4, next_run_at = $5,
    lease_until = $6, error = $7, ended_at = $8, updated_at = $9
where id = $10 and fence = $11 and status = 'running'";

    LOG = "
insert into workflow_event (id, workflow_id, at, step, attempt, fence, event, error)
values ($1, $2, $3, $4, $5, $6, $7, $8)";

    HOLD = "
update workflow set updated_at = $1 where id = $2 and fence = $3 and status = 'running'";

    CALL_OFF = "
update workflow set status = 'called_off', ended_at = $1, updated_at = $1
where tenant_id = $2 and kind = $3 and status in ('queued', 'running')
returning id, kind, tenant_id, step, attempt, fence, idempotency_key, input, lease_until";

    TENANT_STEPS = "
select e.at, e.step, e.attempt, e.fence, e.event, e.error
from workflow_event e
join workflow w on w.id = e.workflow_id
where w.tenant_id = $1
order by w.created_at, w.id, e.fence, e.id";

    TRIM = "delete from workflow where ended_at < $1";
}

/// Appends to a workflow's log within the change that it is about.
async fn log(
    change: &mut Tx,
    at: i64,
    claim: &Claim,
    event: &str,
    error: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query(LOG)
        .bind(Uuid::now_v7().to_string())
        .bind(&claim.id)
        .bind(at)
        .bind(&claim.step)
        .bind(i64::from(claim.attempt))
        .bind(claim.fence)
        .bind(event)
        .bind(error)
        .execute(&mut **change)
        .await?;
    Ok(())
}

/// Enqueues work within the change that causes it; tells whether there was none yet.
pub(super) async fn enqueue(
    change: &mut Tx,
    work: &NewWorkflow,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let queued = Claim {
        id: Uuid::now_v7().to_string(),
        kind: work.kind.to_owned(),
        tenant_id: work.tenant_id.clone(),
        step: work.step.to_owned(),
        attempt: 0,
        fence: 0,
        idempotency_key: Uuid::new_v4().to_string(),
        input: work.input.clone(),
    };
    let inserted = sqlx::query(ENQUEUE)
        .bind(&queued.id)
        .bind(work.kind)
        .bind(&work.tenant_id)
        .bind(work.step)
        .bind(work.run_at)
        .bind(&queued.idempotency_key)
        .bind(&work.input)
        .bind(now)
        .execute(&mut **change)
        .await?
        .rows_affected();
    if inserted == 1 {
        log(change, now, &queued, "queued", None).await?;
    }
    Ok(inserted == 1)
}

/// Ends a tenant's live work of one kind within the change that makes it pointless; tells when its worker
/// will have stopped.
pub(super) async fn call_off(
    change: &mut Tx,
    tenant: &str,
    kind: &str,
    now: i64,
) -> Result<i64, sqlx::Error> {
    let rows = sqlx::query(CALL_OFF)
        .bind(now)
        .bind(tenant)
        .bind(kind)
        .fetch_all(&mut **change)
        .await?;
    let mut stopped_at = now;
    for row in &rows {
        log(change, now, &claim_from(row)?, "called_off", None).await?;
        let lease_until: Option<i64> = row.try_get("lease_until")?;
        stopped_at = stopped_at.max(lease_until.unwrap_or(now));
    }
    Ok(stopped_at)
}

/// Starts a change that holds the claimed row until its end; `None` if the claim no longer holds.
pub(super) async fn held(
    store: &SqlStore,
    claim: &Claim,
    now: i64,
) -> Result<Option<Tx>, sqlx::Error> {
    let mut change = store.write().await?;
    let held = sqlx::query(HOLD)
        .bind(now)
        .bind(&claim.id)
        .bind(claim.fence)
        .execute(&mut *change)
        .await?
        .rows_affected();
    Ok((held == 1).then_some(change))
}

/// Writes a list of words so that `like` finds each of them.
fn listed(words: &[&'static str]) -> String {
    format!(",{},", words.join(","))
}

fn claim_from(row: &Row) -> Result<Claim, sqlx::Error> {
    let attempt: i64 = row.try_get("attempt")?;
    Ok(Claim {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        tenant_id: row.try_get("tenant_id")?,
        step: row.try_get("step")?,
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        fence: row.try_get("fence")?,
        idempotency_key: row.try_get("idempotency_key")?,
        input: row.try_get("input")?,
    })
}

/// The row that progress leads to.
struct Next<'a> {
    claim: Claim,
    status: &'static str,
    event: &'static str,
    run_at: i64,
    lease_until: Option<i64>,
    error: Option<&'a str>,
    ended_at: Option<i64>,
}

fn next<'a>(claim: &Claim, progress: &'a Progress, now: i64, lease_until: i64) -> Next<'a> {
    let same = Next {
        claim: claim.clone(),
        status: "queued",
        event: "done",
        run_at: now,
        lease_until: None,
        error: None,
        ended_at: None,
    };
    let at_step = |step: &'static str, attempt| Claim {
        step: step.to_owned(),
        attempt,
        idempotency_key: Uuid::new_v4().to_string(),
        ..claim.clone()
    };
    match progress {
        Progress::Advance { step } => Next {
            claim: at_step(step, 1),
            status: "running",
            lease_until: Some(lease_until),
            ..same
        },
        Progress::Finish => Next {
            status: "done",
            ended_at: Some(now),
            ..same
        },
        Progress::Rearm { step, at } => Next {
            claim: at_step(step, 0),
            run_at: *at,
            ..same
        },
        Progress::Wait { at } => Next {
            claim: Claim {
                attempt: claim.attempt.saturating_sub(1),
                ..claim.clone()
            },
            event: "waits",
            run_at: *at,
            ..same
        },
        Progress::Retry { at, error } => Next {
            event: "failed",
            run_at: *at,
            error: Some(shortened(error)),
            ..same
        },
        Progress::GiveUp { error } => Next {
            status: "failed",
            event: "gave_up",
            error: Some(shortened(error)),
            ended_at: Some(now),
            ..same
        },
    }
}

fn shortened(text: &str) -> &str {
    match text.char_indices().nth(MAX_ERROR_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[async_trait]
impl Workflows for SqlStore {
    async fn ensure_workflow(&self, work: &NewWorkflow, now: i64) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        enqueue(&mut change, work, now).await?;
        change.commit().await?;
        Ok(())
    }

    async fn claim_workflow(
        &self,
        kinds: &[&'static str],
        now: i64,
        lease_until: i64,
    ) -> Result<Option<Claim>, StoreError> {
        let mut change = self.write().await?;
        let row = sqlx::query(CLAIM)
            .bind(lease_until)
            .bind(now)
            .bind(listed(kinds))
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let claim = claim_from(&row)?;
        log(&mut change, now, &claim, "started", None).await?;
        change.commit().await?;
        Ok(Some(claim))
    }

    async fn next_workflow_at(&self, kinds: &[&'static str]) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query(NEXT_AT)
            .bind(listed(kinds))
            .fetch_one(self.reader())
            .await?;
        Ok(row.try_get("next_at")?)
    }

    async fn record_progress(
        &self,
        claim: &Claim,
        progress: &Progress,
        now: i64,
        lease_until: i64,
    ) -> Result<Ack, StoreError> {
        let next = next(claim, progress, now, lease_until);
        let mut change = self.write().await?;
        let recorded = sqlx::query(RECORD)
            .bind(next.status)
            .bind(&next.claim.step)
            .bind(i64::from(next.claim.attempt))
            .bind(&next.claim.idempotency_key)
            .bind(next.run_at)
            .bind(next.lease_until)
            .bind(next.error)
            .bind(next.ended_at)
            .bind(now)
            .bind(&claim.id)
            .bind(claim.fence)
            .execute(&mut *change)
            .await?
            .rows_affected();
        if recorded == 0 {
            return Ok(Ack::Fenced);
        }
        log(&mut change, now, claim, next.event, next.error).await?;
        change.commit().await?;
        Ok(Ack::Recorded(next.claim))
    }

    async fn tenant_steps(&self, tenant_id: &str) -> Result<Vec<StepEvent>, StoreError> {
        let rows = sqlx::query(TENANT_STEPS)
            .bind(tenant_id)
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(StepEvent {
                    at: row.try_get("at")?,
                    step: row.try_get("step")?,
                    attempt: row.try_get("attempt")?,
                    fence: row.try_get("fence")?,
                    event: row.try_get("event")?,
                    error: row.try_get("error")?,
                })
            })
            .collect()
    }

    async fn trim_workflows(&self, before: i64) -> Result<u64, StoreError> {
        let mut change = self.write().await?;
        let trimmed = sqlx::query(TRIM)
            .bind(before)
            .execute(&mut *change)
            .await?
            .rows_affected();
        change.commit().await?;
        Ok(trimmed)
    }
}
