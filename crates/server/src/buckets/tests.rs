//! The dialects against stores that others wrote, and against one that goes wrong.

mod judged;
mod mock_tigris;
mod odd_names;
mod tigris;

use std::time::Duration;

use http::Method;
use secrecy::SecretString;

use super::client::{AdminKey, Call, Client, Endpoint, Repeat, Repeats};
use super::{BucketError, KeyGrant, KeyRef};
use crate::clock::system_clock;

/// Patient enough for a busy machine, and quick to try again.
fn repeats() -> Repeats {
    Repeats {
        attempts: 3,
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(20),
        answer_within: Duration::from_secs(20),
    }
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        url: url.to_owned(),
        region: "us-east-1".to_owned(),
    }
}

fn grant(name: &str, bucket: &str) -> KeyGrant {
    KeyGrant {
        name: name.to_owned(),
        bucket: bucket.to_owned(),
        expires_at: None,
    }
}

fn named(name: &str) -> KeyRef {
    KeyRef {
        name: name.to_owned(),
        access_key: None,
        policy_arn: None,
    }
}

/// Somebody with a key, at a service.
struct Caller(Client);

impl Caller {
    fn new(url: &str, service: &'static str, access_key: &str, secret: &SecretString) -> Self {
        let key = AdminKey {
            access_key: access_key.to_owned(),
            secret: secret.clone(),
        };
        let client = Client::new(endpoint(url), service, key, system_clock(), repeats());
        Self(client.unwrap())
    }

    /// The status, and the body if all went well.
    async fn ask(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let mut headers = Vec::new();
        if path == "/" && !body.is_empty() {
            let form = "application/x-www-form-urlencoded".to_owned();
            headers.push(("content-type", form));
        }
        let call = Call {
            operation: "Test",
            method,
            path_and_query: path.to_owned(),
            headers,
            body: body.as_bytes().to_vec(),
            repeat: Repeat::Always,
        };
        match self.0.send(&call).await {
            Ok(answer) => (200, String::from_utf8_lossy(&answer.body).into_owned()),
            Err(BucketError::Refused { status, .. } | BucketError::Unavailable { status, .. }) => {
                (status, String::new())
            }
            Err(other) => panic!("{path}: {other:?}"),
        }
    }

    async fn status(&self, method: Method, path: &str, body: &str) -> u16 {
        self.ask(method, path, body).await.0
    }
}
