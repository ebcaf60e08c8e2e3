//! What the provider remembers: grants, sessions and hashes of refresh tokens.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::decisions::{
    GrantStatus, GrantView, Poll, Refresh, RefreshView, SessionState, decide_poll, decide_refresh,
};
use crate::store::{Database, StoreError, open_database};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/identity");

const FORGET_OLD_GRANTS: &str = "delete from device_grant where expires_at < $1";

const ADD_GRANT: &str = "
insert into device_grant (device_code_hash, user_code_hash, client_id, scope, code_challenge,
                          status, interval_ms, created_at, expires_at)
values ($1, $2, $3, $4, $5, 'pending', $6, $7, $8)";

const FIND_GRANT: &str = "
select client_id, scope, code_challenge, status, email, interval_ms, polled_at, expires_at
from device_grant where device_code_hash = $1";

const RECORD_POLL: &str = "
update device_grant set polled_at = $1, interval_ms = $2 where device_code_hash = $3";

const REDEEM_GRANT: &str = "
update device_grant set status = 'redeemed' where device_code_hash = $1";

const DECIDE_GRANT: &str = "
update device_grant set status = $1, email = $2
where user_code_hash = $3 and status = 'pending' and expires_at > $4";

const FORGET_OLD_TOKENS: &str = "delete from refresh_token where expires_at < $1";

const FORGET_EMPTY_SESSIONS: &str = "
delete from session
where created_at < $1 and not exists (select 1 from refresh_token r where r.sid = session.sid)";

const ADD_SESSION: &str = "
insert into session (sid, email, client_id, scope, created_at) values ($1, $2, $3, $4, $5)";

const ADD_REFRESH_TOKEN: &str = "
insert into refresh_token (token_hash, sid, issued_at, expires_at) values ($1, $2, $3, $4)";

const FIND_REFRESH_TOKEN: &str = "
select r.expires_at, r.rotated_at, s.sid, s.email, s.client_id, s.scope, s.revoked_at
from refresh_token r join session s on s.sid = r.sid
where r.token_hash = $1";

const ROTATE_REFRESH_TOKEN: &str = "
update refresh_token set rotated_at = $1 where token_hash = $2";

const REVOKE_SESSION: &str = "
update session set revoked_at = $1, revoke_reason = $2 where sid = $3 and revoked_at is null";

pub(super) struct NewGrant {
    pub(super) device_code_hash: String,
    pub(super) user_code_hash: String,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) code_challenge: Option<String>,
    pub(super) interval_ms: i64,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
}

/// A sign-in on one device: the family of refresh tokens that came of one consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) sid: String,
    pub(super) email: String,
    pub(super) client_id: String,
    pub(super) scope: String,
}

/// A refresh token about to be issued.
pub(super) struct NewRefreshToken {
    pub(super) hash: String,
    pub(super) expires_at: i64,
}

/// A person's answer to a device's request.
pub(super) enum Consent<'a> {
    Approve { email: &'a str },
    Deny,
}

/// A device's poll, as it came in.
pub(super) struct PollRequest<'a> {
    pub(super) device_code_hash: &'a str,
    pub(super) client_id: &'a str,
    pub(super) verifier: Option<&'a str>,
    pub(super) now: i64,
}

pub(super) enum Polled {
    /// The grant is used up and this session begun.
    Redeemed(Session),
    Refused(Poll),
}

pub(super) struct Ledger {
    database: Database,
}

