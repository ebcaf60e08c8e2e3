use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

const PAUSE: Duration = Duration::from_millis(15);

/// Polls `condition` until it is true: `wait_until(SECONDS, || async { … }).await`.
///
/// # Panics
/// At the caller's line, if `deadline` passes first.
#[track_caller]
pub fn wait_until(
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    wait_for(deadline, async move || condition().await.then_some(()))
}

/// Polls `find` until it gives a value.
///
/// # Panics
/// At the caller's line, if `deadline` passes first.
#[track_caller]
pub fn wait_for<T>(
    deadline: Duration,
    mut find: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        loop {
            if let Some(found) = find().await {
                return found;
            }
            assert!(
                Instant::now() < end,
                "waited {deadline:?} in vain at {caller}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_what_the_poll_finds_in_the_end() {
        let mut calls = 0;
        let found = wait_for(Duration::from_secs(5), async || {
            calls += 1;
            (calls == 3).then_some(calls)
        })
        .await;
        assert_eq!(found, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "waited")]
    async fn panics_when_the_deadline_passes() {
        wait_until(Duration::from_millis(20), || async { false }).await;
    }
}
