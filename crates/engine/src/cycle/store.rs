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
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    pub(crate) async fn forget_baseline(&self, pair: &str) -> Result<(), StateError> {
        let pair = pair.to_owned();
        self.with(move |state| state.forget_baseline(&pair)).await
    }
}
