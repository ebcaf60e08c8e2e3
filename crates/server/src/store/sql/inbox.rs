//! Deliveries of providers, kept until they are acted on, and their ids for longer.

use async_trait::async_trait;
use sqlx::Row as _;
use uuid::Uuid;

use super::backend::{Row, SqlStore, Tx};
use crate::store::StoreError;
use crate::store::inbox::{
    Claim, ClaimedEvent, Inbox, InboxCounts, NewInboxEvent, ParkedEvent, RecurringJob,
};

statements! {
    RECEIVE = "
insert into inbox_event
    (id, provider, delivery_id, kind, state, body, received_at, run_at, attempt, fence)
values ($1, $2, $3, $4, 'queued', $5, $6, $7, 1, 1)
on conflict (provider, delivery_id) do nothing
returning id, kind, body, attempt, fence";

    CLAIM = concat!("
update inbox_event set run_at = $1, attempt = attempt + 1, fence = fence + 1
where id = (
    select id from inbox_event where state = 'queued' and run_at <= $2
    order by run_at, id limit 1", skip_locked!(), "
)
returning id, kind, body, attempt, fence");

    POSTPONE = "
update inbox_event set run_at = $1, error = $2
where id = $3 and fence = $4 and state = 'queued'";

    REJECT = "
update inbox_event set state = 'unreadable', error = $1, settled_at = $2
where id = $3 and fence = $4 and state = 'queued'";

    SETTLE = "
update inbox_event set state = 'done', body = null, error = null, settled_at = $1
where id = $2 and fence = $3 and state = 'queued'";

    PARK = "
update inbox_event set state = 'parked', customer_id = $1, subscription_id = $2
where id = $3";

    UNPARK = "
update inbox_event set state = 'done', settled_at = $1
where state = 'parked' and customer_id = $2";

    UNPARK_ONE = "
update inbox_event set state = 'done', settled_at = $1
where state = 'parked' and id = $2";

    PARKED = "
select id, provider, delivery_id, kind, customer_id, subscription_id, received_at
from inbox_event where state = 'parked'
order by received_at, id limit $1";

    COUNTS = "
select state, count(*) as many from inbox_event where state <> 'done' group by state";

    TRIM = "
delete from inbox_event where state in ('done', 'unreadable') and received_at < $1";

    CLAIM_RECURRING = "
update recurring_job set next_at = $1 where name = $2 and next_at <= $3";
}

fn claimed(row: &Row) -> Result<ClaimedEvent, sqlx::Error> {
    Ok(ClaimedEvent {
        claim: Claim {
            id: row.try_get("id")?,
            fence: row.try_get("fence")?,
        },
        kind: row.try_get("kind")?,
        body: row.try_get("body")?,
        attempt: row.try_get("attempt")?,
    })
}

/// Settles a claimed event within the change that follows from it; false if the claim is lost.
pub(super) async fn settle(change: &mut Tx, claim: &Claim, now: i64) -> Result<bool, sqlx::Error> {
    let settled = sqlx::query(SETTLE)
        .bind(now)
        .bind(&claim.id)
        .bind(claim.fence)
        .execute(&mut **change)
        .await?;
    Ok(settled.rows_affected() == 1)
}

/// Sets an event that was settled in this change aside until its customer is known.
pub(super) async fn park(
    change: &mut Tx,
    claim: &Claim,
    customer_id: &str,
    subscription_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(PARK)
        .bind(customer_id)
        .bind(subscription_id)
        .bind(&claim.id)
        .execute(&mut **change)
        .await?;
    Ok(())
}

/// Settles a parked event that nobody has to look at.
pub(super) async fn unpark_one(change: &mut Tx, id: &str, now: i64) -> Result<u64, sqlx::Error> {
    let settled = sqlx::query(UNPARK_ONE)
        .bind(now)
        .bind(id)
        .execute(&mut **change)
        .await?;
    Ok(settled.rows_affected())
}

/// Settles what was parked for a customer, within the change that makes the customer known.
pub(super) async fn unpark(
    change: &mut Tx,
    customer_id: &str,
    now: i64,
) -> Result<u64, sqlx::Error> {
    let settled = sqlx::query(UNPARK)
        .bind(now)
        .bind(customer_id)
        .execute(&mut **change)
        .await?;
    Ok(settled.rows_affected())
}

#[async_trait]
impl Inbox for SqlStore {
    async fn receive(
        &self,
        event: &NewInboxEvent,
        now: i64,
        lease_until: i64,
    ) -> Result<Option<ClaimedEvent>, StoreError> {
        let mut change = self.write().await?;
        let row = sqlx::query(RECEIVE)
            .bind(Uuid::now_v7().to_string())
            .bind(event.provider)
            .bind(&event.delivery_id)
            .bind(&event.kind)
            .bind(&event.body)
            .bind(now)
            .bind(lease_until)
            .fetch_optional(&mut *change)
            .await?;
        change.commit().await?;
        Ok(row.as_ref().map(claimed).transpose()?)
    }

    async fn claim_inbox_event(
        &self,
        now: i64,
        lease_until: i64,
    ) -> Result<Option<ClaimedEvent>, StoreError> {
        let mut change = self.write().await?;
        let row = sqlx::query(CLAIM)
            .bind(lease_until)
            .bind(now)
            .fetch_optional(&mut *change)
            .await?;
        change.commit().await?;
        Ok(row.as_ref().map(claimed).transpose()?)
    }

    async fn postpone_inbox_event(
        &self,
        claim: &Claim,
        error: &str,
        run_at: i64,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(POSTPONE)
            .bind(run_at)
            .bind(error)
            .bind(&claim.id)
            .bind(claim.fence)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }

    async fn reject_inbox_event(
        &self,
        claim: &Claim,
        error: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(REJECT)
            .bind(error)
            .bind(now)
            .bind(&claim.id)
            .bind(claim.fence)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }

    async fn list_parked_events(&self, limit: i64) -> Result<Vec<ParkedEvent>, StoreError> {
        let rows = sqlx::query(PARKED)
            .bind(limit)
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(ParkedEvent {
                    id: row.try_get("id")?,
                    provider: row.try_get("provider")?,
                    delivery_id: row.try_get("delivery_id")?,
                    kind: row.try_get("kind")?,
                    customer_id: row.try_get("customer_id")?,
                    subscription_id: row.try_get("subscription_id")?,
                    received_at: row.try_get("received_at")?,
                })
            })
            .collect()
    }

    async fn count_inbox_events(&self) -> Result<InboxCounts, StoreError> {
        let rows = sqlx::query(COUNTS).fetch_all(self.reader()).await?;
        let mut counts = InboxCounts::default();
        for row in &rows {
            let state: String = row.try_get("state")?;
            let many = row.try_get("many")?;
            match state.as_str() {
                "queued" => counts.queued = many,
                "parked" => counts.parked = many,
                "unreadable" => counts.unreadable = many,
                _ => {}
            }
        }
        Ok(counts)
    }

    async fn trim_inbox(&self, before: i64) -> Result<u64, StoreError> {
        let mut change = self.write().await?;
        let trimmed = sqlx::query(TRIM)
            .bind(before)
            .execute(&mut *change)
            .await?
            .rows_affected();
        change.commit().await?;
        Ok(trimmed)
    }

    async fn claim_recurring_job(
        &self,
        job: RecurringJob,
        now: i64,
        next_at: i64,
    ) -> Result<bool, StoreError> {
        let mut change = self.write().await?;
        let taken = sqlx::query(CLAIM_RECURRING)
            .bind(next_at)
            .bind(job.name())
            .bind(now)
            .execute(&mut *change)
            .await?
            .rows_affected();
        change.commit().await?;
        Ok(taken == 1)
    }
}
