//! Passes a member's requests on to the instance of the member's own tenant.
//!
//! What is passed on is decided by a function over the request's head; it is then signed for the
//! one instance and streamed, both ways. Tokens and cookies stay here, and an instance can say
//! nothing that binds our origin. Nothing about where a request goes comes from the request.

mod body;
mod decide;
mod denials;
mod headers;
mod link;
mod path;
mod pool;
mod settings;
mod sign;
mod slots;
mod transport;
mod upstream;

#[cfg(feature = "bench")]
pub(crate) mod bare;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::InvalidHeaderValue;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use tokio_util::sync::CancellationToken;

use crate::app::RequestId;
use crate::instances::{Address, InstanceError, Instances, READY, STOPPED};
use crate::principal::TenantScope;
use crate::store::Instance;
use decide::{Forward, decide};
use sign::{SignedBody, Signing, sign};
use slots::Slots;
use transport::{Transport, TransportError};
use upstream::{BadAddress, Upstream};

pub(crate) use body::BodyFault;
pub(crate) use decide::Refusal;
pub(crate) use denials::Denials;
pub(crate) use path::{PathFault, check_path};
pub use settings::ProxySettings;
pub use sign::{SigningKeys, SigningKeysError};

const WORKSPACE: HeaderName = HeaderName::from_static("x-workspace-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REFUSALS: &str = "bm_proxy_refusals_total";
/// In whose name instances are told what changed.
const SYSTEM: &str = "system";

/// Why a member's request got no answer from the instance.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("The request is meant for another workspace.")]
    OtherWorkspace,
    #[error("the tenant's instance is not ready")]
    NotReady,
    #[error("the tenant's instance could not be woken")]
    Instance(#[from] InstanceError),
    #[error("the tenant has too many requests under way")]
    Busy,
    #[error("the instance's address is wrong")]
    Address(#[from] BadAddress),
    #[error("there is no signing key `{0}`")]
    UnknownKey(String),
    #[error("the caller's id does not fit into a header")]
    Unsignable(#[from] InvalidHeaderValue),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl ProxyError {
    /// What the caller did wrong in the body, if that was it.
    pub(crate) fn body_fault(&self) -> Option<BodyFault> {
        match self {
            Self::Transport(TransportError::Body(fault)) => Some(*fault),
            Self::Refused(_)
            | Self::OtherWorkspace
            | Self::NotReady
            | Self::Instance(_)
            | Self::Busy
            | Self::Address(_)
            | Self::UnknownKey(_)
            | Self::Unsignable(_)
            | Self::Transport(
                TransportError::Unreachable(_)
                | TransportError::TooSlow
                | TransportError::Broken(_)
                | TransportError::Upgrade,
            ) => None,
        }
    }
}

/// The way to every instance.
pub(crate) struct Proxy {
    transport: Transport,
    keys: Arc<SigningKeys>,
    settings: ProxySettings,
    slots: Arc<Slots>,
    instances: Arc<dyn Instances>,
}

impl Proxy {
    /// `draining` ends answers that would go on forever.
    pub(crate) fn new(
        settings: ProxySettings,
        keys: Arc<SigningKeys>,
        instances: Arc<dyn Instances>,
        draining: CancellationToken,
    ) -> Self {
        Self {
            transport: Transport::new(settings, draining),
            keys,
            settings,
            slots: Slots::new(settings.under_way_per_tenant),
            instances,
        }
    }

    /// What bounds bodies, wherever they are streamed.
    pub(crate) fn settings(&self) -> ProxySettings {
        self.settings
    }

    /// Passes the request on to the tenant's instance in the name of `user`.
    ///
    /// `now_s` is in Unix seconds.
    pub(crate) async fn pass(
        &self,
        tenant: &TenantScope,
        user: &str,
        now_s: i64,
        request: Request,
    ) -> Result<Response, ProxyError> {
        let (head, body) = request.into_parts();
        let request_id = head.extensions.get::<RequestId>().cloned();
        only_this_workspace(&head, tenant.id())?;
        let mut forward = decide(head).inspect_err(|refusal| {
            metrics::counter!(REFUSALS, "reason" => refusal.reason()).increment(1);
        })?;
        if let Some(RequestId(id)) = request_id {
            forward
                .headers
                .insert(REQUEST_ID, HeaderValue::try_from(id)?);
        }
        let instance = provisioned(tenant.instance())?;
        let mut slot = self.slots.take(tenant.id()).ok_or(ProxyError::Busy)?;
        let awake = self.instances.wake(tenant.id(), instance).await?;
        slot.keep(awake.in_use);
        let upstream = Upstream::parse(&awake.address.0)?;
        let body = self.transport.take(body).await?;
        let signing = Signing {
            tenant: tenant.id(),
            user,
            key_id: &instance.key_id,
            now_s,
            nonce: rand::random(),
        };
        self.sign(&mut forward, signing, body.to_sign())?;
        let answer = self.transport.send(&upstream, forward, body, Some(slot));
        Ok(answer.await?)
    }

    /// Posts JSON of our own to an instance, given as tenant and key id, and gives the answer's
    /// status.
    pub(crate) async fn tell(
        &self,
        (tenant, key_id): (&str, &str),
        address: &Address,
        now_s: i64,
        path: &'static str,
        body: Vec<u8>,
    ) -> Result<StatusCode, ProxyError> {
        let upstream = Upstream::parse(&address.0)?;
        let json = HeaderValue::from_static("application/json");
        let mut forward = Forward {
            method: Method::POST,
            path_and_query: PathAndQuery::from_static(path),
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
        };
        let body = self.transport.take(Body::from(body)).await?;
        let signing = Signing {
            tenant,
            user: SYSTEM,
            key_id,
            now_s,
            nonce: rand::random(),
        };
        self.sign(&mut forward, signing, body.to_sign())?;
        let answer = self.transport.send(&upstream, forward, body, None);
        Ok(answer.await?.status())
    }

    fn sign(
        &self,
        forward: &mut Forward,
        signing: Signing<'_>,
        body: SignedBody<'_>,
    ) -> Result<(), ProxyError> {
        let key = self
            .keys
            .derive(signing.tenant, signing.key_id)
            .ok_or_else(|| ProxyError::UnknownKey(signing.key_id.to_owned()))?;
        let path_and_query = forward.path_and_query.as_str();
        let (headers, method) = (&mut forward.headers, &forward.method);
        Ok(sign(headers, &key, signing, method, path_and_query, body)?)
    }
}

/// A caller that names a workspace must not act in another one.
fn only_this_workspace(head: &Parts, tenant_id: &str) -> Result<(), ProxyError> {
    let named = head.headers.get_all(WORKSPACE);
    let ours = |name: &HeaderValue| name.as_bytes().eq_ignore_ascii_case(tenant_id.as_bytes());
    if named.iter().all(ours) {
        Ok(())
    } else {
        Err(ProxyError::OtherWorkspace)
    }
}

/// The instance, once it has been provisioned; it may sleep.
fn provisioned(instance: Option<&Instance>) -> Result<&Instance, ProxyError> {
    instance
        .filter(|instance| [READY, STOPPED].contains(&instance.state.as_str()))
        .ok_or(ProxyError::NotReady)
}

/// Gives the request one leading slash, whatever it came with.
pub(crate) fn with_one_leading_slash(mut request: axum::http::Request<Body>) -> Request {
    if let Some(uri) = decide::collapse_leading_slashes(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests;
