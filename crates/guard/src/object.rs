/// One object as the store describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// The entity tag without its quotes. Opaque; the MD5 in hex for objects uploaded in one piece.
    pub etag: String,
    /// When the store took it, in Unix milliseconds.
    pub last_modified_ms: i64,
    /// The writer's modification time (`x-amz-meta-mtime`), in Unix milliseconds; listings do not tell it.
    pub mtime_ms: Option<i64>,
}

/// The state a key must be in for a write to happen. There is no unconditional variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing is stored under the key (`If-None-Match: *`).
    Absent,
    /// The stored object has this entity tag, given without quotes (`If-Match`).
    Match(String),
}
