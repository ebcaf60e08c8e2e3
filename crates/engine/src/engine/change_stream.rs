//! Following the change stream. It only says where to look; `ETag`s decide.

use std::time::Duration;

use rand::Rng;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::{ChangeEvent, ChangeKind};

use super::core::Input;
use crate::account::{Account, AuthError};
use crate::api::{ApiError, ChangeStream, Told};
use crate::lane::Hint;

/// The pause before the stream is opened again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// An answer that comes sooner was not waited for: the server cannot.
const WAITED: Duration = Duration::from_secs(1);

/// A followed stream; it is left when this goes.
pub(super) struct Followed {
    cancel: CancellationToken,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Followed {
    /// Follows the stream of the account's bucket, and comes back whenever it breaks.
    pub(super) fn follow(account: Account, device: String, inputs: mpsc::Sender<Input>) -> Self {
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        tokio::spawn(async move {
            let follower = Follower {
                account,
                device,
                inputs,
                seen: None,
            };
            stop.run_until_cancelled(follower.run()).await;
        });
        Self { cancel }
    }
}

struct Follower {
    account: Account,
    device: String,
    inputs: mpsc::Sender<Input>,
    /// The newest number that was taken in.
    seen: Option<i64>,
}

/// The engine has ended.
struct Gone;

impl Follower {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.account.change_stream(&self.device, self.seen).await {
                Ok(stream) => {
                    let listened = self.listen(stream, &mut pause).await;
                    if listened.is_err() || self.tell(Input::StreamLost).await.is_err() {
                        return;
                    }
                }
                Err(error) if is_lapsed(&error) => {
                    if self.until_renewed().await.is_err() {
                        return;
                    }
                    pause = FIRST_PAUSE;
                    continue;
                }
                Err(error) if is_final(&error) => {
                    tracing::debug!(%error, "the change stream is not for us now");
                    pause = LONGEST_PAUSE;
                }
                Err(error) => tracing::debug!(%error, "the change stream did not open"),
            }
            // Full jitter: many devices lose a server at the same moment.
            let most = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            let wait = rand::rng().random_range(0..=most);
            tokio::time::sleep(Duration::from_millis(wait)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Says that the subscription has lapsed, and waits with the server until it is renewed.
    async fn until_renewed(&mut self) -> Result<(), Gone> {
        self.tell(Input::Lapsed).await?;
        let mut pause = FIRST_PAUSE;
        loop {
            let asked = tokio::time::Instant::now();
            match self.account.renewal().await {
                Ok(standing) if standing.current => {
                    let of = self.account.key().to_owned();
                    return self
                        .tell(Input::Subscription(of, Box::new(Ok(standing)), None))
                        .await;
                }
                Ok(_) if asked.elapsed() >= WAITED => pause = FIRST_PAUSE,
                Ok(_) => tokio::time::sleep(LONGEST_PAUSE / 2).await,
                Err(error) => {
                    tracing::debug!(%error, "the server does not tell of a renewal");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn listen(&mut self, mut stream: ChangeStream, pause: &mut Duration) -> Result<(), Gone> {
        loop {
            match stream.next().await {
                Ok(Some(told)) => {
                    *pause = FIRST_PAUSE;
                    self.take(told).await?;
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    tracing::debug!(%error, "the change stream broke");
                    return Ok(());
                }
            }
        }
    }

    async fn take(&mut self, told: Told) -> Result<(), Gone> {
        match told {
            Told::Ready(seq) => {
                let missed = self.seen.is_none();
                let seq = self.seen.unwrap_or(seq);
                self.seen = Some(seq);
                self.tell(Input::StreamLive { seq, missed }).await
            }
            Told::Resync(seq) => {
                self.seen = Some(seq);
                let missed = true;
                self.tell(Input::StreamLive { seq, missed }).await
            }
            Told::Change(event) => {
                let seq = event.seq;
                self.seen = Some(seq);
                let hints = hints(event);
                self.tell(Input::Hinted { seq, hints }).await
            }
        }
    }

    async fn tell(&self, input: Input) -> Result<(), Gone> {
        self.inputs.send(input).await.map_err(|_| Gone)
    }
}

fn is_lapsed(error: &AuthError) -> bool {
    matches!(error, AuthError::Api(ApiError::SubscriptionRequired { .. }))
}

/// Whether coming back soon is of no use.
fn is_final(error: &AuthError) -> bool {
    match error {
        AuthError::SignedOut { .. } => true,
        AuthError::Api(error) => matches!(
            error,
            ApiError::SubscriptionRequired { .. }
                | ApiError::NoTenant
                | ApiError::RateLimited { .. }
        ),
        AuthError::Secrets(_)
        | AuthError::Provider { .. }
        | AuthError::Preparing
        | AuthError::OtherBucket { .. }
        | AuthError::Record(_)
        | AuthError::Stopping => false,
    }
}

/// The paths that an event is about.
fn hints(event: ChangeEvent) -> Vec<(String, Hint)> {
    let put = |etag: Option<String>, size: Option<u64>| match (etag, size) {
        (Some(etag), Some(size)) => Hint::Stored { etag, size },
        (Some(_) | None, Some(_) | None) => Hint::Ask,
    };
    match event.kind {
        ChangeKind::Put => vec![(event.path, put(event.etag, event.size))],
        ChangeKind::Delete | ChangeKind::Changed => vec![(event.path, Hint::Ask)],
        ChangeKind::Rename => std::iter::once((event.path, put(event.etag, event.size)))
            .chain(event.from.map(|from| (from, Hint::Ask)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: ChangeKind) -> ChangeEvent {
        ChangeEvent {
            seq: 1,
            kind,
            path: "new.md".to_owned(),
            from: Some("old.md".to_owned()),
            etag: Some("e".to_owned()),
            size: Some(3),
            at: "2026-01-01T00:00:00Z".to_owned(),
            device: None,
        }
    }

    #[test]
    fn an_event_names_every_path_that_may_have_changed() {
        let stored = || Hint::Stored {
            etag: "e".to_owned(),
            size: 3,
        };
        let new = || "new.md".to_owned();
        assert_eq!(hints(event(ChangeKind::Put)), [(new(), stored())]);
        assert_eq!(hints(event(ChangeKind::Delete)), [(new(), Hint::Ask)]);
        assert_eq!(hints(event(ChangeKind::Changed)), [(new(), Hint::Ask)]);
        assert_eq!(
            hints(event(ChangeKind::Rename)),
            [(new(), stored()), ("old.md".to_owned(), Hint::Ask)]
        );
    }
}
