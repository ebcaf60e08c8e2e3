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

pub(crate) use self::act::act;
pub(crate) use self::host::TrayHost;
pub(crate) use self::menu::Action;
pub use self::panel::Looks;

/// The tray icon, and what its words need besides the view.
pub(crate) struct Tray {
    icon: Icon,
    host: watch::Receiver<TrayHost>,
    clock: Clock,
    looks: Looks,
}

impl Tray {
    /// Makes the icon; on the main thread.
    pub(crate) fn new(app: &AppHandle, view: &View, looks: Looks) -> tauri::Result<Self> {
        let clock = Clock::system();
        let panel = looks.panel(&Theme::read());
        let (known, host) = watch::channel(TrayHost::Unknown);
        let face = face(app, &clock, view, "Quit");
        let icon = Icon::new(app, face, panel, known)?;
        let handle = app.clone();
        panel::when_theme_changes(move || handle.state::<Self>().look_at_theme(&handle));
        Ok(Self {
            icon,
            host,
            clock,
            looks,
        })
    }

    /// Shows a view; what is equal is not set again, so an open menu does not flicker.
    pub(crate) fn apply(&self, app: &AppHandle, view: &View, quit: &str) {
        if !panel::TELLS_OF_THEMES {
            self.look_at_theme(app);
        }
        self.icon.show(app, face(app, &self.clock, view, quit));
    }

    /// Brings the words up to date with the clock.
    pub(crate) fn refresh(&self, app: &AppHandle) {
        let shell = app.state::<Shell>();
        self.apply(app, &shell.view(), shell.quit_words());
    }

    /// Sets everything again: the desktop turns a check mark at the click, whatever came of it.
    pub(crate) fn set_again(&self, app: &AppHandle) {
        self.icon.forget();
        self.refresh(app);
    }

    /// Whether a panel shows the icon.
    pub(crate) fn host(&self) -> watch::Receiver<TrayHost> {
        self.host.clone()
    }

    fn look_at_theme(&self, app: &AppHandle) {
        let panel = self.looks.panel(&Theme::read());
        self.icon.stand_on(app, panel);
    }

    fn end_of(&self, pause: Pause) -> i64 {
        let offset_at = |at_ms| offset(&self.clock, at_ms);
        pause.until_ms(self.clock.now_ms(), &offset_at)
    }
}

fn face(app: &AppHandle, clock: &Clock, view: &View, quit: &str) -> Face {
    let around = Surroundings {
        now_ms: clock.now_ms(),
        offset_at: &|at_ms| offset(clock, at_ms),
        quit,
        login: start_at_login(app),
    };
    Face::of(view, around)
}

fn offset(clock: &Clock, at_ms: i64) -> UtcOffset {
    UtcOffset::from_whole_seconds(clock.offset_seconds(at_ms)).unwrap_or(UtcOffset::UTC)
}
