use std::path::Path;

use tauri::{
    AppHandle, Emitter as _, Manager as _, Url, WebviewUrl, WebviewWindowBuilder, WindowEvent,
};

use crate::app;
use crate::dock::{self, Dock};
use crate::shell::Shell;

const LABEL: &str = "main";

/// Shows the one window, making it if it is not there.
///
/// `place` names the page that it opens with, such as `conflicts`; a window that is open goes there.
/// It is made on demand and destroyed on close: a hidden one would hold well over 100 MB.
pub(crate) fn show(app: &AppHandle, place: Option<&str>) {
    if let Some(window) = app.get_webview_window(LABEL) {
        if let Some(Err(error)) = place.map(|place| app.emit("show-place", place)) {
            tracing::warn!(%error, "the window did not get its page");
        }
        let shown = window.unminimize().and_then(|()| window.show());
        if let Err(error) = shown.and_then(|()| window.set_focus()) {
            tracing::warn!(%error, "the window did not come to the front");
        }
        return;
    }
    // Only a draft: a person says which folder it is.
    let notes = app.path().home_dir().ok().map(|home| home.join("Notes"));
    let page = page(&app.state::<Shell>(), place, notes.as_deref());
    let made = WebviewWindowBuilder::new(app, LABEL, page)
        .title("Basic Memory")
        .inner_size(960.0, 680.0)
        .min_inner_size(360.0, 420.0)
        .zoom_hotkeys_enabled(true)
        .build();
    match made {
        Ok(window) => {
            dock::set(app, Dock::Shown);
            let handle = app.clone();
            window.on_window_event(move |event| {
                if let WindowEvent::Destroyed = event {
                    dock::set(&handle, Dock::Hidden);
                    app::window_closed(&handle);
                }
            });
        }
        Err(error) => tracing::error!(%error, "the window did not open"),
    }
}

/// The page, with the server and the folder that it offers first and the place where it begins.
fn page(shell: &Shell, place: Option<&str>, notes: Option<&Path>) -> WebviewUrl {
    let server = shell.server_url();
    let asked: Vec<(&str, String)> = server
        .map(|server| ("server", server))
        .into_iter()
        .chain(place.map(|place| ("place", place.to_owned())))
        .chain(notes.map(|notes| ("folder", notes.display().to_string())))
        .collect();
    if asked.is_empty() {
        return WebviewUrl::default();
    }
    let asked = Url::parse_with_params("tauri://localhost/", asked).ok();
    let query = asked.as_ref().and_then(Url::query);
    query.map_or_else(WebviewUrl::default, |query| {
        WebviewUrl::App(format!("index.html?{query}").into())
    })
}
