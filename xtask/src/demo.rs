mod bus;
pub(crate) mod desktop;
pub(crate) mod device;
pub(crate) mod menu;
pub(crate) mod notes;
mod pictures;
mod report;
mod script;
mod search;
pub(crate) mod server;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::peers::{self, Pictures, remove_folder};
use crate::repo::Repo;
use crate::run::{self, Show};
use crate::stages;

use self::report::Report;

/// How the demonstration is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    screen: Screen,
}

/// Where windows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    /// On the display of the person who started us; the tray app stays open.
    Real,
    /// On a virtual display; pictures are taken.
    Virtual,
}

impl Options {
    pub(crate) fn parse(flags: &[&str]) -> Result<Self> {
        let has = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let screen = match flags {
            ["--headless"] => Screen::Virtual,
            [] if has("DISPLAY") || has("WAYLAND_DISPLAY") => Screen::Real,
            [] => Screen::Virtual,
            [other, ..] => bail!("demo does not know `{other}`"),
        };
        Ok(Self { screen })
    }
}

/// Shows the product at work from nothing, step by step.
pub(crate) fn run(repo: &Repo, options: &Options) -> Result<ExitCode> {
    let folder = repo.made("demo");
    std::fs::create_dir_all(&folder)?;
    let mut report = Report::new(folder.join("report.json"));
    let played = prepare(repo, options.screen, &mut report)
        .and_then(|()| script::play(repo, options.screen, &mut report));
    report.close()?;
    match played {
        Ok(stage) => {
            stage.stay_open(options.screen);
            Ok(ExitCode::SUCCESS)
        }
        // The report has already said which step failed and why.
        Err(_) => Ok(ExitCode::FAILURE),
    }
}

fn prepare(repo: &Repo, screen: Screen, report: &mut Report) -> Result<()> {
    report.step("Everything it needs is installed", |_| {
        let pictures = match screen {
            Screen::Real => Pictures::NotNeeded,
            Screen::Virtual => Pictures::Needed,
        };
        peers::install_for_demo(repo, pictures)
    })?;
    report.step("Server, command line and tray app are built", |_| {
        stages::build_ui(repo)?;
        let words = ["cargo", "build", "--workspace", "--bins"];
        run::require(&mut run::command(repo.root(), words), Show::Live).map(drop)
    })?;
    report.step("The last demonstration is cleared away", |_| {
        remove_folder(&repo.made("demo"))?;
        std::fs::create_dir_all(repo.made("demo/logs"))?;
        Ok(())
    })
}
