mod basic_memory;
mod debian;
mod node;
mod pins;
mod python;
mod rclone;

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};

use crate::repo::Repo;

/// Everything that building and testing needs.
pub(crate) fn install_all(repo: &Repo) -> Result<()> {
    let _turn = take_turn(repo)?;
    debian::install(repo, &[debian::BUILD, debian::TEST, debian::JUDGES])?;
    node::install_for_window(repo)?;
    rclone::install(repo)?;
    node::install_judges(repo)?;
    python::install(repo)?;
    basic_memory::install(repo)
}

/// The same, and whom sync is measured against.
pub(crate) fn install_for_bench(repo: &Repo) -> Result<()> {
    install_all(repo)?;
    let _turn = take_turn(repo)?;
    debian::install(repo, &[debian::NEIGHBORS])
}

/// What building and the demonstration need, and what it takes pictures with.
pub(crate) fn install_for_demo(repo: &Repo, pictures: Pictures) -> Result<()> {
    let _turn = take_turn(repo)?;
    match pictures {
        Pictures::Needed => {
            debian::install(repo, &[debian::BUILD, debian::TEST, debian::PICTURES])?;
        }
        Pictures::NotNeeded => debian::install(repo, &[debian::BUILD, debian::TEST])?,
    }
    node::install_for_window(repo)?;
    rclone::install(repo)
}

/// The same with pictures, and the tray apps that ours is measured beside.
pub(crate) fn install_trays(repo: &Repo) -> Result<()> {
    install_for_demo(repo, Pictures::Needed)?;
    let _turn = take_turn(repo)?;
    debian::install(repo, &[debian::TRAYS])
}

/// The same with pictures, and what packages are tried with.
pub(crate) fn install_for_packages(repo: &Repo) -> Result<()> {
    install_for_demo(repo, Pictures::Needed)?;
    let _turn = take_turn(repo)?;
    debian::install(repo, &[debian::PACKAGES])
}

/// Whether we may do everything here.
pub(crate) fn is_root(repo: &Repo) -> Result<bool> {
    debian::is_root(repo.root())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pictures {
    Needed,
    NotNeeded,
}

/// Worktrees may share the folder of peers: one installs, the others wait.
fn take_turn(repo: &Repo) -> Result<File> {
    let folder = repo.made("peers");
    std::fs::create_dir_all(&folder)?;
    let file = File::create(folder.join("lock")).context("could not open the lock of the peers")?;
    file.lock().context("could not lock the folder of peers")?;
    Ok(file)
}

/// Removes a folder of ours under `target`, if it is there.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("could not remove {}", folder.display())),
    }
}
