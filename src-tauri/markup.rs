//! Text where a desktop reads markup: notifications and the tray's tooltip.

/// The text as it is, whatever signs it holds.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sign_of_a_name_is_markup() {
        assert_eq!(
            escaped("<b>R&D</b> &lt;"),
            "&lt;b&gt;R&amp;D&lt;/b&gt; &amp;lt;"
        );
        assert_eq!(escaped("Notes"), "Notes");
    }
}
