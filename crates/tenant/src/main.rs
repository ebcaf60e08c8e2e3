//! `bm-tenant`: reads the command line and the environment, and serves the library.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use clap::Parser;
use engine::{Clock, Places};
use guard::{Bucket, BucketConfig, Credentials};
use tenant::{
    BasicMemorySpec, DriverChoice, FilesSpec, Generation, InstanceSpec, KeyRing, Window,
    parse_keys, read_keys, serve,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The longest folder that a socket's path has room below.
const LONGEST_RUN: usize = 70;

/// One tenant's instance of the Basic Memory cloud.
///
/// The bucket comes from the environment alone: `BM_TENANT_S3_ENDPOINT`, `BM_TENANT_S3_REGION`,
/// `BM_TENANT_S3_BUCKET`, `BM_TENANT_S3_ACCESS_KEY_ID` and `BM_TENANT_S3_SECRET_ACCESS_KEY`.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The tenant's id.
    #[arg(long, env = "BM_TENANT_ID", value_name = "UUID")]
    tenant: String,
    /// Loopback address to answer on; port 0 takes any free one. In a machine of its own on Fly it
    /// may be any.
    #[arg(
        long,
        env = "BM_TENANT_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:0"
    )]
    listen: SocketAddr,
    /// How the bucket becomes files: auto, mount, replica or tigrisfs.
    #[arg(long, env = "BM_TENANT_DRIVER", default_value = "auto")]
    driver: DriverChoice,
    /// Folder for everything that the instance keeps.
    #[arg(long, env = "BM_TENANT_STATE", value_name = "DIR")]
    state: Option<PathBuf>,
    /// Generation of Basic Memory, 0.15 or 0.24; else that of the installed one.
    #[arg(long, env = "BM_TENANT_GENERATION")]
    generation: Option<Generation>,
    /// Python environment that has basic-memory; without it there are files alone.
    #[arg(long, env = "BM_TENANT_BASIC_MEMORY", value_name = "DIR")]
    basic_memory: Option<PathBuf>,
    /// rclone to use before any other.
    #[arg(long, env = "BM_TENANT_RCLONE", value_name = "FILE")]
    rclone: Option<PathBuf>,
    /// tigrisfs, for the driver of that name.
    #[arg(
        long,
        env = "BM_TENANT_TIGRISFS",
        value_name = "FILE",
        default_value = "/usr/local/bin/tigrisfs"
    )]
    tigrisfs: PathBuf,
    /// File with this instance's keys, readable by its owner only. Without it they are read from
    /// the variable `BM_TENANT_KEYS`.
    #[arg(long, env = "BM_TENANT_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = tokio::runtime::Runtime::new()
        .context("could not start")
        .and_then(|runtime| {
            let ended = runtime.block_on(run(cli));
            runtime.shutdown_timeout(Duration::from_secs(1));
            ended
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to hear that this could not be written either.
            drop(writeln!(io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::builder()
                .with_default_directive(tracing::Level::INFO.into())
                .from_env_lossy(),
        )
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    // A machine of a provider that starts one for each tenant has a private network of its own.
    let has_own_network = variable("FLY_MACHINE_ID").is_some();
    ensure!(
        cli.listen.ip().is_loopback() || has_own_network,
        "{} is not a loopback address",
        cli.listen
    );
    let stop = stop_asked()?;
    let keys = keys(&cli)?;
    // Nobody would read the files, unless somebody says how they are to be made.
    let needs_files = cli.basic_memory.is_some() || cli.driver != DriverChoice::Auto;
    let (files, basic_memory) = match bucket()?.filter(|_| needs_files) {
        Some(bucket) => {
            let state = cli
                .state
                .as_deref()
                .context("an instance with a bucket needs --state")?;
            let places = places(state).context("could not make the state folder")?;
            lock(state)?;
            let basic_memory = cli
                .basic_memory
                .as_ref()
                .map(|environment| BasicMemorySpec {
                    environment: environment.clone(),
                    generation: cli.generation,
                    home: places.state.join("basic-memory"),
                    run: places.runtime.clone(),
                });
            let files = files_spec(&cli, bucket, places)?;
            (Some(files), basic_memory)
        }
        None => (None, None),
    };
    let listener = TcpListener::bind(cli.listen)
        .await
        .with_context(|| format!("could not listen on {}", cli.listen))?;
    announce(listener.local_addr().context("could not learn the port")?)?;
    let spec = InstanceSpec {
        tenant: cli.tenant,
        keys,
        // Such a machine is also suspended and resumed.
        window: match has_own_network {
            true => Window::RESUMED,
            false => Window::STEADY,
        },
        now: Arc::new(unix_seconds),
        files,
        basic_memory,
    };
    serve(spec, listener, stop)
        .await
        .context("the instance stopped")
}

fn keys(cli: &Cli) -> anyhow::Result<KeyRing> {
    match &cli.key_file {
        Some(file) => read_keys(file).with_context(|| format!("could not use {}", file.display())),
        None => {
            let text = variable("BM_TENANT_KEYS")
                .context("keys are needed: --key-file, or the variable BM_TENANT_KEYS")?;
            parse_keys(&text).context("could not use the variable BM_TENANT_KEYS")
        }
    }
}

/// The bucket that the environment names; none if it names no endpoint.
fn bucket() -> anyhow::Result<Option<Bucket>> {
    let Some(endpoint) = variable("BM_TENANT_S3_ENDPOINT") else {
        return Ok(None);
    };
    let needed = |name: &str| variable(name).with_context(|| format!("{name} is not set"));
    let config = BucketConfig {
        endpoint: endpoint
            .parse()
            .context("BM_TENANT_S3_ENDPOINT is not an address")?,
        region: variable("BM_TENANT_S3_REGION").unwrap_or_else(|| "auto".to_owned()),
        bucket: needed("BM_TENANT_S3_BUCKET")?,
        credentials: Credentials {
            access_key: needed("BM_TENANT_S3_ACCESS_KEY_ID")?,
            secret_key: needed("BM_TENANT_S3_SECRET_ACCESS_KEY")?.into(),
        },
    };
    let clock = Clock::system();
    let bucket =
        Bucket::new(config, Arc::new(move || clock.now())).context("the bucket cannot be used")?;
    Ok(Some(bucket))
}

fn files_spec(cli: &Cli, bucket: Bucket, places: Places) -> anyhow::Result<FilesSpec> {
    let path = variable("PATH");
    let own = std::env::current_exe().context("could not find this program")?;
    let own = own.parent().unwrap_or(Path::new("/"));
    let rclone = rclone::candidates(
        cli.rclone.as_deref(),
        own,
        path.as_deref().map(AsRef::as_ref),
    );
    let folder = places
        .state
        .parent()
        .context("the state folder has no parent")?
        .join("data");
    Ok(FilesSpec {
        choice: cli.driver,
        bucket,
        folder,
        places,
        rclone,
        tigrisfs: cli.tigrisfs.clone(),
        name: cli.tenant.clone(),
        clock: Clock::system(),
    })
}

/// The folders below the state folder, none of them for others.
fn places(state: &Path) -> io::Result<Places> {
    std::fs::create_dir_all(state)?;
    let state = state.canonicalize()?;
    let mut runtime = state.join("run");
    // A socket's path is short; a deep folder's sockets go to a folder of the system's.
    if runtime.as_os_str().len() > LONGEST_RUN {
        runtime = std::env::temp_dir().join(format!("bm-tenant-{}", short_name(&state)));
    }
    Ok(Places {
        config: state.join("state"),
        state: state.join("state"),
        data: state.join("side"),
        cache: state.join("state"),
        runtime,
    })
}

/// Takes the state folder for this process; it is free again when the process is gone.
fn lock(state: &Path) -> anyhow::Result<()> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(state.join("lock"))
        .context("could not open the lock of the state folder")?;
    ensure!(
        file.try_lock().is_ok(),
        "another instance works in {}",
        state.display()
    );
    // Held for as long as the process lives.
    std::mem::forget(file);
    Ok(())
}

fn short_name(path: &Path) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[expect(clippy::disallowed_methods, reason = "mains read the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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

/// Is cancelled on ctrl-c and, where there is one, on the signal to terminate.
fn stop_asked() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let asked = stop.clone();
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
        asked.cancel();
    });
    Ok(stop)
}
