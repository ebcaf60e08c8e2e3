//! `bm-cloud`: the engine in a terminal. What a person can do in the window, they can do here.
//!
//! Commands work with the engine that already runs (tray app, or another `bisync --watch`) through
//! its control socket, else with one of their own that ends with them. Data goes to standard
//! output, everything else to standard error, and the exit code says what kind of end it was. Only
//! this file reads the environment; only `output` writes to the terminal. It knows requests and
//! views, and must not know rclone, the bucket, the server's interface or any window.

mod account;
mod arguments;
mod bisync;
mod check;
mod commands;
mod conflicts;
mod context;
mod credentials;
mod doctor;
mod exit;
mod explain;
mod failure;
mod filters;
mod halts;
mod history;
mod login;
mod logout;
mod mount;
mod output;
mod passphrase;
mod pause;
mod progress;
mod rclone;
mod report;
mod restore;
mod runs;
mod service;
mod settings;
mod setup;
mod setup_preview;
mod signals;
mod status;
mod watch;
mod words;

use std::process::ExitCode;

use clap::Parser;
use engine::{Clock, Config, Mode, Observer, Places, SecretChoice};
use secrecy::SecretString;
use time::UtcOffset;
use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, Command};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Paint};
use crate::service::Surroundings;
use crate::signals::Interrupt;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.command.format(), colors());
    log(arguments.verbose, output.paint());
    // Reading the offset is sound only before there are other threads.
    let offset = UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC);
    let result = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::new("runtime", format!("Could not start: {error}")))
        .and_then(|runtime| runtime.block_on(run(&arguments.command, output, offset)));
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            output.json(&failure.out());
            failure.exit
        }
    };
    ExitCode::from(exit.code())
}

async fn run(command: &Command, output: Output, offset: UtcOffset) -> Result<Exit, Failure> {
    let context = context(command, output, offset)?;
    match command {
        Command::Login(arguments) => login::run(&context, arguments).await,
        Command::Logout(_) => logout::run(&context).await,
        Command::Status(_) => status::run(&context).await,
        Command::Setup(arguments) => setup::run(&context, arguments).await,
        Command::Bisync(arguments) => bisync::run(&context, arguments).await,
        Command::Settings(arguments) => settings::run(&context, arguments).await,
        Command::Pause(arguments) => pause::run(&context, arguments.time).await,
        Command::Resume(_) => pause::resume(&context).await,
        Command::Check(_) => check::run(&context).await,
        Command::Filters(arguments) => filters::run(&context, arguments).await,
        Command::Mount(arguments) => mount::run(&context, arguments).await,
        Command::Unmount(arguments) => mount::unmount(&context, arguments).await,
        Command::MountStatus(_) => mount::status(&context).await,
        Command::Conflicts(arguments) => conflicts::run(&context, arguments).await,
        Command::Explain(arguments) => explain::run(&context, arguments).await,
        Command::History(arguments) => history::run(&context, arguments).await,
        Command::Restore(arguments) => restore::run(&context, arguments).await,
        Command::Undo(arguments) => restore::undo(&context, arguments).await,
        Command::Confirm(arguments) => halts::run(&context, arguments).await,
        Command::BisyncService(arguments) => service::run(&context, arguments).await,
        Command::Doctor(arguments) => doctor::run(&context, arguments).await,
        Command::Rclone(arguments) => rclone::run(&context, arguments).await,
        Command::Credentials(arguments) => credentials::run(&context, arguments).await,
    }
}

fn context(command: &Command, output: Output, offset: UtcOffset) -> Result<Context, Failure> {
    let places = Places::resolve(|name| std::env::var_os(name)).ok_or_else(|| {
        Failure::new("no_home", "No home folder is known").hint("Set HOME to an absolute path.")
    })?;
    let interrupt = Interrupt::listen().map_err(|error| {
        Failure::new("signals", format!("Could not listen for signals: {error}"))
    })?;
    let config = Config {
        places,
        device: engine::device_name(|name| std::env::var_os(name)),
        clock: Clock::system(),
        mode: Mode::OnRequest,
        secrets: secrets(),
        rclone: std::env::var_os("BM_CLOUD_RCLONE").map(Into::into),
        path_variable: std::env::var_os("PATH"),
        observer: Observer::none(),
    };
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
    Ok(Context {
        config,
        output,
        interrupt,
        offset,
        server: text("BM_CLOUD_SERVER"),
        home: home.map(Into::into),
        surroundings: surroundings(),
        passphrase: passphrase(command)?,
        editor: ["VISUAL", "EDITOR"]
            .into_iter()
            .filter_map(std::env::var_os)
            .find(|editor| !editor.to_string_lossy().trim().is_empty()),
    })
}

/// From the file that is named, or typed where the command line asks for it.
fn passphrase(command: &Command) -> Result<Option<SecretString>, Failure> {
    let asked = if let Command::Login(arguments) = command {
        arguments.passphrase
    } else {
        false
    };
    match (text("BM_CLOUD_PASSPHRASE_FILE"), asked) {
        (Some(file), _) => passphrase::from_file(file.as_ref()).map(Some),
        (None, true) => match passphrase::typed() {
            Some(typed) => Ok(Some(typed)),
            None => Err(Failure::new("no_passphrase", "No passphrase was entered")
                .hint("Enter it at a terminal, or name a file: BM_CLOUD_PASSPHRASE_FILE.")),
        },
        (None, false) => Ok(None),
    }
}

fn surroundings() -> Surroundings {
    let value = |name: &&str| Some(((*name).to_owned(), std::env::var_os(name)?));
    Surroundings {
        environment: service::CARRIED.iter().filter_map(value).collect(),
        program: std::env::current_exe().ok(),
        user: text("USERNAME").or_else(|| text("USER")),
    }
}

fn secrets() -> SecretChoice {
    match text("BM_CLOUD_SECRETS").as_deref() {
        Some("file") => SecretChoice::File,
        Some("keyring") => SecretChoice::Keyring,
        Some(_) | None => SecretChoice::Auto,
    }
}

fn colors() -> Paint {
    let dumb = text("TERM").is_some_and(|terminal| terminal == "dumb");
    if text("NO_COLOR").is_some() || dumb {
        Paint::Plain
    } else {
        Paint::Color
    }
}

/// Logs go to standard error, and only if they are asked for.
fn log(verbose: u8, paint: Paint) {
    let filter = text("BM_CLOUD_LOG").or(match verbose {
        0 => None,
        1 => Some("info".to_owned()),
        _ => Some("debug".to_owned()),
    });
    if let Some(filter) = filter {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_ansi(paint == Paint::Color)
            .with_writer(std::io::stderr)
            .init();
    }
}

/// An environment variable that says something.
fn text(name: &str) -> Option<String> {
    std::env::var_os(name)
        .map(|value| value.to_string_lossy().into_owned())
        .filter(|value| !value.is_empty())
}
