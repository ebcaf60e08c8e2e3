//! The tray: what it shows of a view, and what its clicks do.

mod act;
mod face;
mod host;
mod icon;
#[cfg(target_os = "linux")]
mod linux;
mod menu;
#[cfg(not(target_os = "linux"))]
mod native;
mod panel;

use engine::{Clock, View};
use tauri::{AppHandle, Manager as _};
use time::UtcOffset;
use tokio::sync::watch;

use self::face::Face;
#[cfg(target_os = "linux")]
use self::linux::Icon;
use self::menu::{Pause, Surroundings};
#[cfg(not(target_os = "linux"))]
use self::native::Icon;
use self::panel::Theme;
use crate::login::start_at_login;
use crate::shell::Shell;

pub(crate) use self::host::TrayHost;
pub use self::panel::Looks;

/// The tray icon, and what its words need besides the view.
pub(crate) struct Tray {
    icon: Icon,
    host: watch::Receiver<TrayHost>,
    clock: Clock,
    offset: UtcOffset,
}

impl Tray {
    /// Makes the icon; on the main thread.
    pub(crate) fn new(
        app: &AppHandle,
        view: &View,
        looks: &Looks,
        offset: UtcOffset,
    ) -> tauri::Result<Self> {
        let clock = Clock::system();
        let panel = looks.panel(&Theme::read());
        let around = Surroundings {
            now_ms: clock.now_ms(),
            offset,
            quit: "Quit",
            login: start_at_login(app),
        };
        let (known, host) = watch::channel(TrayHost::Unknown);
        let icon = Icon::new(app, Face::of(view, around), panel, known)?;
        Ok(Self {
            icon,
            host,
            clock,
            offset,
        })
    }

    /// Shows a view; what is equal is not set again, so an open menu does not flicker.
    pub(crate) fn apply(&self, app: &AppHandle, view: &View, quit: &str) {
        let around = Surroundings {
            now_ms: self.clock.now_ms(),
            offset: self.offset,
            quit,
            login: start_at_login(app),
        };
        self.icon.show(app, Face::of(view, around));
    }

    /// Sets everything again: the desktop turns a check mark at the click, whatever came of it.
    pub(crate) fn set_again(&self, app: &AppHandle) {
        self.icon.forget();
        let shell = app.state::<Shell>();
        self.apply(app, &shell.view(), shell.quit_words());
    }

    /// Whether a panel shows the icon.
    pub(crate) fn host(&self) -> watch::Receiver<TrayHost> {
        self.host.clone()
    }

    fn end_of(&self, pause: Pause) -> i64 {
        pause.until_ms(self.clock.now_ms(), self.offset)
    }
}
