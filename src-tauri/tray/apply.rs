use std::sync::{Mutex, PoisonError};

use engine::view::{Status, SyncSwitch};
use engine::{Clock, Request, View};
use tauri::menu::{CheckMenuItem, Menu as NativeMenu, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager as _};
use tauri_plugin_autostart::ManagerExt as _;

use super::icon::icon;
use super::menu::{Action, Item, Menu, RUN, StartAtLogin, Surroundings, menu};
use super::panel::{Looks, Panel, Theme};
use crate::shell::Shell;
use crate::{app, window};

/// The tray icon, and what it shows now.
pub(crate) struct Tray {
    icon: TrayIcon,
    clock: Clock,
    panel: Panel,
    shown: Mutex<Option<(Status, Menu)>>,
}

impl Tray {
    /// Makes the icon; on the main thread.
    pub(crate) fn new(app: &AppHandle, view: &View, looks: &Looks) -> tauri::Result<Self> {
        let clock = Clock::system();
        let panel = looks.panel(&Theme::read());
        let around = Surroundings {
            now_ms: clock.now_ms(),
            quit: "Quit",
            login: start_at_login(app),
        };
        let first = menu(view, around);
        let icon = TrayIconBuilder::with_id("main")
            .icon(icon(view.status, panel)?)
            .menu(&native(app, &first)?)
            .on_menu_event(|app, event| {
                let action = Action::ALL
                    .into_iter()
                    .find(|action| event.id() == action.id());
                if let Some(action) = action {
                    act(app, action);
                }
            })
            .build(app)?;
        Ok(Self {
            icon,
            clock,
            panel,
            shown: Mutex::new(Some((view.status, first))),
        })
    }

    /// Shows a view; what is equal is not set again, so an open menu does not flicker.
    pub(crate) fn apply(&self, app: &AppHandle, view: &View, quit: &str) {
        let around = Surroundings {
            now_ms: self.clock.now_ms(),
            quit,
            login: start_at_login(app),
        };
        let wanted = (view.status, menu(view, around));
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shown.take();
        let mut result = Ok(());
        if before.as_ref().map(|(status, _)| *status) != Some(wanted.0) {
            result = icon(wanted.0, self.panel).and_then(|icon| self.icon.set_icon(Some(icon)));
        }
        if before.as_ref().map(|(_, menu)| menu) != Some(&wanted.1) {
            result = result
                .and(native(app, &wanted.1))
                .and_then(|native| self.icon.set_menu(Some(native)));
        }
        match result {
            Ok(()) => *shown = Some(wanted),
            Err(error) => tracing::warn!(%error, "the tray did not take the new state"),
        }
    }

    /// Sets everything again: the desktop turns a check mark at the click, whatever came of it.
    pub(crate) fn set_again(&self, app: &AppHandle) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let shell = app.state::<Shell>();
        self.apply(app, &shell.view(), shell.quit_words());
    }
}

/// Whether the desktop starts the app when a person logs in.
pub(crate) fn start_at_login(app: &AppHandle) -> StartAtLogin {
    match app.autolaunch().is_enabled() {
        Ok(true) => StartAtLogin::On,
        Ok(false) => StartAtLogin::Off,
        Err(error) => {
            tracing::debug!(%error, "the desktop does not say what it starts");
            StartAtLogin::Unknown
        }
    }
}

fn native(app: &AppHandle, menu: &Menu) -> tauri::Result<NativeMenu<tauri::Wry>> {
    let native = NativeMenu::new(app)?;
    for item in &menu.0 {
        match item {
            Item::Fact(text) => {
                native.append(&MenuItem::new(app, literal(text), false, None::<&str>)?)?;
            }
            Item::Command {
                action,
                label,
                enabled,
            } => {
                let id = action.id();
                let label = literal(label);
                native.append(&MenuItem::with_id(app, id, label, *enabled, None::<&str>)?)?;
            }
            Item::Toggle {
                action,
                label,
                checked,
            } => {
                let id = action.id();
                let label = literal(label);
                let item = CheckMenuItem::with_id(app, id, label, true, *checked, None::<&str>)?;
                native.append(&item)?;
            }
            Item::Separator => native.append(&PredefinedMenuItem::separator(app)?)?,
        }
    }
    Ok(native)
}

/// A lone `&` would mark the next letter for the keyboard and vanish.
fn literal(label: &str) -> String {
    label.replace('&', "&&")
}

fn act(app: &AppHandle, action: Action) {
    let shell = app.state::<Shell>().inner().clone();
    let request = match action {
        Action::OpenWindow => return window::show(app, None),
        Action::ReviewConflicts => return window::show(app, Some("conflicts")),
        Action::LookAtProblems => return window::show(app, Some("diagnostics")),
        Action::Quit => return app::quit(app),
        Action::ToggleLogin => return toggle_login(app),
        Action::OpenFolder => Request::OpenFolder { pair: None },
        Action::ToggleSync => Request::SetSync {
            on: shell.view().sync != SyncSwitch::On,
        },
        Action::SyncNow => Request::SyncNow {
            pair: None,
            run: RUN,
        },
        Action::CancelSignIn => Request::CancelSignIn,
    };
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(refusal) = shell.send(request).await {
            tracing::warn!(code = refusal.code, error = refusal.message, "refused");
            app.state::<Tray>().set_again(&app);
            window::show(&app, None);
        }
    });
}

fn toggle_login(app: &AppHandle) {
    let login = app.autolaunch();
    let done = match start_at_login(app) {
        StartAtLogin::On => login.disable(),
        StartAtLogin::Off | StartAtLogin::Unknown => login.enable(),
    };
    if let Err(error) = done {
        tracing::warn!(%error, "start at login could not be changed");
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move { app.state::<Tray>().set_again(&app) });
}
