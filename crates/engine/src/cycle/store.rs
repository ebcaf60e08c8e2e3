use std::sync::{Arc, Mutex, PoisonError};

use crate::state::{State, StateError};

/// The database on its own threads: calls wait for disk, so async code goes through here.
#[derive(Clone)]
pub(crate) struct StateHandle(Arc<Mutex<State>>);

impl StateHandle {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// Runs `work` on the one connection.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let shared = Arc::clone(&self.0);
        let joined = tokio::task::spawn_blocking(move || {
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut state)
        })
        .await;
        match joined {
            Ok(result) => result,
            // The program ends and starts no more work: nobody waits for this answer any longer.
            Err(error) if error.is_cancelled() => std::future::pending().await,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    pub(crate) async fn forget_baseline(&self, pair: &str) -> Result<(), StateError> {
        let pair = pair.to_owned();
        self.with(move |state| state.forget_baseline(&pair)).await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn what_is_asked_while_the_program_ends_is_left_unanswered() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateHandle::new(State::open(&folder.path().join("state.db")).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let ended = runtime.handle().clone();
        drop(runtime);
        let _within = ended.enter();
        let mut asked = pin!(state.with(|_| Ok(())));
        let polled = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending));
    }
}
