/// One committed change of what a bucket's readers see.
///
/// Sent in commit order. A receiver that lags loses the oldest ones (`RecvError::Lagged`) and should look at the bucket itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// What was done.
    pub kind: ChangeKind,
    /// The `ETag` readers see now, without quotes; `None` when the key is gone.
    pub etag: Option<String>,
    /// Bytes readers see now; 0 when the key is gone.
    pub size: u64,
    /// The version or delete marker that is newest now.
    pub version_id: String,
    /// When it was committed, unix milliseconds of the store's clock.
    pub at_ms: i64,
}

/// How a key changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// Written by one request, or an older version came back because a newer one was removed.
    Put,
    /// Copied from another key or version.
    Copy,
    /// Completed from uploaded parts.
    Multipart,
    /// No longer visible.
    Delete,
}
