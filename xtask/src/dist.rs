//! Packages with the tray app and the command line, and a look at whether they work.

mod check;
mod root;
mod system;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::peers;
use crate::repo::Repo;
use crate::run::{self, Show};
use crate::stages;

const TAURI_CLI: &str = "2.12.5";

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Options {
    build: Build,
    appimage: AppImage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    Release,
    /// The release build as it lies there.
    Built,
    /// To try the packaging itself: large and slow programs.
    Debug,
}

/// Its tools are fetched from the internet each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AppImage {
    Made,
    Left,
}

impl Options {
    fn parse(flags: &[&str]) -> Result<Self> {
        let mut options = Self {
            build: Build::Release,
            appimage: AppImage::Left,
        };
        for flag in flags {
            match *flag {
                "--debug" => options.build = Build::Debug,
                "--built" => options.build = Build::Built,
                "--appimage" => options.appimage = AppImage::Made,
                other => bail!("dist does not know `{other}`"),
            }
        }
        Ok(options)
    }
}

pub(crate) fn run(repo: &Repo, flags: &[&str]) -> Result<ExitCode> {
    let options = Options::parse(flags)?;
    peers::install_for_packages(repo)?;
    let tool = packer(repo)?;
    check::configuration(repo, &tool)?;
    let programs = match options.build {
        Build::Release | Build::Built => repo.with_release_binaries(),
        Build::Debug => repo.clone(),
    };
    match options.build {
        Build::Release | Build::Debug => {
            stages::build_ui(repo)?;
            compile_command_line(repo, options.build)?;
        }
        Build::Built => {}
    }
    bundle(repo, &tool, &programs, options.build, "deb,rpm")?;
    let bundles = programs.binary("bundle");
    let deb = newest(&bundles.join("deb"), "deb")?;
    let rpm = newest(&bundles.join("rpm"), "rpm")?;
    for package in [&deb, &rpm] {
        let size = std::fs::metadata(package)?.len();
        println!("made {} ({} KiB)", package.display(), size / 1024);
    }
    check::deb(repo, &deb)?;
    check::rpm(repo, &rpm)?;
    system::deb(repo, &deb)?;
    if options.appimage == AppImage::Made {
        match bundle(repo, &tool, &programs, options.build, "appimage") {
            Ok(()) => println!(
                "made {}",
                newest(&bundles.join("appimage"), "AppImage")?.display()
            ),
            Err(error) => println!("no AppImage: its tools could not be fetched or run\n{error:#}"),
        }
    } else {
        println!("no AppImage: its tools come from the internet; ask for it with --appimage");
    }
    Ok(ExitCode::SUCCESS)
}

fn compile_command_line(repo: &Repo, build: Build) -> Result<()> {
    let mut command = run::command(repo.root(), ["cargo", "build", "-p", "cli"]);
    match build {
        Build::Release | Build::Built => command.arg("--release"),
        Build::Debug => &mut command,
    };
    run::require(&mut command, Show::Live).map(drop)
}

/// Installs Tauri's own tool, unless it is there. It is no part of `ui/`: its lock file would have to
/// name the programs of all systems, and not every registry has them all.
fn packer(repo: &Repo) -> Result<PathBuf> {
    let folder = repo.made(&format!("peers/tauri-cli-{TAURI_CLI}"));
    let tool = folder.join("node_modules/@tauri-apps/cli/tauri.js");
    if !tool.is_file() {
        let package = format!("@tauri-apps/cli@{TAURI_CLI}");
        let words = ["npm", "install", "--no-audit", "--no-fund", "--no-save"];
        let mut command = run::command(repo.root(), words);
        command.arg("--prefix").arg(&folder).arg(package);
        run::require(&mut command, Show::OnFailure)?;
    }
    Ok(tool)
}

/// Lets Tauri's own tool build the app and pack it.
fn bundle(repo: &Repo, tool: &Path, programs: &Repo, build: Build, kinds: &str) -> Result<()> {
    let files = json!({ "/usr/bin/bm-cloud": programs.binary("bm-cloud") });
    let config = json!({
        "build": { "beforeBuildCommand": "" },
        "bundle": { "linux": { "deb": { "files": files }, "rpm": { "files": files } } },
    });
    let step = match build {
        Build::Release | Build::Debug => "build",
        Build::Built => "bundle",
    };
    let words = [step, "--ci", "--bundles", kinds, "--config"];
    let mut command = run::command(repo.root(), ["node"]);
    command.arg(tool).args(words).arg(config.to_string());
    match build {
        Build::Release | Build::Built => &mut command,
        Build::Debug => command.arg("--debug"),
    };
    run::require(&mut command, Show::Live).map(drop)
}

fn newest(folder: &Path, ending: &str) -> Result<PathBuf> {
    let files = std::fs::read_dir(folder)
        .with_context(|| format!("nothing was put into {}", folder.display()))?;
    let packages = files
        .filter_map(|file| file.ok().map(|file| file.path()))
        .filter(|path| path.extension().is_some_and(|it| it == ending));
    packages
        .max_by_key(|path| std::fs::metadata(path).and_then(|it| it.modified()).ok())
        .with_context(|| format!("no .{ending} in {}", folder.display()))
}
