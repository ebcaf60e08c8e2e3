//! `bm-server`: reads the command line and the environment, and runs the library.

#[path = "main/admin.rs"]
mod admin;
#[path = "main/ending.rs"]
mod ending;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use server::{
    DevConfig, DevInstances, DevLocal, DevServer, Layers, Log, LogFormat, PortChoice, Replace,
    Server, Settings, WorkspaceKind,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::ending::Misconfigured;

const DEFAULT_PORT: u16 = 8765;

/// The companion server of the Basic Memory cloud sync.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything on this machine: API, sign-in and buckets, with no account anywhere.
    Dev(Box<Dev>),
    /// Runs a configured deployment.
    Serve(Serve),
    /// Administers a deployment from its database.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Judges or shows the configuration of a deployment.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Writes the description of the API.
    Openapi(Openapi),
    /// Copies everything that a server keeps in its state folder, while it runs.
    Backup(Backup),
    /// Brings a backup back.
    Restore(Restore),
}

#[derive(Args)]
struct Backup {
    /// The state folder of the server.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Folder to make; it will hold secrets, as the state does.
    target: PathBuf,
}

#[derive(Args)]
struct Restore {
    /// The state folder to make.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Move a state that is there aside.
    #[arg(long)]
    replace: bool,
    /// The folder of the backup.
    source: PathBuf,
}

#[derive(Args)]
struct Openapi {
    /// As a text for people, instead of `OpenAPI` 3.1.
    #[arg(long)]
    markdown: bool,
}

