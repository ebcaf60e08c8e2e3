use std::collections::{BTreeMap, BTreeSet};

use http::HeaderMap;

use crate::decide::Target;
use crate::listing::{ListQuery, Page, UpstreamPage};
use crate::live::{Asked, Live};
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
    /// Keys that this session wrote.
    written: BTreeSet<String>,
    /// By upload id.
    pub(crate) uploads: BTreeMap<String, Upload>,
    /// There if the session follows the bucket instead of standing still.
    live: Option<Live>,
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
            written: BTreeSet::new(),
            uploads: BTreeMap::new(),
            live: None,
        }
    }

    /// A view that follows the bucket; it begins with nothing.
    pub(crate) fn following(access: Access, live: Live) -> Self {
        let empty = Self::new(Vec::new(), &Visibility::All, access, None);
        Self {
            live: Some(live),
            ..empty
        }
    }

    pub(crate) fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    pub(crate) fn live_mut(&mut self) -> Option<&mut Live> {
        self.live.as_mut()
    }

    /// Takes in a successful write.
    pub(crate) fn wrote(&mut self, key: &str, entry: Entry) {
        self.written.insert(key.to_owned());
        self.entries.insert(key.to_owned(), entry);
    }

    /// Whether the version of a view that stands still is the session's own, and whole: it went up
    /// under its MD5. One that went up in parts (its `ETag` has a dash) may be of two saves. What
    /// follows the bucket is a person's drive, where a note may be made and removed again.
    pub(crate) fn stored_itself(&self, key: &str) -> bool {
        let is_whole = |entry: &Entry| !entry.etag.contains('-');
        self.live.is_none()
            && self.written.contains(key)
            && self.entries.get(key).is_some_and(is_whole)
    }

    pub(crate) fn learn(&mut self, object: &Object) {
        if let Some(live) = &mut self.live {
            live.learn(&mut self.entries, object);
        }
    }

    pub(crate) fn learn_page(&mut self, of: (&ListQuery, Option<Asked>), page: &UpstreamPage) {
        if let Some(live) = &mut self.live {
            live.learn_page(&mut self.entries, of, page);
        }
    }

    /// A folder as it is known without asking the bucket, where the session follows it.
    pub(crate) fn known_page(&self, query: &ListQuery) -> Option<Page<'_>> {
        self.live()?.known_page(&self.entries, query)
    }

    /// The bucket says that there is no such object.
    pub(crate) fn gone(&mut self, key: &str) {
        if self.live.is_some() {
            self.entries.remove(key);
        }
    }

    /// A write found another state than it was made for.
    pub(crate) fn lost(&mut self, target: &Target, found: Option<&Object>) {
        if let Some(live) = &mut self.live {
            live.lost(&mut self.entries, target, found);
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
