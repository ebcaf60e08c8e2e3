//! Calls to Fly's Machines API, each at its pace, repeated where that does no harm.

use std::time::Duration;

use http::Method;
use reqwest::{Client, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::sleep;

use super::machine::has_no_room;
use super::pace::{Pace, Rate};
use crate::instances::InstanceError;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
const MAX_MESSAGE_BYTES: usize = 200;
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const LEASE_NONCE: &str = "fly-machine-lease-nonce";
const REQUEST_ID: &str = "fly-request-id";

/// One request a second for each action on each machine, three at once; five for looking at one.
/// Source: Fly's documentation of the Machines API, "Rate limits".
const USUAL: Rate = Rate {
    every: Duration::from_secs(1),
    burst: 3,
};
const LOOKING: Rate = Rate {
    every: Duration::from_millis(200),
    burst: 10,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    GetApp,
    ListApps,
    MakeApp,
    DeleteApp,
    ListAddresses,
    MakeAddress,
    SetSecrets,
    ListMachines,
    GetMachine,
    MakeMachine,
    UpdateMachine,
    DeleteMachine,
    Lease,
    Unlease,
    Wait,
    Start,
    Stop,
    Suspend,
    Cordon,
    Uncordon,
}

impl Action {
    /// What it is called in errors and, for changes of state, on the wire.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::GetApp => "get app",
            Self::ListApps => "list apps",
            Self::MakeApp => "make app",
            Self::DeleteApp => "delete app",
            Self::ListAddresses => "list addresses",
            Self::MakeAddress => "make address",
            Self::SetSecrets => "set secrets",
            Self::ListMachines => "list machines",
            Self::GetMachine => "get machine",
            Self::MakeMachine => "make machine",
            Self::UpdateMachine => "update machine",
            Self::DeleteMachine => "delete machine",
            Self::Lease => "lease",
            Self::Unlease => "give lease back",
            Self::Wait => "wait",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Suspend => "suspend",
            Self::Cordon => "cordon",
            Self::Uncordon => "uncordon",
        }
    }

    fn rate(self) -> Rate {
        match self {
            Self::GetMachine => LOOKING,
            Self::GetApp
            | Self::ListApps
            | Self::MakeApp
            | Self::DeleteApp
            | Self::ListAddresses
            | Self::MakeAddress
            | Self::SetSecrets
            | Self::ListMachines
            | Self::MakeMachine
            | Self::UpdateMachine
            | Self::DeleteMachine
            | Self::Lease
            | Self::Unlease
            | Self::Wait
            | Self::Start
            | Self::Stop
            | Self::Suspend
            | Self::Cordon
            | Self::Uncordon => USUAL,
        }
    }
}

/// Whether a call is made again here when its answer did not come or tells of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Always,
    /// Only if it was certainly not heard.
    IfUnheard,
}

pub(super) struct Call<'a> {
    action: Action,
    /// The machine or app that the pace is kept for.
    on: &'a str,
    method: Method,
    path: String,
    body: Option<Value>,
    nonce: Option<&'a str>,
    repeat: Repeat,
}

impl<'a> Call<'a> {
    pub(super) fn new(action: Action, on: &'a str, method: Method, path: String) -> Self {
        Self {
            action,
            on,
            method,
            path,
            body: None,
            nonce: None,
            repeat: Repeat::Always,
        }
    }

