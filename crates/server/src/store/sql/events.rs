//! The change stream's log, its counters, and the tokens that bucket notifications carry.

use async_trait::async_trait;
use sqlx::Row as _;
use wire::ChangeKind;

use super::backend::{Row, SqlStore, Tx};
use crate::events::{Earlier, NewEvent, Pairing, Teller, pair};
use crate::principal::TenantScope;
use crate::store::StoreError;
use crate::store::events::{
    Appended, EventPage, RecordedEvent, Retention, TenantEvents, TenantHook,
};

/// As many events of one path are compared with a change; more come in no two minutes.
const COMPARED: i64 = 64;

statements! {
    LOCK_LOG = "
insert into tenant_event_counter (tenant_id, last_seq, floor_seq, touched_at)
select id, 0, 0, cast($2 as bigint) from tenant where id = $1
on conflict (tenant_id) do update set touched_at = excluded.touched_at
returning last_seq";

    ADVANCE_LOG = "update tenant_event_counter set last_seq = $2 where tenant_id = $1";

    EARLIER = "
select seq, kind, etag, recorded_at, reported_as, confirmed_as
from tenant_event where tenant_id = $1 and path = $2
order by seq desc limit $3";

    INSERT_EVENT = "
insert into tenant_event
    (tenant_id, seq, kind, path, from_path, etag, size_bytes, changed_at, recorded_at,
     device, reported_as, confirmed_as)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

    REPORTED = "
update tenant_event set device = $3, reported_as = $4 where tenant_id = $1 and seq = $2";

    CONFIRMED = "update tenant_event set confirmed_as = $3 where tenant_id = $1 and seq = $2";

    PAGE = "
select c.last_seq, c.floor_seq, e.seq, e.kind, e.path, e.from_path, e.etag, e.size_bytes,
       e.changed_at, e.device
from tenant_event_counter c
left join tenant_event e on e.tenant_id = c.tenant_id and e.seq > $2
where c.tenant_id = $1
order by e.seq limit $3";

    TOUCHED_LOGS = "
select tenant_id, last_seq from tenant_event_counter where touched_at >= $1";

    SKIP_ONE = "
insert into tenant_event_counter (tenant_id, last_seq, floor_seq, touched_at)
select id, 1, 1, cast($2 as bigint) from tenant where id = $1
on conflict (tenant_id) do update
set last_seq = tenant_event_counter.last_seq + 1,
    floor_seq = tenant_event_counter.last_seq + 1, touched_at = excluded.touched_at";

    SKIP_ALL = "
insert into tenant_event_counter (tenant_id, last_seq, floor_seq, touched_at)
select id, 1, 1, cast($1 as bigint) from tenant where true
on conflict (tenant_id) do update
set last_seq = tenant_event_counter.last_seq + 1,
    floor_seq = tenant_event_counter.last_seq + 1, touched_at = excluded.touched_at";

    OVERLONG_LOGS = "
select tenant_id from tenant_event where recorded_at < $1
union
select tenant_id from tenant_event_counter where last_seq - floor_seq > $2
limit $3";

    RAISE_FLOOR = "
update tenant_event_counter
set floor_seq = coalesce(
    (select max(e.seq) from tenant_event e
     where e.tenant_id = tenant_event_counter.tenant_id
       and e.seq > tenant_event_counter.floor_seq
       and (e.recorded_at < $2 or e.seq <= tenant_event_counter.last_seq - $3)),
    floor_seq)
where tenant_id = $1
returning floor_seq";

    DELETE_EVENTS = "delete from tenant_event where tenant_id = $1 and seq <= $2";

    TENANT_OF_BUCKET = "select id from tenant where tigris_bucket_name = $1";

    OFFER_TOKEN = "
insert into tenant_hook (tenant_id, offered_hash, updated_at) values ($1, $2, $3)
on conflict (tenant_id) do update
set offered_hash = excluded.offered_hash, updated_at = excluded.updated_at";

    SETTLE_TOKEN = "
update tenant_hook set token_hash = offered_hash, offered_hash = null, updated_at = $3
where tenant_id = $1 and offered_hash = $2";

    FIND_HOOK = "
select t.tigris_bucket_name, h.token_hash, h.offered_hash
from tenant_hook h join tenant t on t.id = h.tenant_id
where h.tenant_id = $1 and t.tigris_bucket_name is not null";
}

