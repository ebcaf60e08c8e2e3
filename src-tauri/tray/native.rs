//! The tray of macOS and Windows, drawn by the system.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tauri::AppHandle;
use tauri::menu::{
    CheckMenuItem, IsMenuItem, Menu as NativeMenu, MenuItem, PredefinedMenuItem, Submenu,
};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tokio::sync::watch;

use super::act::act;
use super::face::Face;
use super::host::TrayHost;
use super::icon::{Size, icon};
use super::menu::{Action, Item};
use super::panel::Panel;
use crate::window;

type Native = Box<dyn IsMenuItem<tauri::Wry>>;

/// The icon as the app sees it.
pub(crate) struct Icon {
    icon: TrayIcon,
    panel: Mutex<Panel>,
    shown: Mutex<Option<Face>>,
    actions: Actions,
}

/// The actions of every menu so far: a click may come from one that was just replaced.
#[derive(Clone, Default)]
struct Actions(Arc<Mutex<BTreeMap<String, Action>>>);

impl Icon {
    /// Makes the icon; on the main thread.
    pub(crate) fn new(
        app: &AppHandle,
        face: Face,
        panel: Panel,
        host: watch::Sender<TrayHost>,
    ) -> tauri::Result<Self> {
        host.send_replace(TrayHost::Present);
        let actions = Actions::default();
        let clickable = actions.clone();
        let builder = TrayIconBuilder::with_id("main")
            .icon(icon(face.status, panel, Size::Large)?)
            .icon_as_template(cfg!(target_os = "macos"))
            .tooltip(&face.words)
            .menu(&native(app, &face, &actions)?)
            .show_menu_on_left_click(cfg!(target_os = "macos"))
            .on_menu_event(move |app, event| {
                if let Some(action) = clickable.find(&event.id().0) {
                    act(app, action);
                }
            })
            .on_tray_icon_event(|icon, event| {
                if let TrayIconEvent::Click {
                    button: MouseButton::Left,
                    button_state: MouseButtonState::Up,
                    ..
                } = event
                    && cfg!(target_os = "windows")
                {
                    window::show(icon.app_handle(), None);
                }
            });
        Ok(Self {
            icon: builder.build(app)?,
            panel: Mutex::new(panel),
            shown: Mutex::new(Some(face)),
            actions,
        })
    }

    pub(crate) fn show(&self, app: &AppHandle, face: Face) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shown.take();
        match self.set(app, before.as_ref(), &face) {
            Ok(()) => *shown = Some(face),
            Err(error) => tracing::warn!(%error, "the tray did not take the new state"),
        }
    }

    /// Draws the icon for this ground; the next [`Icon::show`] sets it.
    pub(crate) fn stand_on(&self, _app: &AppHandle, panel: Panel) {
        let mut stands = self.panel.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *stands, panel) != panel {
            drop(stands);
            self.forget();
        }
    }

    /// Has everything set again by the next [`Icon::show`].
    pub(crate) fn forget(&self) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn set(&self, app: &AppHandle, before: Option<&Face>, face: &Face) -> tauri::Result<()> {
        if before.map(|face| face.status) != Some(face.status) {
            let panel = *self.panel.lock().unwrap_or_else(PoisonError::into_inner);
            let picture = icon(face.status, panel, Size::Large)?;
            self.icon.set_icon(Some(picture))?;
            self.icon.set_icon_as_template(cfg!(target_os = "macos"))?;
        }
        if before.map(|face| &face.words) != Some(&face.words) {
            self.icon.set_tooltip(Some(&face.words))?;
        }
        if before.map(|face| &face.menu) != Some(&face.menu) {
            self.icon
                .set_menu(Some(native(app, face, &self.actions)?))?;
        }
        Ok(())
    }
}

impl Actions {
    fn find(&self, key: &str) -> Option<Action> {
        let actions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        actions.get(key).cloned()
    }

    /// Remembers an action under its key.
    fn keep(&self, action: &Action) -> String {
        let key = action.key();
        let mut actions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        actions.insert(key.clone(), action.clone());
        key
    }
}

fn native(
    app: &AppHandle,
    face: &Face,
    actions: &Actions,
) -> tauri::Result<NativeMenu<tauri::Wry>> {
    let menu = NativeMenu::new(app)?;
    for item in &face.menu.0 {
        menu.append(&*made(app, item, actions)?)?;
    }
    Ok(menu)
}

fn made(app: &AppHandle, item: &Item, actions: &Actions) -> tauri::Result<Native> {
    Ok(match item {
        Item::Fact(text) => Box::new(MenuItem::new(app, literal(text), false, None::<&str>)?),
        Item::Command {
            action,
            label,
            enabled,
        } => {
            let id = actions.keep(action);
            let label = literal(label);
            Box::new(MenuItem::with_id(app, id, label, *enabled, None::<&str>)?)
        }
        Item::Toggle {
            action,
            label,
            checked: on,
        }
        | Item::Choice {
            action,
            label,
            chosen: on,
        } => {
            let id = actions.keep(action);
            let label = literal(label);
            Box::new(CheckMenuItem::with_id(
                app,
                id,
                label,
                true,
                *on,
                None::<&str>,
            )?)
        }
        Item::Submenu { label, items, .. } => {
            let submenu = Submenu::new(app, literal(label), true)?;
            for item in items {
                submenu.append(&*made(app, item, actions)?)?;
            }
            Box::new(submenu)
        }
        Item::Separator => Box::new(PredefinedMenuItem::separator(app)?),
    })
}

/// A lone `&` would mark the next letter for the keyboard and vanish.
fn literal(label: &str) -> String {
    label.replace('&', "&&")
}