#[derive(Args)]
struct Dev {
    /// Folder that holds everything the server keeps; made if it is not there.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Port of the API; 0 takes any free one. Chosen once, it stays [default at first: 8765].
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Port of the S3 endpoint; 0 takes any free one. Chosen once, it stays.
    #[arg(long, value_name = "N", default_value_t = 0)]
    s3_port: u16,
    /// Where clients reach the S3 endpoint, if not at that port [default: that port].
    #[arg(long, value_name = "URL")]
    s3_url: Option<Url>,
    /// File to write the ready line to.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// How long an access token is valid.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    access_token_life: u64,
    /// Somebody who is an administrator once signed in; may be given more than once.
    #[arg(long = "admin", value_name = "EMAIL")]
    admins: Vec<String>,
    /// Runs an instance for each tenant, as a process of this machine
    /// [default: local, if bm-tenant lies beside this program].
    #[arg(long, value_enum, value_name = "KIND")]
    instances: Option<InstanceKind>,
    /// Python environment that has Basic Memory; without one, instances have files only.
    #[arg(long, value_name = "DIR")]
    basic_memory: Option<PathBuf>,
    /// rclone for instances to use before any other.
    #[arg(long, value_name = "FILE")]
    rclone: Option<PathBuf>,
    /// Generation of Basic Memory.
    #[arg(long, value_name = "N", default_value = "0.24", value_parser = ["0.15", "0.24"])]
    generation: String,
    /// How instances read their bucket as files.
    #[arg(long, value_name = "DRIVER", default_value = "auto",
          value_parser = ["auto", "mount", "replica", "tigrisfs"])]
    instance_files: String,
    /// How long an instance stays awake that nobody uses; 0 is forever.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    instance_idle: u64,
    /// Page on which people subscribe.
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://basicmemory.com/subscribe"
    )]
    subscribe_url: Url,
    /// Page on which people manage their subscription.
    #[arg(long, value_name = "URL")]
    manage_url: Option<Url>,
    /// How `bm` 0.19 and later are to push and pull: over `WebDAV` (organization) or with rclone.
    #[arg(long, value_enum, default_value_t = WorkspaceType::Organization)]
    workspace_type: WorkspaceType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WorkspaceType {
    Organization,
    Personal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InstanceKind {
    None,
    Local,
}

/// What is laid over the defaults, beside the environment.
#[derive(Args)]
struct ConfigFile {
    /// File with settings; those it leaves out keep their defaults.
    #[arg(long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    config: ConfigFile,
    /// File to write the ready line to.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Names every problem at once, with the way out.
    Check(ConfigFile),
    /// Shows what is in force and where it comes from, without secrets.
    Print(ConfigFile),
    /// Shows the documented defaults.
    Defaults,
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let done = tokio::runtime::Runtime::new()
        .context("could not start")
        .and_then(|runtime| runtime.block_on(carry_out(command)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ending::end(&error),
    }
}

async fn carry_out(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Dev(dev) => {
            log(&LogFormat::Text, None)?;
            run(*dev).await
        }
        Command::Serve(options) => {
            let settings = settings(&options.config)?;
            let Log { format, level } = settings.log();
            log(format, Some(level))?;
            serve(settings, options.ready_file.as_deref()).await
        }
        Command::Admin(command) => {
            log(&LogFormat::Text, None)?;
            admin::run(command).await
        }
        Command::Config(ConfigCommand::Check(config)) => {
            let doubts = settings(&config)?.doubts();
            let doubts = doubts.iter().map(|doubt| format!("\nwarning: {doubt}"));
            let doubts: String = doubts.collect();
            say(&format!("The configuration has no problem.{doubts}"))
        }
        Command::Config(ConfigCommand::Print(config)) => {
            say(&server::print_config(&layers(&config)?))
        }
        Command::Config(ConfigCommand::Defaults) => say(server::DEFAULTS),
        Command::Backup(Backup { state, target }) => {
            let now = server::system_clock()();
            let report = server::back_up(&state, &target, now).context("nothing was backed up")?;
            say(&serde_json::to_string(&report)?)
        }
        Command::Restore(options) => {
            let replace = if options.replace {
                Replace::MoveAside
            } else {
                Replace::Never
            };
            let now = server::system_clock()();
            let restored = server::restore(&options.source, &options.state, replace, now)
                .context("nothing was restored")?;
            say(&serde_json::to_string(&restored)?)
        }
        Command::Openapi(Openapi { markdown: true }) => {
            say(&server::openapi_markdown(&server::openapi_document()))
        }
        Command::Openapi(Openapi { markdown: false }) => {
            let document = serde_json::to_string_pretty(&server::openapi_document())
                .context("could not write the document")?;
            say(&document)
        }
    }
}

fn log(format: &LogFormat, level: Option<&str>) -> anyhow::Result<()> {
    let builder = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    let filter = match level {
        Some(level) => builder.parse(level).context("log.level is no filter")?,
        None => builder.from_env_lossy(),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false);
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}

fn layers(config: &ConfigFile) -> anyhow::Result<Layers> {
    Layers::read(config.file.as_deref(), std::env::vars())
        .map_err(|error| Misconfigured::caused_by("there is no configuration", error).into())
}

fn settings(config: &ConfigFile) -> anyhow::Result<Settings> {
    layers(config)?.settings().map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let count = match lines.len() {
            1 => "a problem".to_owned(),
            more => format!("{more} problems"),
        };
        Misconfigured::new(format!(
            "the configuration has {count}\n{}",
            lines.join("\n")
        ))
        .into()
    })
}

async fn serve(settings: Settings, ready_file: Option<&Path>) -> anyhow::Result<()> {
    let (cancel, hurry) = (CancellationToken::new(), CancellationToken::new());
    cancel_on_signal(cancel.clone(), hurry.clone())?;
    let server = Server::open(settings, server::system_clock())
        .await
        .context("could not start")?;
    reload_on_signal(server.reload())?;
    announce(server.served(), ready_file)?;
    server
        .run(cancel, hurry)
        .await
        .context("the server stopped")
}

