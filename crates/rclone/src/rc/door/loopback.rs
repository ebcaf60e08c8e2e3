use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rand::RngCore as _;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha1::{Digest as _, Sha1};
use tokio::net::TcpStream;

use super::NoDoor;

const USER: &str = "rc";

/// What rclone logs once it listens.
const SERVING: &str = "Serving remote control on http://";

#[derive(Clone, Debug)]
pub(crate) struct Door {
    port: Arc<OnceLock<SocketAddr>>,
    password: SecretString,
    hashes: PathBuf,
}

#[derive(Deserialize)]
struct LogLine {
    msg: String,
}

impl Door {
    /// A password of this launch alone, whose hash is put into a folder of the child's own. It has
    /// 256 bits, so that the plain hash which rclone understands gives nothing away.
    pub(crate) fn make(folder: &Path) -> Result<Self, NoDoor> {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let door = Self {
            port: Arc::default(),
            password: BASE64_URL_SAFE_NO_PAD.encode(bytes).into(),
            hashes: folder.join("rc.htpasswd"),
        };
        let hash = Sha1::digest(door.password.expose_secret().as_bytes());
        let line = format!("{USER}:{{SHA}}{}\n", BASE64_STANDARD.encode(hash));
        std::fs::write(&door.hashes, line)?;
        Ok(door)
    }

    /// There is none: a child of ours has died with us, and nobody has its password.
    #[cfg(windows)]
    pub(crate) fn left_in(folder: &Path) -> Self {
        Self {
            port: Arc::default(),
            password: SecretString::from(String::new()),
            hashes: folder.join("rc.htpasswd"),
        }
    }

    /// What the child is to be told.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = ["--rc-addr", "127.0.0.1:0", "--rc-htpasswd"]
            .map(OsString::from)
            .to_vec();
        arguments.push(self.hashes.clone().into());
        arguments
    }

    /// A line of the child's log. It comes through a pipe that only the child writes to, so
    /// nobody else can have us talk to another port.
    pub(crate) fn heard(&self, line: &str) {
        if !line.contains(SERVING) {
            return;
        }
        let Ok(LogLine { msg }) = serde_json::from_str(line) else {
            return;
        };
        let address = msg
            .strip_prefix(SERVING)
            .map(|rest| rest.trim_end_matches('/'));
        let address: Option<SocketAddr> = address.and_then(|address| address.parse().ok());
        if let Some(address) = address.filter(|address| address.ip() == Ipv4Addr::LOCALHOST) {
            // The first word counts.
            self.port.set(address).ok();
        }
    }

    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        match self.port.get() {
            Some(address) => TcpStream::connect(address).await,
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "a socket needs none")]
    pub(crate) fn authorization(&self) -> Option<String> {
        let pair = format!("{USER}:{}", self.password.expose_secret());
        Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_port_is_what_the_child_says_first() {
        let folder = tempfile::tempdir().unwrap();
        let door = Door::make(folder.path()).unwrap();
        let unknown = door.connect().await.unwrap_err();
        assert_eq!(unknown.kind(), io::ErrorKind::NotConnected);
        for line in [
            "Serving remote control on http://127.0.0.1:1/",
            r#"{"msg":"a note named Serving remote control on http://127.0.0.1:2/"}"#,
            r#"{"msg":"Serving remote control on http://192.0.2.1:3/"}"#,
            r#"{"level":"notice","msg":"Serving remote control on http://127.0.0.1:4711/"}"#,
            r#"{"msg":"Serving remote control on http://127.0.0.1:4/"}"#,
        ] {
            door.heard(line);
        }
        assert_eq!(door.port.get().unwrap().port(), 4711);
    }

    #[tokio::test]
    async fn only_who_has_the_password_gets_in() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let folder = tempfile::tempdir().unwrap();
        let door = Door::make(folder.path()).unwrap();
        let mut child = testkit::program(testkit::rclone())
            .args(["rcd", "--use-json-log", "--config", ""])
            .args(door.arguments())
            .env_clear()
            .env("HOME", folder.path())
            .spawn();
        let within = std::time::Duration::from_secs(30);
        let line = child.line(within, |line| line.contains(SERVING)).await;
        door.heard(&line);
        let ask = async |header: &str| {
            let mut stream = door.connect().await.unwrap();
            let head = "POST /core/pid HTTP/1.0\r\nContent-Length: 0\r\n";
            let request = format!("{head}{header}\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer.split(' ').nth(1).map(str::to_owned)
        };
        let right = format!("Authorization: {}\r\n", door.authorization().unwrap());
        assert_eq!(ask(&right).await.as_deref(), Some("200"));
        assert_eq!(ask("").await.as_deref(), Some("401"));
        let elsewhere = tempfile::tempdir().unwrap();
        let wrong = Door::make(elsewhere.path()).unwrap();
        let wrong = wrong.authorization().unwrap();
        let wrong = format!("Authorization: {wrong}\r\n");
        assert_eq!(ask(&wrong).await.as_deref(), Some("401"));
    }

    #[test]
    fn the_password_is_in_no_argument_and_in_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let door = Door::make(folder.path()).unwrap();
        let password = door.password.expose_secret();
        let told = format!("{:?} {door:?}", door.arguments());
        let kept = std::fs::read_to_string(&door.hashes).unwrap();
        assert!(password.len() >= 43 && kept.starts_with("rc:{SHA}"));
        assert!(!told.contains(password) && !kept.contains(password));
    }
}
