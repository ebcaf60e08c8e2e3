use std::path::Path;

use engine::View;
use engine::view::{MountState, MountView, PairView, ProfileName, SecretStoreView};

use super::{Action, Branch, Item, Page, command, enabled_where};

/// What waits for a person: conflicts, safety stops, problems.
pub(super) fn waiting(view: &View) -> Vec<Item> {
    let locked = view.secret_store == SecretStoreView::FileLocked;
    let passphrase = locked.then(|| command(Action::Open(Page::Passphrase), "Enter passphrase…"));
    let conflicts = counted(view.open_conflict_count, "conflict to review")
        .map(|words| command(Action::Open(Page::Conflicts), &format!("{words}…")));
    let mut items: Vec<Item> = [passphrase, conflicts].into_iter().flatten().collect();
    let halts: Vec<_> = view
        .pairs
        .iter()
        .filter_map(|pair| pair.halt.as_ref())
        .collect();
    let stopped = match halts[..] {
        [] => None,
        [halt] => Some(format!("Stopped: {}", beginning(&halt.message))),
        [..] => Some(format!("{} folders stopped", halts.len())),
    };
    items.extend(stopped.map(|words| command(Action::Open(Page::Folders), &format!("{words}…"))));
    let problems = match (view.problem_count, view.problems.first()) {
        (1, Some(problem)) => Some(format!("1 problem: {}", beginning(&problem.message))),
        (count, _) => counted(count, "problem to look at"),
    };
    items.extend(problems.map(|words| command(Action::Open(Page::Problems), &format!("{words}…"))));
    items
}

/// Folders and mounts, each below a heading of its own.
pub(super) fn submenus(view: &View) -> Vec<Item> {
    let folders: Vec<Vec<Item>> = view.pairs.iter().map(folder).collect();
    let mounts: Vec<Vec<Item>> = view.mounts.iter().map(mount).collect();
    [
        submenu(Branch::Folders, "Folders", &folders),
        submenu(Branch::Mounts, "Mounts", &mounts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn submenu(branch: Branch, label: &str, groups: &[Vec<Item>]) -> Option<Item> {
    if groups.is_empty() {
        return None;
    }
    Some(Item::Submenu {
        branch,
        label: label.to_owned(),
        items: groups.join(&Item::Separator),
    })
}

fn folder(pair: &PairView) -> Vec<Item> {
    let profile = |profile, label: &str| Item::Choice {
        action: Action::SetProfile {
            pair: pair.id.clone(),
            profile,
        },
        label: label.to_owned(),
        chosen: pair.profile == profile,
    };
    let state = match (&pair.halt, &pair.running) {
        (Some(_), _) => " · stopped",
        (None, Some(_)) => " · syncing",
        (None, None) => "",
    };
    let id = Some(pair.id.clone());
    vec![
        Item::Fact(format!("{}{state}", name(&pair.folder))),
        command(Action::OpenFolder(id.clone()), "Open"),
        command(Action::SyncNow(id), "Sync now"),
        profile(ProfileName::Safe, "Safe: keep both versions"),
        profile(ProfileName::Balanced, "Balanced: newer version wins"),
        profile(ProfileName::Fast, "Fast: fewer checks"),
    ]
}

fn mount(mount: &MountView) -> Vec<Item> {
    let id = mount.id.clone();
    let state = match mount.state {
        MountState::Starting => " · starting",
        MountState::Mounted => "",
        MountState::Reconnecting => " · reconnecting",
        MountState::Unmounting => " · unmounting",
        MountState::Unmounted => " · not mounted",
        MountState::Failed => " · failed",
    };
    let mut items = vec![Item::Fact(format!("{}{state}", name(&mount.folder)))];
    match mount.state {
        MountState::Mounted => {
            items.push(command(Action::OpenMount(id.clone()), "Open"));
            items.push(command(Action::Unmount(id), "Unmount"));
        }
        MountState::Starting | MountState::Reconnecting => {
            items.push(enabled_where(false, Action::OpenMount(id.clone()), "Open"));
            items.push(command(Action::Unmount(id), "Unmount"));
        }
        MountState::Unmounting => {
            items.push(enabled_where(false, Action::Unmount(id), "Unmount"));
        }
        MountState::Unmounted | MountState::Failed => {
            items.push(command(Action::Mount(id), "Mount"));
        }
    }
    items
}

fn name(folder: &str) -> &str {
    Path::new(folder)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(folder)
}

fn counted(count: u32, thing: &str) -> Option<String> {
    match (count, thing.split_once(' ')) {
        (0, _) => None,
        (1, _) => Some(format!("1 {thing}")),
        (count, Some((noun, rest))) => Some(format!("{count} {noun}s {rest}")),
        (count, None) => Some(format!("{count} {thing}s")),
    }
}

/// A menu is no place for a paragraph: the first sentence, and of that what one line holds.
fn beginning(message: &str) -> String {
    const LENGTH: usize = 48;
    let line = message.lines().next().unwrap_or_default();
    let sentence = line.split(". ").next().unwrap_or(line);
    let sentence = sentence.trim().trim_end_matches('.');
    if sentence.chars().count() <= LENGTH {
        return sentence.to_owned();
    }
    let mut cut: String = sentence.chars().take(LENGTH).collect();
    if let Some(space) = cut.rfind(' ') {
        cut.truncate(space);
    }
    cut
}
