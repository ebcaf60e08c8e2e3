//! Text where a desktop reads markup: notifications and the tray's tooltip.

/// The text as it is, whatever signs it holds.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