    pub(super) fn with(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    pub(super) fn holding(self, nonce: &'a str) -> Self {
        Self {
            nonce: Some(nonce),
            ..self
        }
    }

    pub(super) fn repeated(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }
}

/// What Fly said. A body that is no JSON is null.
#[derive(Debug)]
pub(super) struct Answer {
    operation: &'static str,
    pub(super) status: u16,
    body: Value,
}

/// An attempt that is not the last word.
struct Setback {
    error: InstanceError,
    unheard: bool,
    pause: Option<Duration>,
}

pub(super) struct Api {
    http: Client,
    base: String,
    token: SecretString,
    pace: Pace,
}

impl Api {
    pub(super) fn new(url: &str, token: SecretString) -> Result<Self, reqwest::Error> {
        let mut builder = Client::builder()
            .user_agent(concat!("basic-memory-server/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_DEADLINE)
            .timeout(ANSWER_DEADLINE);
        if url.starts_with("http://127.0.0.1") {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build()?,
            base: format!("{url}/v1"),
            token,
            pace: Pace::default(),
        })
    }

    /// Makes the call and gives the answer, whatever its status, once it is no sign of trouble.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, InstanceError> {
        let mut attempt = 1;
        loop {
            let setback = match self.send_once(call).await {
                Ok(answer) => return Ok(answer),
                Err(setback) => setback,
            };
            let again = call.repeat == Repeat::Always || setback.unheard;
            if !again || attempt >= ATTEMPTS {
                return Err(setback.error);
            }
            let doubled = FIRST_PAUSE * (1 << (attempt - 1));
            sleep(setback.pause.unwrap_or(doubled).min(LONGEST_PAUSE)).await;
            attempt += 1;
        }
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<Answer, Setback> {
        let operation = call.action.word();
        self.pace.wait(operation, call.on, call.action.rate()).await;
        let mut request = self
            .http
            .request(call.method.clone(), format!("{}{}", self.base, call.path))
            .bearer_auth(self.token.expose_secret());
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(nonce) = call.nonce {
            request = request.header(LEASE_NONCE, nonce);
        }
        let lost = |error: reqwest::Error| Setback {
            unheard: error.is_connect(),
            pause: None,
            error: InstanceError::Unreachable(Box::new(error.without_url())),
        };
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let pause = header("retry-after").and_then(|text| text.parse().ok());
        let request_id = header(REQUEST_ID).unwrap_or_default();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(Setback {
                    error: InstanceError::Unreadable { operation },
                    unheard: false,
                    pause: None,
                });
            }
        }
        let answer = Answer {
            operation,
            status,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        tracing::debug!(
            operation,
            status,
            fly.request.id = request_id,
            "Fly answered"
        );
        // A wait that took too long is an answer, and so is a region without room.
        let settled = operation == Action::Wait.word() || has_no_room(status, &answer.message());
        let trouble = status == 429 || (status >= 500 && !settled);
        if !trouble {
            return Ok(answer);
        }
        metrics::counter!("bm_fly_failures_total").increment(1);
        tracing::warn!(
            operation,
            status,
            fly.request.id = request_id,
            "Fly has trouble"
        );
        Err(Setback {
            error: InstanceError::Unavailable { operation, status },
            // The limit is looked at first.
            unheard: status == 429,
            pause: pause.map(Duration::from_secs),
        })
    }
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn accepted(self) -> Result<Self, InstanceError> {
        match self.is_success() {
            true => Ok(self),
            false => Err(self.refusal()),
        }
    }

    /// Of a removal: what is not there is gone.
    pub(super) fn gone(self) -> Result<(), InstanceError> {
        match self.status {
            404 => Ok(()),
            _ => self.accepted().map(drop),
        }
    }

    /// What Fly says went wrong; nothing of a call that it could quote secrets of.
    pub(super) fn message(&self) -> String {
        if self.operation == Action::SetSecrets.word() {
            return String::new();
        }
        let text = self.body["error"].as_str().unwrap_or_default();
        text.chars().take(MAX_MESSAGE_BYTES).collect()
    }

    pub(super) fn refusal(&self) -> InstanceError {
        let operation = self.operation;
        match self.status {
            // Somebody holds the lease, or a machine is on its way from one state to another.
            408 | 409 | 412 | 423 | 425 | 500.. => InstanceError::Unavailable {
                operation,
                status: self.status,
            },
            200..300 => InstanceError::Unreadable { operation },
            status => InstanceError::Refused {
                operation,
                status,
                message: self.message(),
            },
        }
    }

    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, InstanceError> {
        let operation = self.operation;
        serde_json::from_value(self.body).map_err(|_| InstanceError::Unreadable { operation })
    }

    pub(super) fn text(&self, path: &[&str]) -> Result<String, InstanceError> {
        let text = self.at(path).as_str().map(str::to_owned);
        text.ok_or(self.unreadable())
    }

    pub(super) fn number(&self, path: &[&str]) -> Result<i64, InstanceError> {
        self.at(path).as_i64().ok_or(self.unreadable())
    }

    pub(super) fn list(&self, path: &[&str]) -> Result<&Vec<Value>, InstanceError> {
        self.at(path).as_array().ok_or(self.unreadable())
    }

    fn at(&self, path: &[&str]) -> &Value {
        path.iter().fold(&self.body, |value, name| &value[*name])
    }

    fn unreadable(&self) -> InstanceError {
        InstanceError::Unreadable {
            operation: self.operation,
        }
    }
}
