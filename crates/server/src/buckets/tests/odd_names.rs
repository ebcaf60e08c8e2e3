//! A bucket with a name in it that S3 allows and XML cannot hold.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;

use super::{AdminKey, endpoint, repeats, system_clock};
use crate::buckets::{AwsBuckets, Buckets};

const ODD: &str = "od\u{1}d.md";

/// Keys of versions that are there; each has one, called `v`.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Vec<String>>>);

async fn answer(
    State(store): State<Store>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, String) {
    let mut keys = store.0.lock().unwrap();
    let path = percent_decode_str(uri.path()).decode_utf8().unwrap();
    let (bucket, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    assert_eq!(bucket, "notes");
    let ok = |text: String| (StatusCode::OK, text);
    match (method.as_str(), key, uri.query().unwrap_or_default()) {
        ("GET", "", "encoding-type=url&versions=") => {
            let version = |key: &String| {
                let key = key.replace('\u{1}', "%01");
                format!("<Version><Key>{key}</Key><VersionId>v</VersionId></Version>")
            };
            let versions: String = keys.iter().map(version).collect();
            ok(format!("<L><EncodingType>url</EncodingType>{versions}</L>"))
        }
        ("POST", "", "delete=") => {
            let text = String::from_utf8(body.to_vec()).unwrap();
            if text.contains('\u{1}') {
                let error = "<Error><Code>MalformedXML</Code></Error>";
                return (StatusCode::BAD_REQUEST, error.to_owned());
            }
            keys.retain(|key| !text.contains(&format!("<Key>{key}</Key><VersionId>v<")));
            ok("<DeleteResult></DeleteResult>".to_owned())
        }
        ("DELETE", key, "versionId=v") => {
            keys.retain(|known| known != key);
            (StatusCode::NO_CONTENT, String::new())
        }
        ("GET", "", "uploads=") => ok("<L></L>".to_owned()),
        ("DELETE", "", "") if keys.is_empty() => (StatusCode::NO_CONTENT, String::new()),
        ("DELETE", "", "") => {
            let error = "<Error><Code>BucketNotEmpty</Code></Error>";
            (StatusCode::CONFLICT, error.to_owned())
        }
        other => panic!("nobody asks {other:?}"),
    }
}

#[tokio::test]
async fn a_bucket_goes_whatever_is_called_in_it() {
    let store = Store::default();
    let names = ["a b.md", ODD, "z.md"].map(str::to_owned);
    store.0.lock().unwrap().extend(names);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(store.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let key = AdminKey {
        access_key: "admin".to_owned(),
        secret: "secret".to_owned().into(),
    };
    let clock = system_clock();
    let at = endpoint(&url);
    let buckets = AwsBuckets::new(at.clone(), at.clone(), at, &key, &clock, repeats()).unwrap();
    buckets.delete_bucket("notes").await.unwrap();
    assert_eq!(*store.0.lock().unwrap(), Vec::<String>::new());
}
