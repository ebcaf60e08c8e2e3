//! What every handler can reach.

use std::sync::Arc;

use uuid::Uuid;

use crate::buckets::{Buckets, Objects};
use crate::clock::Clock;
use crate::credentials::Keys;
use crate::events::Events;
use crate::idp::IdentityProvider;
use crate::life::Life;
use crate::limits::Limits;
use crate::polar::Polar;
use crate::principal::Admins;
use crate::provisioning::Provisioner;
use crate::proxy::{Denials, Proxy};
use crate::request::Hosts;
use crate::store::{Origin, Store};
use crate::token::Verifier;
use crate::workspace::WorkspaceKind;

/// The parts a request is answered with. A clone is another handle to the same parts.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) buckets: Arc<dyn Buckets>,
    pub(crate) objects: Arc<Objects>,
    pub(crate) events: Arc<Events>,
    pub(crate) provisioner: Arc<Provisioner>,
    pub(crate) keys: Arc<Keys>,
    /// How many requests each caller may make.
    pub(crate) limits: Arc<Limits>,
    pub(crate) verifier: Arc<Verifier>,
    /// Absent where nobody administrates over the network.
    pub(crate) admins: Option<Arc<Admins>>,
    pub(crate) clock: Clock,
    pub(crate) links: Arc<Links>,
    pub(crate) workspace_kind: WorkspaceKind,
    /// The names under which requests may ask for this server.
    pub(crate) hosts: Arc<Hosts>,
    /// How far the server is in its life: what probes are told, and when streams are to end.
    pub(crate) life: Arc<Life>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) denials: Arc<Denials>,
    pub(crate) sign_in: Arc<wire::SignInConfig>,
    /// The payment provider, if there is one.
    pub(crate) polar: Option<Arc<Polar>>,
    /// Present in a development deployment only.
    pub(crate) development: Option<Arc<IdentityProvider>>,
}

/// Pages that people are sent to.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    pub(crate) subscribe_url: String,
    pub(crate) manage_url: Option<String>,
}

/// The id under which a request appears in logs and audit events.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }
}

impl App {
    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    pub(crate) fn origin(&self, actor: &str, request_id: &RequestId) -> Origin {
        Origin {
            actor: actor.to_owned(),
            request_id: request_id.0.clone(),
            at: self.now(),
        }
    }
}
