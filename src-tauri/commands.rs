//! What the window may call.

use engine::view::AccountView;
use engine::{Refusal, Reply, Request, View};
use tauri::{AppHandle, Manager as _, State};
use tauri_plugin_dialog::DialogExt as _;

use crate::app;
use crate::login::{self, StartAtLogin, start_at_login};
use crate::shell::Shell;
use crate::tray::{Tray, TrayHost};

#[tauri::command]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the command macro passes state by value"
)]
pub(crate) fn view(shell: State<'_, Shell>) -> View {
    (*shell.view()).clone()
}

#[tauri::command]
pub(crate) async fn send(shell: State<'_, Shell>, request: Request) -> Result<Reply, Refusal> {
    shell.send(request).await
}

/// Opens a web page, but only one that the view shows: the window cannot make up an address.
#[tauri::command]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the command macro passes values"
)]
pub(crate) fn open_link(shell: State<'_, Shell>, url: String) -> Result<(), Refusal> {
    let refuse = |code: &str, message: String| Refusal {
        code: code.to_owned(),
        message,
        hint: Some("Copy the link into your browser.".to_owned()),
        field: None,
    };
    if !shown_links(&shell.view()).contains(&url) {
        return Err(refuse(
            "unknown_link",
            "This link is not one of ours".to_owned(),
        ));
    }
    open::that_detached(&url)
        .map_err(|error| refuse("open_failed", format!("No browser opened: {error}")))
}

#[tauri::command]
pub(crate) async fn pick_folder(app: AppHandle) -> Option<String> {
    let (chosen, answer) = tokio::sync::oneshot::channel();
    app.dialog().file().pick_folder(move |folder| {
        if chosen.send(folder).is_err() {
            tracing::debug!("the window closed before a folder was chosen");
        }
    });
    let folder = answer.await.ok()??.into_path().ok()?;
    Some(folder.display().to_string())
}

/// Asks where to write a file; `name` is what it is called unless a person changes that.
#[tauri::command]
pub(crate) async fn pick_file(app: AppHandle, name: String) -> Option<String> {
    let (chosen, answer) = tokio::sync::oneshot::channel();
    app.dialog()
        .file()
        .set_file_name(name)
        .save_file(move |file| {
            if chosen.send(file).is_err() {
                tracing::debug!("the window closed before a file was named");
            }
        });
    let file = answer.await.ok()??.into_path().ok()?;
    Some(file.display().to_string())
}

/// Asks for a program that is on this computer.
#[tauri::command]
pub(crate) async fn pick_program(app: AppHandle) -> Option<String> {
    let (chosen, answer) = tokio::sync::oneshot::channel();
    app.dialog().file().pick_file(move |file| {
        if chosen.send(file).is_err() {
            tracing::debug!("the window closed before a program was chosen");
        }
    });
    let file = answer.await.ok()??.into_path().ok()?;
    Some(file.display().to_string())
}

/// Where sync runs: `here`, `elsewhere` in another program of this installation, or `nowhere`.
#[tauri::command]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the command macro passes state by value"
)]
pub(crate) fn engine_runs(shell: State<'_, Shell>) -> &'static str {
    match shell.is_shared() {
        Some(true) => "elsewhere",
        Some(false) => "here",
        None => "nowhere",
    }
}

/// Whether the desktop starts the app at login; absent where it does not say.
#[tauri::command]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the command macro passes the handle by value"
)]
pub(crate) fn starts_at_login(app: AppHandle) -> Option<bool> {
    match start_at_login(&app) {
        StartAtLogin::On => Some(true),
        StartAtLogin::Off => Some(false),
        StartAtLogin::Unknown => None,
    }
}

#[tauri::command]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the command macro passes the handle by value"
)]
pub(crate) fn set_start_at_login(app: AppHandle, on: bool) -> Result<bool, Refusal> {
    let wanted = if on {
        StartAtLogin::On
    } else {
        StartAtLogin::Off
    };
    let done = login::set_start_at_login(&app, wanted);
    app.state::<Tray>().set_again(&app);
    done.map(|()| true).map_err(|error| Refusal {
        code: "login_entry".to_owned(),
        hint: Some(error.hint().to_owned()),
        message: format!("Start at login could not be changed: {error}"),
        field: None,
    })
}

/// Whether a panel shows the tray icon: `unknown`, `present` or `missing`.
#[tauri::command]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the command macro passes state by value"
)]
pub(crate) fn tray_host(tray: State<'_, Tray>) -> &'static str {
    match *tray.host().borrow() {
        TrayHost::Unknown => "unknown",
        TrayHost::Present => "present",
        TrayHost::Missing => "missing",
    }
}

/// Ends the app as the menu does; its first page offers it where no engine starts.
#[tauri::command]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the command macro passes the handle by value"
)]
pub(crate) fn quit(app: AppHandle) {
    app::quit(&app);
}

/// The web addresses in a view.
pub(crate) fn shown_links(view: &View) -> Vec<String> {
    let mut links = Vec::new();
    match &view.account {
        AccountView::AwaitingBrowser {
            verification_url,
            verification_url_complete,
            ..
        } => {
            links.push(verification_url.clone());
            links.extend(verification_url_complete.clone());
        }
        AccountView::SignedOut { .. }
        | AccountView::SigningIn { .. }
        | AccountView::SignedIn { .. } => {}
    }
    if let Some(subscription) = &view.subscription {
        links.push(subscription.subscribe_url.clone());
        links.extend(subscription.manage_url.clone());
    }
    links.retain(|link| is_web(link));
    links
}

/// What a server names may be opened only where it is a web page.
pub(crate) fn is_web(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with("http://")
}
