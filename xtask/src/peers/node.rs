use anyhow::{Context, Result, bail};

use super::pins::Pins;
use super::remove_folder;
use crate::repo::Repo;
use crate::run::{self, Show};
use crate::stamp::Stamp;

const JUDGES: &str = "crates/server/tests/judges";
const INSTALL: [&str; 4] = ["npm", "ci", "--no-audit", "--no-fund"];

pub(super) fn install_for_window(repo: &Repo) -> Result<()> {
    check()?;
    let ui = repo.at("ui");
    let stamp = Stamp::of(
        repo,
        "node-modules",
        &[ui.join("package.json"), ui.join("package-lock.json")],
        &[],
    )?;
    if stamp.is_current() && ui.join("node_modules").is_dir() {
        return Ok(());
    }
    println!("installing the npm modules of ui/");
    run::require(&mut run::command(&ui, INSTALL), Show::OnFailure)?;
    stamp.keep()
}

/// Installs the judges written for Node under `target/peers`.
pub(super) fn install_judges(repo: &Repo) -> Result<()> {
    check()?;
    let folder = repo.made("peers/judges");
    let files =
        ["package.json", "package-lock.json", ".npmrc"].map(|name| repo.at(JUDGES).join(name));
    let pins = Pins::of(&folder, &[&files[0], &files[1]])?;
    if pins.are_installed() {
        return Ok(());
    }
    println!("installing into target/peers/judges: {}", names(repo)?);
    remove_folder(&folder)?;
    std::fs::create_dir_all(&folder)?;
    for file in &files {
        let name = file.file_name().context("a file has a name")?;
        std::fs::copy(file, folder.join(name))
            .with_context(|| format!("could not copy {}", file.display()))?;
    }
    run::require(&mut run::command(&folder, INSTALL), Show::OnFailure)?;
    pins.keep()
}

fn check() -> Result<()> {
    if run::exists("npm") {
        return Ok(());
    }
    bail!("npm was not found: install Node.js 20.19 or newer");
}

fn names(repo: &Repo) -> Result<String> {
    let file = repo.at(JUDGES).join("package.json");
    let text =
        std::fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
    let package: serde_json::Value = serde_json::from_slice(&text)?;
    let wanted = package["dependencies"]
        .as_object()
        .context("the judges' package.json names dependencies")?;
    let names: Vec<String> = wanted
        .iter()
        .map(|(name, version)| match version.as_str() {
            Some(version) if version.starts_with("npm:") => version["npm:".len()..].to_owned(),
            Some(version) => format!("{name}@{version}"),
            None => name.clone(),
        })
        .collect();
    Ok(names.join(" "))
}
