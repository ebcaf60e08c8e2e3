//! `bm-server`: reads the command line and the environment, and runs the library.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use server::{Announcement, DevConfig, DevServer, PortChoice};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use url::Url;

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
    Dev(Dev),
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
    /// File to write the ready line to.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// How long an access token is valid.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    access_token_life: u64,
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::builder()
                .with_default_directive(tracing::Level::INFO.into())
                .from_env_lossy(),
        )
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    match Cli::parse().command {
        Command::Dev(dev) => run(dev).await,
    }
}

async fn run(dev: Dev) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    cancel_on_signal(cancel.clone())?;
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
        access_token_life: Duration::from_secs(dev.access_token_life),
        subscribe_url: dev.subscribe_url.into(),
        manage_url: dev.manage_url.map(Into::into),
        clock: server::system_clock(),
    })
    .await
    .context("could not start")?;
    announce(server.announcement(), dev.ready_file.as_deref())?;
    server.run(cancel).await.context("the server stopped")
}

fn announce(announcement: &Announcement, ready_file: Option<&Path>) -> anyhow::Result<()> {
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

/// Cancels on ctrl-c and, where there is one, on the signal to terminate.
fn cancel_on_signal(cancel: CancellationToken) -> anyhow::Result<()> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("could not listen for signals")?;
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
        tracing::info!("stopping");
        cancel.cancel();
    });
    Ok(())
}
