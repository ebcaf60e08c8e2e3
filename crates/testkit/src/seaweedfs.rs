use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use crate::judges::python_program;
use crate::{Child, free_port, scratch, wait_until};

const SOON: Duration = Duration::from_secs(60);
const ACCESS_KEY: &str = "seaweedadmin";
const SECRET_KEY: &str = "seaweedsecret";

/// Everything `weed mini` listens with; left alone, each would take a well-known port.
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

/// A running `SeaweedFS`: an S3 store that enforces who may do what, with IAM calls at the same
/// address.
#[must_use]
pub struct SeaweedFs {
    pub endpoint: String,
    /// Of an identity that may do anything.
    pub access_key: String,
    pub secret_key: String,
    _child: Child,
    _sockets: Sockets,
    _folder: TempDir,
}

/// Starts `SeaweedFS` with no bucket and one identity.
///
/// # Panics
/// If it is not installed or does not come up.
pub async fn seaweedfs() -> SeaweedFs {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let identities = serde_json::json!({ "identities": [{
        "name": "admin",
        "credentials": [{ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY }],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }]});
    fs::write(path("identities.json"), identities.to_string())
        .expect("a scratch folder is writable");
    fs::create_dir(path("data")).expect("a scratch folder is writable");
    let s3_port = free_port();
    let ports = PORTS.map(|name| (name, free_port()));
    let sockets = Sockets(ports.map(|(_, port)| port).to_vec());
    let mut child = python_program("weed")
        .arg("mini")
        .arg(format!("-dir={}", path("data")))
        .arg(format!("-s3.config={}", path("identities.json")))
        .arg(format!("-s3.localSocket={}", path("s3.sock")))
        .arg(format!("-filer.localSocket={}", path("filer.sock")))
        .arg(format!("-s3.port={s3_port}"))
        .args(ports.map(|(name, port)| format!("-{name}={port}")))
        .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
        .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
        .args(["-s3.iam.readOnly=false", "-s3.autoCreateBucket=false"])
        .args([
            "-admin.ui=false",
            "-webdav=false",
            "-master.telemetry=false",
        ])
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path())
        .dir(folder.path())
        .spawn();
    let endpoint = format!("http://127.0.0.1:{s3_port}");
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client is made");
    wait_until(SOON, async || {
        assert!(child.ended().is_none(), "weed ended: {}", child.stderr());
        http.get(&endpoint).send().await.is_ok()
    })
    .await;
    SeaweedFs {
        endpoint,
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        _child: child,
        _sockets: sockets,
        _folder: folder,
    }
}

/// What a killed `weed` leaves in `/tmp`, whatever `TMPDIR` says.
struct Sockets(Vec<u16>);

impl Drop for Sockets {
    fn drop(&mut self) {
        for part in ["admin", "filer", "master", "s3", "volume"] {
            for port in &self.0 {
                fs::remove_file(format!("/tmp/seaweedfs-{part}-grpc-{port}.sock")).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python;

    #[tokio::test]
    async fn seaweedfs_stores_what_its_admin_puts() {
        let store = seaweedfs().await;
        let folder = scratch();
        let script = folder.path().join("ask.py");
        fs::write(&script, include_str!("seaweedfs/ask.py")).unwrap();
        let args = [&store.endpoint, &store.access_key, &store.secret_key];
        let mut ask = python(&script, args).spawn();
        assert_eq!(ask.success(SOON).await, "kept\nInvalidAccessKeyId\n");
    }
}
