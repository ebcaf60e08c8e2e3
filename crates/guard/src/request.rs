use http::{HeaderMap, Method};

use crate::bucket::transport::header_text;
use crate::encoding::{self, Plus};
use crate::listing::{ListQuery, ListVersion, Naming};

/// What a client asks for, as far as the guard does it at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    DescribeBucket,
    LocateBucket,
    List(ListQuery),
    DeleteMany,
    Head {
        key: String,
    },
    Get {
        key: String,
    },
    Put {
        key: String,
        mtime_ms: Option<i64>,
    },
    Copy {
        key: String,
        source: String,
        mtime_ms: Option<i64>,
    },
    Delete {
        key: String,
    },
    StartUpload {
        key: String,
        mtime_ms: Option<i64>,
    },
    UploadPart {
        key: String,
        upload: String,
        number: u16,
    },
    CompleteUpload {
        key: String,
        upload: String,
    },
    AbortUpload {
        key: String,
        upload: String,
    },
}

/// Why a request is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    Unreadable,
    OtherBucket,
    Unsupported,
}

type Pairs = Vec<(String, String)>;

/// Reads a path-style S3 request. Query parameters that are not known make it unsupported: what they would change
/// must not be done without them.
pub(crate) fn parse(
    method: &Method,
    (path, query): (&str, &str),
    headers: &HeaderMap,
    bucket: &str,
) -> Result<Operation, Misfit> {
    let path = path.strip_prefix('/').ok_or(Misfit::Unreadable)?;
    let (name, key) = path.split_once('/').unwrap_or((path, ""));
    if encoding::decode(name, Plus::Literal).as_deref() != Some(bucket) {
        return Err(Misfit::OtherBucket);
    }
    let key = encoding::decode(key, Plus::Literal).ok_or(Misfit::Unreadable)?;
    let mut pairs = Pairs::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = |text| encoding::decode(text, Plus::Space).ok_or(Misfit::Unreadable);
        pairs.push((text(name)?, text(value)?));
    }
    pairs.retain(|(name, _)| name != "x-id");
    if key.is_empty() {
        of_bucket(method, pairs)
    } else {
        of_object(method, key, &pairs, headers, bucket)
    }
}

fn of_bucket(method: &Method, pairs: Pairs) -> Result<Operation, Misfit> {
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    match (method.as_str(), names.as_slice()) {
        ("HEAD", []) => Ok(Operation::DescribeBucket),
        ("GET", ["location"]) => Ok(Operation::LocateBucket),
        ("POST", ["delete"]) => Ok(Operation::DeleteMany),
        ("GET", _) => list(pairs).map(Operation::List),
        _ => Err(Misfit::Unsupported),
    }
}

fn list(pairs: Pairs) -> Result<ListQuery, Misfit> {
    let mut query = ListQuery {
        version: ListVersion::V1,
        prefix: String::new(),
        delimiter: None,
        max_keys: 1000,
        after: None,
        start_after: None,
        token: None,
        naming: Naming::Plain,
    };
    let mut marker = None;
    for (name, value) in pairs {
        match (name.as_str(), value.as_str()) {
            ("list-type", "2") => query.version = ListVersion::V2,
            ("encoding-type", "url") => query.naming = Naming::Encoded,
            ("fetch-owner", _) => {}
            ("max-keys", number) => {
                query.max_keys = number.parse().map_err(|_| Misfit::Unreadable)?;
            }
            ("prefix", _) => query.prefix = value,
            ("delimiter", "") => {}
            ("delimiter", _) => query.delimiter = Some(value),
            ("marker" | "start-after" | "continuation-token", "") => {}
            ("marker", _) => marker = Some(value),
            ("start-after", _) => query.start_after = Some(value),
            ("continuation-token", _) => query.token = Some(value),
            _ => return Err(Misfit::Unsupported),
        }
    }
    query.after = match query.version {
        ListVersion::V1 => marker,
        ListVersion::V2 => match &query.token {
            // The bucket's own tokens mean something to the bucket alone.
            Some(token) => hex::decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok()),
            None => query.start_after.clone(),
        },
    };
    Ok(query)
}

fn of_object(
    method: &Method,
    key: String,
    pairs: &Pairs,
    headers: &HeaderMap,
    bucket: &str,
) -> Result<Operation, Misfit> {
    let mut pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    pairs.sort_unstable();
    let mtime_ms = header_text(headers, "x-amz-meta-mtime").and_then(encoding::parse_mtime);
    let copies = headers.contains_key("x-amz-copy-source");
    match (method.as_str(), pairs.as_slice()) {
        ("HEAD", []) => Ok(Operation::Head { key }),
        ("GET", []) => Ok(Operation::Get { key }),
        ("PUT", []) if copies => Ok(Operation::Copy {
            key,
            source: copy_source(headers, bucket)?,
            mtime_ms,
        }),
        ("PUT", []) => Ok(Operation::Put { key, mtime_ms }),
        ("PUT", [("partNumber", number), ("uploadId", upload)]) if !copies => {
            Ok(Operation::UploadPart {
                key,
                upload: (*upload).to_owned(),
                number: number.parse().map_err(|_| Misfit::Unreadable)?,
            })
        }
        ("POST", [("uploads", "")]) => Ok(Operation::StartUpload { key, mtime_ms }),
        ("POST", [("uploadId", upload)]) => Ok(Operation::CompleteUpload {
            key,
            upload: (*upload).to_owned(),
        }),
        ("DELETE", []) => Ok(Operation::Delete { key }),
        ("DELETE", [("uploadId", upload)]) => Ok(Operation::AbortUpload {
            key,
            upload: (*upload).to_owned(),
        }),
        _ => Err(Misfit::Unsupported),
    }
}

