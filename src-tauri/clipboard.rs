/// Whether [`set`] can do what it says here.
pub(crate) const WORKS: bool = cfg!(target_os = "linux");

/// Puts a text on the clipboard; on the main thread.
#[cfg(target_os = "linux")]
pub(crate) fn set(text: &str) {
    gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD).set_text(text);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn set(_text: &str) {
    tracing::debug!("no clipboard here: the window copies");
}
