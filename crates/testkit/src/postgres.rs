use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::binaries::peer;

const KEEPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/postgres/keeper.py");
const DEBIAN_PROGRAMS: &str = "/usr/lib/postgresql";

/// A fresh database of a test, in a cluster that all tests of this checkout share.
///
/// The database goes with the value; the cluster ends with the last test process and the runner.
#[must_use]
pub struct Postgres {
    /// With the name and password of the cluster's owner.
    pub url: String,
    name: String,
}

#[derive(Deserialize)]
struct Created {
    url: String,
    name: String,
}

/// Gives a fresh, empty database, and starts the cluster if no other test runs one.
///
/// # Panics
/// If the server of `PostgreSQL` is not installed or does not start.
pub async fn postgres() -> Postgres {
    tokio::task::spawn_blocking(|| {
        let mut link = link();
        let keeper = link.get_or_insert_with(Keeper::reach);
        let Created { url, name } = keeper.ask(&json!({ "create": true }));
        Postgres { url, name }
    })
    .await
    .expect("the cluster gives a database")
}

/// Where the programs of `PostgreSQL` are, such as `pg_dump`: the newest that Debian installed, or
/// what the path finds.
#[must_use]
pub fn postgres_programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN_PROGRAMS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").is_file())
        .collect();
    found.sort_unstable();
    found.pop().map_or_else(
        || {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path)
                .find(|folder| folder.join("initdb").is_file())
                .expect("PostgreSQL's server is installed: run `cargo xtask peers`")
        },
        |(_, programs)| programs,
    )
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(keeper) = link().as_mut() {
            keeper.tell(&json!({ "drop": self.name }));
        }
    }
}

/// This process's connection to whoever keeps the cluster, held until the process ends.
struct Keeper {
    stream: BufReader<UnixStream>,
}

fn link() -> MutexGuard<'static, Option<Keeper>> {
    static LINK: Mutex<Option<Keeper>> = Mutex::new(None);
    LINK.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// Joins the cluster that runs, or starts one; one process at a time.
    fn reach() -> Self {
        let folder = peer("postgres");
        fs::create_dir_all(&folder).expect("the folder of peers is writable");
        let turn = File::create(folder.join("lock")).expect("the folder of peers is writable");
        turn.lock()
            .expect("the folder of the cluster can be locked");
        let stream = Self::connect(&folder).unwrap_or_else(|_| {
            start_keeper(&folder);
            Self::connect(&folder).expect("the cluster's keeper listens")
        });
        drop(turn);
        let mut keeper = Self {
            stream: BufReader::new(stream),
        };
        // Nextest runs each test in a process of its own: the cluster shall outlast the pauses.
        if std::env::var_os("NEXTEST").is_some() {
            keeper.tell(&json!({ "runner": std::os::unix::process::parent_id() }));
        }
        keeper
    }

    fn connect(folder: &Path) -> io::Result<UnixStream> {
        let run: Value = serde_json::from_slice(&fs::read(folder.join("run.json"))?)?;
        UnixStream::connect(run["socket"].as_str().unwrap_or_default())
    }

    fn tell(&mut self, request: &Value) {
        let line = format!("{request}\n");
        // Where nobody listens any more, there is nothing to drop and nobody to outlast.
        self.stream.get_mut().write_all(line.as_bytes()).ok();
    }

    fn ask(&mut self, request: &Value) -> Created {
        self.tell(request);
        let mut answer = String::new();
        self.stream
            .read_line(&mut answer)
            .expect("the cluster's keeper answers");
        serde_json::from_str(&answer).unwrap_or_else(|_| {
            let log = peer("postgres").join("keeper.log");
            panic!("no database was made; see {}", log.display())
        })
    }
}

/// Starts the keeper in a session of its own: it outlives this process if others need it.
fn start_keeper(folder: &Path) {
    let log = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(folder.join("keeper.log"))
        .expect("the folder of peers is writable");
    #[expect(
        clippy::disallowed_methods,
        reason = "the one program of tests that may outlive the test that started it"
    )]
    let mut command = Command::new(peer("venv/bin/python"));
    command
        .arg(KEEPER)
        .arg(folder)
        .arg(postgres_programs())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    #[expect(
        unsafe_code,
        reason = "only the child itself can begin a session of its own"
    )]
    // SAFETY: between fork and exec the closure only makes a system call.
    unsafe {
        command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?));
    }
    let mut keeper = command.spawn().expect("the Python of the peers starts");
    let output = keeper.stdout.take().expect("the output is piped");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).ok();
    assert!(
        line == "ready\n",
        "PostgreSQL does not start: see {}",
        folder.join("keeper.log").display()
    );
    std::thread::spawn(move || keeper.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_call_gives_a_database_of_its_own() {
        let (one, two) = tokio::join!(postgres(), postgres());
        assert_ne!(one.url, two.url);
        for database in [&one, &two] {
            let mut psql = crate::program(postgres_programs().join("psql"))
                .args(["-qAtX", &database.url, "-c"])
                .arg("create table note (id text); select count(*) from note")
                .spawn();
            let ended = psql.exit(std::time::Duration::from_secs(20)).await;
            assert!(ended.success(), "{}", psql.stderr());
            assert_eq!(psql.stdout(), "0\n");
        }
    }
}
