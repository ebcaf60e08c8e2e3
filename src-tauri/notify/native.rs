//! Notifications of macOS and Windows: they come without buttons and go by themselves.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use engine::view::{NoticeCause, NoticeView};
use tauri::AppHandle;
use tauri_plugin_notification::NotificationExt as _;

use super::{Step, steps};

/// The way to the desktop's notifications.
pub(crate) struct Notifier {
    app: AppHandle,
    told: Mutex<BTreeMap<NoticeCause, String>>,
}

impl Notifier {
    pub(crate) fn new(app: &AppHandle) -> Self {
        Self {
            app: app.clone(),
            told: Mutex::new(BTreeMap::new()),
        }
    }

    /// Shows what is new of these.
    pub(crate) fn show(&self, notices: &[NoticeView]) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for step in steps(&told, notices) {
            match step {
                Step::Withdraw(cause) => {
                    told.remove(&cause);
                }
                Step::Show(notice) => {
                    told.insert(notice.cause, notice.id.clone());
                    self.say(notice.title, notice.body);
                }
            }
        }
    }

    pub(crate) fn say(&self, title: impl Into<String>, body: impl Into<String>) {
        let builder = self.app.notification().builder();
        if let Err(error) = builder.title(title).body(body).show() {
            tracing::info!(%error, "the desktop shows no notifications");
        }
    }

    /// What was said goes by itself.
    #[expect(clippy::unused_self, reason = "the bus of Linux takes it back")]
    pub(crate) fn unsay(&self) {}

    #[expect(clippy::unused_async, reason = "the bus of Linux takes it back")]
    pub(crate) async fn leave(&self) {}
}
