mod door;

#[cfg(unix)]
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::log::Progress;
use crate::version::Version;

pub(crate) use door::{Door, NoDoor};

const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST_ANSWER: usize = 1 << 20;

/// Why a call to rclone's remote control gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum RcError {
    /// Not listening yet, or not any more.
    #[error("rclone's remote control cannot be reached")]
    Unreachable(#[source] std::io::Error),
    #[error("the connection to rclone's remote control broke")]
    Broken(#[source] hyper::Error),
    #[error("rclone's remote control did not answer in time")]
    TimedOut,
    #[error("rclone refused {call}: {message}")]
    Refused {
        call: &'static str,
        status: u16,
        message: String,
    },
    #[error("rclone's answer to {call} cannot be read")]
    Unreadable { call: &'static str },
}

/// rclone's remote control; each call is a connection of its own.
#[derive(Clone, Debug)]
pub struct RcClient {
    door: Door,
}

#[derive(Deserialize)]
struct PidOut {
    pid: u32,
}

#[derive(Deserialize)]
struct VersionOut {
    decomposed: (u32, u32, u32),
}

#[derive(Deserialize)]
struct RefusalOut {
    error: String,
}

#[derive(Deserialize)]
struct Nothing {}

impl RcClient {
    /// The remote control on a Unix socket.
    #[cfg(unix)]
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self::at(Door::at(socket))
    }

    pub(crate) fn at(door: Door) -> Self {
        Self { door }
    }

    /// `core/stats`
    ///
    /// # Errors
    /// See [`RcError`]; so for all calls.
    pub async fn stats(&self) -> Result<Progress, RcError> {
        self.call("core/stats").await
    }

    /// `core/pid`
    ///
    /// # Errors
    /// See [`RcError`].
    pub async fn pid(&self) -> Result<u32, RcError> {
        Ok(self.call::<PidOut>("core/pid").await?.pid)
    }

    /// `core/version`
    ///
    /// # Errors
    /// See [`RcError`].
    pub async fn version(&self) -> Result<Version, RcError> {
        let (major, minor, patch) = self.call::<VersionOut>("core/version").await?.decomposed;
        Ok(Version(major, minor, patch))
    }

    /// `core/quit`: the process exits with 0 a moment later, whatever it had finished.
    ///
    /// # Errors
    /// See [`RcError`].
    pub async fn quit(&self) -> Result<(), RcError> {
        self.call::<Nothing>("core/quit").await.map(|Nothing {}| ())
    }

    async fn call<T: DeserializeOwned>(&self, call: &'static str) -> Result<T, RcError> {
        self.ask(call, &json!({})).await
    }

    /// Calls with parameters.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        call: &'static str,
        question: &Value,
    ) -> Result<T, RcError> {
        self.ask_within(call, question, PATIENCE).await
    }

    /// Calls with parameters what may take its time.
    pub(crate) async fn ask_within<T: DeserializeOwned>(
        &self,
        call: &'static str,
        question: &Value,
        within: Duration,
    ) -> Result<T, RcError> {
        timeout(within, self.exchange(call, question))
            .await
            .map_err(|_| RcError::TimedOut)?
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        call: &'static str,
        question: &Value,
    ) -> Result<T, RcError> {
        let stream = self.door.connect().await.map_err(RcError::Unreachable)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(RcError::Broken)?;
        let mut request = Request::post(format!("/{call}"))
            .header("host", "rclone")
            .header("content-type", "application/json");
        if let Some(authorization) = self.door.authorization() {
            request = request.header("authorization", authorization);
        }
        let request = request
            .body(Full::new(Bytes::from(question.to_string())))
            .map_err(|_| RcError::Unreadable { call })?;
        let ask = async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(RcError::Broken)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LARGEST_ANSWER)
                .collect()
                .await;
            let body = body.map_err(|_| RcError::Unreadable { call })?.to_bytes();
            if status.is_success() {
                return serde_json::from_slice(&body).map_err(|_| RcError::Unreadable { call });
            }
            let message = serde_json::from_slice::<RefusalOut>(&body)
                .map_or_else(|_| status.to_string(), |refusal| refusal.error);
            Err(RcError::Refused {
                call,
                status: status.as_u16(),
                message,
            })
        };
        tokio::pin!(ask);
        tokio::select! {
            answer = &mut ask => answer,
            ended = connection => match ended {
                Ok(()) => ask.await,
                Err(error) => Err(RcError::Broken(error)),
            },
        }
    }
}
