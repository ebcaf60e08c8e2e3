use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::child::{self, Companion, Input};
use crate::peers::remove_folder;
use crate::repo::Repo;
use crate::run::{self, Show};

const SOON: Duration = Duration::from_secs(30);
const POSTGRES: &str = "/usr/lib/postgresql/15/bin";
const MEMBERS: &str = "200";
pub(super) const AUDIENCE: &str = "client_bench";

/// Where a process may run: the measured server alone, everything else together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Core {
    Measured,
    Other,
}

/// What all contenders share: the database, the members in it, and the instance behind them.
pub(super) struct World {
    pub(super) repo: Repo,
    pub(super) base: PathBuf,
    pub(super) instance: u16,
    pub(super) database_port: u16,
    issuer_port: u16,
    cores: usize,
    _instance: Companion,
    _issuer: Companion,
    _database: Database,
}

struct Database {
    // Stopped before its folder is removed.
    process: Option<Companion>,
    folder: PathBuf,
}

impl Drop for Database {
    fn drop(&mut self) {
        self.process.take();
        if let Err(error) = remove_folder(&self.folder) {
            eprintln!("note: {error:#}");
        }
    }
}

impl World {
    pub(super) fn start(repo: &Repo, base: &Path) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (instance, issuer_port) = (free_port()?, free_port()?);
        let answer = r#"{"project":"main","entities":[],"total":0,"page":1}"#;
        let body = format!(
            "keepalive_requests 100000000; server {{ listen 127.0.0.1:{instance}; \
             location / {{ default_type application/json; return 200 '{answer}'; }} }}"
        );
        let instance_process = nginx(base, "instance", Core::Other, cores, &body, instance)?;
        prepare(repo, base, &format!("127.0.0.1:{instance}"), issuer_port)?;
        let body = format!(
            "server {{ listen 127.0.0.1:{issuer_port}; \
             location = /jwks {{ alias {}/jwks.json; default_type application/json; }} }}",
            base.display()
        );
        let issuer = nginx(base, "issuer", Core::Other, cores, &body, issuer_port)?;
        let (database, database_port) = postgres(base, cores)?;
        Ok(Self {
            repo: repo.clone(),
            base: base.to_owned(),
            instance,
            database_port,
            issuer_port,
            cores,
            _instance: instance_process,
            _issuer: issuer,
            _database: database,
        })
    }

    pub(super) fn cores(&self) -> usize {
        self.cores
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.issuer_port)
    }

    /// A program bound to one core, that ends with us.
    pub(super) fn pinned(&self, core: Core, program: impl AsRef<std::ffi::OsStr>) -> Command {
        pinned(core, self.cores, program)
    }

    pub(super) fn nginx(&self, name: &str, core: Core, http: &str, port: u16) -> Result<Companion> {
        nginx(&self.base, name, core, self.cores, http, port)
    }

    /// Puts the members into the database, once the server has given it its shape.
    pub(super) fn add_members(&self) -> Result<()> {
        let rows = self.base.join("rows.sql");
        let port = self.database_port.to_string();
        let words = [
            "psql",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "bm",
            "-d",
            "postgres",
            "-p",
            &port,
            "-f",
        ];
        let mut command = run::command(&self.base, words);
        command.arg(rows);
        run::require(&mut command, Show::OnFailure).map(drop)
    }
}

pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

pub(super) fn wait_for_port(what: &str, port: u16) -> Result<()> {
    child::wait_for(what, SOON, || {
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
    })
    .map(drop)
}

fn pinned(core: Core, cores: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = child::tied("taskset");
    command.args(["-c", cpu(core, cores)]).arg(program);
    command
}

fn cpu(core: Core, cores: usize) -> &'static str {
    match (core, cores) {
        (_, 1) | (Core::Measured, _) => "0",
        (Core::Other, _) => "1",
    }
}

fn nginx(
    base: &Path,
    name: &str,
    core: Core,
    cores: usize,
    http: &str,
    port: u16,
) -> Result<Companion> {
    let folder = base.join(name);
    std::fs::create_dir_all(&folder)?;
    let at = folder.display();
    let temporary: String = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .concat();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\naccess_log off;\n{temporary}{http}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config)?;
    let mut command = pinned(core, cores, "nginx");
    command
        .arg("-p")
        .arg(&folder)
        .args(["-e", "stderr", "-c"])
        .arg(file);
    let log = folder.join("nginx.log");
    let process = Companion::start(name, &mut command, Input::Nothing, &log)?;
    wait_for_port(name, port)?;
    Ok(process)
}

fn prepare(repo: &Repo, base: &Path, instance: &str, issuer_port: u16) -> Result<()> {
    let mut command = run::command(base, [repo.made("peers/venv/bin/python")]);
    command
        .arg(repo.at("benches/seeds_stack/prepare.py"))
        .arg(base);
    let issuer = format!("http://127.0.0.1:{issuer_port}");
    command.args([MEMBERS, &issuer, AUDIENCE, instance]);
    run::require(&mut command, Show::OnFailure).map(drop)
}

fn postgres(base: &Path, cores: usize) -> Result<(Database, u16)> {
    // Not below the checkout, which the database's own user may not be able to enter.
    let folder = std::env::temp_dir().join(format!("bm-bench-{}", std::process::id()));
    let mut database = Database {
        process: None,
        folder: folder.clone(),
    };
    std::fs::create_dir_all(&folder)?;
    let mut own = run::command(base, ["chown", "postgres:postgres"]);
    run::require(own.arg(&folder), Show::OnFailure)?;
    let data = folder.join("data");
    let mut init = as_postgres(&folder);
    init.arg(format!("{POSTGRES}/initdb"))
        .args([
            "--no-sync",
            "--username=bm",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "-D",
        ])
        .arg(&data);
    run::require(&mut init, Show::OnFailure)?;
    let port = free_port()?;
    let mut command = as_postgres(&folder);
    command
        .args([
            "--pdeathsig",
            "INT",
            "taskset",
            "-c",
            cpu(Core::Other, cores),
        ])
        .arg(format!("{POSTGRES}/postgres"))
        .args([
            "-h",
            "127.0.0.1",
            "-k",
            "",
            "-c",
            "max_connections=100",
            "-p",
        ])
        .arg(port.to_string())
        .arg("-D")
        .arg(&data);
    let log = base.join("postgres.log");
    let process = Companion::start("postgres", &mut command, Input::Nothing, &log)?;
    wait_for_port("postgres", port)?;
    child::wait_for("postgres to be ready", SOON, || {
        let text = std::fs::read_to_string(&log).context("the log is ours")?;
        Ok(text.contains("ready to accept connections").then_some(()))
    })?;
    database.process = Some(process);
    Ok((database, port))
}

fn as_postgres(folder: &Path) -> Command {
    run::command(
        folder,
        [
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
        ],
    )
}
