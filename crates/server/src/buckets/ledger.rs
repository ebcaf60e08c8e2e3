//! An object store in memory for tests: it keeps a ledger of what it has, and fails when told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use super::{
    Access, BucketError, Buckets, FoundKey, IssuedKey, KeyGrant, KeyRef, LastUse,
    NotificationTarget, Notifications, Versions,
};

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is done.
    Before,
    /// All is done, and the caller does not hear of it.
    After,
}

/// A key that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldKey {
    pub(crate) bucket: String,
    pub(crate) access_key: String,
    pub(crate) access: Access,
}

#[derive(Default)]
struct State {
    buckets: BTreeSet<String>,
    keys: BTreeMap<String, HeldKey>,
    uses: BTreeMap<String, i64>,
    targets: BTreeMap<String, NotificationTarget>,
    /// When each bucket's unfinished uploads began.
    uploads: BTreeMap<String, Vec<i64>>,
    made: usize,
    faults: VecDeque<Option<Fault>>,
    broken: Option<Fault>,
    /// Names of keys of which every call is refused.
    refused: BTreeSet<String>,
}

#[derive(Default)]
pub(crate) struct Ledger {
    state: Mutex<State>,
}

impl Ledger {
    /// Makes every call fail from now on, or none.
    pub(crate) fn break_with(&self, fault: Option<Fault>) {
        self.lock().broken = fault;
    }

    /// Makes the next calls go like this, one after the other.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().faults.extend(faults);
    }

    /// Refuses every call about these keys from now on.
    pub(crate) fn refuse(&self, names: impl IntoIterator<Item = String>) {
        self.lock().refused.extend(names);
    }

    pub(crate) fn use_key(&self, access_key: &str, at: i64) {
        self.lock().uses.insert(access_key.to_owned(), at);
    }

    /// What the store has, by name.
    pub(crate) fn keys(&self) -> BTreeMap<String, HeldKey> {
        self.lock().keys.clone()
    }

    /// Where the bucket reports to.
    pub(crate) fn target(&self, bucket: &str) -> Option<NotificationTarget> {
        self.lock().targets.get(bucket).cloned()
    }

    /// Leaves an upload unfinished.
    pub(crate) fn begin_upload(&self, bucket: &str, at: i64) {
        let mut state = self.lock();
        state.uploads.entry(bucket.to_owned()).or_default().push(at);
    }

    pub(crate) fn uploads(&self, bucket: &str) -> Vec<i64> {
        self.lock().uploads.get(bucket).cloned().unwrap_or_default()
    }

    /// Puts something under a name, as somebody else would.
    pub(crate) fn plant(&self, name: &str) {
        let key = HeldKey {
            bucket: "planted".to_owned(),
            access_key: format!("tid_{name}"),
            access: Access::ReadWrite,
        };
        self.lock().keys.insert(name.to_owned(), key);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn call_of<T>(
        &self,
        key: &KeyRef,
        operation: &'static str,
        work: impl FnOnce(&mut State) -> T,
    ) -> Result<T, BucketError> {
        if self.lock().refused.contains(&key.name) {
            return Err(BucketError::Refused {
                operation,
                status: 404,
                code: "NoSuchEntity".to_owned(),
            });
        }
        self.call(operation, work)
    }

    fn call<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut State) -> T,
    ) -> Result<T, BucketError> {
        let mut state = self.lock();
        let fault = state.faults.pop_front().flatten().or(state.broken);
        let failed = BucketError::Unavailable {
            operation,
            status: 503,
            code: String::new(),
        };
        match fault {
            None => Ok(work(&mut state)),
            Some(Fault::Before) => Err(failed),
            Some(Fault::After) => {
                work(&mut state);
                Err(failed)
            }
        }
    }
}

impl Versions for Ledger {}

#[async_trait]
impl Buckets for Ledger {
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        self.call("ensure_bucket", |state| {
            state.buckets.insert(bucket.to_owned());
        })
    }

    async fn delete_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        self.call("delete_bucket", |state| {
            state.buckets.remove(bucket);
        })
    }

    async fn end_uploads(&self, bucket: &str, begun_before: i64) -> Result<u64, BucketError> {
        self.call("end_uploads", |state| {
            let uploads = state.uploads.entry(bucket.to_owned()).or_default();
            let all = uploads.len();
            uploads.retain(|begun| *begun >= begun_before);
            (all - uploads.len()) as u64
        })
    }

    async fn notify(
        &self,
        bucket: &str,
        target: &NotificationTarget,
    ) -> Result<Notifications, BucketError> {
        self.call("notify", |state| {
            state.targets.insert(bucket.to_owned(), target.clone());
            Notifications::Set
        })
    }

    async fn issue_key(&self, grant: &KeyGrant) -> Result<IssuedKey, BucketError> {
        self.call("issue_key", |state| {
            state.made += 1;
            let access_key = format!("tid_{}", state.made);
            let key = HeldKey {
                bucket: grant.bucket.clone(),
                access_key: access_key.clone(),
                access: Access::ReadWrite,
            };
            state.keys.insert(grant.name.clone(), key);
            IssuedKey {
                secret: format!("tsec_{}", state.made).into(),
                access_key,
                policy_arn: format!("arn:{}", grant.name),
            }
        })
    }

    async fn revoke_key(&self, key: &KeyRef) -> Result<(), BucketError> {
        self.call("revoke_key", |state| {
            state.keys.remove(&key.name);
        })
    }

    async fn set_access(
        &self,
        key: &KeyRef,
        _: &KeyGrant,
        access: Access,
    ) -> Result<(), BucketError> {
        self.call_of(key, "set_access", |state| {
            if let Some(held) = state.keys.get_mut(&key.name) {
                held.access = access;
            }
        })
    }

    async fn list_keys(&self, prefix: &str) -> Result<Vec<FoundKey>, BucketError> {
        self.call("list_keys", |state| {
            let names = state.keys.keys().filter(|name| name.starts_with(prefix));
            names
                .map(|name| FoundKey {
                    name: name.clone(),
                    policy_arn: None,
                })
                .collect()
        })
    }

    async fn last_use(&self, key: &KeyRef) -> Result<LastUse, BucketError> {
        self.call_of(key, "last_use", |state| {
            let access_key = key.access_key.as_deref().unwrap_or_default();
            let used = state.uses.get(access_key);
            used.map_or(LastUse::Never, |at| LastUse::At(*at))
        })
    }

    fn endpoint_url(&self) -> &str {
        "http://127.0.0.1:1"
    }

    fn region(&self) -> &str {
        "auto"
    }
}