fn copy_source(headers: &HeaderMap, bucket: &str) -> Result<String, Misfit> {
    let text = header_text(headers, "x-amz-copy-source").ok_or(Misfit::Unreadable)?;
    if text.contains('?') {
        return Err(Misfit::Unsupported);
    }
    let text = encoding::decode(text, Plus::Literal).ok_or(Misfit::Unreadable)?;
    let text = text.strip_prefix('/').unwrap_or(&text);
    match text.split_once('/') {
        Some((name, key)) if name == bucket && !key.is_empty() => Ok(key.to_owned()),
        _ => Err(Misfit::OtherBucket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn parsed(method: &Method, target: &str) -> Result<Operation, Misfit> {
        let target = target.split_once('?').unwrap_or((target, ""));
        parse(method, target, &HeaderMap::new(), "b")
    }

    fn key() -> String {
        "a b/é+//c".into()
    }

    #[test]
    fn each_request_that_is_done_is_told_apart() {
        let path = "/b/a%20b/%C3%A9+//c";
        let with = |query: &str| format!("{path}?{query}");
        let upload = || "u/1".to_owned();
        let cases = [
            (Method::HEAD, "/b".to_owned(), Operation::DescribeBucket),
            (Method::HEAD, "/b/".to_owned(), Operation::DescribeBucket),
            (
                Method::GET,
                "/b?location".to_owned(),
                Operation::LocateBucket,
            ),
            (Method::POST, "/b?delete=".to_owned(), Operation::DeleteMany),
            (
                Method::HEAD,
                path.to_owned(),
                Operation::Head { key: key() },
            ),
            (
                Method::GET,
                with("x-id=GetObject"),
                Operation::Get { key: key() },
            ),
            (
                Method::PUT,
                with("x-id=PutObject"),
                Operation::Put {
                    key: key(),
                    mtime_ms: None,
                },
            ),
            (
                Method::DELETE,
                path.to_owned(),
                Operation::Delete { key: key() },
            ),
            (
                Method::POST,
                with("uploads="),
                Operation::StartUpload {
                    key: key(),
                    mtime_ms: None,
                },
            ),
            (
                Method::PUT,
                with("uploadId=u%2F1&partNumber=7"),
                Operation::UploadPart {
                    key: key(),
                    upload: upload(),
                    number: 7,
                },
            ),
            (
                Method::POST,
                with("uploadId=u%2F1"),
                Operation::CompleteUpload {
                    key: key(),
                    upload: upload(),
                },
            ),
            (
                Method::DELETE,
                with("uploadId=u%2F1"),
                Operation::AbortUpload {
                    key: key(),
                    upload: upload(),
                },
            ),
        ];
        for (method, target, expected) in cases {
            assert_eq!(parsed(&method, &target), Ok(expected), "{target}");
        }
    }

    #[test]
    fn anything_else_is_refused_for_its_cause() {
        let cases = [
            (Method::PUT, "/b", Misfit::Unsupported),
            (Method::DELETE, "/b", Misfit::Unsupported),
            (Method::GET, "/", Misfit::OtherBucket),
            (Method::GET, "/c/k", Misfit::OtherBucket),
            (Method::GET, "/b/../c/k?acl", Misfit::Unsupported),
            (Method::GET, "/b/k?acl", Misfit::Unsupported),
            (Method::PUT, "/b/k?acl", Misfit::Unsupported),
            (Method::PUT, "/b/k?tagging=", Misfit::Unsupported),
            (Method::GET, "/b/k?versionId=1", Misfit::Unsupported),
            (Method::DELETE, "/b/k?versionId=1", Misfit::Unsupported),
            (Method::POST, "/b/k", Misfit::Unsupported),
            (Method::GET, "/b?versions", Misfit::Unsupported),
            (Method::GET, "/b?max-keys=many", Misfit::Unreadable),
            (Method::GET, "/b/%ff", Misfit::Unreadable),
        ];
        for (method, target, expected) in cases {
            assert_eq!(parsed(&method, target), Err(expected), "{target}");
        }
    }

    #[test]
    fn a_copy_names_its_source_in_the_same_bucket_only() {
        let copy = |source: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-copy-source", HeaderValue::from_static(source));
            headers.insert("x-amz-meta-mtime", HeaderValue::from_static("1.5"));
            parse(&Method::PUT, ("/b/k", ""), &headers, "b")
        };
        let expected = Operation::Copy {
            key: "k".into(),
            source: "x y".into(),
            mtime_ms: Some(1500),
        };
        assert_eq!(copy("b/x%20y"), Ok(expected.clone()));
        assert_eq!(copy("/b/x%20y"), Ok(expected));
        assert_eq!(copy("c/x"), Err(Misfit::OtherBucket));
        assert_eq!(copy("b/x?versionId=1"), Err(Misfit::Unsupported));
    }
}
