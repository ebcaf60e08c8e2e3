//! The menu on the bus: `com.canonical.dbusmenu`, version 3.
#![expect(
    clippy::unused_self,
    clippy::needless_pass_by_value,
    reason = "the interface macro wants methods, and takes what came over the bus by value"
)]

use std::sync::Arc;

use tokio::sync::mpsc;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{fdo, interface};

use super::board::{Board, Looks, ROOT, looks};
use super::layout::Entry;
use crate::tray::menu::Action;

pub(super) const PATH: &str = "/MenuBar";

pub(super) struct MenuObject {
    pub(super) board: Arc<Board>,
    pub(super) clicks: mpsc::Sender<Action>,
    pub(super) refresh: Refresh,
}

/// Brings the menu up to date with the clock.
pub(super) type Refresh = Box<dyn Fn() + Send + Sync>;

/// Number, properties and what is below.
type Layout = (i32, Looks, Vec<OwnedValue>);

#[interface(name = "com.canonical.dbusmenu")]
impl MenuObject {
    fn get_layout(
        &self,
        parent_id: i32,
        recursion_depth: i32,
        property_names: Vec<String>,
    ) -> fdo::Result<(u32, Layout)> {
        let menu = self.board.menu();
        let entry = menu.find(parent_id).ok_or_else(|| unknown(parent_id))?;
        let layout = layout(entry, recursion_depth, &property_names);
        Ok((self.board.revision(), layout))
    }

    fn get_group_properties(
        &self,
        ids: Vec<i32>,
        property_names: Vec<String>,
    ) -> Vec<(i32, Looks)> {
        self.board.looks(&ids, &property_names)
    }

    fn get_property(&self, id: i32, name: String) -> fdo::Result<OwnedValue> {
        let menu = self.board.menu();
        let entry = menu.find(id).ok_or_else(|| unknown(id))?;
        let mut found = looks(entry, std::slice::from_ref(&name));
        found
            .remove(&name)
            .ok_or_else(|| fdo::Error::InvalidArgs(format!("{id} has no property {name}")))
    }

    async fn event(
        &self,
        id: i32,
        event_id: String,
        _data: OwnedValue,
        _timestamp: u32,
    ) -> fdo::Result<()> {
        if event_id != "clicked" {
            return Ok(());
        }
        let action = self.board.action(id).ok_or_else(|| unknown(id))?;
        self.click(action).await;
        Ok(())
    }

    async fn event_group(&self, events: Vec<(i32, String, OwnedValue, u32)>) -> Vec<i32> {
        let mut strangers = Vec::new();
        for (id, event, _, _) in events {
            match self.board.action(id) {
                Some(action) if event == "clicked" => self.click(action).await,
                Some(_) => {}
                None if self.board.menu().find(id).is_some() => {}
                None => strangers.push(id),
            }
        }
        strangers
    }

    /// The entries are as they should be; the age in the first one may have grown since it was set,
    /// and follows as a new look of that entry.
    fn about_to_show(&self, id: i32) -> bool {
        if id == ROOT {
            (self.refresh)();
        }
        false
    }

    fn about_to_show_group(&self, ids: Vec<i32>) -> (Vec<i32>, Vec<i32>) {
        if ids.contains(&ROOT) {
            (self.refresh)();
        }
        let menu = self.board.menu();
        let strangers = ids.into_iter().filter(|id| menu.find(*id).is_none());
        (Vec::new(), strangers.collect())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> u32 {
        3
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn text_direction(&self) -> &'static str {
        "ltr"
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn status(&self) -> &'static str {
        "normal"
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn icon_theme_path(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(signal)]
    pub(super) async fn items_properties_updated(
        emitter: &SignalEmitter<'_>,
        updated: Vec<(i32, Looks)>,
        removed: Vec<(i32, Vec<String>)>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn layout_updated(
        emitter: &SignalEmitter<'_>,
        revision: u32,
        parent: i32,
    ) -> zbus::Result<()>;
}

impl MenuObject {
    async fn click(&self, action: Action) {
        if self.clicks.send(action).await.is_err() {
            tracing::debug!("a click came while the app ends");
        }
    }
}

fn layout(entry: &Entry, depth: i32, names: &[String]) -> Layout {
    let below = match depth {
        0 => Vec::new(),
        depth => entry
            .below
            .iter()
            .map(|below| layout(below, depth.saturating_sub(1).max(-1), names))
            .map(|layout| {
                OwnedValue::try_from(Value::from(layout))
                    .expect("only file descriptors can fail to be copied")
            })
            .collect(),
    };
    (entry.id, looks(entry, names), below)
}

fn unknown(id: i32) -> fdo::Error {
    fdo::Error::InvalidArgs(format!("there is no entry {id}"))
}

/// Where a changed menu begins: always at the root, as entries below keep their numbers.
pub(super) const WHOLE: i32 = ROOT;

#[cfg(test)]
mod tests {
    use engine::view::Status;

    use super::*;
    use crate::tray::face::Face;
    use crate::tray::menu::{Item, Menu};
    use crate::tray::panel::Panel;

    #[tokio::test]
    async fn events_that_come_together_are_taken_one_by_one() {
        let quit = Item::Command {
            action: Action::Quit,
            label: "Quit".to_owned(),
            enabled: true,
        };
        let face = Face {
            status: Status::Idle,
            words: String::new(),
            menu: Menu(vec![Item::Fact("Up to date".to_owned()), quit]),
        };
        let board = Arc::new(Board::new(face, Panel::Dark));
        let [fact, quit] = [0, 1].map(|place| board.menu().below[place].id);
        let (clicks, mut clicked) = mpsc::channel(4);
        let object = MenuObject {
            board,
            clicks,
            refresh: Box::new(|| {}),
        };
        let event = |id: i32, name: &str| (id, name.to_owned(), OwnedValue::from(0_i32), 0_u32);
        let strangers = object.event_group(vec![
            event(quit, "hovered"),
            event(fact, "clicked"),
            event(4711, "clicked"),
            event(quit, "clicked"),
        ]);
        assert_eq!(strangers.await, [4711]);
        drop(object);
        assert_eq!(clicked.recv().await, Some(Action::Quit));
        assert_eq!(clicked.recv().await, None);
    }
}
