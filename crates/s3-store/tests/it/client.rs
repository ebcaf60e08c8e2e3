use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A signing S3 client for one bucket.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) endpoint: String,
    pub(crate) bucket: String,
    pub(crate) access_key: String,
    pub(crate) secret: SecretString,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

impl Client {
    pub(crate) fn new(
        endpoint: &str,
        bucket: &str,
        access_key: &str,
        secret: &SecretString,
    ) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            access_key: access_key.to_owned(),
            secret: secret.clone(),
        }
    }

    pub(crate) fn for_bucket(&self, bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) async fn put(&self, key: &str, body: &[u8], headers: Headers<'_>) -> Answer {
        self.object(Method::PUT, key, "", headers, body).await
    }

    pub(crate) async fn get(&self, key: &str, headers: Headers<'_>) -> Answer {
        self.object(Method::GET, key, "", headers, b"").await
    }

    pub(crate) async fn head(&self, key: &str) -> Answer {
        self.object(Method::HEAD, key, "", &[], b"").await
    }

    pub(crate) async fn delete(&self, key: &str, headers: Headers<'_>) -> Answer {
        self.object(Method::DELETE, key, "", headers, b"").await
    }

    pub(crate) async fn copy(&self, from: &str, to: &str, headers: Headers<'_>) -> Answer {
        let source = format!("/{}/{}", self.bucket, encode(from));
        let mut all = vec![("x-amz-copy-source", source.as_str())];
        all.extend(headers);
        self.object(Method::PUT, to, "", &all, b"").await
    }

    pub(crate) async fn list(&self, query: &str) -> Answer {
        self.send(Method::GET, &format!("/{}?{query}", self.bucket), &[], b"")
            .await
    }

    pub(crate) async fn object(
        &self,
        method: Method,
        key: &str,
        query: &str,
        headers: Headers<'_>,
        body: &[u8],
    ) -> Answer {
        let path = format!("/{}/{}", self.bucket, encode(key));
        let path = if query.is_empty() {
            path
        } else {
            format!("{path}?{query}")
        };
        self.send(method, &path, headers, body).await
    }

    /// A request without headers or body.
    pub(crate) async fn bare(&self, method: Method, key: &str, query: &str) -> Answer {
        self.object(method, key, query, &[], b"").await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: &[u8],
    ) -> Answer {
        let url = format!("{}{path}", self.endpoint);
        let signature = self.sign(&method, &url, headers, SignableBody::Bytes(body));
        self.send_signed(method, &url, headers, signature, body)
            .await
    }

    /// Puts a body that is signed in another way than by its hash.
    pub(crate) async fn put_framed(
        &self,
        key: &str,
        framing: SignableBody<'_>,
        headers: Headers<'_>,
        body: &[u8],
    ) -> Answer {
        let url = format!("{}/{}/{}", self.endpoint, self.bucket, encode(key));
        let signature = self.sign(&Method::PUT, &url, headers, framing);
        self.send_signed(Method::PUT, &url, headers, signature, body)
            .await
    }

    async fn send_signed(
        &self,
        method: Method,
        url: &str,
        headers: Headers<'_>,
        signature: Vec<(String, String)>,
        body: &[u8],
    ) -> Answer {
        let mut request = self.http.request(method, url).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in signature {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// Sends a request with its path exactly as given, which HTTP clients would clean up; gives the whole answer.
    pub(crate) async fn send_uncleaned(&self, method: Method, path: &str, body: &[u8]) -> String {
        self.send_in_two(method, path, body, async || {}).await
    }

    /// The same, with something else happening after half of the body.
    pub(crate) async fn send_in_two(
        &self,
        method: Method,
        path: &str,
        body: &[u8],
        between: impl AsyncFnOnce(),
    ) -> String {
        let host = self.endpoint.strip_prefix("http://").unwrap();
        let url = format!("{}{path}", self.endpoint);
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        for (name, value) in self.sign(&method, &url, &[], SignableBody::Bytes(body)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let (first, second) = body.split_at(body.len() / 2);
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(first).await.unwrap();
        between().await;
        stream.write_all(second).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn sign(
        &self,
        method: &Method,
        url: &str,
        headers: Headers<'_>,
        body: SignableBody<'_>,
    ) -> Vec<(String, String)> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = Credentials::new(
            &self.access_key,
            self.secret.expose_secret(),
            None,
            None,
            "test",
        )
        .into();
        #[expect(clippy::disallowed_methods, reason = "signatures carry the real time")]
        let now = SystemTime::now();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(now)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let signable =
            SignableRequest::new(method.as_str(), url, headers.iter().copied(), body).unwrap();
        let (signature, _) = sign(signable, &params).unwrap().into_parts();
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        signature.headers().map(owned).collect()
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The `ETag` with its quotes, as conditional headers want it.
    pub(crate) fn etag(&self) -> String {
        self.header("etag").to_owned()
    }

    /// Contents of every `<name>` element, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        elements(&self.text(), name)
    }

    pub(crate) fn one(&self, name: &str) -> String {
        let found = self.all(name);
        assert_eq!(found.len(), 1, "one {name} in {}", self.text());
        found[0].clone()
    }

    /// The HTTP status and the S3 error code.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (
            self.status.as_u16(),
            self.all("Code").first().cloned().unwrap_or_default(),
        )
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        self
    }
}

fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open)
        .skip(1)
        .map(|rest| rest.split(&close).next().unwrap().to_owned())
        .map(|text| text.replace("&quot;", "\"").replace("&amp;", "&"))
        .collect()
}

pub(crate) fn encode(key: &str) -> String {
    key.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
