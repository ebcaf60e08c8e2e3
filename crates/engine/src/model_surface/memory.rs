//! What is known, and what a walk sees.

use std::collections::BTreeSet;

use crate::filters::Filters;
use crate::state::{Baseline, Node};
use crate::vault::{Scan, Signature};

/// What `stat` says about one version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub ino: u64,
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
}

impl Stat {
    /// A change time that equals no scanned one.
    pub const UNTRUSTED: i64 = Signature::UNTRUSTED;

    pub(super) fn signature(self) -> Signature {
        Signature {
            ino: self.ino,
            dev: 1,
            size: self.size,
            mtime_ns: self.mtime_ns,
            ctime_ns: self.ctime_ns,
        }
    }

    pub(super) fn of(signature: Signature) -> Self {
        Self {
            ino: signature.ino,
            size: signature.size,
            mtime_ns: signature.mtime_ns,
            ctime_ns: signature.ctime_ns,
        }
    }
}

/// The baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory(pub(super) Baseline);

impl Memory {
    pub fn set(&mut self, path: &str, md5: &str, etag: &str, size: u64, stat: Stat) {
        let node = Node {
            md5: md5.to_owned(),
            etag: etag.to_owned(),
            size,
            signature: stat.signature(),
        };
        self.0.insert(path.to_owned(), node);
    }

    pub fn touch(&mut self, path: &str, stat: Stat) {
        if let Some(node) = self.0.get_mut(path) {
            node.signature = stat.signature();
        }
    }

    pub fn forget(&mut self, path: &str) {
        self.0.remove(path);
    }

    #[must_use]
    pub fn md5(&self, path: &str) -> Option<&str> {
        Some(&self.0.get(path)?.md5)
    }

    #[must_use]
    pub fn etag(&self, path: &str) -> Option<&str> {
        Some(&self.0.get(path)?.etag)
    }

    #[must_use]
    pub fn size(&self, path: &str) -> Option<u64> {
        Some(self.0.get(path)?.size)
    }

    #[must_use]
    pub fn stat(&self, path: &str) -> Option<Stat> {
        Some(Stat::of(self.0.get(path)?.signature))
    }

    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only what it knows of these paths, as the lane reads it.
    #[must_use]
    pub fn narrowed(&self, paths: &BTreeSet<String>) -> Self {
        let known = paths.iter().filter_map(|path| self.0.get_key_value(path));
        Self(
            known
                .map(|(path, node)| (path.clone(), node.clone()))
                .collect(),
        )
    }
}

/// What a walk saw.
#[derive(Clone, Debug, Default)]
pub struct Seen(pub(super) Scan);

impl Seen {
    pub fn saw(&mut self, path: &str, stat: Stat) {
        self.0.files.insert(path.to_owned(), stat.signature());
    }

    #[must_use]
    pub fn stat(&self, path: &str) -> Option<Stat> {
        self.0.files.get(path).copied().map(Stat::of)
    }
}

/// The rules of a vault that syncs everything.
#[derive(Clone, Debug)]
pub struct Rules(pub(super) Filters);

impl Rules {
    #[must_use]
    pub fn none() -> Option<Self> {
        Filters::of_lines(std::iter::empty()).ok().map(Self)
    }
}
