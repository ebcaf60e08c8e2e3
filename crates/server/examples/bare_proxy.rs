//! Passes requests on without asking who sends them, so that this alone can be measured.
//!
//! `bare_proxy HOST:PORT` prints its own address and serves until it is ended.

use std::io::Write;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let upstream = std::env::args()
        .nth(1)
        .context("usage: bare_proxy HOST:PORT")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{{\"url\":\"http://{address}\"}}")?;
    stdout.flush()?;
    server::serve_bare(listener, &upstream, CancellationToken::new()).await?;
    Ok(())
}
