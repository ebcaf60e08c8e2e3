use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to a request whose method is named.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Answer {
        method: &'static str,
        status: u16,
        code: &'static str,
    },
    /// Never answered.
    Hold { method: &'static str },
}

/// Stands between rclone and the bucket, one request per connection.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    hits: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(upstream: &str, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let hits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&hits);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(client, upstream.clone(), fault, Arc::clone(&counter)));
            }
        });
        Self {
            endpoint,
            hits,
            task,
        }
    }

    /// How many requests met the fault.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    upstream: String,
    fault: Fault,
    hits: Arc<AtomicUsize>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if client.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let met = |method: &str| method == "*" || head.starts_with(format!("{method} ").as_bytes());
    match fault {
        Fault::Hold { method } if met(method) => {
            hits.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        Fault::Answer {
            method,
            status,
            code,
        } if met(method) => {
            hits.fetch_add(1, Ordering::SeqCst);
            let body = format!("<Error><Code>{code}</Code><Message>refused</Message></Error>");
            let body = if head.starts_with(b"HEAD") { "" } else { &body };
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            client.write_all(answer.as_bytes()).await.ok()?;
            client.shutdown().await.ok()?;
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.ok()?;
        }
        Fault::Hold { .. } | Fault::Answer { .. } => {
            let mut server = TcpStream::connect(upstream).await.ok()?;
            let line = head.iter().position(|&byte| byte == b'\n')? + 1;
            server.write_all(&head[..line]).await.ok()?;
            server.write_all(b"Connection: close\r\n").await.ok()?;
            server.write_all(&head[line..]).await.ok()?;
            copy_bidirectional(&mut client, &mut server).await.ok()?;
        }
    }
    Some(())
}
