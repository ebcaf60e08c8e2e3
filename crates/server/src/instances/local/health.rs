//! What an instance says of itself.

use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;

use super::error::LocalError;

const DEADLINE: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It takes requests.
    Well,
    Starting,
    /// It will not get well by itself.
    Failed,
    Silent,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
}

pub(super) fn client() -> Result<Client, LocalError> {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(DEADLINE)
        // An instance may be gone before its connection is used again.
        .pool_max_idle_per_host(0)
        .build()
        .map_err(LocalError::Client)
}

pub(super) async fn ask(http: &Client, address: &str) -> Health {
    let answered = http.get(format!("{address}/health")).send().await;
    let Ok(mut answer) = answered else {
        return Health::Silent;
    };
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            return Health::Silent;
        }
    }
    judge(&body)
}

fn judge(body: &[u8]) -> Health {
    let answer: Result<Answer, _> = serde_json::from_slice(body);
    match answer.as_ref().map(|answer| answer.status.as_str()) {
        Ok("ok" | "degraded") => Health::Well,
        Ok("failed") => Health::Failed,
        // A newer instance may have a word for it that this server does not know.
        Ok(_) => Health::Starting,
        Err(_) => Health::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_taken_at_its_word() {
        for (body, expected) in [
            (r#"{"status":"ok","version":"1"}"#, Health::Well),
            (r#"{"status":"degraded"}"#, Health::Well),
            (r#"{"status":"starting"}"#, Health::Starting),
            (r#"{"status":"warming"}"#, Health::Starting),
            (r#"{"status":"failed"}"#, Health::Failed),
            ("<html>", Health::Silent),
        ] {
            assert_eq!(judge(body.as_bytes()), expected, "{body}");
        }
    }
}
