//! `bm-cloud bisync-service`: sync that starts when a person logs in, by the machine's own means.
//!
//! What is written and run is a pure plan ([`plan`]) over the facts of the machine; [`apply`] does
//! it. A file that this program did not make is never overwritten unasked.

mod apply;
mod launchd;
mod plan;
mod systemd;
mod task;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

use self::apply::Standing;
use self::plan::{Facts, Verb};

/// The words in every file that this program makes, and in no other.
const MARK: &str = "Made by bm-cloud bisync-service";

#[derive(Args, Debug)]
pub(crate) struct Service {
    #[command(subcommand)]
    action: Action,
    /// Print JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Let sync start at each login. It starts now with `start`.
    Install {
        /// Take the place of a service of that name that somebody else made; its file is kept.
        #[arg(long)]
        replace: bool,
    },
    /// Start the service now.
    Start,
    /// Stop it until the next login.
    Stop,
    /// Tell whether it is installed and runs. Ends with exit code 1 if not.
    Status,
    /// Stop it and remove what `install` made.
    Uninstall,
}

/// What of the environment a service needs to find what this command finds. No secrets.
pub(crate) const CARRIED: [&str; 9] = [
    "BM_CLOUD_RCLONE",
    "BM_CLOUD_SECRETS",
    "BM_CLOUD_DEVICE",
    "BM_CLOUD_LOG",
    "BM_CLOUD_PASSPHRASE_FILE",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
];

/// What `main` knows of the machine for a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The values of [`CARRIED`] that are set.
    pub(crate) environment: Vec<(String, OsString)>,
    /// This program.
    pub(crate) program: Option<PathBuf>,
    pub(crate) user: Option<String>,
}

pub(crate) async fn run(context: &Context, arguments: &Service) -> Result<Exit, Failure> {
    let facts = facts(context)?;
    let standing = apply::look(&facts).await?;
    let verb = match arguments.action {
        Action::Status => return Ok(status(context, &facts, &standing)),
        Action::Install { replace } => {
            if standing.is_foreign() && !replace {
                let message = format!("{} was made by somebody else", facts.file().display());
                return Err(Failure::new("foreign_service", message)
                    .hint("Put yours in its place, and keep it in a backup: --replace"));
            }
            Verb::Install
        }
        Action::Start | Action::Stop | Action::Uninstall if standing.is_foreign() => {
            let message = format!("{} was made by somebody else", facts.file().display());
            return Err(Failure::new("foreign_service", message)
                .hint("Use your system's own commands for it."));
        }
        Action::Start | Action::Stop if !standing.is_installed() => {
            return Err(
                Failure::new("not_installed", "The service is not installed")
                    .hint("Run `bm-cloud bisync-service install` first."),
            );
        }
        Action::Start => Verb::Start,
        Action::Stop => Verb::Stop,
        Action::Uninstall => Verb::Uninstall,
    };
    let backup = apply::apply(&facts, verb, &standing).await?;
    let output = &context.output;
    output.good(verb.done());
    if let Some(backup) = &backup {
        output.say(&format!("What was there before is in {}", backup.display()));
    }
    if verb == Verb::Install {
        output.hint("Start it now: bm-cloud bisync-service start");
        if let Some(hint) = facts.platform.beyond_login() {
            output.hint(hint);
        }
    }
    output.json(&json!({ "ok": true, "file": facts.file(), "backup": backup }));
    Ok(Exit::Done)
}

fn status(context: &Context, facts: &Facts, standing: &Standing) -> Exit {
    let words = match standing {
        Standing::Absent => "Not installed",
        Standing::Foreign => "Not installed; somebody else's service has the name",
        Standing::Installed { running: false } => "Installed, not running",
        Standing::Installed { running: true } => "Installed and running",
    };
    context.output.data(words);
    let running = *standing == Standing::Installed { running: true };
    context.output.json(&json!({
        "ok": running,
        "installed": standing.is_installed(),
        "running": running,
        "file": facts.file(),
    }));
    if running { Exit::Done } else { Exit::Failed }
}

fn facts(context: &Context) -> Result<Facts, Failure> {
    let unknown = |what: &str| Failure::new("no_home", format!("{what} is not known"));
    let surroundings = &context.surroundings;
    let program = surroundings.program.clone();
    Ok(Facts {
        platform: plan::Platform::of_this_machine(),
        program: program.ok_or_else(|| unknown("The path of this program"))?,
        home: context
            .home
            .clone()
            .ok_or_else(|| unknown("Your home folder"))?,
        own: context.config.places.config.clone(),
        user: surroundings.user.clone().unwrap_or_default(),
        uid: user_id(),
        environment: surroundings
            .environment
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.to_str()?.to_owned())))
            .collect(),
    })
}

#[cfg(unix)]
fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}

#[cfg(not(unix))]
fn user_id() -> u32 {
    0
}
