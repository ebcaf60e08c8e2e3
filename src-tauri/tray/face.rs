use engine::View;
use engine::view::Status;

use super::menu::{Menu, Surroundings, menu, status_line};

/// All that the tray shows of a view. Equal faces need not be shown again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Face {
    pub(crate) status: Status,
    /// What the icon says when it is pointed at.
    pub(crate) words: String,
    pub(crate) menu: Menu,
}

impl Face {
    pub(crate) fn of(view: &View, around: Surroundings<'_>) -> Self {
        Self {
            status: view.status,
            words: status_line(view, around),
            menu: menu(view, around),
        }
    }
}
