/// Why a request to the bucket failed, named for the cause.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The configured endpoint cannot be used.
    #[error("the cloud's address cannot be used: {reason}")]
    Endpoint { reason: String },
    /// No answer: refused, reset, no name, no certificate, or too slow.
    #[error("the cloud could not be reached: {reason}")]
    Unreachable { reason: String },
    /// The store understood the request and forbids it (401, 403).
    #[error("the cloud refused the request ({code}): {message}")]
    Refused { code: String, message: String },
    /// The store rejects our signatures because the clocks differ. `server_ms` is its time, where it said so.
    #[error("this computer's clock differs too much from the cloud's")]
    ClockSkew { server_ms: Option<i64> },
    /// The object is not in the state the request was made for.
    #[error("`{key}` changed in the cloud meanwhile")]
    PreconditionFailed { key: String },
    /// Another write of the same key was in flight (409). Nothing was changed.
    #[error("`{key}` is being written by someone else")]
    Conflict { key: String },
    /// There is no such object.
    #[error("`{key}` is not in the cloud")]
    NotFound { key: String },
    /// There is no such bucket.
    #[error("the bucket `{bucket}` does not exist")]
    BucketMissing { bucket: String },
    /// The key has a form that HTTP clients rewrite on the way (`.` or `..` as a whole segment).
    #[error("`{key}` is not a name that can be sent")]
    UnsendableKey { key: String },
    /// The answer breaks the protocol, so nothing may be concluded from it.
    #[error("the cloud's answer makes no sense: {reason}")]
    Malformed { reason: String },
    /// Any other error answer.
    #[error("the cloud answered with an error ({status} {code})")]
    Server { status: u16, code: String },
    /// The local bytes to send could not be read.
    #[error("the content to upload could not be read")]
    LocalBody {
        #[source]
        source: std::io::Error,
    },
}

impl BucketError {
    /// Whether the same request may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Conflict { .. } | Self::Malformed { .. } => true,
            Self::Server { status, .. } => *status >= 500 && *status != 501 || *status == 429,
            Self::Endpoint { .. }
            | Self::Refused { .. }
            | Self::ClockSkew { .. }
            | Self::PreconditionFailed { .. }
            | Self::NotFound { .. }
            | Self::BucketMissing { .. }
            | Self::UnsendableKey { .. }
            | Self::LocalBody { .. } => false,
        }
    }

    pub(crate) fn is_missing_object(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether a condition of the request did not hold.
    pub(crate) fn is_lost_race(&self) -> bool {
        matches!(
            self,
            Self::PreconditionFailed { .. } | Self::Conflict { .. }
        )
    }

    /// The stable code of the cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } => "bucket_endpoint",
            Self::Unreachable { .. } => "bucket_unreachable",
            Self::Refused { .. } => "bucket_refused",
            Self::ClockSkew { .. } => "clock_skew",
            Self::PreconditionFailed { .. } => "precondition_failed",
            Self::Conflict { .. } => "write_conflict",
            Self::NotFound { .. } => "object_not_found",
            Self::BucketMissing { .. } => "bucket_missing",
            Self::UnsendableKey { .. } => "unsendable_key",
            Self::Malformed { .. } => "bucket_malformed_answer",
            Self::Server { .. } => "bucket_server_error",
            Self::LocalBody { .. } => "local_body_unreadable",
        }
    }
}
