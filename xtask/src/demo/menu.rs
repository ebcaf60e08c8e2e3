use std::time::Duration;

use anyhow::{Context, Result};

use crate::child;
use crate::demo::bus;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const SOON: Duration = Duration::from_secs(30);

/// The tray icon's menu as the desktop sees it over the bus.
pub(crate) struct TrayMenu {
    address: String,
    owner: String,
    object: String,
}

/// One entry of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: i32,
    depth: usize,
    label: Option<String>,
    enabled: Enabled,
    mark: Mark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enabled {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    None,
    Off,
    On,
}

impl TrayMenu {
    /// Waits until an item registers with the desktop's tray. One whose program ended is still
    /// listed for a moment.
    pub(crate) fn find(address: &str) -> Result<Self> {
        child::wait_for("the tray icon", SOON, || {
            let arguments = [WATCHER, "RegisteredStatusNotifierItems"];
            let items = property(address, WATCHER, "/StatusNotifierWatcher", arguments)?;
            Ok(strings(&items)
                .iter()
                .find_map(|item| Self::of(address, item)))
        })
    }

    /// The menu of an item that is there to answer.
    fn of(address: &str, item: &str) -> Option<Self> {
        let (owner, object) = item.split_at(item.find('/')?);
        let arguments = ["org.kde.StatusNotifierItem", "Menu"];
        let menu = property(address, owner, object, arguments).ok()?;
        Some(Self {
            address: address.to_owned(),
            owner: owner.to_owned(),
            object: strings(&menu).into_iter().next()?,
        })
    }

    pub(crate) fn entries(&self) -> Result<Vec<Entry>> {
        let arguments = ["0", "-1", "[]"];
        Ok(parse(
            &self.call("com.canonical.dbusmenu.GetLayout", &arguments)?,
        ))
    }

    /// Clicks the entry whose label begins like this.
    pub(crate) fn click(&self, beginning: &str) -> Result<()> {
        let entries = self.entries()?;
        let entry = entries
            .iter()
            .find(|entry| {
                entry
                    .label
                    .as_ref()
                    .is_some_and(|it| it.starts_with(beginning))
            })
            .with_context(|| format!("the tray menu has no entry `{beginning}`"))?;
        let arguments = [&entry.id.to_string(), "clicked", "<int32 0>", "0"];
        self.call("com.canonical.dbusmenu.Event", &arguments)
            .map(drop)
    }

    fn call(&self, method: &str, arguments: &[&str]) -> Result<String> {
        bus::call(&self.address, &self.owner, &self.object, method, arguments)
    }
}

/// The menu as lines of text.
pub(crate) fn lines(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| {
            let Some(label) = &entry.label else {
                return "--".to_owned();
            };
            let indent = "  ".repeat(entry.depth.saturating_sub(1));
            let mark = match entry.mark {
                Mark::None => "",
                Mark::Off => "[ ] ",
                Mark::On => "[x] ",
            };
            let fact = match entry.enabled {
                Enabled::Yes => "",
                Enabled::No => "   (not clickable)",
            };
            format!("{indent}{mark}{label}{fact}")
        })
        .collect()
}

fn property(address: &str, owner: &str, object: &str, arguments: [&str; 2]) -> Result<String> {
    bus::call(
        address,
        owner,
        object,
        "org.freedesktop.DBus.Properties.Get",
        &arguments,
    )
}

/// The quoted strings of a value in the bus's text form.
fn strings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\'' || letter == '"' {
            found.push(quoted(&mut letters, letter));
        }
    }
    found
}

fn quoted(letters: &mut impl Iterator<Item = char>, end: char) -> String {
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            letter if letter == end => break,
            letter => text.push(letter),
        }
    }
    text
}

/// Reads the answer of `GetLayout`: nested `(id, {properties}, [children])`.
fn parse(layout: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut depth = 0_usize;
    let mut before = String::new();
    let mut letters = layout.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '{' => {
                let properties = braced(&mut letters);
                entries.extend(entry(&before, depth, &properties));
                before.clear();
            }
            '(' => before.clear(),
            letter => before.push(letter),
        }
    }
    entries
}

/// The text up to the matching brace; braces in strings do not count.
fn braced(letters: &mut impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', Some(_)) => {
                text.push(letter);
                text.extend(letters.next());
                continue;
            }
            ('}', None) => break,
            ('\'' | '"', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            _ => {}
        }
        text.push(letter);
    }
    text
}

fn entry(before: &str, depth: usize, properties: &str) -> Option<Entry> {
    let id = before
        .rsplit(' ')
        .find_map(|word| word.trim_end_matches([',', ' ']).parse().ok())?;
    let value = |name: &str| {
        let at = properties.find(&format!("'{name}': <"))? + name.len() + 5;
        Some(&properties[at..])
    };
    if id == 0 || value("visible").is_some_and(|text| text.starts_with("false")) {
        return None;
    }
    let label = value("label").map(|text| {
        let label = strings(text).into_iter().next().unwrap_or_default();
        // One underscore marks the access key, two are an underscore.
        label
            .replace("__", "\u{0}")
            .replace('_', "")
            .replace('\u{0}', "_")
    });
    let is_separator = value("type").is_some_and(|text| text.starts_with("'separator'"));
    let is_check = value("toggle-type").is_some();
    let is_on = value("toggle-state")
        .is_some_and(|text| text.trim_start_matches("int32 ").starts_with('1'));
    let mark = match (is_check, is_on) {
        (false, _) => Mark::None,
        (true, true) => Mark::On,
        (true, false) => Mark::Off,
    };
    let enabled = match value("enabled") {
        Some(text) if text.starts_with("false") => Enabled::No,
        Some(_) | None => Enabled::Yes,
    };
    Some(Entry {
        id,
        depth,
        label: label.filter(|_| !is_separator),
        enabled,
        mark,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: &str = r#"(uint32 7, (0, {'children-display': <'submenu'>}, [<(1, {'label': <'Up to date \xc2\xb7 {checked}'>, 'enabled': <false>}, @av [])>, <(2, {'label': <"Ana's _notes">, 'toggle-type': <'checkmark'>, 'toggle-state': <1>}, @av [])>, <(3, {'type': <'separator'>}, @av [])>, <(4, {'label': <'Pause'>, 'children-display': <'submenu'>}, [<(5, {'label': <'1 hour'>}, @av [])>])>, <(6, {'label': <'Hidden'>, 'visible': <false>}, @av [])>, <(9, {'label': <'Sync'>, 'toggle-type': <'checkmark'>, 'toggle-state': <int32 0>}, @av [])>]))"#;

    #[test]
    fn reads_labels_marks_depth_and_what_cannot_be_clicked() {
        let entries = parse(LAYOUT);
        assert_eq!(
            lines(&entries)[1..],
            ["[x] Ana's notes", "--", "Pause", "  1 hour", "[ ] Sync"]
        );
        assert!(lines(&entries)[0].ends_with("{checked}   (not clickable)"));
        assert_eq!(
            entries.iter().map(|entry| entry.id).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5, 9]
        );
    }

    #[test]
    fn finds_where_the_item_is() {
        let answer = "(<[':1.23/org/ayatana/NotificationItem/tray']>,)";
        assert_eq!(strings(answer), [":1.23/org/ayatana/NotificationItem/tray"]);
        assert_eq!(strings("(<@as []>,)"), Vec::<String>::new());
    }
}
