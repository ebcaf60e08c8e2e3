use super::{Action, Branch, Item, Menu};

/// One item that looks different, named by its place among all items: each one comes before those
/// that are below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) place: usize,
    pub(crate) look: Look,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Label(String),
    Enabled(bool),
    Marked(bool),
}

/// What makes one menu look like another that has the same items; absent where the items differ.
///
/// Each mark is among them, also an equal one: some systems turn a mark at the click, whatever
/// comes of it.
pub(crate) fn updates(before: &Menu, after: &Menu) -> Option<Vec<Update>> {
    let (before, after) = (all(&before.0), all(&after.0));
    let identities = after.iter().map(|item| identity(item));
    if before.iter().map(|item| identity(item)).ne(identities) {
        return None;
    }
    let mut updates = Vec::new();
    for (place, (before, after)) in before.iter().zip(&after).enumerate() {
        let shown = looks(before);
        for look in looks(after) {
            if matches!(look, Look::Marked(_)) || !shown.contains(&look) {
                updates.push(Update { place, look });
            }
        }
    }
    Some(updates)
}

/// In the order of their places.
fn all(items: &[Item]) -> Vec<&Item> {
    let each = items.iter().flat_map(|item| {
        let below = match item {
            Item::Submenu { items, .. } => all(items),
            Item::Fact(_)
            | Item::Command { .. }
            | Item::Toggle { .. }
            | Item::Choice { .. }
            | Item::Separator => Vec::new(),
        };
        std::iter::once(item).chain(below)
    });
    each.collect()
}

