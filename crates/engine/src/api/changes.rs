//! Following the changes that others make in the bucket.

use std::time::Duration;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use wire::{ChangeEvent, ChangeIn, ChangesIn, ChangesOut, StreamPosition};

use super::frames::{Frame, Frames};
use super::{Api, ApiError, Transport, TransportError, error};

/// Three of the server's beats: a stream that is silent longer is dead.
const SILENCE: Duration = Duration::from_secs(45);
/// A stream ends with its connection, not by the time that other answers have.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// What a stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// From here on nothing is missed; the newest number so far.
    Ready(i64),
    Change(ChangeEvent),
    /// Something was missed, and everything has to be compared; the newest number so far.
    Resync(i64),
}

/// An open stream.
pub(crate) struct ChangeStream {
    server: String,
    response: reqwest::Response,
    frames: Frames,
    told: std::collections::VecDeque<Told>,
}

impl Api {
    /// Opens the stream of the account's bucket, with what came after number `after`.
    pub(crate) async fn change_stream(
        &self,
        token: &SecretString,
        device: &str,
        after: Option<i64>,
    ) -> Result<ChangeStream, ApiError> {
        let url = self.url(&format!("tenant/events?device={device}"))?;
        let mut request = self
            .transport
            .request(Method::GET, url)
            .bearer_auth(token.expose_secret())
            .timeout(LIFE);
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        let response = request
            .send()
            .await
            .map_err(|cause| TransportError::Unreachable(cause.without_url()).at(&self.server))?;
        if !response.status().is_success() {
            let answer = Transport::whole(response).await;
            return Err(match answer {
                Ok(answer) => error::refusal(&self.server, &answer),
                Err(cause) => cause.at(&self.server),
            });
        }
        Ok(ChangeStream {
            server: self.server.clone(),
            response,
            frames: Frames::default(),
            told: std::collections::VecDeque::new(),
        })
    }

    /// Tells the server what this device wrote to the bucket.
    pub(crate) async fn report_changes(
        &self,
        token: &SecretString,
        device: &str,
        changes: Vec<ChangeIn>,
    ) -> Result<ChangesOut, ApiError> {
        let report = ChangesIn {
            changes,
            device: Some(device.to_owned()),
        };
        let url = self.url("tenant/changes")?;
        let request = self
            .transport
            .request(Method::POST, url)
            .bearer_auth(token.expose_secret())
            .json(&report);
        let answer = self
            .transport
            .send(request)
            .await
            .map_err(|cause| cause.at(&self.server))?;
        self.read(&answer)
    }
}

impl ChangeStream {
    /// Waits for what the stream tells next; `None` when the server ends it.
    pub(crate) async fn next(&mut self) -> Result<Option<Told>, ApiError> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Ok(Some(told));
            }
            let chunk = match tokio::time::timeout(SILENCE, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) | Err(_) => return Ok(None),
                Ok(Err(cause)) => {
                    let cause = TransportError::Unreachable(cause.without_url());
                    return Err(cause.at(&self.server));
                }
            };
            let frames = self.frames.push(&chunk).map_err(|error| {
                let (server, what) = (self.server.clone(), error.to_string());
                ApiError::NotOurServer { server, what }
            })?;
            self.told.extend(frames.iter().filter_map(read));
        }
    }
}

/// What a frame tells; events of later versions are passed over.
fn read(frame: &Frame) -> Option<Told> {
    let position = || {
        let position: StreamPosition = serde_json::from_str(&frame.data).ok()?;
        Some(position.seq)
    };
    match frame.name.as_str() {
        "ready" => position().map(Told::Ready),
        "resync" => position().map(Told::Resync),
        "change" => serde_json::from_str(&frame.data).ok().map(Told::Change),
        _ => None,
    }
}
