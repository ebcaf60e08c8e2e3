//! The published Basic Memory, one environment per generation (docs/instance.md).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::pins::Pins;
use super::remove_folder;
use crate::repo::Repo;
use crate::run::{self, Show};

const PINS: &str = "tests/compat";
/// What both generations need; most systems have a newer one beside their own.
const CHECK: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 12))";
/// The pinned packages have wheels for these two.
const INTERPRETERS: &[&str] = &["python3.12", "python3.13", "python3"];

struct Generation {
    version: &'static str,
    pins: &'static [&'static str],
    /// The words that follow `pip install`, once for each call of it.
    installs: &'static [&'static [&'static str]],
}

const GENERATIONS: [Generation; 2] = [
    Generation {
        version: "0.15.2",
        pins: &["constraints-0.15.2.txt"],
        installs: &[&[
            "-c",
            "constraints-0.15.2.txt",
            "basic-memory==0.15.2",
            "uvicorn",
        ]],
    },
    // It asks for a fastmcp whose own requirements cannot be had; the one before works.
    Generation {
        version: "0.24.1",
        pins: &["requirements-0.24.1.txt", "constraints-0.24.1.txt"],
        installs: &[
            &[
                "-c",
                "constraints-0.24.1.txt",
                "-r",
                "requirements-0.24.1.txt",
            ],
            &["--no-deps", "basic-memory==0.24.1"],
        ],
    },
];

/// Installs both generations, where there is a Python for them; where there is none, what needs
/// them says so.
pub(super) fn install(repo: &Repo) -> Result<()> {
    for generation in &GENERATIONS {
        let name = format!("peers/basic-memory-{}", generation.version);
        let folder = repo.made(&name);
        let files: Vec<PathBuf> = generation
            .pins
            .iter()
            .map(|pin| repo.at(PINS).join(pin))
            .collect();
        let named: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let pins = Pins::of(&folder, &named)?;
        if pins.are_installed() {
            continue;
        }
        let Some(python) = python(repo.root()) else {
            eprintln!("note: Basic Memory needs Python 3.12 or newer, and there is none;");
            eprintln!("  its tests will fail and the demonstration will go without it");
            return Ok(());
        };
        println!(
            "installing into target/{name}: basic-memory {}",
            generation.version
        );
        remove_folder(&folder)?;
        let words = [
            python.as_os_str(),
            "-m".as_ref(),
            "venv".as_ref(),
            folder.as_os_str(),
        ];
        run::require(&mut run::command(repo.root(), words), Show::OnFailure)?;
        let pip = folder.join("bin/pip");
        for packages in generation.installs {
            let words = [
                pip.as_os_str(),
                "install".as_ref(),
                "-q".as_ref(),
                "--disable-pip-version-check".as_ref(),
            ];
            let words = words.into_iter().chain(packages.iter().map(OsStr::new));
            run::require(&mut run::command(&repo.at(PINS), words), Show::OnFailure).with_context(
                || format!("could not install basic-memory {}", generation.version),
            )?;
        }
        pins.keep()?;
    }
    Ok(())
}

/// A Python that is new enough, also one that a version manager keeps off the search path.
fn python(folder: &Path) -> Option<PathBuf> {
    let named = INTERPRETERS.iter().map(PathBuf::from);
    named
        .chain(managed(folder))
        .find(|python| is_fit(folder, python))
}

fn is_fit(folder: &Path, python: &Path) -> bool {
    let words = [python.as_os_str(), "-c".as_ref(), CHECK.as_ref()];
    run::capture(&mut run::command(folder, words), Show::OnFailure)
        .is_ok_and(|outcome| outcome.status.success())
}

fn managed(folder: &Path) -> Vec<PathBuf> {
    let asked = run::capture(
        &mut run::command(folder, ["pyenv", "root"]),
        Show::OnFailure,
    );
    let Some(root) = asked.ok().filter(|outcome| outcome.status.success()) else {
        return Vec::new();
    };
    let versions = Path::new(root.output.trim()).join("versions");
    let mut found: Vec<PathBuf> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin/python3"))
        .filter(|python| python.to_string_lossy().contains("/3.1"))
        .collect();
    found.sort();
    found
}
