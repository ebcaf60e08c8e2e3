//! Serves a store from a folder on a loopback port: `serve DIR BUCKET`.
//!
//! Prints one line, `ENDPOINT ACCESS_KEY SECRET`, with a new key for the bucket, and runs until killed.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3_store::Store;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map(PathBuf::from).ok_or("which folder?")?;
    let bucket = arguments
        .next()
        .and_then(|name| name.into_string().ok())
        .ok_or("which bucket?")?;
    let store = Store::open(&folder, Arc::new(unix_ms))?;
    store.create_bucket(&bucket)?;
    let (access_key, secret) = store.create_key(&bucket)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "http://{address} {access_key} {}",
        secret.expose_secret()
    )?;
    stdout.flush()?;
    store.serve(listener, CancellationToken::new()).await?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own reads its own clock"
)]
fn unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
