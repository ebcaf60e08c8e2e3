//! Other tray apps that keep folders the same.
//!
//! They start with a home of their own in which an account is set up whose server does not answer,
//! so that none of them opens its first questions; no keeper of folders runs beside them.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::memory::{self, Held};
use super::starts::Starts;
use crate::bench::report::{self, Machine, Row};
use crate::bench::samples::median;
use crate::demo::desktop::Desktop;
use crate::demo::device::Device;
use crate::peers::{self, remove_folder};
use crate::repo::Repo;
use crate::run::{self, Show};

const ROUNDS: usize = 5;

struct Neighbor {
    name: &'static str,
    package: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// A file below the home that keeps its first questions away.
    settings: (&'static str, &'static str),
}

const NEIGHBORS: [Neighbor; 2] = [
    Neighbor {
        name: "Syncthing Tray",
        package: "syncthingtray",
        program: "syncthingtray",
        arguments: &[],
        settings: (
            ".config/syncthingtray.ini",
            "[tray]\nconnections\\1\\label=Local\n\
             connections\\1\\syncthingUrl=http://127.0.0.1:1\n\
             connections\\1\\autoConnect=false\nconnections\\size=1\n",
        ),
    },
    Neighbor {
        name: "Nextcloud",
        package: "nextcloud-desktop",
        program: "nextcloud",
        arguments: &["--background"],
        settings: (
            ".config/Nextcloud/nextcloud.cfg",
            "[General]\nautoUpdateCheck=false\n\n[Accounts]\nversion=2\n0\\version=1\n\
             0\\url=http://127.0.0.1:1\n0\\authType=webflow\n0\\webflow_user=ana\n\
             0\\dav_user=ana\n0\\displayName=Ana\n",
        ),
    },
];

#[derive(Serialize)]
struct About {
    machine: Machine,
    starts: usize,
    packages: String,
}

/// Measures them alone, without anything of ours.
pub(super) fn alone(repo: &Repo) -> Result<ExitCode> {
    peers::install_trays(repo)?;
    let base = repo.made("bench/tray-neighbors");
    remove_folder(&base)?;
    std::fs::create_dir_all(base.join("logs"))?;
    let device = Device::new(repo, &base, "laptop")?;
    let desktop = Desktop::start(&device, &base.join("logs"))?;
    let mut starts = Starts::watch(&device, &desktop, &base)?;
    let rows = rows(&device, &desktop, &mut starts, &base)?;
    let about = About {
        machine: Machine::read(),
        starts: ROUNDS,
        packages: versions(repo)?,
    };
    let table = report::write(&repo.made("bench/tray-neighbors.json"), &about, &rows)?;
    println!("{}\n{table}", about.packages);
    Ok(ExitCode::SUCCESS)
}

/// Rows for those that are here; the others are named on the screen.
pub(super) fn rows(
    device: &Device,
    desktop: &Desktop,
    starts: &mut Starts<'_>,
    base: &Path,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for neighbor in NEIGHBORS {
        let Neighbor {
            name,
            package: _,
            program,
            arguments,
            settings: (file, text),
        } = neighbor;
        let Some(path) = run::find(program) else {
            println!("{name} is not installed: no rows of it");
            continue;
        };
        let file = device.home().join(file);
        std::fs::create_dir_all(file.parent().unwrap_or(device.home()))?;
        std::fs::write(file, text)?;
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            times.push(starts.measure(&path, arguments)?);
            println!("{name}, start {}: {:.0} ms", round + 1, times[round]);
        }
        let Held { private, windows } = memory::of(device, desktop, &path, arguments, base)?;
        let private_name = match windows {
            0 => format!("{program}_private_without_window_mib"),
            // Not what was asked for, and said so.
            more => format!("{program}_private_with_{more}_windows_mib"),
        };
        rows.push(Row::new(
            format!("{program}_start_to_icon_ms"),
            median(&times),
            "ms",
        ));
        rows.push(Row::new(private_name, private, "MiB"));
    }
    Ok(rows)
}

fn versions(repo: &Repo) -> Result<String> {
    let query = ["dpkg-query", "-W", "-f=${Package} ${Version}\n"];
    let packages = NEIGHBORS.iter().map(|neighbor| neighbor.package);
    let mut command = run::command(repo.root(), query.into_iter().chain(packages));
    Ok(run::capture(&mut command, Show::OnFailure)?
        .output
        .trim()
        .to_owned())
}
