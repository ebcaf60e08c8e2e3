use std::io;
use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderValue, header};
use s3s::{S3Error, S3ErrorCode, s3_error};

/// Why the store could not be opened or administered.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has this folder open.
    #[error("the store at {} is in use by another process", path.display())]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("could not use {}", path.display())]
    Files {
        /// The file or folder at fault.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The database refused.
    #[error("the store's database failed")]
    Database(#[from] rusqlite::Error),
    /// The database was written by a newer program.
    #[error("the store has schema {found}, this program knows up to {known}")]
    NewerSchema {
        /// Version found in the file.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
    /// Not a name that S3 allows for a bucket.
    #[error("{name:?} is not a valid bucket name")]
    InvalidBucketName {
        /// The refused name.
        name: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket {name:?}")]
    NoSuchBucket {
        /// The name asked for.
        name: String,
    },
}

impl StoreError {
    pub(crate) fn files(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Files { path, source }
    }
}

/// Why one S3 request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the access key was deleted")]
    KeyRevoked,
    #[error("a precondition does not hold")]
    PreconditionFailed,
    #[error("the object is unchanged")]
    NotModified { etag: String },
    #[error("there is no such key")]
    NoSuchKey,
    #[error("the key was deleted")]
    Deleted { version_id: String },
    #[error("there is no such version")]
    NoSuchVersion,
    #[error("the version is a delete marker")]
    DeleteMarker { version_id: String },
    #[error("there is no such upload")]
    NoSuchUpload,
    #[error("a part is missing or has another ETag")]
    InvalidPart,
    #[error("parts are not in ascending order")]
    InvalidPartOrder,
    #[error("a copy to itself must change something")]
    CopyToItself,
    #[error("the range is outside the object")]
    InvalidRange,
    #[error("stored bytes could not be used")]
    Blob(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The store is at fault, not the request.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(self, Self::Blob(_) | Self::Store(_))
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(StoreError::Database(error))
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::KeyRevoked => s3_error!(InvalidAccessKeyId),
            Refusal::PreconditionFailed => s3_error!(
                PreconditionFailed,
                "At least one of the preconditions you specified did not hold"
            ),
            Refusal::NotModified { etag } => {
                let mut error = S3Error::new(S3ErrorCode::NotModified);
                let etag = HeaderValue::try_from(format!("\"{etag}\""));
                let headers = etag.into_iter().map(|value| (header::ETAG, value));
                error.set_headers(headers.collect());
                error
            }
            Refusal::NoSuchKey => s3_error!(NoSuchKey),
            Refusal::Deleted { version_id } => {
                with_marker(S3Error::new(S3ErrorCode::NoSuchKey), &version_id)
            }
            Refusal::NoSuchVersion => s3_error!(NoSuchVersion),
            Refusal::DeleteMarker { version_id } => {
                with_marker(S3Error::new(S3ErrorCode::MethodNotAllowed), &version_id)
            }
            Refusal::NoSuchUpload => s3_error!(NoSuchUpload),
            Refusal::InvalidPart => s3_error!(InvalidPart),
            Refusal::InvalidPartOrder => s3_error!(InvalidPartOrder),
            Refusal::CopyToItself => s3_error!(
                InvalidRequest,
                "An object can be copied to itself only with new metadata or from a version"
            ),
            Refusal::InvalidRange => s3_error!(InvalidRange),
            Refusal::Blob(error) => S3Error::internal_error(error),
            Refusal::Store(error) => S3Error::internal_error(error),
        }
    }
}

fn with_marker(mut error: S3Error, version_id: &str) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(value) = HeaderValue::try_from(version_id) {
        headers.insert("x-amz-version-id", value);
    }
    error.set_headers(headers);
    error
}
