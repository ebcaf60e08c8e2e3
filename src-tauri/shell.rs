use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{Connection, Refusal, Reply, Request, View};

/// What tray, window and commands share: the newest view and the way to the engine.
#[derive(Clone)]
pub(crate) struct Shell(Arc<Mutex<Inner>>);

struct Inner {
    view: Arc<View>,
    connection: Option<Arc<Connection>>,
    server_url: Option<String>,
    quitting: bool,
}

/// How long quitting waits for a run to end.
const PATIENCE: Duration = Duration::from_secs(10);

impl Shell {
    pub(crate) fn new(device: &str, server_url: Option<String>) -> Self {
        let view = Arc::new(View::starting(device));
        Self(Arc::new(Mutex::new(Inner {
            view,
            connection: None,
            server_url,
            quitting: false,
        })))
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.with(|inner| Arc::clone(&inner.view))
    }

    pub(crate) fn set_view(&self, view: Arc<View>) {
        self.with(|inner| inner.view = view);
    }

    pub(crate) fn connect(&self, connection: Arc<Connection>) {
        self.with(|inner| inner.connection = Some(connection));
    }

    pub(crate) fn disconnect(&self) {
        self.with(|inner| inner.connection = None);
    }

    pub(crate) fn server_url(&self) -> Option<String> {
        self.with(|inner| inner.server_url.clone())
    }

    pub(crate) fn is_quitting(&self) -> bool {
        self.with(|inner| inner.quitting)
    }

    /// The last item of the menu says what it does.
    pub(crate) fn quit_words(&self) -> &'static str {
        let shared = self.with(|inner| {
            inner
                .connection
                .as_ref()
                .is_some_and(|connection| connection.is_shared())
        });
        if shared {
            "Quit (sync keeps running)"
        } else {
            "Quit and stop syncing"
        }
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Reply, Refusal> {
        let connection = self.with(|inner| inner.connection.clone());
        match connection {
            Some(connection) => connection.send(request).await,
            None => Err(Refusal {
                code: "starting".to_owned(),
                message: "Still starting; try again in a moment".to_owned(),
                hint: None,
                field: None,
            }),
        }
    }

    pub(crate) async fn quit(&self) {
        let connection = self.with(|inner| {
            inner.quitting = true;
            inner.connection.take()
        });
        let Some(connection) = connection else { return };
        if connection.is_shared() {
            return;
        }
        let mut views = connection.watch();
        if connection.send(Request::Quit).await.is_ok() {
            let ended = async { while views.changed().await.is_ok() {} };
            if tokio::time::timeout(PATIENCE, ended).await.is_err() {
                tracing::warn!("a run did not end in time");
            }
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
