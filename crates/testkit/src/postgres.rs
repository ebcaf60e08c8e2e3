use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Child, free_port, program, scratch, wait_until};

const SOON: Duration = Duration::from_secs(30);

/// A PostgreSQL server of the test's own, with one empty database.
#[must_use]
pub struct Postgres {
    /// Where the database is: `postgres://…`.
    pub url: String,
    _server: Child,
    _folder: TempDir,
}

/// Starts PostgreSQL on a free loopback port.
///
/// # Panics
/// If it is not installed or does not come up.
pub async fn postgres() -> Postgres {
    let folder = scratch();
    let (uid, gid) = postgres_user();
    chown(folder.path(), Some(uid), Some(gid)).expect("tests run as root or as postgres");
    let data = folder.path().join("data");
    let mut init = as_postgres("initdb")
        .args([
            "--no-sync",
            "--username=bm",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ])
        .arg(format!("--pgdata={}", data.display()))
        .spawn();
    assert!(init.exit(SOON).await.success(), "{}", init.stderr());
    let port = free_port();
    let server = as_postgres("postgres")
        .arg("-D")
        .arg(&data)
        .args(["-h", "127.0.0.1", "-k", "", "-F", "-p"])
        .arg(port.to_string())
        .args(["-c", "shared_buffers=16MB", "-c", "max_connections=50"])
        .spawn();
    wait_until(SOON, async || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
            && server.stderr().contains("ready to accept connections")
    })
    .await;
    Postgres {
        url: format!("postgres://bm@127.0.0.1:{port}/postgres"),
        _server: server,
        _folder: folder,
    }
}

fn postgres_user() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").expect("the system has users");
    let fields: Vec<&str> = users
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect("PostgreSQL is not installed: run `cargo xtask peers`")
        .split(':')
        .collect();
    let number = |text: &str| text.parse().expect("ids are numbers");
    (number(fields[2]), number(fields[3]))
}

fn as_postgres(name: &str) -> crate::Program {
    program("setpriv")
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .args(["--pdeathsig", "KILL"])
        .arg(PathBuf::from("/usr/lib/postgresql/15/bin").join(name))
}
