//! The menu in the numbers and properties of `com.canonical.dbusmenu`.

use std::collections::BTreeMap;

use crate::tray::menu::{Action, Branch, Item, Menu, Page};

/// The root of every menu.
pub(super) const ROOT: i32 = 0;

/// An entry with what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: i32,
    pub(super) properties: BTreeMap<&'static str, Property>,
    pub(super) below: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Property {
    Text(String),
    Flag(bool),
    Number(i32),
}

/// What has to be told of a new menu.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Difference {
    Nothing,
    /// The same entries; these look different.
    Looks(Vec<i32>),
    /// Entries came or went.
    Entries,
}

/// The numbers given so far. A number means the same as long as the app runs, so that a click on
/// an entry that left the menu a moment ago still does what it said.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    by_key: BTreeMap<String, i32>,
    actions: BTreeMap<i32, Action>,
}

impl Numbers {
    pub(super) fn action(&self, id: i32) -> Option<&Action> {
        self.actions.get(&id)
    }

    fn number(&mut self, key: String) -> i32 {
        let next = i32::try_from(self.by_key.len() + 1).unwrap_or(i32::MAX);
        *self.by_key.entry(key).or_insert(next)
    }

    fn clickable(&mut self, action: &Action) -> i32 {
        let id = self.number(action.key());
        self.actions.entry(id).or_insert_with(|| action.clone());
        id
    }
}

impl Entry {
    pub(super) fn find(&self, id: i32) -> Option<&Self> {
        if self.id == id {
            return Some(self);
        }
        self.below.iter().find_map(|entry| entry.find(id))
    }

    fn all(&self) -> Vec<&Self> {
        let below = self.below.iter().flat_map(Self::all);
        std::iter::once(self).chain(below).collect()
    }
}

pub(super) fn lay_out(menu: &Menu, numbers: &mut Numbers) -> Entry {
    Entry {
        id: ROOT,
        properties: BTreeMap::from([("children-display", text("submenu"))]),
        below: entries(&menu.0, "", numbers),
    }
}

pub(super) fn difference(before: &Entry, after: &Entry) -> Difference {
    let (before, after) = (before.all(), after.all());
    let shape = |entries: &[&Entry]| -> Vec<(i32, usize)> {
        let each = entries.iter();
        each.map(|entry| (entry.id, entry.below.len())).collect()
    };
    if shape(&before) != shape(&after) {
        return Difference::Entries;
    }
    let pairs = before.into_iter().zip(after);
    let changed: Vec<i32> = pairs
        .filter(|(before, after)| before.properties != after.properties)
        .map(|(_, after)| after.id)
        .collect();
    if changed.is_empty() {
        Difference::Nothing
    } else {
        Difference::Looks(changed)
    }
}

fn entries(items: &[Item], parent: &str, numbers: &mut Numbers) -> Vec<Entry> {
    let (mut facts, mut separators) = (0, 0);
    let each = items.iter().map(|item| match item {
        Item::Fact(label) => {
            facts += 1;
            leaf(
                numbers.number(format!("fact:{parent}:{facts}")),
                [
                    ("label", literal(label)),
                    ("enabled", Property::Flag(false)),
                ],
            )
        }
        Item::Separator => {
            separators += 1;
            leaf(
                numbers.number(format!("separator:{parent}:{separators}")),
                [("type", text("separator"))],
            )
        }
        Item::Command {
            action,
            label,
            enabled,
        } => {
            let looks = [
                ("label", literal(label)),
                ("enabled", Property::Flag(*enabled)),
            ];
            let mut entry = leaf(numbers.clickable(action), looks);
            entry
                .properties
                .extend(icon(action).map(|name| ("icon-name", text(name))));
            entry
        }
        Item::Toggle {
            action,
            label,
            checked,
        } => switch(numbers.clickable(action), label, "checkmark", *checked),
        Item::Choice {
            action,
            label,
            chosen,
        } => switch(numbers.clickable(action), label, "radio", *chosen),
        Item::Submenu {
            branch,
            label,
            items,
        } => {
            let name = name(*branch);
            let looks = [
                ("label", literal(label)),
                ("enabled", Property::Flag(true)),
                ("children-display", text("submenu")),
            ];
            Entry {
                below: entries(items, name, numbers),
                ..leaf(numbers.number(format!("submenu:{name}")), looks)
            }
        }
    });
    each.collect()
}

