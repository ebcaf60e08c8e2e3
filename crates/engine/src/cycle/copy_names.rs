//! What the copy of a conflict is called in the bucket.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use guard::Object;
use time::OffsetDateTime;

use super::settle::original_of;
use super::verify::{Verified, hash_all};
use super::{CycleFailure, CycleInput};
use crate::naming::{conflict_name, note_of_copy, numbered_conflict_name};

/// Gives the guard names for the versions that bisync sets aside under our mark.
///
/// A name says device and time of that version's save, so that a cycle that is begun again gives
/// the same bytes the same name.
pub(super) async fn namer(
    input: &CycleInput,
    verified: &Verified,
) -> Result<guard::Rename, CycleFailure> {
    let contested: Vec<String> = verified.plan.contested().cloned().collect();
    let hashed = hash_all(input, contested).await?;
    let names: HashMap<String, String> = hashed
        .into_iter()
        .map(|(path, (md5, signature))| {
            let at = time_of(signature.mtime_ns);
            let here = |name: &str| verified.scan.files.contains_key(name);
            let settled = |name: &str| !verified.plan.scope.contains_key(name);
            let asked = (here, settled);
            let name = free_name(&path, &input.device, at, &md5, &verified.cloud, asked);
            (path, name)
        })
        .collect();
    let (mark, device, clock) = (
        input.mark.clone(),
        input.device.clone(),
        input.clock.clone(),
    );
    Ok(Arc::new(move |key, saved_ms| {
        let original = original_of(key, &mark)?;
        let late = || {
            let ms = saved_ms.unwrap_or_else(|| clock.now_ms());
            conflict_name(&original, &device, time_of(ms.saturating_mul(1_000_000)))
        };
        Some(names.get(&original).cloned().unwrap_or_else(late))
    }))
}

/// The name under which another device keeps these very bytes; otherwise the first that is free,
/// or holds them already.
pub(crate) fn free_name(
    path: &str,
    device: &str,
    at: OffsetDateTime,
    md5: &str,
    cloud: &BTreeMap<String, Object>,
    (here, settled): (impl Fn(&str) -> bool, impl Fn(&str) -> bool),
) -> String {
    let kept = cloud.iter().find(|(name, object)| {
        object.etag == md5
            && note_of_copy(name).as_deref() == Some(path)
            && (settled(name) || !here(name))
    });
    if let Some((name, _)) = kept {
        return name.clone();
    }
    let mut number = 1;
    loop {
        let name = numbered_conflict_name(path, device, at, number);
        let free = match cloud.get(&name) {
            Some(object) => object.etag == md5,
            None => !here(&name),
        };
        if free {
            return name;
        }
        number += 1;
    }
}

pub(crate) fn time_of(unix_ns: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(unix_ns.into()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_taken_by_other_bytes_gets_a_number() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let object = |etag: &str| Object {
            key: String::new(),
            size: 1,
            etag: etag.into(),
            last_modified_ms: 0,
            mtime_ms: None,
        };
        let first = conflict_name("n.md", "laptop", at);
        let second = numbered_conflict_name("n.md", "laptop", at, 2);
        let third = numbered_conflict_name("n.md", "laptop", at, 3);
        let cloud = BTreeMap::from([(first.clone(), object("a")), (second.clone(), object("b"))]);
        let name = |md5: &str, here: &str| {
            let asked = (|name: &str| name == here, |_: &str| false);
            free_name("n.md", "laptop", at, md5, &cloud, asked)
        };
        assert_eq!(name("a", ""), first);
        assert_eq!(name("b", ""), second);
        assert_eq!(name("c", ""), third);
        assert_ne!(name("c", &third), third);
    }

    #[test]
    fn bytes_that_another_device_keeps_beside_the_note_are_kept_once() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let theirs = conflict_name("d/n.md", "desktop", at);
        let object = Object {
            key: theirs.clone(),
            size: 1,
            etag: "a".into(),
            last_modified_ms: 0,
            mtime_ms: None,
        };
        let cloud = BTreeMap::from([(theirs.clone(), object)]);
        let name = |path: &str, md5: &str, here: bool, settled: bool| {
            let asked = (|_: &str| here, |_: &str| settled);
            free_name(path, "laptop", at, md5, &cloud, asked)
        };
        assert_eq!(name("d/n.md", "a", false, false), theirs);
        assert_eq!(name("d/n.md", "a", true, true), theirs);
        for (path, md5) in [("d/n.md", "b"), ("d/m.md", "a"), ("n.md", "a")] {
            assert_eq!(
                name(path, md5, false, false),
                conflict_name(path, "laptop", at)
            );
        }
        // Changed here meanwhile: those bytes are about to leave it.
        let own = numbered_conflict_name("d/n.md", "laptop", at, 1);
        let asked = (|name: &str| name == theirs, |_: &str| false);
        assert_eq!(free_name("d/n.md", "laptop", at, "a", &cloud, asked), own);
    }
}
