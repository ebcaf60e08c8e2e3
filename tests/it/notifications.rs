//! The desktop's side of notifications: a daemon that shows nothing and remembers everything.

#![expect(
    clippy::too_many_arguments,
    clippy::unused_self,
    reason = "the interface macro needs these shapes"
)]

use std::collections::HashMap;

use tokio::sync::watch;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, connection, interface};

use crate::desktop::{self, Desktop, SOON};

const PATH: &str = "/org/freedesktop/Notifications";

/// One call of `Notify`, with the number that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) number: u32,
    pub(crate) replaces: u32,
    pub(crate) title: String,
    pub(crate) body: String,
    /// Keys and labels in turns.
    pub(crate) actions: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) shown: Vec<Shown>,
    pub(crate) closed: Vec<u32>,
}

impl Seen {
    /// What was shown with this title, oldest first.
    pub(crate) fn titled(&self, title: &str) -> Vec<&Shown> {
        let shown = self.shown.iter();
        shown.filter(|shown| shown.title == title).collect()
    }
}

struct Daemon(watch::Sender<Seen>);

#[interface(name = "org.freedesktop.Notifications")]
impl Daemon {
    fn get_capabilities(&self) -> Vec<&'static str> {
        vec!["actions", "body", "body-markup"]
    }

    fn notify(
        &self,
        _app_name: String,
        replaces_id: u32,
        _app_icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expire_timeout: i32,
    ) -> u32 {
        let mut given = 0;
        self.0.send_modify(|seen| {
            let next = u32::try_from(seen.shown.len() + 1).unwrap();
            given = if replaces_id == 0 { next } else { replaces_id };
            seen.shown.push(Shown {
                number: given,
                replaces: replaces_id,
                title: summary,
                body,
                actions,
            });
        });
        given
    }

    fn close_notification(&self, id: u32) {
        self.0.send_modify(|seen| seen.closed.push(id));
    }

    fn get_server_information(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        ("memory", "tests", "1", "1.2")
    }

    #[zbus(signal)]
    async fn notification_closed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        reason: u32,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn action_invoked(
        emitter: &SignalEmitter<'_>,
        id: u32,
        action_key: &str,
    ) -> zbus::Result<()>;
}

/// The notifications of a desktop.
#[must_use]
pub(crate) struct Notifications {
    bus: Connection,
    seen: watch::Receiver<Seen>,
}

impl Notifications {
    pub(crate) async fn start(desktop: &Desktop) -> Self {
        let (sender, seen) = watch::channel(Seen::default());
        let bus = connection::Builder::address(desktop.bus.address.as_str())
            .unwrap()
            .serve_at(PATH, Daemon(sender))
            .unwrap()
            .build()
            .await
            .unwrap();
        desktop::take(&bus, "org.freedesktop.Notifications").await;
        Self { bus, seen }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until what was seen is so.
    pub(crate) async fn wait_for(&mut self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let came = {
            let seen = self.seen.wait_for(|seen| wanted(seen));
            let came = tokio::time::timeout(SOON, seen).await;
            came.ok()
                .map(|seen| seen.expect("the daemon lives").clone())
        };
        came.unwrap_or_else(|| panic!("this is all that came: {:#?}", self.seen()))
    }

    /// The first notification with this title, once it came.
    pub(crate) async fn titled(&mut self, title: &str) -> Shown {
        let seen = self.wait_for(|seen| !seen.titled(title).is_empty()).await;
        seen.titled(title)[0].clone()
    }

    /// Answers what it was asked, and leaves the bus without a word.
    pub(crate) async fn stop(self) {
        self.bus.graceful_shutdown().await;
    }

    /// Presses a button of a notification, which closes it.
    pub(crate) async fn press(&self, number: u32, key: &str) {
        let daemon = self
            .bus
            .object_server()
            .interface::<_, Daemon>(PATH)
            .await
            .unwrap();
        let emitter = daemon.signal_emitter();
        Daemon::action_invoked(emitter, number, key).await.unwrap();
        let by_person = 2;
        Daemon::notification_closed(emitter, number, by_person)
            .await
            .unwrap();
    }
}