impl Ledger {
    pub(super) async fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            database: open_database(file, &MIGRATIONS).await?,
        })
    }

    pub(super) async fn close(&self) {
        self.database.close().await;
    }

    pub(super) async fn add_grant(&self, grant: &NewGrant) -> Result<(), StoreError> {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let mut change = self.database.write().await?;
        sqlx::query(FORGET_OLD_GRANTS)
            .bind(grant.created_at - DAY_MS)
            .execute(&mut *change)
            .await?;
        for forget in [FORGET_OLD_TOKENS, FORGET_EMPTY_SESSIONS] {
            sqlx::query(forget)
                .bind(grant.created_at - DAY_MS)
                .execute(&mut *change)
                .await?;
        }
        sqlx::query(ADD_GRANT)
            .bind(&grant.device_code_hash)
            .bind(&grant.user_code_hash)
            .bind(&grant.client_id)
            .bind(&grant.scope)
            .bind(&grant.code_challenge)
            .bind(grant.interval_ms)
            .bind(grant.created_at)
            .bind(grant.expires_at)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }

    /// Answers a poll and, where tokens are due, begins the session in the same step.
    pub(super) async fn poll(
        &self,
        poll: &PollRequest<'_>,
        new_sid: &str,
        new_token: &NewRefreshToken,
    ) -> Result<Polled, StoreError> {
        let mut change = self.database.write().await?;
        let found = sqlx::query(FIND_GRANT)
            .bind(poll.device_code_hash)
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = found else {
            return Ok(Polled::Refused(Poll::Invalid));
        };
        let grant = grant_from(&row)?;
        let decision = decide_poll(&grant, poll.client_id, poll.verifier, poll.now);
        let polled = match decision {
            Poll::Redeem => {
                let session = Session {
                    sid: new_sid.to_owned(),
                    email: row.try_get("email")?,
                    client_id: grant.client_id,
                    scope: row.try_get("scope")?,
                };
                sqlx::query(REDEEM_GRANT)
                    .bind(poll.device_code_hash)
                    .execute(&mut *change)
                    .await?;
                begin_session(&mut change, &session, new_token, poll.now).await?;
                Polled::Redeemed(session)
            }
            Poll::Pending => {
                record_poll(&mut change, poll, grant.interval_ms).await?;
                Polled::Refused(decision)
            }
            Poll::SlowDown { interval_ms } => {
                record_poll(&mut change, poll, interval_ms).await?;
                Polled::Refused(decision)
            }
            Poll::Denied | Poll::Expired | Poll::Invalid => Polled::Refused(decision),
        };
        change.commit().await?;
        Ok(polled)
    }

    /// Records a person's answer; false if no such request waits for one.
    pub(super) async fn decide(
        &self,
        user_code_hash: &str,
        consent: &Consent<'_>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (status, email) = match consent {
            Consent::Approve { email } => ("approved", Some(*email)),
            Consent::Deny => ("denied", None),
        };
        let decided = sqlx::query(DECIDE_GRANT)
            .bind(status)
            .bind(email)
            .bind(user_code_hash)
            .bind(now)
            .execute(&self.database.writer)
            .await?;
        Ok(decided.rows_affected() == 1)
    }

    /// Decides about a refresh token and, in the same step, rotates it or ends its session.
    pub(super) async fn refresh(
        &self,
        token_hash: &str,
        client_id: &str,
        successor: &NewRefreshToken,
        now: i64,
    ) -> Result<(Refresh, Option<Session>), StoreError> {
        let mut change = self.database.write().await?;
        let found = sqlx::query(FIND_REFRESH_TOKEN)
            .bind(token_hash)
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = found else {
            return Ok((Refresh::Invalid, None));
        };
        let session = session_from(&row)?;
        if session.client_id != client_id {
            return Ok((Refresh::Invalid, None));
        }
        let decision = decide_refresh(&refresh_from(&row)?, now);
        match decision {
            Refresh::Rotate => {
                sqlx::query(ROTATE_REFRESH_TOKEN)
                    .bind(now)
                    .bind(token_hash)
                    .execute(&mut *change)
                    .await?;
                add_refresh_token(&mut change, &session.sid, successor, now).await?;
            }
            Refresh::Reused => {
                revoke(
                    &mut change,
                    &session.sid,
                    "a used refresh token came back",
                    now,
                )
                .await?;
            }
            Refresh::Repeat { .. } | Refresh::Invalid => {}
        }
        change.commit().await?;
        Ok((decision, Some(session)))
    }

    /// Ends the session that the refresh token belongs to, if there is one.
    pub(super) async fn sign_out(&self, token_hash: &str, now: i64) -> Result<(), StoreError> {
        let mut change = self.database.write().await?;
        let found = sqlx::query(FIND_REFRESH_TOKEN)
            .bind(token_hash)
            .fetch_optional(&mut *change)
            .await?;
        if let Some(row) = found {
            revoke(&mut change, &session_from(&row)?.sid, "signed out", now).await?;
        }
        change.commit().await?;
        Ok(())
    }
}

async fn record_poll(
    change: &mut Transaction<'static, Sqlite>,
    poll: &PollRequest<'_>,
    interval_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(RECORD_POLL)
        .bind(poll.now)
        .bind(interval_ms)
        .bind(poll.device_code_hash)
        .execute(&mut **change)
        .await?;
    Ok(())
}

async fn begin_session(
    change: &mut Transaction<'static, Sqlite>,
    session: &Session,
    token: &NewRefreshToken,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(ADD_SESSION)
        .bind(&session.sid)
        .bind(&session.email)
        .bind(&session.client_id)
        .bind(&session.scope)
        .bind(now)
        .execute(&mut **change)
        .await?;
    add_refresh_token(change, &session.sid, token, now).await
}

async fn add_refresh_token(
    change: &mut Transaction<'static, Sqlite>,
    sid: &str,
    token: &NewRefreshToken,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(ADD_REFRESH_TOKEN)
        .bind(&token.hash)
        .bind(sid)
        .bind(now)
        .bind(token.expires_at)
        .execute(&mut **change)
        .await?;
    Ok(())
}

async fn revoke(
    change: &mut Transaction<'static, Sqlite>,
    sid: &str,
    reason: &str,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(REVOKE_SESSION)
        .bind(now)
        .bind(reason)
        .bind(sid)
        .execute(&mut **change)
        .await?;
    Ok(())
}

fn grant_from(row: &SqliteRow) -> Result<GrantView, sqlx::Error> {
    let status: String = row.try_get("status")?;
    let status = match status.as_str() {
        "pending" => GrantStatus::Pending,
        "approved" => GrantStatus::Approved,
        "denied" => GrantStatus::Denied,
        _ => GrantStatus::Redeemed,
    };
    Ok(GrantView {
        client_id: row.try_get("client_id")?,
        code_challenge: row.try_get("code_challenge")?,
        status,
        interval_ms: row.try_get("interval_ms")?,
        polled_at: row.try_get("polled_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

fn session_from(row: &SqliteRow) -> Result<Session, sqlx::Error> {
    Ok(Session {
        sid: row.try_get("sid")?,
        email: row.try_get("email")?,
        client_id: row.try_get("client_id")?,
        scope: row.try_get("scope")?,
    })
}

fn refresh_from(row: &SqliteRow) -> Result<RefreshView, sqlx::Error> {
    let revoked_at: Option<i64> = row.try_get("revoked_at")?;
    let session = match revoked_at {
        Some(_) => SessionState::Revoked,
        None => SessionState::Live,
    };
    Ok(RefreshView {
        expires_at: row.try_get("expires_at")?,
        rotated_at: row.try_get("rotated_at")?,
        session,
    })
}
