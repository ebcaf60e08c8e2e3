use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Request, S3Result, s3_error};
use secrecy::ExposeSecret;

use crate::keys::Scope;
use crate::store::Store;

/// Every operation the store answers; all others are refused before their input is read.
const OPERATIONS: [&str; 20] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjects",
    "GetBucketLocation",
    "GetBucketVersioning",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
];

/// Headers that promise something about an object which the store does not keep.
const PROMISES: [&str; 4] = [
    "x-amz-object-lock-",
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-tagging",
];

/// The operations that change nothing a bucket's readers see.
const READS: [&str; 11] = [
    "GetBucketLocation",
    "GetBucketVersioning",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
];

/// What may be done with a bucket at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Everything its keys allow.
    ReadWrite,
    /// Changes are refused with 403 `AccessDenied`.
    ReadOnly,
    /// Not known now: changes are refused with 503 `ServiceUnavailable`, which clients repeat.
    Unknown,
}

/// Asked before each request that would change a bucket; reads never ask.
#[async_trait::async_trait]
pub trait Permits: Send + Sync + 'static {
    /// What may be done with `bucket` now.
    async fn permission(&self, bucket: &str) -> Permission;
}

/// Lets a request through only with a live key, only to that key's bucket, and changes only while permitted.
#[derive(Clone)]
pub(crate) struct Gate {
    store: Store,
    permits: Option<Arc<dyn Permits>>,
}

impl Gate {
    pub(crate) fn new(store: Store, permits: Option<Arc<dyn Permits>>) -> Self {
        Self { store, permits }
    }

    async fn permit(&self, operation: &str, bucket: &str) -> S3Result<()> {
        let Some(permits) = &self.permits else {
            return Ok(());
        };
        if READS.contains(&operation) {
            return Ok(());
        }
        match permits.permission(bucket).await {
            Permission::ReadWrite => Ok(()),
            Permission::ReadOnly => Err(s3_error!(
                AccessDenied,
                "The bucket takes no changes at present"
            )),
            Permission::Unknown => Err(s3_error!(ServiceUnavailable)),
        }
    }
}

#[async_trait::async_trait]
impl S3Auth for Gate {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let key = self
            .store
            .keys()
            .find(access_key)
            .ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        Ok(SecretKey::from(key.secret.expose_secret()))
    }
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = context.credentials() else {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        };
        if !signed_with_v4(context.headers(), context.uri().query()) {
            return Err(s3_error!(AccessDenied, "Signature Version 4 is required"));
        }
        let key = self
            .store
            .keys()
            .find(&credentials.access_key)
            .ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        match context.s3_path().get_bucket_name() {
            Some(bucket) if bucket != key.scope.bucket => return Err(s3_error!(AccessDenied)),
            Some(_) => {}
            None if context.s3_op().name() == "ListBuckets" => {}
            None => return Err(s3_error!(AccessDenied)),
        }
        if !OPERATIONS.contains(&context.s3_op().name()) {
            return Err(s3_error!(NotImplemented));
        }
        let names = || context.headers().keys().map(http::HeaderName::as_str);
        if names().any(|name| PROMISES.iter().any(|promise| name.starts_with(promise))) {
            return Err(s3_error!(
                NotImplemented,
                "A header you provided is not supported"
            ));
        }
        self.permit(context.s3_op().name(), &key.scope.bucket)
            .await?;
        key.last_use.record(self.store.now_ms());
        context.extensions_mut().insert(key.scope);
        Ok(())
    }
}

/// The older Version 2 signs less of a request, and nobody needs it here.
fn signed_with_v4(headers: &http::HeaderMap, query: Option<&str>) -> bool {
    match headers.get(http::header::AUTHORIZATION) {
        Some(value) => value.as_bytes().starts_with(b"AWS4-HMAC-SHA256"),
        None => query.is_some_and(|query| query.contains("X-Amz-Signature=")),
    }
}

/// The scope that the gate granted to a request.
pub(crate) fn scope<T>(request: &mut S3Request<T>) -> S3Result<Scope> {
    request
        .extensions
        .remove::<Scope>()
        .ok_or_else(|| s3_error!(AccessDenied))
}
