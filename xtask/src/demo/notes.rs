use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

/// The notes of a folder: path from it to bytes. Hidden files are the apps' own.
pub(crate) type Notes = BTreeMap<String, Vec<u8>>;

pub(crate) fn read(folder: &Path) -> Result<Notes> {
    let mut notes = Notes::new();
    walk(folder, "", &mut notes)?;
    Ok(notes)
}

fn walk(folder: &Path, prefix: &str, notes: &mut Notes) -> Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("could not list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{path}/"), notes)?;
        } else {
            notes.insert(path, std::fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// Copies a folder of notes whole.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<usize> {
    let notes = read(from)?;
    for (path, bytes) in &notes {
        let target = to.join(path);
        std::fs::create_dir_all(target.parent().context("a note lies in a folder")?)?;
        std::fs::write(&target, bytes)?;
    }
    Ok(notes.len())
}

/// Adds a line to the end of a note, as an editor that saves by replacing would.
pub(crate) fn append(folder: &Path, note: &str, line: &str) -> Result<()> {
    let path = folder.join(note);
    let mut text =
        std::fs::read_to_string(&path).with_context(|| format!("could not read {note}"))?;
    text.push_str(line);
    text.push('\n');
    let staged = path.with_extension("md.saving");
    std::fs::write(&staged, text)?;
    std::fs::rename(&staged, &path)?;
    Ok(())
}

/// Paths at which two folders differ.
pub(crate) fn differences(one: &Notes, other: &Notes) -> Vec<String> {
    let mut paths: Vec<&String> = one
        .keys()
        .chain(other.keys())
        .filter(|path| one.get(*path) != other.get(*path))
        .collect();
    paths.sort();
    paths.dedup();
    paths.into_iter().cloned().collect()
}
