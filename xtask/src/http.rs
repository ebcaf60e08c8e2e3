use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(20);

/// An answer of a server on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON came back: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The JSON of an answer that has to be a success.
    pub(crate) fn accepted(&self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!(
                "the server answered {}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            );
        }
        if self.body.is_empty() {
            Ok(Value::Null)
        } else {
            self.json()
        }
    }
}

pub(crate) fn get(url: &str) -> Result<Answer> {
    exchange("GET", url, &[], b"")
}

pub(crate) fn post_json(url: &str, headers: &[(&str, &str)], body: &Value) -> Result<Answer> {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    exchange("POST", url, &all, &serde_json::to_vec(body)?)
}

/// The same by any method; without a body if that is null.
pub(crate) fn send_json(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Result<Answer> {
    if body.is_null() {
        return exchange(method, url, headers, b"");
    }
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    exchange(method, url, &all, &serde_json::to_vec(body)?)
}

pub(crate) fn post_form(url: &str, fields: &[(&str, &str)]) -> Result<Answer> {
    let body: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    exchange("POST", url, &headers, body.join("&").as_bytes())
}

pub(crate) fn put(url: &str, body: &[u8]) -> Result<Answer> {
    exchange("PUT", url, &[], body)
}

/// Percent-encodes all but the characters that never need it.
pub(crate) fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

/// One request on its own connection, to `http://127.0.0.1:PORT/…` only.
fn exchange(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
    let (host, path) = split(url)?;
    let mut stream =
        TcpStream::connect(host).with_context(|| format!("nothing answers at {host}"))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .with_context(|| format!("{method} {url} was cut off"))?;
    parse(&answer).with_context(|| format!("{method} {url} got no HTTP answer"))
}

fn split(url: &str) -> Result<(&str, &str)> {
    let rest = url
        .strip_prefix("http://")
        .context("only plain http on this machine is spoken")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if !host.starts_with("127.0.0.1:") && !host.starts_with("localhost:") {
        bail!("{host} is not on this machine");
    }
    Ok((host, path))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end])
        .ok()?
        .to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let raw = &answer[end + 4..];
    let body = if head
        .lines()
        .any(|line| line == "transfer-encoding: chunked")
    {
        unchunk(raw)?
    } else {
        raw.to_vec()
    };
    Some(Answer { status, body })
}

fn unchunk(mut raw: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = raw.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&raw[..end]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        raw = raw.get(end + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(raw.get(..size)?);
        raw = raw.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_and_chunked_answers() {
        let plain = parse(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").unwrap();
        assert_eq!(
            plain,
            Answer {
                status: 403,
                body: b"no".to_vec()
            }
        );
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(
            parse(chunked).unwrap(),
            Answer {
                status: 200,
                body: b"abcd".to_vec()
            }
        );
        assert_eq!(parse(b"gibberish"), None);
    }

    #[test]
    fn speaks_to_this_machine_only() {
        assert_eq!(
            split("http://127.0.0.1:80/a?b").unwrap(),
            ("127.0.0.1:80", "/a?b")
        );
        assert!(split("http://example.org/").is_err());
        assert!(split("https://127.0.0.1:80/").is_err());
    }

    #[test]
    fn escapes_an_address_for_a_form() {
        assert_eq!(escape("ana+x@example.org"), "ana%2Bx%40example.org");
    }
}
