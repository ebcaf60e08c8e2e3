//! What the window may call.

use engine::view::AccountView;
use engine::{Refusal, Reply, Request, View};
use tauri::{AppHandle, State};
use tauri_plugin_dialog::DialogExt as _;

use crate::shell::Shell;

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
    links.retain(|link| link.starts_with("https://") || link.starts_with("http://"));
    links
}
