//! The tray menu as a pure function of the view.

use engine::view::{AccountView, Status, SyncSwitch};
use engine::{RunKind, View};

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
    Separator,
}

/// What the menu shows that is not in the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Surroundings<'a> {
    pub(crate) now_ms: i64,
    /// What quitting does to sync, in words.
    pub(crate) quit: &'a str,
    pub(crate) login: StartAtLogin,
}

/// Whether the desktop starts the app when a person logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartAtLogin {
    On,
    Off,
    /// The desktop does not say.
    Unknown,
}

/// What a click does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    OpenFolder,
    OpenWindow,
    ReviewConflicts,
    LookAtProblems,
    ToggleSync,
    SyncNow,
    CancelSignIn,
    ToggleLogin,
    Quit,
}

impl Action {
    pub(crate) const ALL: [Self; 9] = [
        Self::OpenFolder,
        Self::OpenWindow,
        Self::ReviewConflicts,
        Self::LookAtProblems,
        Self::ToggleSync,
        Self::SyncNow,
        Self::CancelSignIn,
        Self::ToggleLogin,
        Self::Quit,
    ];

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::OpenFolder => "open-folder",
            Self::OpenWindow => "open-window",
            Self::ReviewConflicts => "review-conflicts",
            Self::LookAtProblems => "look-at-problems",
            Self::ToggleSync => "toggle-sync",
            Self::SyncNow => "sync-now",
            Self::CancelSignIn => "cancel-sign-in",
            Self::ToggleLogin => "toggle-login",
            Self::Quit => "quit",
        }
    }
}

pub(crate) const RUN: RunKind = RunKind::Sync;

/// Makes the menu of a view.
pub(crate) fn menu(view: &View, around: Surroundings<'_>) -> Menu {
    let mut items = vec![Item::Fact(status_line(view, around.now_ms))];
    let has_folder = !view.pairs.is_empty();
    match &view.account {
        AccountView::SignedIn { .. } => {
            items.push(command(Action::OpenFolder, "Open notes folder", has_folder));
            items.push(command(Action::OpenWindow, "Open window…", true));
            items.push(Item::Separator);
            items.push(Item::Toggle {
                action: Action::ToggleSync,
                label: "Sync".to_owned(),
                checked: view.sync == SyncSwitch::On,
            });
            items.push(command(Action::SyncNow, "Sync now", has_folder));
            items.extend(reviews(view));
        }
        AccountView::SignedOut { .. } => {
            items.push(command(Action::OpenWindow, "Sign in…", true));
            if has_folder {
                items.push(command(Action::OpenFolder, "Open notes folder", true));
            }
        }
        AccountView::SigningIn { .. } | AccountView::AwaitingBrowser { .. } => {
            items.push(command(Action::OpenWindow, "Show sign-in…", true));
            items.push(command(Action::CancelSignIn, "Cancel sign-in", true));
        }
    }
    if let Some(line) = account_line(view) {
        items.push(Item::Separator);
        items.push(Item::Fact(line));
    }
    items.push(Item::Separator);
    let starts = match around.login {
        StartAtLogin::On => Some(true),
        StartAtLogin::Off => Some(false),
        StartAtLogin::Unknown => None,
    };
    items.extend(starts.map(|checked| Item::Toggle {
        action: Action::ToggleLogin,
        label: "Start at login".to_owned(),
        checked,
    }));
    items.push(command(Action::Quit, around.quit, true));
    Menu(items)
}

/// The status in words, with the age of the last check where that says something.
pub(crate) fn status_line(view: &View, now_ms: i64) -> String {
    match (view.status, view.checked_at_ms) {
        (Status::Idle, Some(at)) => format!("{} · checked {}", view.headline, age(now_ms - at)),
        _ => view.headline.clone(),
    }
}

fn reviews(view: &View) -> Vec<Item> {
    let count = |action, count: u32, one: &str, many: &str| match count {
        0 => None,
        1 => Some(command(action, &format!("1 {one}…"), true)),
        count => Some(command(action, &format!("{count} {many}…"), true)),
    };
    let lines = [
        count(
            Action::ReviewConflicts,
            view.open_conflict_count,
            "conflict to review",
            "conflicts to review",
        ),
        count(
            Action::LookAtProblems,
            view.problem_count,
            "problem to look at",
            "problems to look at",
        ),
    ];
    let mut items: Vec<Item> = lines.into_iter().flatten().collect();
    if !items.is_empty() {
        items.insert(0, Item::Separator);
    }
    items
}

fn account_line(view: &View) -> Option<String> {
    let AccountView::SignedIn { email, user_id, .. } = &view.account else {
        return None;
    };
    let name = email.as_ref().unwrap_or(user_id);
    Some(match &view.subscription {
        None => name.clone(),
        Some(subscription) if !subscription.current => {
            format!("{name} · no active subscription")
        }
        Some(subscription) => match &subscription.plan {
            Some(plan) => format!("{name} · {plan}"),
            None => name.clone(),
        },
    })
}

/// Coarse on purpose: an age that changed every second would set the menu again every second.
fn age(ms: i64) -> String {
    match ms / 60_000 {
        ..=0 => "just now".to_owned(),
        minutes @ 1..=59 => format!("{minutes} min ago"),
        minutes @ 60..=2879 => format!("{} h ago", minutes / 60),
        minutes => format!("{} days ago", minutes / 1440),
    }
}

fn command(action: Action, label: &str, enabled: bool) -> Item {
    Item::Command {
        action,
        label: label.to_owned(),
        enabled,
    }
}

#[cfg(test)]
mod tests;
