use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::peers::remove_folder;
use crate::repo::Repo;
use crate::run::{self, Show};

const COMMITTED: &str = "ui/src/bindings";

/// Writes the engine's request and view types as TypeScript.
pub(crate) fn write(repo: &Repo) -> Result<()> {
    let fresh = export(repo)?;
    let folder = repo.at(COMMITTED);
    remove_folder(&folder)?;
    std::fs::create_dir_all(&folder)?;
    for (name, text) in &fresh {
        std::fs::write(folder.join(name), text)?;
    }
    println!("wrote {} files into {COMMITTED}", fresh.len());
    Ok(())
}

/// Fails if the committed types are not those of the engine.
pub(crate) fn check(repo: &Repo) -> Result<()> {
    let differing = differences(&read(&repo.at(COMMITTED))?, &export(repo)?);
    if differing.is_empty() {
        return Ok(());
    }
    bail!(
        "{COMMITTED} is not what the engine says; run `cargo xtask bindings`:\n  {}",
        differing.join("\n  ")
    )
}

fn export(repo: &Repo) -> Result<BTreeMap<String, String>> {
    let folder = repo.made("bindings");
    remove_folder(&folder)?;
    std::fs::create_dir_all(&folder)?;
    let words = [
        "cargo",
        "test",
        "--quiet",
        "--package",
        "engine",
        "--lib",
        "export_bindings",
    ];
    let mut command = run::command(repo.root(), words);
    run::require(command.env("TS_RS_EXPORT_DIR", &folder), Show::OnFailure)?;
    let files = read(&folder)?;
    if files.is_empty() {
        bail!("the engine exported no types");
    }
    Ok(files)
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ts") {
            let name = path.file_name().context("a listed file has a name")?;
            let text = std::fs::read_to_string(&path)?;
            files.insert(name.to_string_lossy().into_owned(), text);
        }
    }
    Ok(files)
}

fn differences(
    committed: &BTreeMap<String, String>,
    fresh: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut names: Vec<&String> = committed.keys().chain(fresh.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| match (committed.get(name), fresh.get(name)) {
            (Some(old), Some(new)) if old == new => None,
            (Some(_), Some(_)) => Some(format!("{name}: differs")),
            (None, _) => Some(format!("{name}: missing")),
            (Some(_), None) => Some(format!("{name}: no such type any more")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_missing_changed_and_left_over_types() {
        let files = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect()
        };
        let committed = files(&[("A.ts", "1"), ("B.ts", "1"), ("C.ts", "1")]);
        let fresh = files(&[("A.ts", "1"), ("B.ts", "2"), ("D.ts", "1")]);
        assert_eq!(
            differences(&committed, &fresh),
            [
                "B.ts: differs",
                "C.ts: no such type any more",
                "D.ts: missing"
            ]
        );
    }
}
