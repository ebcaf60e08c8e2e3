//! What is in the audit but changed nothing else.

use async_trait::async_trait;

use super::{Origin, StoreError};

#[async_trait]
pub(crate) trait AuditTrail {
    /// Appends that a request was denied, under the code of the refusal.
    async fn record_denial(&self, code: &str, origin: &Origin) -> Result<(), StoreError>;

    /// Appends that the request's actor acts in the name of `subject`.
    async fn record_impersonation(&self, subject: &str, origin: &Origin) -> Result<(), StoreError>;
}
