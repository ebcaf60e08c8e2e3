//! The tray of macOS and Windows, drawn by the system.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
use super::menu::{Action, Item, Look, Menu, Update, updates};
use super::panel::Panel;
use crate::window;

/// The icon as the app sees it.
pub(crate) struct Icon(Arc<Board>);

struct Board {
    icon: TrayIcon,
    shown: Mutex<Shown>,
    actions: Actions,
}

/// What the system shows.
struct Shown {
    panel: Panel,
    /// Absent where all of it has to be set again.
    face: Option<Face>,
    /// Absent where nobody knows what was set of it.
    drawn: Option<Drawn>,
}

/// A menu with its items, each in its place.
struct Drawn {
    menu: Menu,
    whole: NativeMenu<tauri::Wry>,
    items: Vec<NativeItem>,
}

#[derive(Clone)]
enum NativeItem {
    Plain(MenuItem<tauri::Wry>),
    Marked(CheckMenuItem<tauri::Wry>),
    Submenu(Submenu<tauri::Wry>),
    Separator(PredefinedMenuItem<tauri::Wry>),
}

/// The actions of every menu so far: a click may come from one that was just replaced.
#[derive(Clone, Default)]
struct Actions(Arc<Mutex<BTreeMap<String, Action>>>);

impl Icon {
    /// Makes the icon; on the main thread.
    #[expect(clippy::needless_pass_by_value, reason = "on Linux it is kept")]
    pub(crate) fn new(
        app: &AppHandle,
        face: Face,
        panel: Panel,
        host: watch::Sender<TrayHost>,
    ) -> tauri::Result<Self> {
        host.send_replace(TrayHost::Present);
        let actions = Actions::default();
        let clickable = actions.clone();
        let drawn = draw(app, &face.menu, &actions)?;
        let builder = TrayIconBuilder::with_id("main")
            .icon(icon(face.status, panel, Size::Large)?)
            .icon_as_template(cfg!(target_os = "macos"))
            .tooltip(&face.words)
            .menu(&drawn.whole)
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
        let shown = Shown {
            panel,
            face: Some(face),
            drawn: Some(drawn),
        };
        Ok(Self(Arc::new(Board {
            icon: builder.build(app)?,
            shown: Mutex::new(shown),
            actions,
        })))
    }

    /// Sets what is new, on the main thread: whoever asked elsewhere would hold what that one may
    /// be waiting for.
    pub(crate) fn show(&self, app: &AppHandle, face: Face) {
        let (board, handle) = (Arc::clone(&self.0), app.clone());
        let shown = app.run_on_main_thread(move || board.show(&handle, face));
        if let Err(error) = shown {
            tracing::debug!(%error, "the tray has something to show while the app ends");
        }
    }

    /// Draws the icon for this ground; the next [`Icon::show`] sets it.
    pub(crate) fn stand_on(&self, _app: &AppHandle, panel: Panel) {
        let mut shown = self.0.shown();
        if std::mem::replace(&mut shown.panel, panel) != panel {
            shown.face = None;
        }
    }

    /// Has everything set again by the next [`Icon::show`].
    pub(crate) fn forget(&self) {
        self.0.shown().face = None;
    }
}

impl Board {
    fn show(&self, app: &AppHandle, face: Face) {
        let mut shown = self.shown();
        match self.set(app, &mut shown, &face) {
            Ok(()) => shown.face = Some(face),
            Err(error) => tracing::warn!(%error, "the tray did not take the new state"),
        }
    }

    /// Leaves what it could not set unknown.
    fn set(&self, app: &AppHandle, shown: &mut Shown, face: &Face) -> tauri::Result<()> {
        let before = shown.face.take();
        let before = before.as_ref();
        if before.map(|face| face.status) != Some(face.status) {
            let picture = icon(face.status, shown.panel, Size::Large)?;
            let template = cfg!(target_os = "macos");
            self.icon
                .set_icon_with_as_template(Some(picture), template)?;
        }
        if before.map(|face| &face.words) != Some(&face.words) {
            self.icon.set_tooltip(Some(&face.words))?;
        }
        if before.map(|face| &face.menu) != Some(&face.menu) {
            let drawn = match shown.drawn.take() {
                Some(drawn) => drawn.changed(&face.menu)?,
                None => None,
            };
            shown.drawn = Some(match drawn {
                Some(drawn) => drawn,
                None => self.replaced(app, &face.menu)?,
            });
        }
        Ok(())
    }

