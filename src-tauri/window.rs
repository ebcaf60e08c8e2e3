use tauri::{AppHandle, Manager as _, WebviewUrl, WebviewWindowBuilder};

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
    let made = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        .title("Basic Memory")
        .inner_size(960.0, 680.0)
        .min_inner_size(360.0, 420.0)
        .build();
    if let Err(error) = made {
        tracing::error!(%error, "the window did not open");
    }
}
