//! What the payment provider says of customers and their subscriptions.
//!
//! Locks are taken in one order: inbox event, customer, subscription, people by name. Two
//! replicas that learn of one person at once take turns at that person's row, and the second
//! one sees what the first one wrote.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::Row as _;
use uuid::Uuid;

use super::audit::audit;
use super::backend::{Row, SqlStore, Tx};
use super::inbox::{park, settle, unpark};
use crate::polar::{Customer, Facts, Mapping, Products, Snapshot, Status, best, next_check};
use crate::store::subscriptions::{ActiveSubscription, Applied, FactSource, Subscriptions};
use crate::store::{Origin, StoreError};

/// Named one by one: a column added by a newer replica must not change what this one reads.
macro_rules! snapshot_columns {
    () => {
        "s.id, s.customer_id, s.revision, s.told_at, s.status, s.product_id, s.plan,
       s.current_period_start,
       s.current_period_end, s.trial_end, s.cancel_at_period_end, s.canceled_at, s.ends_at,
       s.past_due_at, s.pause_at_period_end, s.resumes_at"
    };
}
pub(super) use snapshot_columns;

statements! {
    LOCK_CUSTOMER = "
insert into polar_customer (id, revision, created_at, updated_at)
values ($1, 0, $2, $2)
on conflict (id) do update set updated_at = excluded.updated_at
returning id, external_id, revision";

    PUT_CUSTOMER = "
update polar_customer set external_id = $1, revision = $2, updated_at = $3 where id = $4";

    SUBJECT_OF_CUSTOMER = "select external_id from polar_customer where id = $1";

    FIND_SNAPSHOT = concat!("
select ", snapshot_columns!(), " from polar_subscription s where s.id = $1");

    PUT_SNAPSHOT = "
insert into polar_subscription
    (id, customer_id, revision, told_at, status, plan, current_period_start,
     current_period_end, trial_end, cancel_at_period_end, canceled_at, ends_at, past_due_at,
     pause_at_period_end, resumes_at, check_at, created_at, updated_at, product_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $18)
on conflict (id) do update
set customer_id = excluded.customer_id, revision = excluded.revision,
    told_at = excluded.told_at, status = excluded.status,
    product_id = excluded.product_id, plan = excluded.plan,
    current_period_start = excluded.current_period_start,
    current_period_end = excluded.current_period_end, trial_end = excluded.trial_end,
    cancel_at_period_end = excluded.cancel_at_period_end,
    canceled_at = excluded.canceled_at, ends_at = excluded.ends_at,
    past_due_at = excluded.past_due_at, pause_at_period_end = excluded.pause_at_period_end,
    resumes_at = excluded.resumes_at, check_at = excluded.check_at,
    updated_at = excluded.updated_at";

    PUT_CHECK = "update polar_subscription set check_at = $1 where id = $2";

    LOCK_PERSON = "
insert into subscriptions (workos_user_id, status, created_at, updated_at)
values ($1, 'none', $2, $2)
on conflict (workos_user_id) do update set updated_at = excluded.updated_at
returning status, plan, current_period_end, subscription_id";

    REGISTER_PERSON = "
insert into user_profile (id, workos_user_id, created_at, updated_at)
values ($1, $2, $3, $3)
on conflict (workos_user_id) do nothing";

    SNAPSHOTS_OF_PERSON = concat!("
select ", snapshot_columns!(), " from polar_subscription s
join polar_customer c on c.id = s.customer_id
where c.external_id = $1");

    PUT_PERSON = "
update subscriptions
set status = $1, plan = $2, current_period_end = $3, subscription_id = $4, updated_at = $5
where workos_user_id = $6";

    FORGET_PERSON = "
delete from subscriptions
where workos_user_id = $1 and (subscription_id is not null or status = 'none')";

    DECIDING_SNAPSHOT = concat!("
select ", snapshot_columns!(), " from polar_subscription s
join subscriptions p on p.subscription_id = s.id
where p.workos_user_id = $1");

    CLAIM_CHECKS = concat!("
update polar_subscription set check_at = $1
where id in (
    select id from polar_subscription where check_at <= $2
    order by check_at, id limit $3", skip_locked!(), "
)
returning id");

    ACTIVE = "
select s.id, s.revision, s.product_id, s.check_at, c.external_id from polar_subscription s
join polar_customer c on c.id = s.customer_id
where s.status = 'active'";
}

pub(super) fn snapshot_from(row: &Row) -> Result<Snapshot, sqlx::Error> {
    let status: String = row.try_get("status")?;
    let cancel_at_period_end: i64 = row.try_get("cancel_at_period_end")?;
    let pause_at_period_end: i64 = row.try_get("pause_at_period_end")?;
    Ok(Snapshot {
        revision: row.try_get("revision")?,
        told_at: row.try_get("told_at")?,
        id: row.try_get("id")?,
        customer_id: row.try_get("customer_id")?,
        status: Status::from_word(&status),
        product_id: row.try_get("product_id")?,
        plan: row.try_get("plan")?,
        current_period_start: row.try_get("current_period_start")?,
        current_period_end: row.try_get("current_period_end")?,
        trial_end: row.try_get("trial_end")?,
        cancel_at_period_end: cancel_at_period_end != 0,
        canceled_at: row.try_get("canceled_at")?,
        ends_at: row.try_get("ends_at")?,
        past_due_at: row.try_get("past_due_at")?,
        pause_at_period_end: pause_at_period_end != 0,
        resumes_at: row.try_get("resumes_at")?,
    })
}

/// What was known of a customer, and what is known now.
struct CustomerChange {
    before: Customer,
    after: Customer,
}

impl CustomerChange {
    fn mapping(&self) -> Mapping {
        match self.after.external_id {
            Some(_) => Mapping::Known,
            None => Mapping::Unknown,
        }
    }
}

async fn learn_customer(
    change: &mut Tx,
    id: &str,
    told: Option<&Customer>,
    now: i64,
) -> Result<CustomerChange, StoreError> {
    let row = sqlx::query(LOCK_CUSTOMER)
        .bind(id)
        .bind(now)
        .fetch_one(&mut **change)
        .await?;
    let before = Customer {
        revision: row.try_get("revision")?,
        id: row.try_get("id")?,
        external_id: row.try_get("external_id")?,
    };
    let Some(newer) = told.filter(|told| **told > before) else {
        let after = before.clone();
        return Ok(CustomerChange { before, after });
    };
    sqlx::query(PUT_CUSTOMER)
        .bind(&newer.external_id)
        .bind(newer.revision)
        .bind(now)
        .bind(id)
        .execute(&mut **change)
        .await?;
    if newer.external_id.is_some() {
        unpark(change, id, now).await?;
    }
    let after = newer.clone();
    Ok(CustomerChange { before, after })
}

/// Keeps the snapshot if it is newer than the known one, which is returned.
async fn learn_snapshot(
    change: &mut Tx,
    told: &Snapshot,
    products: &Products,
    mapping: Mapping,
    now: i64,
) -> Result<Option<Snapshot>, StoreError> {
    let row = sqlx::query(FIND_SNAPSHOT)
        .bind(&told.id)
        .fetch_optional(&mut **change)
        .await?;
    let known = row.as_ref().map(snapshot_from).transpose()?;
    if let Some(known) = known.as_ref().filter(|known| *known >= told) {
        sqlx::query(PUT_CHECK)
            .bind(next_check(known, products, mapping, now))
            .bind(&known.id)
            .execute(&mut **change)
            .await?;
        return Ok(Some(known.clone()));
    }
    sqlx::query(PUT_SNAPSHOT)
        .bind(&told.id)
        .bind(&told.customer_id)
        .bind(told.revision)
        .bind(told.told_at)
        .bind(told.status.word())
        .bind(&told.plan)
        .bind(told.current_period_start)
        .bind(told.current_period_end)
        .bind(told.trial_end)
        .bind(i64::from(told.cancel_at_period_end))
        .bind(told.canceled_at)
        .bind(told.ends_at)
        .bind(told.past_due_at)
        .bind(i64::from(told.pause_at_period_end))
        .bind(told.resumes_at)
        .bind(next_check(told, products, mapping, now))
        .bind(now)
        .bind(&told.product_id)
        .execute(&mut **change)
        .await?;
    Ok(known)
}

async fn subject_of(change: &mut Tx, customer_id: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(SUBJECT_OF_CUSTOMER)
        .bind(customer_id)
        .fetch_optional(&mut **change)
        .await?;
    match row {
        Some(row) => Ok(row.try_get("external_id")?),
        None => Ok(None),
    }
}

/// Has a subscription looked up that changed without being told, unless it opens something now.
async fn ask_about(
    change: &mut Tx,
    id: &str,
    products: &Products,
    now: i64,
) -> Result<(), StoreError> {
    let row = sqlx::query(FIND_SNAPSHOT)
        .bind(id)
        .fetch_optional(&mut **change)
        .await?;
    let Some(known) = row.as_ref().map(snapshot_from).transpose()? else {
        return Ok(());
    };
    let is_current =
        known.status == Status::Active && known.current_period_end.is_some_and(|end| end > now);
    if !is_current || !products.include(&known) {
        sqlx::query(PUT_CHECK)
            .bind(now)
            .bind(id)
            .execute(&mut **change)
            .await?;
    }
    Ok(())
}

/// What is kept of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    status: String,
    plan: Option<String>,
    current_period_end: Option<i64>,
    /// None where nothing that the provider said decided.
    pub(super) subscription_id: Option<String>,
}

impl Decided {
    pub(super) fn by(snapshot: &Snapshot) -> Self {
        Self {
            status: snapshot.status.word().to_owned(),
            plan: snapshot.plan.clone(),
            current_period_end: snapshot.current_period_end,
            subscription_id: Some(snapshot.id.clone()),
        }
    }

    pub(super) fn from_row(row: &Row, status: String) -> Result<Self, sqlx::Error> {
        Ok(Self {
            status,
            plan: row.try_get("plan")?,
            current_period_end: row.try_get("current_period_end")?,
            subscription_id: row.try_get("subscription_id")?,
        })
    }
}

/// Decides anew what one person has.
pub(super) async fn decide(
    change: &mut Tx,
    subject: &str,
    products: &Products,
    origin: &Origin,
) -> Result<(), StoreError> {
    let row = sqlx::query(LOCK_PERSON)
        .bind(subject)
        .bind(origin.at)
        .fetch_one(&mut **change)
        .await?;
    let before = Decided::from_row(&row, row.try_get("status")?)?;
    let rows = sqlx::query(SNAPSHOTS_OF_PERSON)
        .bind(subject)
        .fetch_all(&mut **change)
        .await?;
    let snapshots = rows
        .iter()
        .map(snapshot_from)
        .collect::<Result<Vec<Snapshot>, sqlx::Error>>()?;
    let Some(best) = best(&snapshots, products) else {
        sqlx::query(FORGET_PERSON)
            .bind(subject)
            .execute(&mut **change)
            .await?;
        if before.subscription_id.is_some() {
            audit(change, origin, "subscription.put", subject, "none").await?;
        }
        return Ok(());
    };
    let after = Decided::by(best);
    if before == after {
        return Ok(());
    }
    sqlx::query(PUT_PERSON)
        .bind(&after.status)
        .bind(after.plan)
        .bind(after.current_period_end)
        .bind(after.subscription_id)
        .bind(origin.at)
        .bind(subject)
        .execute(&mut **change)
        .await?;
    audit(change, origin, "subscription.put", subject, &after.status).await?;
    register(change, subject, origin).await
}

/// Gives somebody who bought before they signed in a profile, which their first request needs.
async fn register(change: &mut Tx, subject: &str, origin: &Origin) -> Result<(), StoreError> {
    let id = Uuid::now_v7().to_string();
    let made = sqlx::query(REGISTER_PERSON)
        .bind(&id)
        .bind(subject)
        .bind(origin.at)
        .execute(&mut **change)
        .await?;
    if made.rows_affected() == 1 {
        audit(change, origin, "profile.create", &id, "done").await?;
    }
    Ok(())
}

#[async_trait]
impl Subscriptions for SqlStore {
    async fn apply_facts(
        &self,
        facts: &Facts,
        source: FactSource<'_>,
        products: &Products,
        origin: &Origin,
    ) -> Result<Applied, StoreError> {
        let now = origin.at;
        let mut change = self.write().await?;
        if let FactSource::Inbox(claim) = source
            && !settle(&mut change, claim, now).await?
        {
            return Ok(Applied::ClaimLost);
        }
        let told = facts.customer.as_ref();
        let snapshot = facts.snapshot.as_ref();
        let customer_id = snapshot
            .map(|snapshot| &snapshot.customer_id)
            .or(told.map(|customer| &customer.id));
        let mut people = BTreeSet::new();
        let mut outcome = Applied::Done;
        if let Some(customer_id) = customer_id {
            let customer = learn_customer(&mut change, customer_id, told, now).await?;
            let mut changed = customer.before.external_id != customer.after.external_id;
            if let Some(snapshot) = snapshot {
                let mapping = customer.mapping();
                let known = learn_snapshot(&mut change, snapshot, products, mapping, now).await?;
                changed |= known.as_ref().is_none_or(|known| known < snapshot);
                if let Some(known) = known
                    && known.customer_id != *customer_id
                {
                    people.extend(subject_of(&mut change, &known.customer_id).await?);
                }
                // Whose it is matters to nobody where it opens nothing.
                if mapping == Mapping::Unknown && products.include(snapshot) {
                    outcome = Applied::Parked;
                    if let FactSource::Inbox(claim) = source {
                        park(&mut change, claim, customer_id, &snapshot.id).await?;
                    }
                }
            }
            if changed {
                people.extend(customer.before.external_id);
                people.extend(customer.after.external_id);
            }
        }
        for person in &people {
            decide(&mut change, person, products, origin).await?;
        }
        if let Some(id) = &facts.changed_subscription {
            ask_about(&mut change, id, products, now).await?;
        }
        change.commit().await?;
        Ok(outcome)
    }

    async fn find_deciding_snapshot(&self, subject: &str) -> Result<Option<Snapshot>, StoreError> {
        let row = sqlx::query(DECIDING_SNAPSHOT)
            .bind(subject)
            .fetch_optional(self.reader())
            .await?;
        Ok(row.as_ref().map(snapshot_from).transpose()?)
    }

    async fn claim_due_checks(
        &self,
        now: i64,
        again_at: i64,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let mut change = self.write().await?;
        let rows = sqlx::query(CLAIM_CHECKS)
            .bind(again_at)
            .bind(now)
            .bind(limit)
            .fetch_all(&mut *change)
            .await?;
        change.commit().await?;
        let ids = rows
            .iter()
            .map(|row| row.try_get("id"))
            .collect::<Result<Vec<String>, sqlx::Error>>()?;
        Ok(ids)
    }

    async fn put_check(&self, id: &str, at: Option<i64>) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(PUT_CHECK)
            .bind(at)
            .bind(id)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }

    async fn list_active_subscriptions(&self) -> Result<Vec<ActiveSubscription>, StoreError> {
        let rows = sqlx::query(ACTIVE).fetch_all(self.reader()).await?;
        rows.iter()
            .map(|row| {
                Ok(ActiveSubscription {
                    id: row.try_get("id")?,
                    revision: row.try_get("revision")?,
                    external_id: row.try_get("external_id")?,
                    product_id: row.try_get("product_id")?,
                    check_at: row.try_get("check_at")?,
                })
            })
            .collect()
    }
}
