//! A proxy before the server that keeps every answer, and reads the secrets out of them.

use std::sync::{Arc, Mutex};

use testkit::{Server, program};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::device::SOON;

pub(crate) struct Recorder {
    pub(crate) url: String,
    server: String,
    answers: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    /// Listens on a port with as many digits as the server's, so that its address can be put in
    /// the place of the server's in every answer.
    pub(crate) async fn start(server: &Server) -> Self {
        let target = server.url.trim_start_matches("http://").to_owned();
        let digits = target.rsplit(':').next().unwrap().len();
        let ports = if digits == 4 {
            1024..=9999
        } else {
            10_000..=u16::MAX
        };
        let bind = async |port: u16| TcpListener::bind(("127.0.0.1", port)).await.ok();
        let mut found = None;
        for port in ports {
            found = bind(port).await;
            if found.is_some() {
                break;
            }
        }
        let listener = found.expect("a port is free");
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(address.len(), target.len());
        let answers = Arc::new(Mutex::new(Vec::new()));
        let recorder = Self {
            url: format!("http://{address}"),
            server: target.clone(),
            answers: Arc::clone(&answers),
        };
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let Ok(server) = TcpStream::connect(&target).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server, |_| ()));
                let (answers, target, address) =
                    (Arc::clone(&answers), target.clone(), address.clone());
                tokio::spawn(pass(from_server, to_client, move |bytes: &mut Vec<u8>| {
                    answers.lock().unwrap().extend_from_slice(bytes);
                    replace(bytes, target.as_bytes(), address.as_bytes());
                }));
            }
        });
        recorder
    }

    /// The values of this name in all answers so far.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let answers = String::from_utf8_lossy(&self.answers.lock().unwrap()).into_owned();
        let start = format!("\"{name}\":\"");
        answers
            .match_indices(&start)
            .map(|(at, _)| {
                let rest = &answers[at + start.len()..];
                rest[..rest.find('"').unwrap()].to_owned()
            })
            .collect()
    }

    /// Ends the session at the provider, as an administrator would.
    pub(crate) async fn revoke_session(&self) {
        let token = self
            .values("refresh_token")
            .pop()
            .expect("a refresh token came by");
        let body = format!("token={token}&token_type_hint=refresh_token");
        let request = format!(
            "POST /idp/oauth2/revoke HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            self.server,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.server).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Copies all versions of the bucket's objects into a folder.
    pub(crate) async fn copy_versions(&self, to: &std::path::Path) {
        let last = |name| self.values(name).pop().unwrap();
        let mut copy = program(testkit::rclone())
            .args(["copy", "--s3-versions", "--config", "/dev/null"])
            .arg(format!(":s3:{}", last("bucket_name")))
            .arg(to)
            .env_clear()
            .env("RCLONE_S3_PROVIDER", "Other")
            .env("RCLONE_S3_FORCE_PATH_STYLE", "true")
            .env("RCLONE_S3_REGION", "us-east-1")
            .env("RCLONE_S3_ENDPOINT", last("endpoint_url"))
            .env("RCLONE_S3_ACCESS_KEY_ID", last("access_key"))
            .env("RCLONE_S3_SECRET_ACCESS_KEY", last("secret_key"))
            .spawn();
        let copied = copy.exit(SOON).await;
        assert!(copied.success(), "{}", copy.stderr());
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, each: impl Fn(&mut Vec<u8>)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let mut bytes = buffer[..read].to_vec();
        each(&mut bytes);
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}

/// Both have the same length, so that the answer keeps its own.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let last = (bytes.len() + 1).saturating_sub(old.len());
    for at in 0..last {
        if bytes[at..].starts_with(old) {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
    }
}
