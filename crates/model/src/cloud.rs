//! The bucket: conditional, in one step per request, with or without versions.

use std::collections::BTreeMap;

use engine::model_surface::SENTINEL;
use guard::{Object, Precondition};

use crate::oracle::{Oracle, Versions, one};

#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) version: u32,
    pub(crate) mtime_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versioning {
    On,
    Off,
}

#[derive(Clone, Debug)]
pub(crate) struct Cloud {
    pub(crate) objects: BTreeMap<String, Stored>,
    pub(crate) versioning: Versioning,
    pub(crate) ever: Versions,
}

/// The state of the key was not the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl Cloud {
    pub(crate) fn new(versioning: Versioning) -> Self {
        Self {
            objects: BTreeMap::new(),
            versioning,
            ever: 0,
        }
    }

    /// Stores on a condition; without one only where an error was planted, or a stranger writes.
    pub(crate) fn put(
        &mut self,
        oracle: &Oracle,
        key: &str,
        stored: Stored,
        when: Option<&Precondition>,
    ) -> Result<(), Refused> {
        let found = self.objects.get(key);
        let holds = match (when, found) {
            (None, _) | (Some(Precondition::Absent), None) => true,
            (Some(Precondition::Absent), Some(_)) | (Some(Precondition::Match(_)), None) => false,
            (Some(Precondition::Match(etag)), Some(found)) => oracle.md5(found.version) == etag,
        };
        if !holds {
            return Err(Refused);
        }
        self.ever |= one(stored.version);
        self.objects.insert(key.to_owned(), stored);
        Ok(())
    }

    pub(crate) fn delete(
        &mut self,
        oracle: &Oracle,
        key: &str,
        etag: Option<&str>,
    ) -> Result<(), Refused> {
        let Some(found) = self.objects.get(key) else {
            return Ok(());
        };
        if etag.is_some_and(|etag| oracle.md5(found.version) != etag) {
            return Err(Refused);
        }
        self.objects.remove(key);
        Ok(())
    }

    pub(crate) fn object(&self, oracle: &Oracle, key: &str) -> Option<Object> {
        let stored = self.objects.get(key)?;
        Some(object(oracle, key, stored))
    }

    /// Everything, with the sentinel.
    pub(crate) fn list(&self, oracle: &Oracle) -> BTreeMap<String, Object> {
        let all = self.objects.iter();
        let mut listed: BTreeMap<String, Object> = all
            .map(|(key, stored)| (key.clone(), object(oracle, key, stored)))
            .collect();
        let sentinel = Object {
            key: SENTINEL.to_owned(),
            size: 1,
            etag: "sentinel".to_owned(),
            last_modified_ms: 0,
            mtime_ms: None,
        };
        listed.insert(SENTINEL.to_owned(), sentinel);
        listed
    }

    /// The versions that anybody could get from here.
    pub(crate) fn held(&self) -> Versions {
        let current = self.objects.values();
        let current = current.fold(0, |all, stored| all | one(stored.version));
        match self.versioning {
            Versioning::On => current | self.ever,
            Versioning::Off => current,
        }
    }
}

fn object(oracle: &Oracle, key: &str, stored: &Stored) -> Object {
    let version = oracle.get(stored.version);
    Object {
        key: key.to_owned(),
        size: version.size,
        etag: version.md5.clone(),
        last_modified_ms: stored.mtime_ms,
        mtime_ms: Some(stored.mtime_ms),
    }
}
