use std::path::Path;

use engine::view::{AccountView, MountView, ProfileName, SyncSwitch};
use engine::{Request, RunKind, View};
use tauri::{AppHandle, Manager as _};

use super::Tray;
use super::menu::{Action, Page};
use crate::login::{StartAtLogin, set_start_at_login, start_at_login};
use crate::notify::Notifier;
use crate::shell::Shell;
use crate::{app, clipboard, commands, window};

const DOCUMENTATION: &str = "https://docs.basicmemory.com";

/// Does what a click asks for; on the main thread.
pub(crate) fn act(app: &AppHandle, action: Action) {
    let shell = app.state::<Shell>().inner().clone();
    let view = shell.view();
    let request = match action {
        Action::Open(page) => return window::show(app, page.place()),
        Action::Quit => return app::quit(app),
        Action::ToggleLogin => return toggle_login(app),
        Action::OpenDocumentation => return open(DOCUMENTATION),
        Action::OpenSignInPage => return sign_in_link(&view).map_or((), open),
        Action::CopySignInLink => return sign_in_link(&view).map_or((), clipboard::set),
        Action::OpenMount(id) => {
            return match found(&view, &id) {
                Some(mount) => open(&mount.folder),
                // It was taken away while the menu was open.
                None => window::show(app, Page::Mounts.place()),
            };
        }
        Action::OpenFolder(pair) => Request::OpenFolder { pair },
        Action::ToggleSync => Request::SetSync {
            on: view.sync != SyncSwitch::On,
        },
        Action::Pause(pause) => Request::PauseUntil {
            until_ms: app.state::<Tray>().end_of(pause),
        },
        Action::SyncNow(pair) => Request::SyncNow {
            pair,
            run: RunKind::Sync,
        },
        Action::SetProfile { pair, profile } if has(&view, &pair, profile) => {
            return app.state::<Tray>().set_again(app);
        }
        Action::SetProfile { pair, profile } => Request::SetProfile { pair, profile },
        Action::Mount(id) => {
            let Some(mount) = found(&view, &id) else {
                return window::show(app, Page::Mounts.place());
            };
            Request::Mount {
                folder: Path::new(&mount.folder).to_owned(),
                profile: mount.profile,
            }
        }
        Action::Unmount(id) => Request::Unmount { id },
        Action::CancelSignIn => Request::CancelSignIn,
    };
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(refusal) = shell.send(request).await {
            tracing::warn!(code = refusal.code, error = refusal.message, "refused");
            app.state::<Tray>().set_again(&app);
            app.state::<Notifier>()
                .say(refusal.message, refusal.hint.unwrap_or_default());
            window::show(&app, None);
        }
    });
}

fn has(view: &View, pair: &str, profile: ProfileName) -> bool {
    let mut pairs = view.pairs.iter();
    pairs.any(|known| known.id == pair && known.profile == profile)
}

fn found<'a>(view: &'a View, id: &str) -> Option<&'a MountView> {
    view.mounts.iter().find(|mount| mount.id == id)
}

fn sign_in_link(view: &View) -> Option<&str> {
    match &view.account {
        AccountView::AwaitingBrowser {
            verification_url,
            verification_url_complete,
            ..
        } => verification_url_complete
            .as_deref()
            .or(Some(verification_url))
            .filter(|link| commands::is_web(link)),
        AccountView::SignedOut { .. }
        | AccountView::SigningIn { .. }
        | AccountView::SignedIn { .. } => None,
    }
}

fn open(what: &str) {
    if let Err(error) = open::that_detached(what) {
        tracing::warn!(%error, "the desktop did not open what was asked for");
    }
}

fn toggle_login(app: &AppHandle) {
    let wanted = match start_at_login(app) {
        StartAtLogin::On => StartAtLogin::Off,
        StartAtLogin::Off | StartAtLogin::Unknown => StartAtLogin::On,
    };
    if let Err(error) = set_start_at_login(app, wanted) {
        tracing::warn!(%error, "start at login could not be changed");
        window::show(app, Page::Settings.place());
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move { app.state::<Tray>().set_again(&app) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_of_the_web_leads_to_the_sign_in() {
        let link = |plain: &str, complete: Option<&str>| {
            let view = View {
                account: AccountView::AwaitingBrowser {
                    server_url: "https://example.org".to_owned(),
                    user_code: "ABCD-EFGH".to_owned(),
                    verification_url: plain.to_owned(),
                    verification_url_complete: complete.map(str::to_owned),
                    expires_at_ms: 0,
                },
                ..View::starting("laptop")
            };
            sign_in_link(&view).map(str::to_owned)
        };
        let (plain, complete) = ("https://example.org/d", "https://example.org/d?code=1");
        assert_eq!(link(plain, None).as_deref(), Some(plain));
        assert_eq!(link(plain, Some(complete)).as_deref(), Some(complete));
        assert_eq!(link(plain, Some("file:///etc/passwd")), None);
        assert_eq!(link("javascript:alert(1)", None), None);
        assert_eq!(sign_in_link(&View::starting("laptop")), None);
    }
}
