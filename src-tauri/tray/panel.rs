//! What the tray icon stands on, so that it can be drawn in the ink that shows there.

/// The ground that the icon stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    Dark,
    Light,
}

/// What the session says about its looks. Panels themselves tell nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// The value of `XDG_CURRENT_DESKTOP`: names separated by colons.
    pub desktop: String,
    /// The value of `GTK_THEME`, which goes before the theme that a person chose.
    pub forced_theme: Option<String>,
}

impl Looks {
    /// GNOME's and Unity's bars are dark in every theme; other panels follow it.
    pub(crate) fn panel(&self, chosen: &Theme) -> Panel {
        let mut names = self.desktop.split(':');
        if names.any(|name| ["GNOME", "Unity"].contains(&name)) {
            return Panel::Dark;
        }
        let dark = match &self.forced_theme {
            Some(forced) => named_dark(forced),
            None => chosen.prefers_dark || named_dark(&chosen.name),
        };
        if dark { Panel::Dark } else { Panel::Light }
    }
}

/// Whether [`when_theme_changes`] ever calls; elsewhere the theme has to be asked for.
pub(crate) const TELLS_OF_THEMES: bool = cfg!(target_os = "linux");

/// Calls on the main thread whenever another theme is chosen, as many desktops do at dusk.
#[cfg(target_os = "linux")]
pub(crate) fn when_theme_changes(tell: impl Fn() + Clone + 'static) {
    use gtk::prelude::GtkSettingsExt as _;

    let Some(settings) = gtk::Settings::default() else {
        return;
    };
    let of_darkness = tell.clone();
    settings.connect_gtk_theme_name_notify(move |_| tell());
    settings.connect_gtk_application_prefer_dark_theme_notify(move |_| of_darkness());
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn when_theme_changes(_tell: impl Fn() + Clone + 'static) {}

/// The theme that a person chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) name: String,
    pub(crate) prefers_dark: bool,
}

impl Theme {
    /// Asks the toolkit; on the main thread, once the app is set up.
    #[cfg(target_os = "linux")]
    pub(crate) fn read() -> Self {
        use gtk::prelude::GtkSettingsExt as _;

        let settings = gtk::Settings::default();
        let name = settings.as_ref().and_then(|all| all.gtk_theme_name());
        Self {
            name: name.map(Into::into).unwrap_or_default(),
            prefers_dark: settings.is_some_and(|all| all.is_gtk_application_prefer_dark_theme()),
        }
    }

    /// Windows has one theme for programs and one for the taskbar, where the icon stands.
    #[cfg(windows)]
    pub(crate) fn read() -> Self {
        const THEMES: &str = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize";
        let themes = windows_registry::CURRENT_USER.open(THEMES);
        let light = themes.and_then(|themes| themes.get_u32("SystemUsesLightTheme"));
        Self::of_taskbar(light.ok())
    }

    /// macOS draws the template in its own ink.
    #[cfg(target_os = "macos")]
    pub(crate) fn read() -> Self {
        Self {
            name: String::new(),
            prefers_dark: true,
        }
    }

    /// What the value `SystemUsesLightTheme` says; without it the taskbar is dark.
    #[cfg(any(windows, test))]
    fn of_taskbar(uses_light: Option<u32>) -> Self {
        Self {
            name: String::new(),
            prefers_dark: !matches!(uses_light, Some(1..)),
        }
    }
}

/// `Adwaita-dark`, `Adwaita:dark`, `Breeze-Dark`.
fn named_dark(theme: &str) -> bool {
    let theme = theme.to_ascii_lowercase();
    theme.ends_with("-dark") || theme.ends_with(":dark")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_follow_the_theme_except_where_they_are_always_dark() {
        let panel = |desktop: &str, forced: Option<&str>, name: &str, prefers_dark| {
            let looks = Looks {
                desktop: desktop.to_owned(),
                forced_theme: forced.map(str::to_owned),
            };
            let name = name.to_owned();
            looks.panel(&Theme { name, prefers_dark })
        };
        assert_eq!(panel("XFCE", None, "Adwaita", false), Panel::Light);
        assert_eq!(panel("XFCE", None, "Adwaita-dark", false), Panel::Dark);
        assert_eq!(panel("KDE", None, "Breeze", true), Panel::Dark);
        assert_eq!(panel("KDE", None, "Breeze-Dark", false), Panel::Dark);
        assert_eq!(panel("ubuntu:GNOME", None, "Yaru", false), Panel::Dark);
        assert_eq!(
            panel("", Some("Adwaita"), "Adwaita-dark", true),
            Panel::Light
        );
        assert_eq!(
            panel("", Some("Adwaita:dark"), "Adwaita", false),
            Panel::Dark
        );
    }
    #[test]
    fn a_taskbar_is_light_only_where_it_says_so() {
        let panel = |light| Looks::default().panel(&Theme::of_taskbar(light));
        assert_eq!(panel(Some(1)), Panel::Light);
        assert_eq!(panel(Some(0)), Panel::Dark);
        assert_eq!(panel(None), Panel::Dark);
    }
}
