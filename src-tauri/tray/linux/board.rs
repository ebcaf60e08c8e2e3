use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zbus::zvariant::{OwnedValue, Value};

use super::layout::{self, Difference, Entry, Numbers, Property, difference, lay_out};
use super::picture::{Picture, pictures};
use crate::tray::face::Face;
use crate::tray::menu::Action;
use crate::tray::panel::Panel;

/// Properties as the bus carries them.
pub(super) type Looks = HashMap<String, OwnedValue>;

/// What the desktop may ask about: the icon and the menu as they are now.
pub(super) struct Board {
    now: Mutex<Now>,
}

struct Now {
    face: Face,
    panel: Panel,
    pictures: Vec<Picture>,
    menu: Entry,
    numbers: Numbers,
    revision: u32,
}

/// What of the icon and menu a new face changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) icon: bool,
    pub(super) words: bool,
    pub(super) menu: Difference,
}

impl Board {
    pub(super) fn new(face: Face, panel: Panel) -> Self {
        let mut numbers = Numbers::default();
        let menu = lay_out(&face.menu, &mut numbers);
        let pictures = pictures(face.status, panel);
        let now = Now {
            face,
            panel,
            pictures,
            menu,
            numbers,
            revision: 1,
        };
        Self {
            now: Mutex::new(now),
        }
    }

    pub(super) fn show(&self, face: &Face, panel: Panel) -> Changes {
        let mut guard = self.now();
        let now = &mut *guard;
        let menu = lay_out(&face.menu, &mut now.numbers);
        let changes = Changes {
            icon: (now.face.status, now.panel) != (face.status, panel),
            words: now.face.words != face.words,
            menu: difference(&now.menu, &menu),
        };
        if changes.icon {
            now.pictures = pictures(face.status, panel);
        }
        if changes.menu == Difference::Entries {
            now.revision = now.revision.wrapping_add(1);
        }
        now.menu = menu;
        now.panel = panel;
        now.face = face.clone();
        changes
    }

    /// Makes the desktop read the whole menu again.
    pub(super) fn turn(&self) {
        let mut now = self.now();
        now.revision = now.revision.wrapping_add(1);
    }

    pub(super) fn face(&self) -> Face {
        self.now().face.clone()
    }

    pub(super) fn pictures(&self) -> Vec<Picture> {
        self.now().pictures.clone()
    }

    pub(super) fn revision(&self) -> u32 {
        self.now().revision
    }

    pub(super) fn menu(&self) -> Entry {
        self.now().menu.clone()
    }

    pub(super) fn action(&self, id: i32) -> Option<Action> {
        self.now().numbers.action(id).cloned()
    }

    /// The entries of these numbers that are in the menu; all of them where none is named.
    pub(super) fn looks(&self, ids: &[i32], names: &[String]) -> Vec<(i32, Looks)> {
        let menu = self.menu();
        let mut found = Vec::new();
        collect(&menu, ids, names, &mut found);
        found
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn collect(entry: &Entry, ids: &[i32], names: &[String], found: &mut Vec<(i32, Looks)>) {
    if ids.is_empty() || ids.contains(&entry.id) {
        found.push((entry.id, looks(entry, names)));
    }
    for below in &entry.below {
        collect(below, ids, names, found);
    }
}

/// The entry's properties; only the named ones where any is named.
pub(super) fn looks(entry: &Entry, names: &[String]) -> Looks {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let properties = entry.properties.iter().filter(|(name, _)| wanted(name));
    properties
        .map(|(name, value)| ((*name).to_owned(), owned(value)))
        .collect()
}

fn owned(property: &Property) -> OwnedValue {
    let value = match property {
        Property::Text(text) => Value::from(text.as_str()),
        Property::Flag(flag) => Value::from(*flag),
        Property::Number(number) => Value::from(*number),
    };
    OwnedValue::try_from(value).expect("only file descriptors can fail to be copied")
}

pub(super) use layout::ROOT;

#[cfg(test)]
mod tests {
    use engine::view::Status;

    use super::*;
    use crate::tray::menu::{Item, Menu};

    #[test]
    fn another_theme_draws_the_icon_anew_and_leaves_the_menu() {
        let face = Face {
            status: Status::Idle,
            words: "Up to date".to_owned(),
            menu: Menu(Vec::new()),
        };
        let board = Board::new(face.clone(), Panel::Dark);
        let before = board.pictures();
        let changes = board.show(&face, Panel::Light);
        let expected = Changes {
            icon: true,
            words: false,
            menu: Difference::Nothing,
        };
        assert_eq!(changes, expected);
        assert_ne!(board.pictures(), before);
        assert!(!board.show(&face, Panel::Light).icon);
    }
    #[test]
    fn tells_of_the_entries_and_properties_that_are_asked_for() {
        let item = |label: &str| Item::Fact(label.to_owned());
        let face = |words: &str| Face {
            status: Status::Idle,
            words: words.to_owned(),
            menu: Menu(vec![item(words), Item::Separator, item("3.4 MB")]),
        };
        let board = Board::new(face("Up to date"), Panel::Dark);
        let revision = board.revision();
        let Difference::Looks(ids) = board.show(&face("Syncing"), Panel::Dark).menu else {
            panic!("the entries are the same");
        };
        assert_eq!(board.revision(), revision, "nobody reads the menu anew");
        let [(id, looks)] = &board.looks(&ids, &["label".to_owned()])[..] else {
            panic!("one entry looks different");
        };
        assert_eq!(ids, [*id]);
        let label = HashMap::from([(
            "label".to_owned(),
            owned(&Property::Text("Syncing".to_owned())),
        )]);
        assert_eq!(*looks, label);
        assert_eq!(board.looks(&ids, &[])[0].1.len(), 2);
        assert_eq!(board.looks(&[], &[]).len(), 4);
    }
}
