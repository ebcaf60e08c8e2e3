use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::view::AccountView;
use engine::{Connection, Refusal, Reply, Request, SignInKeep, View};

/// What tray, window and commands share: the newest view and the way to the engine.
#[derive(Clone)]
pub(crate) struct Shell(Arc<Mutex<Inner>>);

struct Inner {
    view: Arc<View>,
    connection: Option<Arc<Connection>>,
    /// Why there is no connection, once an attempt failed.
    fault: Option<Refusal>,
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
            fault: None,
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
        self.with(|inner| {
            inner.connection = Some(connection);
            inner.fault = None;
        });
    }

    pub(crate) fn disconnect(&self) {
        self.with(|inner| inner.connection = None);
    }

    /// From now on requests are refused with this.
    pub(crate) fn fail(&self, fault: Refusal) {
        self.with(|inner| inner.fault = Some(fault));
    }

    pub(crate) fn server_url(&self) -> Option<String> {
        self.with(|inner| inner.server_url.clone())
    }

    pub(crate) fn is_quitting(&self) -> bool {
        self.with(|inner| inner.quitting)
    }

    /// Whether another program has the engine; absent while none answers.
    pub(crate) fn is_shared(&self) -> Option<bool> {
        self.with(|inner| {
            let connection = inner.connection.as_ref()?;
            Some(connection.is_shared())
        })
    }

    /// The last item of the menu says what it does.
    pub(crate) fn quit_words(&self) -> &'static str {
        match self.is_shared() {
            Some(true) => "Quit (sync keeps running)",
            Some(false) | None if is_provisional(&self.view()) => "Quit and cancel set-up",
            Some(false) | None => "Quit and stop syncing",
        }
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Reply, Refusal> {
        let (connection, fault) =
            self.with(|inner| (inner.connection.clone(), inner.fault.clone()));
        match connection {
            Some(connection) => connection.send(request).await,
            None => Err(fault.unwrap_or_else(|| Refusal {
                code: "starting".to_owned(),
                message: "Still starting; try again in a moment".to_owned(),
                hint: None,
                field: None,
            })),
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

/// Whether the engine's end is the end of the sign-in.
fn is_provisional(view: &View) -> bool {
    matches!(
        view.account,
        AccountView::SignedIn {
            keep: SignInKeep::WithSetUp,
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quitting_says_when_it_ends_a_sign_in() {
        let shell = Shell::new("laptop", None);
        assert_eq!(shell.quit_words(), "Quit and stop syncing");
        let signed_in = |keep| View {
            account: AccountView::SignedIn {
                server_url: "https://example.org".to_owned(),
                user_id: "u".to_owned(),
                email: None,
                cloud_mode: true,
                keep,
            },
            ..View::starting("laptop")
        };
        shell.set_view(Arc::new(signed_in(SignInKeep::WithSetUp)));
        assert_eq!(shell.quit_words(), "Quit and cancel set-up");
        shell.set_view(Arc::new(signed_in(SignInKeep::Now)));
        assert_eq!(shell.quit_words(), "Quit and stop syncing");
    }

    #[tokio::test]
    async fn says_why_no_engine_answers() {
        let shell = Shell::new("laptop", None);
        let refused = async || shell.send(Request::Diagnose).await.unwrap_err();
        assert_eq!(refused().await.code, "starting");

        let fault = Refusal {
            code: "folder".to_owned(),
            message: "Sync cannot run: the disk is full".to_owned(),
            hint: Some("Check the free space.".to_owned()),
            field: None,
        };
        shell.fail(fault.clone());
        assert_eq!(refused().await, fault);
    }
}
