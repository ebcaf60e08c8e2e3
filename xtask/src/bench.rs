//! Measurements next to what others built, each started by its name.

mod e2e;
mod process;
mod report;
mod samples;
mod server;
mod sync;
mod tray;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::repo::Repo;

pub(crate) fn run(repo: &Repo, words: &[&str]) -> Result<ExitCode> {
    match words {
        ["sync", flags @ ..] => sync::run(repo, flags),
        ["e2e", flags @ ..] => e2e::run(repo, flags),
        ["server", flags @ ..] => server::run(repo, flags),
        ["tray", flags @ ..] => tray::run(repo, flags),
        _ => bail!("say what to measure: `bench sync`, `server`, `e2e` or `tray`"),
    }
}
