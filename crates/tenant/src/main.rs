//! `bm-tenant`: reads the command line and the environment, and serves the library.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use clap::Parser;
use tenant::{Instance, Nonces, read_keys, router};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// One tenant's instance of the Basic Memory cloud.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The tenant's id.
    #[arg(long, value_name = "UUID")]
    tenant: String,
    /// Loopback address to answer on; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File with this instance's keys, readable by its owner only.
    #[arg(long, env = "BM_TENANT_KEY_FILE", value_name = "FILE")]
    key_file: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = tokio::runtime::Runtime::new()
        .context("could not start")
        .and_then(|runtime| runtime.block_on(serve(cli)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to hear that this could not be written either.
            drop(writeln!(io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(cli: Cli) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::builder()
                .with_default_directive(tracing::Level::INFO.into())
                .from_env_lossy(),
        )
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    ensure!(
        cli.listen.ip().is_loopback(),
        "{} is not a loopback address",
        cli.listen
    );
    let keys = read_keys(&cli.key_file)
        .with_context(|| format!("could not use {}", cli.key_file.display()))?;
    let listener = TcpListener::bind(cli.listen)
        .await
        .with_context(|| format!("could not listen on {}", cli.listen))?;
    announce(listener.local_addr().context("could not learn the port")?)?;
    let routes = router(Instance {
        tenant: cli.tenant,
        keys,
        now: Arc::new(unix_seconds),
        nonces: Mutex::new(Nonces::default()),
    });
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop_asked()?)
        .await
        .context("the instance stopped")
}

fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let line = serde_json::json!({ "url": format!("http://{address}"), "pid": std::process::id() });
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .context("could not write to standard output")
}

fn unix_seconds() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the instance's clock")]
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// Ends on ctrl-c and, where there is one, on the signal to terminate.
fn stop_asked() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("could not listen for signals")?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
        tracing::info!("stopping");
    })
}
