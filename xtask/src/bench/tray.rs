//! The tray app next to the least that a tray app made with Tauri does.
//!
//! Starts are measured in turns, on one display and one panel; ratios count, not absolutes.

mod memory;
mod neighbors;
mod starts;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::bench::report::{self, Goal, Machine, Row};
use crate::bench::samples::median;
use crate::bench::sync::seat::fill;
use crate::demo::desktop::Desktop;
use crate::demo::device::Device;
use crate::demo::server::Server;
use crate::peers::{self, remove_folder};
use crate::repo::Repo;
use crate::run::{self, Show};
use crate::stages;

use self::memory::Life;
use self::starts::Starts;

const ANA: &str = "ana@example.org";
const NOTES: usize = 100;
const BARE: &str = "benches/bare_tray";

/// Which build is measured; only the release build tells something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    Release,
    /// The release build as it lies there.
    Built,
    Dev,
}

/// How often.
#[derive(Clone, Copy, Debug)]
struct Pace {
    starts: usize,
    cycles: usize,
}

#[derive(Serialize)]
struct About {
    machine: Machine,
    build: &'static str,
    starts: usize,
    notes: usize,
}

pub(crate) fn run(repo: &Repo, flags: &[&str]) -> Result<ExitCode> {
    let whole = Pace {
        starts: 15,
        cycles: 20,
    };
    let (build, pace) = match flags {
        ["--neighbors"] => return neighbors::alone(repo),
        [] => (Build::Release, whole),
        ["--built"] => (Build::Built, whole),
        ["--dev"] => (
            Build::Dev,
            Pace {
                starts: 3,
                cycles: 3,
            },
        ),
        [other, ..] => bail!("bench tray does not know `{other}`"),
    };
    peers::install_trays(repo)?;
    if build != Build::Built {
        stages::build_ui(repo)?;
        compile(repo, build)?;
    }
    let repo = &match build {
        Build::Release | Build::Built => repo.with_release_binaries(),
        Build::Dev => repo.clone(),
    };
    let base = repo.made("bench/tray");
    remove_folder(&base)?;
    std::fs::create_dir_all(base.join("logs"))?;
    let rows = measure(repo, &base, pace)?;
    let about = About {
        machine: Machine::read(),
        build: match build {
            Build::Release | Build::Built => "release",
            Build::Dev => "dev",
        },
        starts: pace.starts,
        notes: NOTES,
    };
    let table = report::write(&repo.made("bench/tray.json"), &about, &rows)?;
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

fn compile(repo: &Repo, build: Build) -> Result<()> {
    let app = [
        "cargo",
        "build",
        "--features",
        "custom-protocol",
        "-p",
        "basic-memory-tray",
    ];
    let others = ["cargo", "build", "-p", "server", "-p", "cli"];
    let bare = [
        "cargo",
        "build",
        "--features",
        "custom-protocol",
        "--manifest-path",
        "benches/bare_tray/Cargo.toml",
    ];
    // `bare-tray` has a workspace of its own, and all three lie in one folder.
    let programs = repo.binary("");
    let target = programs
        .parent()
        .context("programs lie in a folder of the build")?;
    for words in [&others[..], &app[..], &bare[..]] {
        let mut command = run::command(repo.root(), words);
        match build {
            Build::Release | Build::Built => command.arg("--release"),
            Build::Dev => &mut command,
        };
        command.env("CARGO_TARGET_DIR", target);
        run::require(&mut command, Show::Live)?;
    }
    Ok(())
}

fn measure(repo: &Repo, base: &Path, pace: Pace) -> Result<Vec<Row>> {
    let app = repo.binary("basic-memory-tray");
    let bare = repo.binary("bare-tray");
    ensure!(bare.is_file(), "{BARE} was not built");
    let log = base.join("logs/server.log");
    let server = Server::start(repo, &base.join("server"), &log, &["--instances", "none"])?;
    let device = Device::new(repo, base, "laptop")?;
    fill(&device.folder(), NOTES)?;
    server.subscribe(ANA)?;
    let said = device.sign_in(&server, ANA)?;
    ensure!(said.code == Some(0), "sign-in failed: {}", said.errors);
    let folder = device.folder();
    let folder = folder.to_str().context("the folder's path is text")?;
    device.json(&["setup", "--folder", folder])?;
    let desktop = Desktop::start(&device, &base.join("logs"))?;

    let mut starts = Starts::watch(&device, &desktop, base)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..pace.starts {
        ours.push(starts.measure(&app, &["--background"])?);
        theirs.push(starts.measure(&bare, &[])?);
        println!(
            "start {}: {:.0} ms, bare {:.0} ms",
            round + 1,
            ours[round],
            theirs[round]
        );
    }
    let mut rows = vec![
        Row::new("start_to_icon_ms", median(&ours), "ms")
            .beside("a bare Tauri tray", median(&theirs))
            .goal(Goal::RatioAtMost(1.2)),
    ];

    let bare = memory::of(&device, &desktop, &bare, &[], base)?.private;
    let life = Life::live(&device, &desktop, &app, base, pace.cycles)?;
    let private = |name: &str, value: f64| Row::new(name, value, "MiB");
    rows.extend([
        private("private_without_window_mib", life.never)
            .peer("a bare Tauri tray", bare)
            .goal(Goal::AtMost(70.0)),
        private("private_window_open_mib", life.open),
        private("private_window_closed_mib", life.closed),
        private("private_after_cycles_mib", life.after)
            .beside("after the first close", life.closed)
            .goal(Goal::RatioAtMost(1.1)),
        Row::new("open_to_window_ms", life.open_ms, "ms"),
        Row::new("idle_cpu_percent", life.idle_cpu_percent, "%").goal(Goal::AtMost(1.0)),
        Row::new("idle_processes", life.processes, "").goal(Goal::AtMost(1.0)),
    ]);
    rows.extend(neighbors::rows(&device, &desktop, &mut starts, base)?);
    Ok(rows)
}