    /// An open menu closes; so this is for other items only.
    fn replaced(&self, app: &AppHandle, menu: &Menu) -> tauri::Result<Drawn> {
        let drawn = draw(app, menu, &self.actions)?;
        self.icon.set_menu(Some(drawn.whole.clone()))?;
        Ok(drawn)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drawn {
    /// Makes the items look so; absent where that takes other items.
    fn changed(self, menu: &Menu) -> tauri::Result<Option<Self>> {
        let Some(updates) = updates(&self.menu, menu) else {
            return Ok(None);
        };
        for Update { place, look } in updates {
            if let Some(item) = self.items.get(place) {
                item.set(look)?;
            }
        }
        let menu = menu.clone();
        Ok(Some(Self { menu, ..self }))
    }
}

impl NativeItem {
    fn set(&self, look: Look) -> tauri::Result<()> {
        match (self, look) {
            (Self::Plain(item), Look::Label(label)) => item.set_text(literal(&label)),
            (Self::Plain(item), Look::Enabled(enabled)) => item.set_enabled(enabled),
            (Self::Marked(item), Look::Label(label)) => item.set_text(literal(&label)),
            (Self::Marked(item), Look::Enabled(enabled)) => item.set_enabled(enabled),
            (Self::Marked(item), Look::Marked(marked)) => item.set_checked(marked),
            (Self::Submenu(item), Look::Label(label)) => item.set_text(literal(&label)),
            (Self::Submenu(item), Look::Enabled(enabled)) => item.set_enabled(enabled),
            (Self::Plain(_) | Self::Submenu(_), Look::Marked(_)) | (Self::Separator(_), _) => {
                Ok(())
            }
        }
    }

    fn as_item(&self) -> &dyn IsMenuItem<tauri::Wry> {
        match self {
            Self::Plain(item) => item,
            Self::Marked(item) => item,
            Self::Submenu(item) => item,
            Self::Separator(item) => item,
        }
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

fn draw(app: &AppHandle, menu: &Menu, actions: &Actions) -> tauri::Result<Drawn> {
    let whole = NativeMenu::new(app)?;
    let mut items = Vec::new();
    add(
        app,
        &menu.0,
        actions,
        &|item| whole.append(item),
        &mut items,
    )?;
    let menu = menu.clone();
    Ok(Drawn { menu, whole, items })
}

/// Appends the items, and notes them in the order of their places.
fn add(
    app: &AppHandle,
    items: &[Item],
    actions: &Actions,
    append: &dyn Fn(&dyn IsMenuItem<tauri::Wry>) -> tauri::Result<()>,
    noted: &mut Vec<NativeItem>,
) -> tauri::Result<()> {
    for item in items {
        let native = made(app, item, actions)?;
        noted.push(native.clone());
        if let (NativeItem::Submenu(submenu), Item::Submenu { items, .. }) = (&native, item) {
            add(app, items, actions, &|item| submenu.append(item), noted)?;
        }
        append(native.as_item())?;
    }
    Ok(())
}

fn made(app: &AppHandle, item: &Item, actions: &Actions) -> tauri::Result<NativeItem> {
    Ok(match item {
        Item::Fact(text) => {
            let text = literal(text);
            NativeItem::Plain(MenuItem::new(app, text, false, None::<&str>)?)
        }
        Item::Command {
            action,
            label,
            enabled,
        } => {
            let id = actions.keep(action);
            let label = literal(label);
            let item = MenuItem::with_id(app, id, label, *enabled, None::<&str>)?;
            NativeItem::Plain(item)
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
            let item = CheckMenuItem::with_id(app, id, label, true, *on, None::<&str>)?;
            NativeItem::Marked(item)
        }
        Item::Submenu { label, .. } => {
            NativeItem::Submenu(Submenu::new(app, literal(label), true)?)
        }
        Item::Separator => NativeItem::Separator(PredefinedMenuItem::separator(app)?),
    })
}

/// A lone `&` would mark the next letter for the keyboard and vanish.
fn literal(label: &str) -> String {
    label.replace('&', "&&")
}
