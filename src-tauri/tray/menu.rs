//! The tray menu as a pure function of the view.

mod action;
mod places;
#[cfg(any(test, not(target_os = "linux")))]
mod updates;
mod words;

use engine::View;
use engine::view::{AccountView, Status, SyncSwitch};
use time::UtcOffset;

use crate::clipboard;
use crate::login::StartAtLogin;

pub(crate) use action::{Action, Page, Pause};
#[cfg(not(target_os = "linux"))]
pub(crate) use updates::{Look, Update, updates};
pub(crate) use words::status_line;

/// What the first line holds; the window has the whole of it.
const STATUS_LENGTH: usize = 72;

/// The whole menu; equal menus need not be set again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Menu(pub(crate) Vec<Item>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Disabled: facts are not commands.
    Fact(String),
    Command {
        action: Action,
        label: String,
        enabled: bool,
    },
    Toggle {
        action: Action,
        label: String,
        checked: bool,
    },
    /// One of several that exclude each other.
    Choice {
        action: Action,
        label: String,
        chosen: bool,
    },
    /// Has a level of its own; there is none below it.
    Submenu {
        branch: Branch,
        label: String,
        items: Vec<Item>,
    },
    Separator,
}

/// Which submenu it is, whatever its label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Branch {
    Pause,
    Folders,
    Mounts,
    Help,
}

/// What the menu shows that is not in the view.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) now_ms: i64,
    /// How far the person's clock is from UTC at a time (Unix milliseconds).
    pub(crate) offset_at: &'a dyn Fn(i64) -> UtcOffset,
    /// What quitting does to sync, in words.
    pub(crate) quit: &'a str,
    pub(crate) login: StartAtLogin,
}

/// Makes the menu of a view.
pub(crate) fn menu(view: &View, around: Surroundings<'_>) -> Menu {
    let line = words::shortened(&status_line(view, around), STATUS_LENGTH);
    let mut items = vec![Item::Fact(line)];
    match &view.account {
        AccountView::SignedIn { .. } if is_set_up(view) => {
            items.extend(at_work(view, around));
        }
        AccountView::SignedIn { .. } => {
            items.push(command(Action::Open(Page::Any), "Continue set-up…"));
            items.extend(account(view, around));
        }
        AccountView::SignedOut { .. } if !engine_runs(view) => {
            items.push(command(Action::Open(Page::Any), "Open window…"));
        }
        AccountView::SignedOut { .. } => {
            items.push(command(Action::Open(Page::SignIn), "Sign in…"));
            if view.notes_folder.is_some() {
                items.push(command(Action::OpenFolder(None), "Open notes folder"));
            }
        }
        AccountView::SigningIn { .. } => {
            items.push(command(Action::Open(Page::SignIn), "Show sign-in…"));
            items.push(command(Action::CancelSignIn, "Cancel sign-in"));
        }
        AccountView::AwaitingBrowser { user_code, .. } => {
            items.push(Item::Fact(format!("Code: {user_code}")));
            items.push(command(Action::OpenSignInPage, "Open sign-in page"));
            if clipboard::WORKS {
                items.push(command(Action::CopySignInLink, "Copy link"));
            }
            items.push(command(Action::Open(Page::SignIn), "Show sign-in…"));
            items.push(command(Action::CancelSignIn, "Cancel sign-in"));
        }
    }
    items.push(Item::Separator);
    items.extend(ending(view, around));
    Menu(items)
}

fn is_set_up(view: &View) -> bool {
    !view.pairs.is_empty() || !view.mounts.is_empty()
}

/// Drives follow no switch: what stops and starts sync is there where a folder is.
fn at_work(view: &View, around: Surroundings<'_>) -> Vec<Item> {
    let has_folder = !view.pairs.is_empty();
    let open_window = command(Action::Open(Page::Any), "Open window…");
    let mut items = if has_folder {
        let open = command(Action::OpenFolder(None), "Open notes folder");
        let sync = Item::Toggle {
            action: Action::ToggleSync,
            label: "Sync".to_owned(),
            checked: view.sync == SyncSwitch::On,
        };
        let mut items = vec![open, open_window, Item::Separator, sync];
        items.extend(pause(view, around));
        items.push(command(Action::SyncNow(None), "Sync now"));
        items
    } else {
        vec![open_window]
    };
    for part in [places::waiting(view), places::submenus(view)] {
        if !part.is_empty() {
            items.push(Item::Separator);
            items.extend(part);
        }
    }
    items.extend(account(view, around));
    items
}

fn account(view: &View, around: Surroundings<'_>) -> Vec<Item> {
    let line = words::account_line(view, around);
    let line = line.map(|line| command(Action::Open(Page::Account), &line));
    let storage = words::storage_line(view).map(Item::Fact);
    std::iter::once(Item::Separator)
        .chain(line)
        .chain(storage)
        .collect()
}

/// A pause has an end, so there is none while sync is off until it is turned on again.
fn pause(view: &View, around: Surroundings<'_>) -> Option<Item> {
    let label = match view.sync {
        SyncSwitch::On => "Pause".to_owned(),
        SyncSwitch::PausedUntil { until_ms } => words::paused_until(until_ms, around),
        SyncSwitch::Off => return None,
    };
    let choices = Pause::ALL
        .into_iter()
        .map(|pause| command(Action::Pause(pause), pause.label()));
    Some(Item::Submenu {
        branch: Branch::Pause,
        label,
        items: choices.collect(),
    })
}

/// Without one nobody is known to be signed in, and no page can be filled.
fn engine_runs(view: &View) -> bool {
    let without = matches!(view.status, Status::Starting | Status::Error);
    !(without && matches!(view.account, AccountView::SignedOut { .. }))
}

/// Only what leads somewhere: there is nothing to set up again before somebody has signed in.
fn ending(view: &View, around: Surroundings<'_>) -> Vec<Item> {
    let runs = engine_runs(view);
    let signed_in = matches!(view.account, AccountView::SignedIn { .. });
    let again = signed_in && is_set_up(view);
    let settings = runs.then(|| command(Action::Open(Page::Settings), "Settings…"));
    let mut items: Vec<Item> = settings.into_iter().collect();
    items.extend(login(around).map(|checked| Item::Toggle {
        action: Action::ToggleLogin,
        label: "Start at login".to_owned(),
        checked,
    }));
    let mut help = vec![command(Action::OpenDocumentation, "Documentation")];
    help.extend(again.then(|| command(Action::Open(Page::SetUp), "Set up again…")));
    help.extend(runs.then(|| command(Action::Open(Page::Diagnostics), "Export diagnostics…")));
    help.push(Item::Fact(format!("Basic Memory {}", view.version)));
    items.push(Item::Submenu {
        branch: Branch::Help,
        label: "Help".to_owned(),
        items: help,
    });
    items.push(Item::Separator);
    items.push(command(Action::Quit, around.quit));
    items
}

fn login(around: Surroundings<'_>) -> Option<bool> {
    match around.login {
        StartAtLogin::On => Some(true),
        StartAtLogin::Off => Some(false),
        StartAtLogin::Unknown => None,
    }
}

fn command(action: Action, label: &str) -> Item {
    enabled_where(true, action, label)
}

fn enabled_where(enabled: bool, action: Action, label: &str) -> Item {
    Item::Command {
        action,
        label: label.to_owned(),
        enabled,
    }
}

#[cfg(test)]
mod tests;