fn kind_word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Put => "put",
        ChangeKind::Delete => "delete",
        ChangeKind::Rename => "rename",
        ChangeKind::Changed => "changed",
    }
}

/// The table admits no other words.
fn kind_of(word: &str) -> ChangeKind {
    match word {
        "put" => ChangeKind::Put,
        "delete" => ChangeKind::Delete,
        "rename" => ChangeKind::Rename,
        _ => ChangeKind::Changed,
    }
}

async fn append_one(
    log: &mut Tx,
    tenant_id: &str,
    next_seq: i64,
    change: &NewEvent,
    now: i64,
) -> Result<Pairing, StoreError> {
    let rows = sqlx::query(EARLIER)
        .bind(tenant_id)
        .bind(&change.path)
        .bind(COMPARED)
        .fetch_all(&mut **log)
        .await?;
    let earlier: Vec<Earlier> = rows.iter().map(earlier).collect::<Result<_, _>>()?;
    let pairing = pair(&earlier, change, now);
    match pairing {
        Pairing::Known { .. } => {}
        Pairing::Completes { seq } => complete(log, tenant_id, seq, change).await?,
        Pairing::New => {
            let confirmed_as = match &change.teller {
                Teller::Bucket { mark } => Some(mark),
                Teller::Device { .. } => None,
            };
            sqlx::query(INSERT_EVENT)
                .bind(tenant_id)
                .bind(next_seq)
                .bind(kind_word(change.kind))
                .bind(&change.path)
                .bind(&change.from)
                .bind(&change.etag)
                .bind(change.size)
                .bind(change.at)
                .bind(now)
                .bind(change.device())
                .bind(change.device_mark())
                .bind(confirmed_as)
                .execute(&mut **log)
                .await?;
        }
    }
    Ok(pairing)
}

async fn complete(
    log: &mut Tx,
    tenant_id: &str,
    seq: i64,
    change: &NewEvent,
) -> Result<(), sqlx::Error> {
    let statement = match &change.teller {
        Teller::Bucket { mark } => sqlx::query(CONFIRMED).bind(tenant_id).bind(seq).bind(mark),
        Teller::Device { name, .. } => sqlx::query(REPORTED)
            .bind(tenant_id)
            .bind(seq)
            .bind(name)
            .bind(change.device_mark()),
    };
    statement.execute(&mut **log).await?;
    Ok(())
}

fn earlier(row: &Row) -> Result<Earlier, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    Ok(Earlier {
        seq: row.try_get("seq")?,
        kind: kind_of(&kind),
        etag: row.try_get("etag")?,
        recorded_at: row.try_get("recorded_at")?,
        reported_as: row.try_get("reported_as")?,
        confirmed_as: row.try_get("confirmed_as")?,
    })
}

fn recorded(row: &Row) -> Result<Option<RecordedEvent>, sqlx::Error> {
    let seq: Option<i64> = row.try_get("seq")?;
    let Some(seq) = seq else { return Ok(None) };
    let kind: String = row.try_get("kind")?;
    Ok(Some(RecordedEvent {
        seq,
        kind: kind_of(&kind),
        path: row.try_get("path")?,
        from: row.try_get("from_path")?,
        etag: row.try_get("etag")?,
        size: row.try_get("size_bytes")?,
        at: row.try_get("changed_at")?,
        device: row.try_get("device")?,
    }))
}

#[async_trait]
impl TenantEvents for SqlStore {
    async fn append_events(
        &self,
        tenant_id: &str,
        changes: &[NewEvent],
        now: i64,
    ) -> Result<Option<Appended>, StoreError> {
        let mut log = self.write().await?;
        let locked = sqlx::query_scalar(LOCK_LOG)
            .bind(tenant_id)
            .bind(now)
            .fetch_optional(&mut *log)
            .await?;
        let Some(before): Option<i64> = locked else {
            return Ok(None);
        };
        let mut appended = Appended { seq: 0, added: 0 };
        let mut last = before;
        for change in changes {
            let seq = match append_one(&mut log, tenant_id, last + 1, change, now).await? {
                Pairing::Known { seq } | Pairing::Completes { seq } => seq,
                Pairing::New => {
                    last += 1;
                    appended.added += 1;
                    last
                }
            };
            appended.seq = appended.seq.max(seq);
        }
        if last > before {
            sqlx::query(ADVANCE_LOG)
                .bind(tenant_id)
                .bind(last)
                .execute(&mut *log)
                .await?;
        }
        log.commit().await?;
        Ok(Some(appended))
    }

