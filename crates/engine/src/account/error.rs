use crate::api::ApiError;
use crate::secrets::SecretError;

use super::RecordError;

/// Why an account could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthError {
    /// The only error that means a person has to sign in again.
    #[error("signed out: {reason}")]
    SignedOut { reason: SignedOutReason },
    #[error(transparent)]
    Secrets(#[from] SecretError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("the sign-in provider answered {code}: {message}")]
    Provider { code: String, message: String },
    #[error("the cloud storage of this account is being prepared")]
    Preparing,
    #[error("the server offers the bucket {offered}, but this account's is {known}")]
    OtherBucket { known: String, offered: String },
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the engine is stopping")]
    Stopping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedOutReason {
    /// The secret store is open and has no token of this account.
    NoToken,
    /// The provider does not accept the refresh token: revoked, or unused for too long.
    SessionEnded,
}

impl std::fmt::Display for SignedOutReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NoToken => "no sign-in is kept on this device",
            Self::SessionEnded => "the session has ended or was revoked",
        })
    }
}

impl AuthError {
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::SignedOut { .. } => "signed_out",
            Self::Secrets(error) => error.code(),
            Self::Api(error) => error.code(),
            Self::Provider { .. } => "provider_refused",
            Self::Preparing => "preparing",
            Self::OtherBucket { .. } => "other_bucket",
            Self::Record(error) => error.code(),
            Self::Stopping => "stopping",
        }
    }

    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Secrets(error) => error.is_transient(),
            Self::Api(error) => error.is_transient(),
            Self::Preparing => true,
            Self::SignedOut { .. }
            | Self::Provider { .. }
            | Self::OtherBucket { .. }
            | Self::Record(_)
            | Self::Stopping => false,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::SignedOut { .. } => {
                Some("Sign in again; your folder stays as it is, and edits wait.".to_owned())
            }
            Self::Secrets(error) => error.hint(),
            Self::Api(error) => error.hint(),
            Self::Provider { .. } => Some("Try to sign in again.".to_owned()),
            Self::Preparing => Some("This takes a minute; it goes on by itself.".to_owned()),
            Self::OtherBucket { .. } => Some(
                "Nothing was changed. Ask whoever runs the server, or sign out and in again."
                    .to_owned(),
            ),
            Self::Record(error) => Some(error.hint()),
            Self::Stopping => None,
        }
    }
}

/// Why a sign-in did not happen. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    #[error("the sign-in was declined in the browser")]
    Denied,
    #[error("the code was not entered in time")]
    Expired,
    #[error("the sign-in was cancelled")]
    Canceled,
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl SignInError {
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Denied => "sign_in_denied",
            Self::Expired => "sign_in_expired",
            Self::Canceled => "sign_in_canceled",
            Self::Auth(error) => error.code(),
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Denied | Self::Expired => Some("Start the sign-in again.".to_owned()),
            Self::Canceled => None,
            Self::Auth(error) => error.hint(),
        }
    }
}

impl From<ApiError> for SignInError {
    fn from(error: ApiError) -> Self {
        Self::Auth(error.into())
    }
}

impl From<SecretError> for SignInError {
    fn from(error: SecretError) -> Self {
        Self::Auth(error.into())
    }
}

impl From<RecordError> for SignInError {
    fn from(error: RecordError) -> Self {
        Self::Auth(error.into())
    }
}