fn leaf<const N: usize>(id: i32, looks: [(&'static str, Property); N]) -> Entry {
    Entry {
        id,
        properties: BTreeMap::from(looks),
        below: Vec::new(),
    }
}

fn switch(id: i32, label: &str, kind: &str, on: bool) -> Entry {
    let looks = [
        ("label", literal(label)),
        ("enabled", Property::Flag(true)),
        ("toggle-type", text(kind)),
        ("toggle-state", Property::Number(i32::from(on))),
    ];
    leaf(id, looks)
}

fn name(branch: Branch) -> &'static str {
    match branch {
        Branch::Pause => "pause",
        Branch::Folders => "folders",
        Branch::Mounts => "mounts",
        Branch::Help => "help",
    }
}

/// Only what waits for a person has one: panels push the words of an entry with an icon aside.
/// The names are those of icon themes; a theme without one shows none.
fn icon(action: &Action) -> Option<&'static str> {
    match action {
        Action::Open(
            Page::Passphrase | Page::Conflicts | Page::Stopped | Page::Drives | Page::Problems,
        ) => Some("dialog-warning-symbolic"),
        Action::Open(
            Page::Any
            | Page::SignIn
            | Page::Folders
            | Page::Mounts
            | Page::Account
            | Page::Settings
            | Page::Diagnostics
            | Page::SetUp,
        )
        | Action::OpenFolder(_)
        | Action::OpenMount(_)
        | Action::Mount(_)
        | Action::Unmount(_)
        | Action::SyncNow(_)
        | Action::OpenDocumentation
        | Action::Quit
        | Action::ToggleSync
        | Action::Pause(_)
        | Action::SetProfile { .. }
        | Action::OpenSignInPage
        | Action::CopySignInLink
        | Action::CancelSignIn
        | Action::ToggleLogin => None,
    }
}

fn text(text: &str) -> Property {
    Property::Text(text.to_owned())
}

/// A lone underscore would mark the next letter for the keyboard and vanish.
fn literal(label: &str) -> Property {
    Property::Text(label.replace('_', "__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(labels: &[(&str, Action)]) -> Menu {
        let items = labels.iter().map(|(label, action)| Item::Command {
            action: action.clone(),
            label: (*label).to_owned(),
            enabled: true,
        });
        Menu(items.collect())
    }

    #[test]
    fn a_number_means_the_same_in_every_later_menu() {
        let mut numbers = Numbers::default();
        let first = lay_out(
            &menu(&[("Cancel", Action::CancelSignIn), ("Quit", Action::Quit)]),
            &mut numbers,
        );
        let (cancel, quit) = (first.below[0].id, first.below[1].id);
        let second = lay_out(&menu(&[("Leave", Action::Quit)]), &mut numbers);
        assert_eq!(second.below[0].id, quit);
        assert_eq!(numbers.action(cancel), Some(&Action::CancelSignIn));
        let third = lay_out(
            &menu(&[
                ("Sync now", Action::SyncNow(None)),
                ("Cancel", Action::CancelSignIn),
            ]),
            &mut numbers,
        );
        assert_eq!(third.below[1].id, cancel);
        assert!(![cancel, quit, ROOT].contains(&third.below[0].id));
    }

    #[test]
    fn a_new_label_is_no_new_menu() {
        let mut numbers = Numbers::default();
        let mut laid = |label: &str| lay_out(&menu(&[(label, Action::Quit)]), &mut numbers);
        let (quit, same, leave) = (laid("Quit"), laid("Quit"), laid("Leave"));
        assert_eq!(difference(&quit, &same), Difference::Nothing);
        let changed = Difference::Looks(vec![quit.below[0].id]);
        assert_eq!(difference(&quit, &leave), changed);
        let none = lay_out(&menu(&[]), &mut numbers);
        assert_eq!(difference(&quit, &none), Difference::Entries);
    }

    #[test]
    fn only_what_waits_for_a_person_has_an_icon() {
        let mut numbers = Numbers::default();
        let mut icon = |action: Action| {
            let laid = lay_out(&menu(&[("a", action)]), &mut numbers);
            laid.below[0].properties.get("icon-name").cloned()
        };
        let warning = text("dialog-warning-symbolic");
        for page in [
            Page::Passphrase,
            Page::Conflicts,
            Page::Stopped,
            Page::Drives,
            Page::Problems,
        ] {
            assert_eq!(icon(Action::Open(page)), Some(warning.clone()), "{page:?}");
        }
        assert_eq!(icon(Action::Open(Page::Folders)), None);
        assert_eq!(icon(Action::Quit), None);
    }

    #[test]
    fn every_entry_has_a_number_of_its_own_in_whatever_level() {
        let level = |branch| Item::Submenu {
            branch,
            label: "Below".to_owned(),
            items: vec![Item::Fact("Notes".to_owned()), Item::Separator],
        };
        let whole = Menu(vec![
            Item::Fact("Up to date".to_owned()),
            Item::Separator,
            level(Branch::Folders),
            level(Branch::Mounts),
            Item::Fact("3.4 MB".to_owned()),
            Item::Separator,
        ]);
        let laid = lay_out(&whole, &mut Numbers::default());
        let mut ids: Vec<i32> = laid.all().iter().map(|entry| entry.id).collect();
        assert_eq!(ids.len(), 11);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 11);
    }

    #[test]
    fn an_underscore_in_a_name_is_shown() {
        let mut numbers = Numbers::default();
        let laid = lay_out(&menu(&[("my_notes", Action::Quit)]), &mut numbers);
        assert_eq!(laid.below[0].properties["label"], text("my__notes"));
    }
}
