use std::collections::{BTreeMap, BTreeSet};

use http::HeaderMap;

use crate::object::Object;
use crate::session::{Access, Rename, Visibility};

/// What a session knows of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The key in the bucket, where it differs from the one the client uses.
    pub(crate) stored_as: Option<String>,
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) last_modified_ms: i64,
    /// The descriptive headers, once an answer or an own upload told them.
    pub(crate) described: Option<HeaderMap>,
}

impl Entry {
    #[cfg(test)]
    pub(crate) fn sample(etag: &str) -> Self {
        Self {
            stored_as: None,
            etag: etag.to_owned(),
            size: 1,
            last_modified_ms: 0,
            described: None,
        }
    }
}

/// A multipart upload that this session started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upload {
    pub(crate) key: String,
    /// The key in the bucket, where the rename rule gave it another one.
    pub(crate) stored_as: Option<String>,
    pub(crate) described: HeaderMap,
    /// Sizes in bytes by part number.
    pub(crate) parts: BTreeMap<u16, u64>,
}

/// One consistent view of the bucket, changed only by the session's own successful writes.
pub(crate) struct Snapshot {
    pub(crate) access: Access,
    pub(crate) rename: Option<Rename>,
    /// By the key the client uses.
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Keys that exist but are none of this session's business.
    pub(crate) hidden: BTreeSet<String>,
    /// By upload id.
    pub(crate) uploads: BTreeMap<String, Upload>,
}

impl Snapshot {
    pub(crate) fn new(
        objects: Vec<Object>,
        visible: &Visibility,
        access: Access,
        rename: Option<Rename>,
    ) -> Self {
        let mut entries = BTreeMap::new();
        let mut hidden = BTreeSet::new();
        for object in objects {
            let is_visible = match visible {
                Visibility::All => true,
                Visibility::Keys(keys) => keys.contains(&object.key),
            };
            if !is_visible {
                hidden.insert(object.key);
                continue;
            }
            entries.insert(
                object.key,
                Entry {
                    stored_as: None,
                    etag: object.etag,
                    size: object.size,
                    last_modified_ms: object.last_modified_ms,
                    described: None,
                },
            );
        }
        Self {
            access,
            rename,
            entries,
            hidden,
            uploads: BTreeMap::new(),
        }
    }

    /// The key in the bucket of a key that the client uses.
    pub(crate) fn stored_key<'a>(&'a self, key: &'a str) -> &'a str {
        self.entries
            .get(key)
            .and_then(|entry| entry.stored_as.as_deref())
            .unwrap_or(key)
    }
}