    async fn events_after(
        &self,
        tenant: &TenantScope,
        after: i64,
        limit: i64,
    ) -> Result<EventPage, StoreError> {
        let rows = sqlx::query(PAGE)
            .bind(tenant.id())
            .bind(after)
            .bind(limit)
            .fetch_all(self.reader())
            .await?;
        let Some(first) = rows.first() else {
            return Ok(EventPage::default());
        };
        let events: Result<Vec<_>, _> = rows
            .iter()
            .filter_map(|row| recorded(row).transpose())
            .collect();
        Ok(EventPage {
            head: first.try_get("last_seq")?,
            floor: first.try_get("floor_seq")?,
            events: events?,
        })
    }

    async fn touched_logs(&self, since: i64) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query(TOUCHED_LOGS)
            .bind(since)
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("tenant_id")?, row.try_get("last_seq")?)))
            .collect()
    }

    async fn skip_events(&self, tenant_id: Option<&str>, now: i64) -> Result<(), StoreError> {
        let mut log = self.write().await?;
        let statement = match tenant_id {
            Some(id) => sqlx::query(SKIP_ONE).bind(id).bind(now),
            None => sqlx::query(SKIP_ALL).bind(now),
        };
        statement.execute(&mut *log).await?;
        log.commit().await?;
        Ok(())
    }

    async fn overlong_logs(
        &self,
        retention: Retention,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(OVERLONG_LOGS)
            .bind(retention.before)
            .bind(retention.keep)
            .bind(limit)
            .fetch_all(self.reader())
            .await?;
        rows.iter()
            .map(|row| Ok(row.try_get("tenant_id")?))
            .collect()
    }

    async fn trim_events(&self, tenant_id: &str, retention: Retention) -> Result<u64, StoreError> {
        let mut log = self.write().await?;
        let floor: Option<i64> = sqlx::query_scalar(RAISE_FLOOR)
            .bind(tenant_id)
            .bind(retention.before)
            .bind(retention.keep)
            .fetch_optional(&mut *log)
            .await?;
        let Some(floor) = floor else { return Ok(0) };
        let gone = sqlx::query(DELETE_EVENTS)
            .bind(tenant_id)
            .bind(floor)
            .execute(&mut *log)
            .await?
            .rows_affected();
        log.commit().await?;
        Ok(gone)
    }

    async fn find_tenant_of_bucket(&self, bucket: &str) -> Result<Option<String>, StoreError> {
        let found = sqlx::query_scalar(TENANT_OF_BUCKET)
            .bind(bucket)
            .fetch_optional(self.reader())
            .await?;
        Ok(found)
    }

    async fn offer_hook_token(
        &self,
        tenant_id: &str,
        token_hash: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(OFFER_TOKEN)
            .bind(tenant_id)
            .bind(token_hash)
            .bind(now)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }

    async fn settle_hook_token(
        &self,
        tenant_id: &str,
        token_hash: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        sqlx::query(SETTLE_TOKEN)
            .bind(tenant_id)
            .bind(token_hash)
            .bind(now)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }

    async fn find_hook(&self, tenant_id: &str) -> Result<Option<TenantHook>, StoreError> {
        let found = sqlx::query(FIND_HOOK)
            .bind(tenant_id)
            .fetch_optional(self.reader())
            .await?;
        let Some(row) = found else { return Ok(None) };
        let hashes: [Option<String>; 2] =
            [row.try_get("token_hash")?, row.try_get("offered_hash")?];
        Ok(Some(TenantHook {
            bucket: row.try_get("tigris_bucket_name")?,
            token_hashes: hashes.into_iter().flatten().collect(),
        }))
    }
}
