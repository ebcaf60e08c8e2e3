use std::path::Path;

use anyhow::{Context, Result};

use super::pins::Pins;
use super::remove_folder;
use crate::repo::Repo;
use crate::run::{self, Show};

const WANTED: &str = "crates/server/tests/judges/requirements.in";
const LOCKED: &str = "crates/server/tests/judges/requirements.txt";

/// Debian's own comes second: a version manager's may stand before it without `ensurepip`, and a
/// bare Debian has `venv` without `ensurepip` until `python3-venv` is there.
const INTERPRETERS: &[&str] = &["python3", "/usr/bin/python3"];

/// Installs the Python judges into an environment of their own under `target/peers`.
pub(super) fn install(repo: &Repo) -> Result<()> {
    let folder = repo.made("peers/venv");
    let locked = repo.at(LOCKED);
    let pins = Pins::of(&folder, &[&locked])?;
    if pins.are_installed() {
        return Ok(());
    }
    println!("installing into target/peers/venv: {}", names(repo)?);
    remove_folder(&folder)?;
    let python = with_venv(repo.root()).context("python3 with `venv` and `ensurepip` is needed")?;
    let words = [
        python.as_ref(),
        "-m".as_ref(),
        "venv".as_ref(),
        folder.as_os_str(),
    ];
    run::require(&mut run::command(repo.root(), words), Show::OnFailure)?;
    let pip = folder.join("bin/pip");
    let words = [
        pip.as_os_str(),
        "install".as_ref(),
        "-q".as_ref(),
        "--disable-pip-version-check".as_ref(),
        "--no-deps".as_ref(),
        "--require-hashes".as_ref(),
        "-r".as_ref(),
        locked.as_os_str(),
    ];
    run::require(&mut run::command(repo.root(), words), Show::OnFailure)?;
    pins.keep()
}

/// The first interpreter that can make an environment with pip in it.
pub(super) fn with_venv(folder: &Path) -> Option<&'static str> {
    INTERPRETERS
        .iter()
        .copied()
        .find(|python| works(folder, &[python, "-c", "import ensurepip, venv"]))
}

/// What makes `python3 -m pip` work, if it does not.
pub(super) fn packages_for_pip(folder: &Path) -> &'static [&'static str] {
    if works(folder, &["python3", "-m", "pip", "--version"]) {
        &[]
    } else {
        &["python3", "python3-pip"]
    }
}

fn works(folder: &Path, words: &[&str]) -> bool {
    run::capture(&mut run::command(folder, words), Show::OnFailure)
        .is_ok_and(|outcome| outcome.status.success())
}

fn names(repo: &Repo) -> Result<String> {
    let text = std::fs::read_to_string(repo.at(WANTED))
        .with_context(|| format!("could not read {WANTED}"))?;
    let names: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    Ok(names.join(" "))
}
