//! Folders on this computer that seem to hold notes already. Reads a list of names, no note.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::view::{NotesFolder, NotesKind};

/// Folders that are named.
const MOST: usize = 10;

/// What Obsidian keeps of its vaults.
#[derive(Debug, Default, Deserialize)]
struct Obsidian {
    #[serde(default)]
    vaults: std::collections::BTreeMap<String, Vault>,
}

#[derive(Debug, Deserialize)]
struct Vault {
    path: PathBuf,
    /// When it was last opened (Unix milliseconds).
    #[serde(default)]
    ts: i64,
    /// Whether it is open now.
    #[serde(default)]
    open: bool,
}

/// Looks for vaults in the lists below `settings`, where programs keep what was chosen, and for
/// the folder `draft`. Vaults go first, the one in use before the others.
pub(crate) fn notes(settings: &Path, draft: &Path) -> Vec<NotesFolder> {
    let mut vaults: Vec<Vault> = lists(settings)
        .iter()
        .filter_map(|list| std::fs::read(list).ok())
        .filter_map(|text| serde_json::from_slice::<Obsidian>(&text).ok())
        .flat_map(|list| list.vaults.into_values())
        .collect();
    vaults.sort_by(|one, other| {
        let order = |vault: &Vault| (!vault.open, std::cmp::Reverse(vault.ts), vault.path.clone());
        order(one).cmp(&order(other))
    });
    let vaults = vaults
        .into_iter()
        .map(|vault| (vault.path, NotesKind::Obsidian));
    let mut found: Vec<NotesFolder> = Vec::new();
    for (path, kind) in vaults.chain([(draft.to_owned(), NotesKind::Folder)]) {
        let folder = path.display().to_string();
        let known = found.iter().any(|it| it.folder == folder);
        if !known && path.is_absolute() && path.is_dir() {
            found.push(NotesFolder { folder, kind });
        }
    }
    found.truncate(MOST);
    found
}

/// Where Obsidian keeps its list: beside our settings, where macOS has them, and in a Flatpak.
fn lists(settings: &Path) -> Vec<PathBuf> {
    let home = settings.parent().unwrap_or(settings);
    [
        settings.to_owned(),
        home.join("Library/Application Support"),
        home.join(".var/app/md.obsidian.Obsidian/config"),
    ]
    .iter()
    .map(|folder| folder.join("obsidian/obsidian.json"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_vault_in_use_first_and_nothing_that_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        for folder in ["Old", "Vault", "Notes", ".config/obsidian"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        let list = serde_json::json!({ "vaults": {
            "1": { "path": at("Old"), "ts": 1 },
            "2": { "path": at("Gone"), "ts": 3 },
            "3": { "path": at("Vault"), "ts": 2, "open": true },
        }});
        let notes_of = |text: &str| {
            crate::settings::replace_file(&at(".config/obsidian/obsidian.json"), text.as_bytes())
                .unwrap();
            notes(&at(".config"), &at("Notes"))
        };
        let folder = |path: &str, kind| NotesFolder {
            folder: at(path).display().to_string(),
            kind,
        };
        let found = notes_of(&list.to_string());
        let expected = [
            folder("Vault", NotesKind::Obsidian),
            folder("Old", NotesKind::Obsidian),
            folder("Notes", NotesKind::Folder),
        ];
        assert_eq!(found, expected);
        assert_eq!(notes_of("{"), [folder("Notes", NotesKind::Folder)]);
        assert_eq!(notes(&at("none"), &at("none")), []);
    }

    #[test]
    fn a_vault_that_is_the_draft_is_named_once() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        let list = ".var/app/md.obsidian.Obsidian/config/obsidian";
        for folder in ["Notes", list] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        let text = serde_json::json!({ "vaults": { "1": { "path": at("Notes") } } }).to_string();
        let file = at(list).join("obsidian.json");
        crate::settings::replace_file(&file, text.as_bytes()).unwrap();
        let found = notes(&at(".config"), &at("Notes"));
        let kinds: Vec<NotesKind> = found.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, [NotesKind::Obsidian]);
    }
}
