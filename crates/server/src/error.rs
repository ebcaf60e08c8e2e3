//! The refusals of the API, their status and stable code, and the one body they share.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::ApiErrorBody;

use crate::buckets::BucketError;
use crate::instances::InstanceError;
use crate::proxy::{BodyFault, ProxyError, Refusal};
use crate::store::StoreError;
use crate::token::MembershipError;

/// An instance is up within five seconds; many are within two.
const STARTING_RETRY_S: u64 = 2;
const BUSY_RETRY_S: u64 = 1;
const UNAUTHENTICATED: &str = "Invalid JWT token. Authentication required.";

/// What a 401 or 403 says about how to do better (RFC 6750, 3).
mod challenge {
    use axum::http::HeaderValue;

    /// Nothing was sent, so nothing is said about it.
    pub(super) const ASK: HeaderValue = HeaderValue::from_static(r#"Bearer realm="basic-memory""#);
    pub(super) const INVALID_TOKEN: HeaderValue = HeaderValue::from_static(
        r#"Bearer realm="basic-memory", error="invalid_token", error_description="The access token is not valid""#,
    );
    pub(super) const NO_PROFILE: HeaderValue = HeaderValue::from_static(
        r#"Bearer realm="basic-memory", error="invalid_token", error_description="User profile not found""#,
    );
    pub(super) const ROLE_MISSING: HeaderValue =
        HeaderValue::from_static(r#"Bearer realm="basic-memory", error="insufficient_scope""#);
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{UNAUTHENTICATED}")]
    TokenMissing,
    #[error("{UNAUTHENTICATED}")]
    TokenRejected,
    #[error("The signature of this delivery is not valid.")]
    SignatureRejected,
    #[error("User profile not found")]
    ProfileMissing,
    #[error("Active subscription required for CLI access")]
    SubscriptionRequired { subscribe_url: String },
    #[error("No cloud storage is set up for this account yet. Run setup first.")]
    NoTenant,
    #[error("Sign-ins cannot be checked at the moment. Try again in {retry_after_s} seconds.")]
    KeysUnavailable { retry_after_s: u64 },
    #[error("Roles cannot be looked up at the moment. Try again.")]
    DirectoryFailed(#[from] MembershipError),
    #[error("{0}")]
    InvalidRequest(String),
    #[error("The token is not the one of this tenant's bucket.")]
    WebhookRejected,
    #[error("This is not for you to do.")]
    Forbidden,
    #[error("A key cannot do this. Sign in, and do it yourself.")]
    SignInNeeded,
    #[error("There is nothing here.")]
    NotFound,
    #[error("Something else is there by now.")]
    PreconditionFailed,
    #[error("The note is shorter than the part that was asked for.")]
    RangeOutside,
    #[error("{0}")]
    NotOffered(&'static str),
    #[error("This address does not take that method.")]
    MethodNotAllowed,
    #[error("The request is larger than this address takes.")]
    TooLarge,
    #[error("The request took too long to arrive.")]
    TooSlow,
    #[error("The request tells the length of its body twice.")]
    AmbiguousLength,
    #[error("The request is meant for another server: its host is not one of this server's names.")]
    WrongHost,
    #[error("The request is meant for another workspace than this account's.")]
    OtherWorkspace,
    #[error("Your workspace is starting. Try again in {retry_after_s} seconds.")]
    Starting { retry_after_s: u64 },
    #[error("Your workspace could not be reached. Try again.")]
    UpstreamFailed(#[source] ProxyError),
    #[error("Too many attempts. Try again in {retry_after_s} seconds.")]
    RateLimited { retry_after_s: u64 },
    #[error("There are {most} storage keys already. Remove one that is not needed.")]
    TooManyKeys { most: i64 },
    #[error("The storage key could not be changed. Try again.")]
    CredentialFailed(#[source] BucketError),
    #[error("{0}")]
    Conflict(String),
    #[error("Your cloud storage could not be set up. Try again later.")]
    ProvisioningFailed,
    #[error("Something went wrong on the server. Try again.")]
    Storage(#[from] BucketError),
    #[error("Something went wrong on the server. Try again.")]
    Store(#[from] StoreError),
}

/// Goes with a refusal's answer to what logs and counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusalCode(pub(crate) &'static str);

impl ApiError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TokenMissing
            | Self::TokenRejected
            | Self::SignatureRejected
            | Self::ProfileMissing
            | Self::WebhookRejected => StatusCode::UNAUTHORIZED,
            Self::SubscriptionRequired { .. }
            | Self::NoTenant
            | Self::Forbidden
            | Self::SignInNeeded => StatusCode::FORBIDDEN,
            Self::KeysUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::DirectoryFailed(_) => StatusCode::BAD_GATEWAY,
            Self::InvalidRequest(_) | Self::AmbiguousLength | Self::WrongHost => {
                StatusCode::BAD_REQUEST
            }
            Self::OtherWorkspace => StatusCode::FORBIDDEN,
            Self::Starting { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamFailed(_) => StatusCode::BAD_GATEWAY,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::RangeOutside => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::NotOffered(_) => StatusCode::NOT_FOUND,
            Self::TooManyKeys { .. } => StatusCode::CONFLICT,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::ProvisioningFailed => StatusCode::BAD_GATEWAY,
            Self::CredentialFailed(_) | Self::Storage(_) | Self::Store(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The code that clients match on; it never changes.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing
            | Self::TokenRejected
            | Self::SignatureRejected
            | Self::ProfileMissing
            | Self::WebhookRejected => "unauthenticated",
            Self::Forbidden | Self::SignInNeeded => "forbidden",
            Self::SubscriptionRequired { .. } => wire::SUBSCRIPTION_REQUIRED,
            Self::NoTenant => "no_tenant",
            Self::KeysUnavailable { .. } => "starting",
            Self::DirectoryFailed(_) => "upstream_failed",
            Self::InvalidRequest(_)
            | Self::TooSlow
            | Self::AmbiguousLength
            | Self::WrongHost
            | Self::RangeOutside => "invalid_request",
            Self::OtherWorkspace => "forbidden",
            Self::Starting { .. } => "starting",
            Self::UpstreamFailed(_) => "upstream_failed",
            Self::NotFound => "not_found",
            Self::PreconditionFailed => "precondition_failed",
            Self::NotOffered(_) => "not_offered",
            Self::TooManyKeys { .. } => "conflict",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge => "too_large",
            Self::RateLimited { .. } => "rate_limited",
            Self::CredentialFailed(_) => "credential_failed",
            Self::Conflict(_) => "conflict",
            Self::ProvisioningFailed => "upstream_failed",
            Self::Storage(_) | Self::Store(_) => "internal",
        }
    }

    pub(crate) fn body(&self) -> ApiErrorBody {
        let error = self.code().to_owned();
        let message = self.to_string();
        match self {
            Self::SubscriptionRequired { subscribe_url } => ApiErrorBody {
                error,
                message,
                detail: None,
                subscribe_url: Some(subscribe_url.clone()),
            },
            Self::TokenMissing
            | Self::TokenRejected
            | Self::SignatureRejected
            | Self::ProfileMissing
            | Self::NoTenant
            | Self::KeysUnavailable { .. }
            | Self::DirectoryFailed(_)
            | Self::InvalidRequest(_)
            | Self::WebhookRejected
            | Self::Forbidden
            | Self::SignInNeeded
            | Self::NotFound
            | Self::PreconditionFailed
            | Self::RangeOutside
            | Self::NotOffered(_)
            | Self::TooManyKeys { .. }
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::TooSlow
            | Self::AmbiguousLength
            | Self::WrongHost
            | Self::OtherWorkspace
            | Self::Starting { .. }
            | Self::UpstreamFailed(_)
            | Self::RateLimited { .. }
            | Self::Conflict(_)
            | Self::ProvisioningFailed
            | Self::CredentialFailed(_)
            | Self::Storage(_)
            | Self::Store(_) => ApiErrorBody {
                error,
                detail: Some(message.clone()),
                message,
                subscribe_url: None,
            },
        }
    }

    pub(crate) fn log(&self) {
        match self {
            Self::CredentialFailed(error) | Self::Storage(error) => {
                tracing::error!(error = %chain(error), "the object store failed");
            }
            Self::DirectoryFailed(error) => {
                tracing::error!(error = %chain(error), "roles could not be looked up");
            }
            Self::Store(error) => tracing::error!(error = %chain(error), "the database failed"),
            Self::UpstreamFailed(error) => {
                tracing::warn!(error = %chain(error), "an instance could not be reached");
            }
            Self::TokenMissing
            | Self::TokenRejected
            | Self::SignatureRejected
            | Self::ProfileMissing
            | Self::SubscriptionRequired { .. }
            | Self::NoTenant
            | Self::KeysUnavailable { .. }
            | Self::InvalidRequest(_)
            | Self::WebhookRejected
            | Self::Forbidden
            | Self::SignInNeeded
            | Self::NotFound
            | Self::PreconditionFailed
            | Self::RangeOutside
            | Self::NotOffered(_)
            | Self::TooManyKeys { .. }
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::TooSlow
            | Self::AmbiguousLength
            | Self::WrongHost
            | Self::OtherWorkspace
            | Self::Starting { .. }
            | Self::RateLimited { .. }
            | Self::Conflict(_)
            | Self::ProvisioningFailed => {}
        }
    }
}

impl From<ProxyError> for ApiError {
    fn from(error: ProxyError) -> Self {
        match error.body_fault() {
            Some(BodyFault::Interrupted) => return Self::InvalidRequest(error.to_string()),
            Some(BodyFault::TooLarge) => return Self::TooLarge,
            Some(BodyFault::Stalled) => return Self::TooSlow,
            None => {}
        }
        match error {
            ProxyError::Refused(Refusal::Method) => Self::MethodNotAllowed,
            ProxyError::Refused(refusal) => Self::InvalidRequest(refusal.to_string()),
            ProxyError::OtherWorkspace => Self::OtherWorkspace,
            ProxyError::NotReady | ProxyError::Instance(InstanceError::Asleep) => Self::Starting {
                retry_after_s: STARTING_RETRY_S,
            },
            ProxyError::Busy => Self::RateLimited {
                retry_after_s: BUSY_RETRY_S,
            },
            ProxyError::Address(_)
            | ProxyError::Instance(_)
            | ProxyError::UnknownKey(_)
            | ProxyError::Unsignable(_)
            | ProxyError::Transport(_) => Self::UpstreamFailed(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let mut response = (self.status(), Json(self.body())).into_response();
        response.extensions_mut().insert(RefusalCode(self.code()));
        let headers = response.headers_mut();
        match &self {
            Self::TokenMissing => {
                headers.insert(header::WWW_AUTHENTICATE, challenge::ASK);
            }
            Self::TokenRejected => {
                headers.insert(header::WWW_AUTHENTICATE, challenge::INVALID_TOKEN);
            }
            Self::ProfileMissing => {
                headers.insert(header::WWW_AUTHENTICATE, challenge::NO_PROFILE);
            }
            Self::Forbidden => {
                headers.insert(header::WWW_AUTHENTICATE, challenge::ROLE_MISSING);
            }
            Self::KeysUnavailable { retry_after_s }
            | Self::DirectoryFailed(MembershipError::Busy { retry_after_s }) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
            }
            Self::RateLimited { retry_after_s } | Self::Starting { retry_after_s } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
            }
            Self::SignatureRejected
            | Self::SubscriptionRequired { .. }
            | Self::NoTenant
            | Self::DirectoryFailed(_)
            | Self::InvalidRequest(_)
            | Self::WebhookRejected
            | Self::SignInNeeded
            | Self::NotFound
            | Self::PreconditionFailed
            | Self::RangeOutside
            | Self::NotOffered(_)
            | Self::TooManyKeys { .. }
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::TooSlow
            | Self::AmbiguousLength
            | Self::WrongHost
            | Self::OtherWorkspace
            | Self::UpstreamFailed(_)
            | Self::CredentialFailed(_)
            | Self::Conflict(_)
            | Self::ProvisioningFailed
            | Self::Storage(_)
            | Self::Store(_) => {}
        }
        response
    }
}

/// An error with the causes behind it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