/// Has files read again on the signal that asks for it, where there is one.
#[cfg(unix)]
fn reload_on_signal(reload: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut asked = signal(SignalKind::hangup()).context("could not listen for signals")?;
    tokio::spawn(async move {
        while asked.recv().await.is_some() {
            tracing::info!("reading files again");
            reload();
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn reload_on_signal(_: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", text.trim_end()).context("could not write to standard output")
}

async fn run(dev: Dev) -> anyhow::Result<()> {
    if let Some((name, _)) = std::env::vars().find(|(name, _)| name.starts_with("BM_SERVER__")) {
        let what = format!(
            "{name} is set, but `bm-server dev` takes no configuration: anybody can sign in to it\n\
             hint: run `bm-server serve`, or unset the variable"
        );
        return Err(Misconfigured::new(what).into());
    }
    let cancel = CancellationToken::new();
    cancel_on_signal(cancel.clone(), CancellationToken::new())?;
    let instances = instances(&dev)?;
    let server = DevServer::open(DevConfig {
        state: dev.state,
        port: match dev.port {
            None => PortChoice::Remembered {
                at_first: DEFAULT_PORT,
            },
            Some(0) => PortChoice::Any,
            Some(port) => PortChoice::Fixed(port),
        },
        s3_port: match dev.s3_port {
            0 => PortChoice::Any,
            port => PortChoice::Fixed(port),
        },
        s3_url: dev
            .s3_url
            .map(|url| url.as_str().trim_end_matches('/').to_owned()),
        access_token_life: Duration::from_secs(dev.access_token_life),
        admins: dev.admins,
        subscribe_url: dev.subscribe_url.into(),
        manage_url: dev.manage_url.map(Into::into),
        workspace_kind: match dev.workspace_type {
            WorkspaceType::Organization => WorkspaceKind::Organization,
            WorkspaceType::Personal => WorkspaceKind::Personal,
        },
        polar: None,
        instances,
        clock: server::system_clock(),
    })
    .await
    .context("could not start")?;
    announce(server.announcement(), dev.ready_file.as_deref())?;
    server.run(cancel).await.context("the server stopped")
}

fn instances(dev: &Dev) -> anyhow::Result<DevInstances> {
    let found = DevInstances::program_beside_us();
    let program = match (dev.instances, found) {
        (Some(InstanceKind::None), _) => return Ok(DevInstances::None),
        (None, None) => {
            tracing::info!("tenants get no instances: bm-tenant does not lie beside this program");
            return Ok(DevInstances::None);
        }
        (Some(InstanceKind::Local), None) => {
            bail!("bm-tenant does not lie beside this program\nhint: build or install it there")
        }
        (None | Some(InstanceKind::Local), Some(program)) => program,
    };
    Ok(DevInstances::Local(DevLocal {
        program,
        path: std::env::var_os("PATH").unwrap_or_default(),
        files: dev.instance_files.clone(),
        generation: dev.generation.clone(),
        basic_memory: dev.basic_memory.clone(),
        rclone: dev.rclone.clone(),
        idle: match dev.instance_idle {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        },
    }))
}

fn announce(announcement: &impl serde::Serialize, ready_file: Option<&Path>) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(announcement).context("could not announce")?;
    line.push('\n');
    if let Some(file) = ready_file {
        let next = file.with_extension("next");
        std::fs::write(&next, &line)
            .and_then(|()| std::fs::rename(&next, file))
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    let mut stdout = io::stdout();
    stdout
        .write_all(line.as_bytes())
        .and_then(|()| stdout.flush())
        .context("could not write to standard output")
}

/// Cancels on ctrl-c and, where there is one, on the signal to terminate; the first signal
/// cancels `cancel`, the second one `hurry`.
fn cancel_on_signal(cancel: CancellationToken, hurry: CancellationToken) -> anyhow::Result<()> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("could not listen for signals")?;
    tokio::spawn(async move {
        for token in [cancel, hurry] {
            #[cfg(unix)]
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            #[cfg(not(unix))]
            drop(tokio::signal::ctrl_c().await);
            tracing::info!("stopping");
            token.cancel();
        }
    });
    Ok(())
}
