//! Who did what to which thing, written in the transaction that did it.

use async_trait::async_trait;
use uuid::Uuid;

use super::backend::{SqlStore, Tx};
use crate::store::audit::AuditTrail;
use crate::store::{Origin, StoreError};

statements! {
    AUDIT = "
insert into audit (id, at, actor, action, target, outcome, request_id)
values ($1, $2, $3, $4, $5, $6, $7)";

    AUDIT_BECAUSE = "
insert into audit (id, at, actor, action, target, outcome, request_id, reason)
values ($1, $2, $3, $4, $5, $6, $7, $8)";
}

/// Appends an audit event to the change it is about.
pub(super) async fn audit(
    change: &mut Tx,
    origin: &Origin,
    action: &str,
    target: &str,
    outcome: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(AUDIT)
        .bind(Uuid::now_v7().to_string())
        .bind(origin.at)
        .bind(&origin.actor)
        .bind(action)
        .bind(target)
        .bind(outcome)
        .bind(&origin.request_id)
        .execute(&mut **change)
        .await?;
    Ok(())
}

#[async_trait]
impl AuditTrail for SqlStore {
    async fn record_denial(&self, code: &str, origin: &Origin) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        audit(&mut change, origin, "access.deny", code, "denied").await?;
        change.commit().await?;
        Ok(())
    }

    async fn record_impersonation(&self, subject: &str, origin: &Origin) -> Result<(), StoreError> {
        let mut change = self.write().await?;
        audit(&mut change, origin, "impersonation.use", subject, "done").await?;
        change.commit().await?;
        Ok(())
    }
}

/// Appends an audit event that says why.
pub(super) async fn audit_because(
    change: &mut Tx,
    origin: &Origin,
    action: &str,
    target: &str,
    outcome: &str,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(AUDIT_BECAUSE)
        .bind(Uuid::now_v7().to_string())
        .bind(origin.at)
        .bind(&origin.actor)
        .bind(action)
        .bind(target)
        .bind(outcome)
        .bind(&origin.request_id)
        .bind(reason)
        .execute(&mut **change)
        .await?;
    Ok(())
}
