//! The icon on the bus: `org.kde.StatusNotifierItem`.
#![expect(
    clippy::unused_self,
    reason = "the interface macro wants methods, also where the answer is always the same"
)]

use std::sync::Arc;

use engine::view::Status;
use tokio::sync::mpsc;
use zbus::interface;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedObjectPath;

use super::board::Board;
use super::picture::Picture;
use crate::markup::escaped;
use crate::tray::menu::{Action, Page};

pub(super) const PATH: &str = "/StatusNotifierItem";

pub(super) struct StatusItem {
    pub(super) board: Arc<Board>,
    pub(super) menu: OwnedObjectPath,
    pub(super) clicks: mpsc::Sender<Action>,
}

/// Icon name, pictures, title and text.
type ToolTip = (String, Vec<Picture>, String, String);

#[interface(name = "org.kde.StatusNotifierItem")]
impl StatusItem {
    async fn activate(&self, _x: i32, _y: i32) {
        if self.clicks.send(Action::Open(Page::Any)).await.is_err() {
            tracing::debug!("a click came while the app ends");
        }
    }

    /// The menu is the panel's to draw.
    fn context_menu(&self, _x: i32, _y: i32) {}

    async fn secondary_activate(&self, _x: i32, _y: i32) {
        if self.clicks.send(Action::SyncNow(None)).await.is_err() {
            tracing::debug!("a click came while the app ends");
        }
    }

    fn scroll(&self, _delta: i32, _orientation: &str) {}

    #[zbus(property(emits_changed_signal = "const"))]
    fn category(&self) -> &'static str {
        "ApplicationStatus"
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> &'static str {
        "basic-memory"
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn title(&self) -> &'static str {
        "Basic Memory"
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn status(&self) -> &'static str {
        urgency(self.board.face().status)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn window_id(&self) -> i32 {
        0
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn item_is_menu(&self) -> bool {
        false
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn menu(&self) -> OwnedObjectPath {
        self.menu.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn icon_name(&self) -> &'static str {
        ""
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn icon_theme_path(&self) -> &'static str {
        ""
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn icon_pixmap(&self) -> Vec<Picture> {
        self.board.pictures()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn overlay_icon_name(&self) -> &'static str {
        ""
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn attention_icon_name(&self) -> &'static str {
        ""
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn attention_icon_pixmap(&self) -> Vec<Picture> {
        self.board.pictures()
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn tool_tip(&self) -> ToolTip {
        let words = escaped(&self.board.face().words);
        (String::new(), Vec::new(), "Basic Memory".to_owned(), words)
    }

    #[zbus(signal)]
    pub(super) async fn new_icon(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn new_attention_icon(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn new_status(emitter: &SignalEmitter<'_>, status: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn new_tool_tip(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// Never `Passive`: panels hide what is, and a person who looks for the icon wants to see that all
/// is well.
pub(super) fn urgency(status: Status) -> &'static str {
    match status {
        Status::Attention | Status::Error => "NeedsAttention",
        Status::SignedOut
        | Status::Expired
        | Status::Paused
        | Status::Offline
        | Status::Syncing
        | Status::Starting
        | Status::Idle => "Active",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_person_asks_for_attention_and_nothing_hides() {
        for status in [Status::Attention, Status::Error] {
            assert_eq!(urgency(status), "NeedsAttention", "{status:?}");
        }
        for status in [
            Status::SignedOut,
            Status::Expired,
            Status::Paused,
            Status::Offline,
            Status::Syncing,
            Status::Starting,
            Status::Idle,
        ] {
            assert_eq!(urgency(status), "Active", "{status:?}");
        }
    }
}
