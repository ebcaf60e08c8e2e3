mod contest;
mod proxy;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::demo::server::Server;
use crate::peers::{self, remove_folder};
use crate::repo::Repo;
use crate::run::{self, Show};

use self::contest::{Contestant, Row};

const SIZES: &[usize] = &[1_000, 10_000];

/// Which build of our programs is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Build {
    Release,
    Dev,
}

#[derive(Serialize)]
struct Report<'a> {
    build: Build,
    cores: usize,
    rclone: &'a str,
    rows: &'a [Row],
}

/// Measures our passes next to plain `rclone bisync`, in one run against one server.
pub(crate) fn run(repo: &Repo, flags: &[&str]) -> Result<ExitCode> {
    let mut sizes = SIZES.to_vec();
    let mut build = Build::Release;
    let mut rest = flags.iter();
    while let Some(flag) = rest.next() {
        match *flag {
            "--dev" => build = Build::Dev,
            "--files" => {
                let list = rest
                    .next()
                    .context("--files wants numbers, such as 1000,10000")?;
                sizes = list
                    .split(',')
                    .map(|number| number.parse().with_context(|| format!("`{number}`")))
                    .collect::<Result<_>>()?;
            }
            other => bail!("bench sync does not know `{other}`"),
        }
    }
    peers::install_all(repo)?;
    let words: &[&str] = match build {
        Build::Release => &[
            "cargo",
            "build",
            "--release",
            "--package",
            "cli",
            "--package",
            "server",
        ],
        Build::Dev => &["cargo", "build", "--workspace", "--bins"],
    };
    run::require(&mut run::command(repo.root(), words), Show::Live)?;
    let repo = &match build {
        Build::Release => repo.with_release_binaries(),
        Build::Dev => repo.clone(),
    };

    let base = repo.made("bench/sync");
    remove_folder(&base)?;
    std::fs::create_dir_all(&base)?;
    let server = Server::start(repo, &base.join("server"), &base.join("bm-server.log"))?;
    let mut rows = Vec::new();
    for size in sizes {
        for contestant in [
            Contestant::PlainDefault,
            Contestant::PlainTuned,
            Contestant::Ours,
        ] {
            println!("{size} files, {} …", contestant.name());
            rows.extend(contest::measure(repo, &server, &base, contestant, size)?);
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let version = run::require(
        &mut run::command(repo.root(), [repo.rclone().as_os_str(), "version".as_ref()]),
        Show::OnFailure,
    )?;
    let version = version.lines().next().unwrap_or_default();
    let report = serde_json::to_string_pretty(&Report {
        build,
        cores,
        rclone: version,
        rows: &rows,
    })?;
    std::fs::write(repo.made("bench/sync.json"), report)?;
    println!(
        "\n{} on {cores} cores, {build:?} build of ours\n\n{}",
        version,
        table::markdown(&rows)
    );
    Ok(ExitCode::SUCCESS)
}
