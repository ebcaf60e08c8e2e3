use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::child::{self, Companion, Input};
use crate::demo::server::Credentials;
use crate::http;
use crate::peers::remove_folder;
use crate::repo::Repo;

const SOON: Duration = Duration::from_secs(60);
const VERSIONED: &str =
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

/// Everything `weed mini` listens with besides S3; left alone, each would take a well-known port.
const PORTS: [&str; 9] = [
    "admin.port",
    "admin.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "master.port",
    "master.port.grpc",
    "s3.port.grpc",
    "volume.port",
    "volume.port.grpc",
];

/// What keeps the notes.
pub(crate) enum Store {
    /// The one inside our server.
    Embedded,
    SeaweedFs(SeaweedFs),
}

/// `SeaweedFS` without identities: it takes any signature, so that the keys our server gives out
/// for its own store are good there, too.
pub(crate) struct SeaweedFs {
    address: String,
    ports: Vec<u16>,
    _process: Companion,
}

impl Store {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::SeaweedFs(_) => "SeaweedFS",
        }
    }

    /// What names of devices end with.
    pub(crate) fn mark(&self) -> &'static str {
        match self {
            Self::Embedded => "",
            Self::SeaweedFs(_) => "-sw",
        }
    }

    /// What names of rows end with.
    pub(crate) fn suffix(&self) -> &'static str {
        match self {
            Self::Embedded => "",
            Self::SeaweedFs(_) => "/seaweedfs",
        }
    }

    /// Where requests for the bucket of these keys go (`127.0.0.1:PORT`).
    pub(crate) fn address(&self, keys: &Credentials) -> Result<String> {
        match self {
            Self::Embedded => Ok(keys.endpoint.trim_start_matches("http://").to_owned()),
            Self::SeaweedFs(store) => store.with_bucket(&keys.bucket),
        }
    }
}

impl SeaweedFs {
    /// Starts with nothing stored.
    pub(crate) fn start(repo: &Repo, base: &Path) -> Result<Self> {
        let folder = base.join("seaweedfs");
        remove_folder(&folder)?;
        std::fs::create_dir_all(folder.join("data"))?;
        let path = |name: &str| folder.join(name).display().to_string();
        let port = free_port()?;
        let mut ports = vec![port];
        let program: PathBuf = repo.made("peers/venv/bin/weed");
        let mut command = child::tied(program);
        command
            .current_dir(&folder)
            .env("HOME", &folder)
            .env("TMPDIR", &folder)
            .arg("mini")
            .arg(format!("-dir={}", path("data")))
            .arg(format!("-s3.localSocket={}", path("s3.sock")))
            .arg(format!("-filer.localSocket={}", path("filer.sock")))
            .arg(format!("-s3.port={port}"));
        for name in PORTS {
            let port = free_port()?;
            ports.push(port);
            command.arg(format!("-{name}={port}"));
        }
        command.args([
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-admin.ui=false",
            "-webdav=false",
            "-master.telemetry=false",
        ]);
        let log = base.join("seaweedfs.log");
        let process = Companion::start("weed", &mut command, Input::Nothing, &log)?;
        let store = Self {
            address: format!("127.0.0.1:{port}"),
            ports,
            _process: process,
        };
        child::wait_for("SeaweedFS", SOON, || {
            let answer = http::get(&format!("http://{}/", store.address));
            Ok(answer
                .is_ok_and(|answer| answer.status == 200)
                .then_some(()))
        })?;
        Ok(store)
    }

    fn with_bucket(&self, bucket: &str) -> Result<String> {
        let url = format!("http://{}/{bucket}", self.address);
        let made = http::put(&url, b"")?;
        ensure!(
            [200, 409].contains(&made.status),
            "SeaweedFS made no bucket: {}",
            String::from_utf8_lossy(&made.body)
        );
        let versioned = http::put(&format!("{url}?versioning"), VERSIONED.as_bytes())?;
        ensure!(
            versioned.status == 200,
            "SeaweedFS keeps no versions: {}",
            String::from_utf8_lossy(&versioned.body)
        );
        Ok(self.address.clone())
    }
}

/// What a killed `weed` leaves in `/tmp`, whatever `TMPDIR` says.
impl Drop for SeaweedFs {
    fn drop(&mut self) {
        for part in ["admin", "filer", "master", "s3", "volume"] {
            for port in &self.ports {
                let socket = format!("/tmp/seaweedfs-{part}-grpc-{port}.sock");
                drop(std::fs::remove_file(socket));
            }
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
