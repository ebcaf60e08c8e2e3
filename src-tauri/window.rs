use tauri::{AppHandle, Manager as _, Url, WebviewUrl, WebviewWindowBuilder};

use crate::shell::Shell;

const LABEL: &str = "main";

/// Shows the one window, making it if it is not there.
///
/// It is made on demand and destroyed on close: a hidden one would hold well over 100 MB.
pub(crate) fn show(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(LABEL) {
        let shown = window.unminimize().and_then(|()| window.show());
        if let Err(error) = shown.and_then(|()| window.set_focus()) {
            tracing::warn!(%error, "the window did not come to the front");
        }
        return;
    }
    let made = WebviewWindowBuilder::new(app, LABEL, page(&app.state::<Shell>()))
        .title("Basic Memory")
        .inner_size(960.0, 680.0)
        .min_inner_size(360.0, 420.0)
        .build();
    if let Err(error) = made {
        tracing::error!(%error, "the window did not open");
    }
}

/// The page, with the server that its sign-in form offers first.
fn page(shell: &Shell) -> WebviewUrl {
    let server = shell.server_url();
    let asked = server
        .and_then(|server| Url::parse_with_params("tauri://localhost/", [("server", server)]).ok());
    let query = asked.as_ref().and_then(Url::query);
    query.map_or_else(WebviewUrl::default, |query| {
        WebviewUrl::App(format!("index.html?{query}").into())
    })
}