/// What makes it the same item, however it looks.
#[derive(PartialEq)]
enum Identity<'a> {
    Fact,
    Command(&'a Action),
    Toggle(&'a Action),
    Choice(&'a Action),
    /// With the number of items below it.
    Submenu(Branch, usize),
    Separator,
}

fn identity(item: &Item) -> Identity<'_> {
    match item {
        Item::Fact(_) => Identity::Fact,
        Item::Command { action, .. } => Identity::Command(action),
        Item::Toggle { action, .. } => Identity::Toggle(action),
        Item::Choice { action, .. } => Identity::Choice(action),
        Item::Submenu { branch, items, .. } => Identity::Submenu(*branch, items.len()),
        Item::Separator => Identity::Separator,
    }
}

fn looks(item: &Item) -> Vec<Look> {
    let (label, more) = match item {
        Item::Separator => return Vec::new(),
        Item::Fact(label) | Item::Submenu { label, .. } => (label, None),
        Item::Command { label, enabled, .. } => (label, Some(Look::Enabled(*enabled))),
        Item::Toggle {
            label, checked: on, ..
        }
        | Item::Choice {
            label, chosen: on, ..
        } => (label, Some(Look::Marked(*on))),
    };
    std::iter::once(Look::Label(label.clone()))
        .chain(more)
        .collect()
}

#[cfg(test)]
mod tests {
    use engine::view::ProfileName;

    use super::*;

    fn fact(words: &str) -> Item {
        Item::Fact(words.to_owned())
    }

    fn command(action: Action, label: &str) -> Item {
        super::super::command(action, label)
    }

    fn switch(checked: bool) -> Item {
        Item::Toggle {
            action: Action::ToggleSync,
            label: "Sync".to_owned(),
            checked,
        }
    }

    fn choice(pair: &str, chosen: bool) -> Item {
        let profile = ProfileName::Fast;
        let pair = pair.to_owned();
        Item::Choice {
            action: Action::SetProfile { pair, profile },
            label: "Fast: fewer checks".to_owned(),
            chosen,
        }
    }

    fn submenu(branch: Branch, label: &str, items: Vec<Item>) -> Item {
        let label = label.to_owned();
        Item::Submenu {
            branch,
            label,
            items,
        }
    }

    fn of(before: Vec<Item>, after: Vec<Item>) -> Option<Vec<Update>> {
        updates(&Menu(before), &Menu(after))
    }

    fn update(place: usize, look: Look) -> Update {
        Update { place, look }
    }

    fn label(place: usize, words: &str) -> Update {
        update(place, Look::Label(words.to_owned()))
    }

    /// A status, a submenu with a folder's state and profile, and the end.
    fn menu(status: &str, folders: &str, state: &str, chosen: bool, quit: &str) -> Vec<Item> {
        let below = vec![fact(state), Item::Separator, choice("pair_1", chosen)];
        vec![
            fact(status),
            submenu(Branch::Folders, folders, below),
            Item::Separator,
            command(Action::Quit, quit),
        ]
    }

    #[test]
    fn an_older_age_is_a_new_label_of_the_first_item() {
        let aged = |age: &str| vec![fact(age), command(Action::Quit, "Quit")];
        assert_eq!(
            of(aged("checked 10 s ago"), aged("checked 20 s ago")),
            Some(vec![label(0, "checked 20 s ago")])
        );
        assert_eq!(of(aged("just now"), aged("just now")), Some(Vec::new()));
    }

    #[test]
    fn a_place_counts_what_is_below_the_items_before_it() {
        let before = menu("Up to date", "Folders", "Notes", false, "Quit");
        let after = menu(
            "Syncing",
            "Paused until 14:30",
            "Notes · syncing",
            true,
            "Leave",
        );
        let expected = vec![
            label(0, "Syncing"),
            label(1, "Paused until 14:30"),
            label(2, "Notes · syncing"),
            update(4, Look::Marked(true)),
            label(6, "Leave"),
        ];
        assert_eq!(of(before, after), Some(expected));
    }

    #[test]
    fn a_mark_is_set_each_time_as_a_click_may_have_turned_it() {
        assert_eq!(
            of(
                vec![switch(true), choice("pair_1", false)],
                vec![switch(true), choice("pair_1", false)]
            ),
            Some(vec![
                update(0, Look::Marked(true)),
                update(1, Look::Marked(false))
            ])
        );
    }

    #[test]
    fn a_command_is_enabled_and_disabled_where_it_stands() {
        let open = |enabled| {
            vec![Item::Command {
                action: Action::OpenMount("mount_1".to_owned()),
                label: "Open".to_owned(),
                enabled,
            }]
        };
        let enabled = |on| Some(vec![update(0, Look::Enabled(on))]);
        assert_eq!(of(open(false), open(true)), enabled(true));
        assert_eq!(of(open(true), open(false)), enabled(false));
        assert_eq!(of(open(true), open(true)), Some(Vec::new()));
    }

    #[test]
    fn other_items_make_another_menu() {
        let sync_now = |pair: &str| command(Action::SyncNow(Some(pair.to_owned())), "Sync now");
        let pause = |items| submenu(Branch::Pause, "Pause", items);
        let others = [
            (vec![fact("Sign in")], vec![]),
            (vec![], vec![Item::Separator]),
            (vec![fact("Sign in")], vec![Item::Separator]),
            (vec![fact("Quit")], vec![command(Action::Quit, "Quit")]),
            (vec![sync_now("pair_1")], vec![sync_now("pair_2")]),
            (vec![choice("pair_1", true)], vec![choice("pair_2", true)]),
            (
                vec![switch(true)],
                vec![command(Action::ToggleSync, "Sync")],
            ),
            (
                vec![pause(vec![])],
                vec![submenu(Branch::Help, "Pause", vec![])],
            ),
            // As many items, but not below the same one.
            (
                vec![pause(vec![fact("a")]), fact("b")],
                vec![pause(vec![fact("a"), fact("b")])],
            ),
            (
                vec![pause(vec![sync_now("pair_1")])],
                vec![pause(vec![sync_now("pair_2")])],
            ),
        ];
        for (before, after) in others {
            assert_eq!(
                of(before.clone(), after.clone()),
                None,
                "{before:?} {after:?}"
            );
        }
    }
}
