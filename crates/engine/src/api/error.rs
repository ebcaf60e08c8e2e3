use std::time::Duration;

use http::{StatusCode, header};
use wire::{ApiErrorBody, SUBSCRIPTION_REQUIRED};

use super::Answer;

/// Why a call to the companion server failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{server} cannot be reached")]
    Unreachable {
        server: String,
        #[source]
        cause: reqwest::Error,
    },
    #[error("{server} is not a Basic Memory cloud server: {what}")]
    NotOurServer { server: String, what: String },
    #[error("{message}")]
    SubscriptionRequired {
        message: String,
        subscribe_url: String,
    },
    #[error("the server does not accept this sign-in any more")]
    Unauthenticated,
    #[error("this account has no cloud storage yet")]
    NoTenant,
    #[error("the server asks us to slow down")]
    RateLimited { retry_after: Option<Duration> },
    #[error("the server answered {status}: {message}")]
    Server {
        status: u16,
        code: String,
        message: String,
    },
    #[error("{url:?} cannot be used as a server address: {what}")]
    BadUrl { url: String, what: String },
}

impl ApiError {
    /// A stable word for scripts and logs; the server's own code where it sent one.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::NotOurServer { .. } => "not_our_server",
            Self::SubscriptionRequired { .. } => SUBSCRIPTION_REQUIRED,
            Self::Unauthenticated => "unauthenticated",
            Self::NoTenant => "no_tenant",
            Self::RateLimited { .. } => "rate_limited",
            Self::Server { code, .. } => code,
            Self::BadUrl { .. } => "bad_url",
        }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::RateLimited { .. } => true,
            Self::Server { status, .. } => *status >= 500 || *status == 408,
            Self::NotOurServer { .. }
            | Self::SubscriptionRequired { .. }
            | Self::Unauthenticated
            | Self::NoTenant
            | Self::BadUrl { .. } => false,
        }
    }

    /// What a person can do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => {
                Some("Check the network and the server's address.".to_owned())
            }
            Self::NotOurServer { .. } => Some(
                "Check the address. A network that asks for a sign-in of its own can also be the \
                 cause."
                    .to_owned(),
            ),
            Self::SubscriptionRequired { subscribe_url, .. } => {
                Some(format!("Subscribe at: {subscribe_url}"))
            }
            Self::Unauthenticated => Some("Sign in again.".to_owned()),
            Self::NoTenant => Some("Set up a folder to create it.".to_owned()),
            Self::RateLimited {
                retry_after: Some(wait),
            } => Some(format!("Try again in {} s.", wait.as_secs().max(1))),
            Self::RateLimited { retry_after: None } => Some("Try again in a minute.".to_owned()),
            Self::Server { status, .. } if *status >= 500 => {
                Some("This is the server's fault; it is tried again by itself.".to_owned())
            }
            Self::Server { .. } => None,
            Self::BadUrl { .. } => Some(
                "Write it like https://cloud.example.org; http:// works only for this machine."
                    .to_owned(),
            ),
        }
    }
}

/// Reads an answer that is not a success.
pub(super) fn refusal(server: &str, answer: &Answer) -> ApiError {
    let status = answer.status;
    if status.is_redirection() {
        let target = answer
            .headers
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok());
        let what = format!(
            "it sends us on to {}",
            plain(target.unwrap_or("another place"))
        );
        return ApiError::NotOurServer {
            server: server.to_owned(),
            what,
        };
    }
    if status == StatusCode::UNAUTHORIZED {
        return ApiError::Unauthenticated;
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return ApiError::RateLimited {
            retry_after: answer.retry_after(),
        };
    }
    match ApiErrorBody::parse(&answer.body) {
        Some(body) if body.error == SUBSCRIPTION_REQUIRED => ApiError::SubscriptionRequired {
            message: plain(&body.message),
            subscribe_url: body
                .subscribe_url
                .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
                .map_or_else(|| server.to_owned(), |url| plain(&url)),
        },
        Some(body) if body.error == "no_tenant" => ApiError::NoTenant,
        Some(body) => ApiError::Server {
            status: status.as_u16(),
            code: plain(&body.error),
            message: plain(&body.message),
        },
        None if status.is_server_error() => ApiError::Server {
            status: status.as_u16(),
            code: "internal".to_owned(),
            message: status
                .canonical_reason()
                .unwrap_or("an unknown error")
                .to_owned(),
        },
        None => ApiError::NotOurServer {
            server: server.to_owned(),
            what: format!(
                "it refuses with {} in words that are not ours",
                status.as_u16()
            ),
        },
    }
}

/// Text from outside, fit for one line of a terminal: no control characters, at most 300 letters.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn reads_each_refusal_by_its_cause() {
        let nested = r#"{"detail":{"error":"subscription_required","message":"No","subscribe_url":"https://s.example"}}"#;
        for (status, body, code, transient) in [
            (401, "{}", "unauthenticated", false),
            (403, nested, "subscription_required", false),
            (
                403,
                r#"{"error":"no_tenant","message":"x"}"#,
                "no_tenant",
                false,
            ),
            (403, "<html>", "not_our_server", false),
            (404, "", "not_our_server", false),
            (302, "", "not_our_server", false),
            (
                409,
                r#"{"error":"conflict","message":"x"}"#,
                "conflict",
                false,
            ),
            (429, "", "rate_limited", true),
            (502, "<html>", "internal", true),
            (
                503,
                r#"{"error":"starting","message":"x"}"#,
                "starting",
                true,
            ),
        ] {
            let error = refusal("https://c.example", &answer(status, body));
            assert_eq!(
                (error.code(), error.is_transient()),
                (code, transient),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn waits_as_long_as_the_server_says() {
        let mut limited = answer(429, "");
        limited
            .headers
            .insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        let error = refusal("https://c.example", &limited);
        assert_eq!(error.hint().as_deref(), Some("Try again in 7 s."));
    }

    #[test]
    fn a_subscribe_link_that_is_no_web_address_is_not_shown() {
        let body = r#"{"error":"subscription_required","message":"No\u001b[2J","subscribe_url":"file:///etc"}"#;
        let error = refusal("https://c.example", &answer(403, body));
        assert_eq!(error.to_string(), "No[2J");
        assert_eq!(
            error.hint().as_deref(),
            Some("Subscribe at: https://c.example")
        );
    }
}
