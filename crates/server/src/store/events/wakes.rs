//! Telling other replicas at once that there is something to read. Never the only way they learn.

use async_trait::async_trait;
use sqlx::postgres::PgListener;

use crate::store::{PostgresStore, SqliteStore, StoreError};

/// The channel of `PostgreSQL`.
const CHANNEL: &str = "tenant_events";

/// Hears what replicas announce, this one included.
#[async_trait]
pub(crate) trait WakeListener: Send {
    /// Waits for the next text; `None` when something may have been missed meanwhile.
    async fn next(&mut self) -> Result<Option<String>, StoreError>;
}

#[async_trait]
pub(crate) trait Wakes {
    /// Sends a text, shorter than 8000 bytes, to all replicas that listen now.
    async fn announce(&self, text: &str) -> Result<(), StoreError>;

    /// Starts to listen; `None` where there is only one replica.
    async fn listen(&self) -> Result<Option<Box<dyn WakeListener>>, StoreError>;
}

#[async_trait]
impl Wakes for SqliteStore {
    async fn announce(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn listen(&self) -> Result<Option<Box<dyn WakeListener>>, StoreError> {
        Ok(None)
    }
}

#[async_trait]
impl Wakes for PostgresStore {
    /// Outside of every transaction: NOTIFY takes a lock of the whole database at commit.
    async fn announce(&self, text: &str) -> Result<(), StoreError> {
        sqlx::query("select pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(text)
            .execute(self.reader())
            .await?;
        Ok(())
    }

    async fn listen(&self) -> Result<Option<Box<dyn WakeListener>>, StoreError> {
        let mut listener = PgListener::connect_with(self.reader()).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(Box::new(Listening(listener))))
    }
}

struct Listening(PgListener);

#[async_trait]
impl WakeListener for Listening {
    async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let heard = self.0.try_recv().await?;
        Ok(heard.map(|notification| notification.payload().to_owned()))
    }
}
