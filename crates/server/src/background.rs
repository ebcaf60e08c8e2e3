//! The tasks that run beside the answering of requests, from start to stop.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

type Run = Box<dyn FnOnce(CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// How long a task may take to end after it was told to.
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// Tasks that wait to be started together.
#[derive(Default)]
pub(crate) struct Background(Vec<(&'static str, Run)>);

impl Background {
    /// Adds a task that runs until its token is cancelled.
    pub(crate) fn add<F>(
        &mut self,
        name: &'static str,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0
            .push((name, Box::new(|cancel| Box::pin(run(cancel)))));
    }

    /// Starts all of them and waits until they end after `cancel`. One that ends by itself or
    /// panics cancels `broken`. After `deadline`, those still there are ended.
    pub(crate) async fn run(
        self,
        cancel: CancellationToken,
        broken: CancellationToken,
        deadline: Duration,
    ) {
        let mut tasks = JoinSet::new();
        let mut names: Vec<(Id, &'static str)> = Vec::new();
        for (name, run) in self.0 {
            names.push((tasks.spawn(run(cancel.clone())).id(), name));
        }
        let mut too_late = std::pin::pin!(async {
            cancel.cancelled().await;
            tokio::time::sleep(deadline).await;
        });
        loop {
            let ended = tokio::select! {
                ended = tasks.join_next_with_id() => ended,
                () = &mut too_late => break,
            };
            let (id, panic) = match ended {
                None => return,
                Some(Ok((id, ()))) => (id, None),
                Some(Err(error)) => (error.id(), Some(error)),
            };
            let name = names.iter().find(|(found, _)| *found == id);
            let name = name.map_or("unknown", |(_, name)| *name);
            names.retain(|(found, _)| *found != id);
            if let Some(error) = panic {
                tracing::error!(task = name, %error, "a background task broke");
                broken.cancel();
            } else if !cancel.is_cancelled() {
                tracing::error!(task = name, "a background task ended by itself");
                broken.cancel();
            }
        }
        for (_, name) in names {
            tracing::warn!(task = name, "a background task did not stop in time");
        }
        tasks.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn all_run_until_told_to_stop() {
        let ended = Arc::new(AtomicUsize::new(0));
        let mut background = Background::default();
        for name in ["one", "two"] {
            let ended = Arc::clone(&ended);
            background.add(name, async move |cancel: CancellationToken| {
                cancel.cancelled().await;
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        let (cancel, broken) = (CancellationToken::new(), CancellationToken::new());
        let running = tokio::spawn(background.run(cancel.clone(), broken.clone(), STOP_DEADLINE));
        cancel.cancel();
        running.await.unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), 2);
        assert!(!broken.is_cancelled());
    }

    #[tokio::test]
    async fn one_that_ends_too_early_is_told() {
        let mut background = Background::default();
        background.add("brief", async |_| {});
        background.add("steady", async |cancel: CancellationToken| {
            cancel.cancelled().await
        });
        let (cancel, broken) = (CancellationToken::new(), CancellationToken::new());
        let running = tokio::spawn(background.run(cancel.clone(), broken.clone(), STOP_DEADLINE));
        broken.cancelled().await;
        cancel.cancel();
        running.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_does_not_stop_is_ended() {
        let mut background = Background::default();
        background.add("stuck", async |_| std::future::pending().await);
        let cancel = CancellationToken::new();
        cancel.cancel();
        let soon = Duration::from_millis(10);
        background.run(cancel, CancellationToken::new(), soon).await;
    }
}
