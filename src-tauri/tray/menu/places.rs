use std::path::Path;

use engine::View;
use engine::view::{MountState, MountView, PairView, ProfileName, SecretStoreView};

use super::words::{NAME_LENGTH, shortened};
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
    items.extend(stopped.map(|words| command(Action::Open(Page::Stopped), &format!("{words}…"))));
    let drives = || view.mounts.iter();
    let failed: Vec<_> = drives()
        .filter(|mount| mount.state == MountState::Failed)
        .collect();
    let failed = match failed[..] {
        [] => None,
        [drive] => Some(format!(
            "{} is not available",
            named(&drive.folder, drives().map(|other| &*other.folder))
        )),
        [..] => Some(format!("{} drives are not available", failed.len())),
    };
    items.extend(failed.map(|words| command(Action::Open(Page::Drives), &format!("{words}…"))));
    let problems = match (view.problem_count, view.problems.first()) {
        (1, Some(problem)) => Some(format!("1 problem: {}", beginning(&problem.message))),
        (count, _) => counted(count, "problem to look at"),
    };
    items.extend(problems.map(|words| command(Action::Open(Page::Problems), &format!("{words}…"))));
    items
}

/// Folders and mounts, each below a heading of its own. Where there are many, the window lists them
/// all: a menu that is longer than the screen is no help.
pub(super) fn submenus(view: &View) -> Vec<Item> {
    let names = || view.pairs.iter().map(|pair| &*pair.folder);
    let shown = view.pairs.iter().take(fitting(view.pairs.len()));
    let mut folders: Vec<Vec<Item>> = shown
        .map(|pair| folder(pair, &named(&pair.folder, names())))
        .collect();
    folders.extend(more(view.pairs.len(), "folder", Page::Folders));
    let names = || view.mounts.iter().map(|mount| &*mount.folder);
    let shown = view.mounts.iter().take(fitting(view.mounts.len()));
    let mut mounts: Vec<Vec<Item>> = shown
        .map(|drive| mount(drive, &named(&drive.folder, names())))
        .collect();
    mounts.extend(more(view.mounts.len(), "drive", Page::Mounts));
    [
        submenu(Branch::Folders, "Folders", &folders),
        submenu(Branch::Mounts, "Mounts", &mounts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How many of so many a submenu holds. A line that says that there is one more takes as much room.
fn fitting(count: usize) -> usize {
    const MOST: usize = 4;
    if count <= MOST { count } else { MOST - 1 }
}

fn more(count: usize, thing: &str, page: Page) -> Option<Vec<Item>> {
    let rest = count - fitting(count);
    (rest > 0).then(|| {
        vec![command(
            Action::Open(page),
            &format!("{rest} more {thing}s…"),
        )]
    })
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

fn folder(pair: &PairView, name: &str) -> Vec<Item> {
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
        Item::Fact(format!("{name}{state}")),
        command(Action::OpenFolder(id.clone()), "Open"),
        command(Action::SyncNow(id), "Sync now"),
        profile(ProfileName::Safe, "Safe: keep both versions"),
        profile(ProfileName::Balanced, "Balanced: newer version wins"),
        profile(ProfileName::Fast, "Fast: fewer checks"),
    ]
}

fn mount(mount: &MountView, name: &str) -> Vec<Item> {
    let id = mount.id.clone();
    let state = match mount.state {
        MountState::Starting => " · starting",
        MountState::Mounted => "",
        MountState::Reconnecting => " · reconnecting",
        MountState::Unmounting => " · unmounting",
        MountState::Unmounted => " · not mounted",
        MountState::Failed => " · failed",
    };
    let waiting = match mount.waiting {
        0 => String::new(),
        count => format!(" · {count} waiting"),
    };
    let mut items = vec![Item::Fact(format!("{name}{state}{waiting}"))];
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

/// The folder's own name; with that of the folder above where others are called the same.
fn named<'a>(folder: &str, mut all: impl Iterator<Item = &'a str>) -> String {
    let own = Path::new(folder).file_name();
    let is_twin = |other: &str| other != folder && Path::new(other).file_name() == own;
    let name = own.map_or(folder.into(), |own| own.to_string_lossy());
    let above = Path::new(folder).parent().and_then(Path::file_name);
    match above.filter(|_| all.any(is_twin)) {
        Some(above) => {
            let above = above.to_string_lossy();
            format!(
                "{} in {}",
                shortened(&name, NAME_LENGTH),
                shortened(&above, NAME_LENGTH)
            )
        }
        None => shortened(&name, NAME_LENGTH),
    }
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
    let sentence = shortened(sentence.trim().trim_end_matches('.'), LENGTH);
    sentence.trim_end_matches('…').to_owned()
}
