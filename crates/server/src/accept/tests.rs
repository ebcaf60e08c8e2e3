use std::net::SocketAddr;
use std::path::PathBuf;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

fn bounds() -> Bounds {
    Bounds {
        header_deadline: Duration::from_millis(300),
        ..Bounds::default()
    }
}

async fn serving_with(
    router: Router,
    bounds: Bounds,
    certificates: Option<Arc<Certificates>>,
) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = CancellationToken::new();
    let serving = serve(listener, router, bounds, certificates, cancel.clone());
    (address, cancel, tokio::spawn(serving))
}

async fn serving(router: Router) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    serving_with(router, bounds(), None).await
}

/// Sends bytes and gives everything that comes back until the server closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_half_request_is_cut_off() {
    let (address, _cancel, _task) = serving(Router::new()).await;
    let answer = exchange(address, "GET / HTTP/1.1\r\nHost: local").await;
    assert!(!answer.contains("200 OK"));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut_off() {
    let (address, _cancel, _task) = serving(Router::new()).await;
    assert_eq!(exchange(address, "").await, "");
}

/// Says when it is dropped.
struct Kept(Arc<Notify>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_left_and_one_that_goes_on_is_not() {
    let (given_up, bounds) = (
        Arc::new(Notify::new()),
        Bounds {
            write_idle: Duration::from_millis(300),
            ..bounds()
        },
    );
    let kept = Arc::clone(&given_up);
    let much = get(async move || {
        let kept = Kept(Arc::clone(&kept));
        let chunk = axum::body::Bytes::from(vec![b'x'; 64 * 1024]);
        axum::body::Body::from_stream(futures::stream::repeat_with(move || {
            let _open = &kept;
            Ok::<_, std::io::Error>(chunk.clone())
        }))
    });
    let (address, _cancel, _task) =
        serving_with(Router::new().route("/", much), bounds.clone(), None).await;
    let mut reader = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    reader.write_all(request).await.unwrap();
    let began = tokio::time::Instant::now();
    let mut buffer = vec![0; 1 << 20];
    while began.elapsed() < 2 * bounds.write_idle {
        assert!(reader.read(&mut buffer).await.unwrap() > 0);
    }
    let before = tokio::time::Instant::now();
    tokio::time::timeout(Duration::from_secs(20), given_up.notified())
        .await
        .unwrap();
    assert!(before.elapsed() >= bounds.write_idle / 2);
}

#[tokio::test]
async fn a_request_that_tells_its_length_twice_is_refused_and_the_connection_closed() {
    let echo = Router::new().route("/", post(async |body: String| body));
    let (address, _cancel, _task) = serving(echo).await;
    let both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let swapped = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n";
    for lengths in [both, swapped] {
        let request = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{lengths}");
        let answer = exchange(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(r#""error":"invalid_request""#), "{answer}");
        let good = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nok";
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(good.as_bytes()).await.unwrap();
        let mut first = [0; 15];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("HTTP/1.1 400 "), "{rest}");
    }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_end() {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (here, wait) = (arrived.clone(), go_on.clone());
    let slow = async move || {
        here.notify_one();
        wait.notified().await;
        "done"
    };
    let (address, cancel, task) = serving(Router::new().route("/", get(slow))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    arrived.notified().await;
    cancel.cancel();
    go_on.notify_one();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    task.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_takes_longer_than_the_drain_is_cut_off() {
    let arrived = Arc::new(Notify::new());
    let here = arrived.clone();
    let endless = async move || {
        here.notify_one();
        std::future::pending::<&'static str>().await
    };
    let bounds = Bounds {
        drain_deadline: Duration::from_millis(50),
        ..bounds()
    };
    let router = Router::new().route("/", get(endless));
    let (address, cancel, task) = serving_with(router, bounds, None).await;
    let answer = tokio::spawn(async move {
        exchange(address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await
    });
    arrived.notified().await;
    cancel.cancel();
    task.await.unwrap();
    assert_eq!(answer.await.unwrap(), "");
}

#[tokio::test]
async fn no_more_connections_than_allowed_are_answered_at_once() {
    let bounds = Bounds {
        max_connections: 1,
        header_deadline: Duration::from_secs(20),
        ..Bounds::default()
    };
    let router = Router::new().route("/", get(async || "here"));
    let (address, _cancel, _task) = serving_with(router, bounds, None).await;
    let first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0; 1];
    let waited = tokio::time::timeout(Duration::from_millis(100), second.read(&mut byte)).await;
    assert!(waited.is_err(), "answered while the only slot was taken");
    drop(first);
    let mut answer = String::new();
    second.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("here"), "{answer}");
}

struct Pem {
    folder: tempfile::TempDir,
}

impl Pem {
    fn new() -> (Self, String) {
        let pem = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let certificate = pem.renew();
        (pem, certificate)
    }

    fn files(&self) -> [PathBuf; 2] {
        ["tls.pem", "tls.key"].map(|name| self.folder.path().join(name))
    }

    fn renew(&self) -> String {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let [certificate, key] = self.files();
        std::fs::write(certificate, made.cert.pem()).unwrap();
        std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
        made.cert.pem()
    }
}

async fn get_over_tls(address: SocketAddr, trusted: &str) -> Result<reqwest::Version, String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap()])
        .resolve("localhost", address)
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/", address.port());
    let answer = client
        .get(url)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    Ok(answer.version())
}

#[tokio::test]
async fn tls_speaks_http2_and_takes_a_renewed_certificate_over() {
    let (pem, first) = Pem::new();
    let [certificate, key] = pem.files();
    let certificates = Arc::new(Certificates::open(&certificate, &key).unwrap());
    let router = Router::new().route("/", get(async || "secure"));
    let served = Some(Arc::clone(&certificates));
    let (address, cancel, task) = serving_with(router, bounds(), served).await;
    let reloading = tokio::spawn(Arc::clone(&certificates).run(cancel.clone()));
    assert_eq!(
        get_over_tls(address, &first).await,
        Ok(reqwest::Version::HTTP_2)
    );

    std::fs::write(&certificate, "damaged").unwrap();
    certificates.reload();
    tokio::task::yield_now().await;
    assert_eq!(
        get_over_tls(address, &first).await,
        Ok(reqwest::Version::HTTP_2)
    );

    let second = pem.renew();
    certificates.reload();
    testkit::wait_until(Duration::from_secs(10), async || {
        get_over_tls(address, &second).await.is_ok()
    })
    .await;
    assert!(get_over_tls(address, &first).await.is_err());
    cancel.cancel();
    task.await.unwrap();
    reloading.await.unwrap();
}
