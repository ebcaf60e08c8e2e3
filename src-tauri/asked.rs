//! What a start of the program asks for: the launcher's commands are starts, too.

use crate::tray::Action;

/// A start while the app runs asks that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Window,
    /// Nothing to be seen, as at login.
    Background,
    OpenFolder,
    SyncNow,
    Quit,
}

impl Asked {
    /// Reads the arguments, without the program's own name.
    pub fn of(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut asked = arguments.into_iter().filter_map(|word| match &*word {
            "--background" => Some(Self::Background),
            "--open-folder" => Some(Self::OpenFolder),
            "--sync-now" => Some(Self::SyncNow),
            "--quit" => Some(Self::Quit),
            _ => None,
        });
        asked.next().unwrap_or(Self::Window)
    }

    /// What the tray menu has for it.
    pub(crate) fn action(self) -> Option<Action> {
        match self {
            Self::Window | Self::Background => None,
            Self::OpenFolder => Some(Action::OpenFolder(None)),
            Self::SyncNow => Some(Action::SyncNow(None)),
            Self::Quit => Some(Action::Quit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_nobody_knows_opens_the_window() {
        let asked = |words: &[&str]| Asked::of(words.iter().map(|&word| word.to_owned()));
        assert_eq!(asked(&[]), Asked::Window);
        assert_eq!(asked(&["--hidden"]), Asked::Window);
        assert_eq!(asked(&["--background"]), Asked::Background);
        assert_eq!(asked(&["-x", "--sync-now"]), Asked::SyncNow);
        assert_eq!(asked(&["--quit", "--sync-now"]), Asked::Quit);
    }

    #[test]
    fn what_the_launcher_offers_is_what_the_menu_has() {
        let action = |word: &str| Asked::of([word.to_owned()]).action();
        assert_eq!(action("--open-folder"), Some(Action::OpenFolder(None)));
        assert_eq!(action("--sync-now"), Some(Action::SyncNow(None)));
        assert_eq!(action("--quit"), Some(Action::Quit));
        assert_eq!(action("--background"), None);
        assert_eq!(action("--window"), None);
    }
}
