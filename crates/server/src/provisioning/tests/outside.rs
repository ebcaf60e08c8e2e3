//! Buckets, keys and instances as their providers keep them, with a ledger of what was made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::buckets::{
    Access, BucketError, Buckets, FoundKey, IssuedKey, KeyGrant, KeyRef, LastUse,
    NotificationTarget, Notifications, Versions,
};
use crate::instances::{
    Address, Awake, InstanceError, InstanceSpec, Instances, ListedInstance, Readiness,
    SecretDelivery, WantedState,
};
use crate::provisioning::{BucketKeys, BucketReports, InstanceKeys, KeyError, ReportError};
use crate::store::tenants::TenantRecord;
use crate::store::{Instance, Origin};

/// What happens when the fuse has burned down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// The process is gone: it never gets past this place.
    Death,
    /// A call to the world outside fails; those to the store go on.
    Failure,
}

/// Counts the places that a process passes, and blows at one of them, once.
pub(super) struct Fuse {
    left: AtomicI64,
    trouble: Trouble,
    blown: Notify,
}

impl Fuse {
    pub(super) fn sound() -> Self {
        Self::burning(0, Trouble::None)
    }

    /// Blows at the place after `places` others.
    pub(super) fn burning(places: i64, trouble: Trouble) -> Self {
        Self {
            left: AtomicI64::new(places),
            trouble,
            blown: Notify::new(),
        }
    }

    pub(super) fn has_blown(&self) -> bool {
        self.trouble != Trouble::None && self.left.load(Ordering::SeqCst) < 0
    }

    /// Returns once a process has died.
    pub(super) async fn blown(&self) {
        self.blown.notified().await;
    }

    /// A place before a change in the store.
    pub(super) async fn change(&self) {
        if self.trouble == Trouble::Death && self.burn() {
            self.die().await;
        }
    }

    /// A place before a call to the world outside; tells whether the call gets lost.
    async fn before(&self) -> bool {
        match self.trouble {
            Trouble::None => false,
            Trouble::Death if self.burn() => self.die().await,
            Trouble::Death => false,
            Trouble::Failure => self.burn(),
        }
    }

    /// A place behind such a call; tells whether its answer gets lost.
    fn behind(&self) -> bool {
        self.trouble == Trouble::Failure && self.burn()
    }

    fn burn(&self) -> bool {
        self.left.fetch_sub(1, Ordering::SeqCst) == 0
    }

    async fn die(&self) -> bool {
        self.blown.notify_one();
        std::future::pending().await
    }
}

/// A call that does not come back until it is let go.
#[derive(Default)]
pub(super) struct Stall {
    reached: Notify,
    released: Notify,
}

impl Stall {
    pub(super) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(super) fn release(&self) {
        self.released.notify_one();
    }
}

#[derive(Default)]
struct Things {
    standing: BTreeSet<String>,
    made: Vec<String>,
    /// Machines by the idempotency key of the call that made them.
    machines: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
}

pub(super) struct Outside {
    fuse: Arc<Fuse>,
    things: Mutex<Things>,
    stall: Mutex<Option<(&'static str, Arc<Stall>)>>,
    keys_stuck: AtomicBool,
    /// The instance provider lets nobody in.
    locked_out: AtomicBool,
    issued: AtomicI64,
}

impl Outside {
    pub(super) fn new(fuse: Arc<Fuse>) -> Self {
        Self {
            fuse,
            things: Mutex::default(),
            stall: Mutex::default(),
            keys_stuck: AtomicBool::new(false),
            locked_out: AtomicBool::new(false),
            issued: AtomicI64::new(0),
        }
    }

    /// Everything ever made, sorted.
    pub(super) fn made(&self) -> Vec<String> {
        let mut made = self.things.lock().unwrap().made.clone();
        made.sort();
        made
    }

    /// Everything that is there, sorted.
    pub(super) fn standing(&self) -> Vec<String> {
        self.things
            .lock()
            .unwrap()
            .standing
            .iter()
            .cloned()
            .collect()
    }

    pub(super) fn give_key(&self, tenant: &str, id: &str) -> String {
        let key = format!("key {tenant}-{id}");
        self.things.lock().unwrap().standing.insert(key.clone());
        key
    }

    pub(super) fn keys_stuck(&self, stuck: bool) {
        self.keys_stuck.store(stuck, Ordering::SeqCst);
    }

    pub(super) fn locked_out(&self, out: bool) {
        self.locked_out.store(out, Ordering::SeqCst);
    }

    fn let_in(&self, operation: &'static str) -> Result<(), InstanceError> {
        match self.locked_out.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(InstanceError::Refused {
                operation,
                status: 401,
                message: "unauthorized".to_owned(),
            }),
        }
    }

    /// The next call that makes such a thing stalls before its effect.
    pub(super) fn stall_at(&self, thing: &'static str) -> Arc<Stall> {
        let stall = Arc::new(Stall::default());
        *self.stall.lock().unwrap() = Some((thing, stall.clone()));
        stall
    }

    async fn pass(&self, thing: &str) {
        let stall = {
            let mut stall = self.stall.lock().unwrap();
            match &*stall {
                Some((at, _)) if *at == thing => stall.take(),
                Some(_) | None => None,
            }
        };
        if let Some((_, stall)) = stall {
            stall.reached.notify_one();
            stall.released.notified().await;
        }
    }

    /// Does something to the world, unless the call or its answer is lost.
    async fn call<T>(&self, thing: &str, effect: impl FnOnce(&mut Things) -> T) -> Result<T, Lost> {
        self.pass(thing).await;
        if self.fuse.before().await {
            return Err(Lost);
        }
        let answer = effect(&mut self.things.lock().unwrap());
        if self.fuse.behind() {
            return Err(Lost);
        }
        Ok(answer)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the call or its answer was lost")]
struct Lost;

impl From<Lost> for InstanceError {
    fn from(lost: Lost) -> Self {
        Self::Unreachable(Box::new(lost))
    }
}

impl From<Lost> for BucketError {
    fn from(_: Lost) -> Self {
        Self::SecretUnfit
    }
}

fn make(things: &mut Things, thing: String) {
    if things.standing.insert(thing.clone()) {
        things.made.push(thing);
    }
}

impl Versions for Outside {}

#[async_trait]
impl Buckets for Outside {
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        let thing = format!("bucket {bucket}");
        Ok(self.call("bucket", |things| make(things, thing)).await?)
    }

    async fn delete_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        let thing = format!("bucket {bucket}");
        let gone = |things: &mut Things| {
            things.standing.remove(&thing);
        };
        Ok(self.call("bucket", gone).await?)
    }

    async fn end_uploads(&self, _: &str, _: i64) -> Result<u64, BucketError> {
        Err(BucketError::SecretUnfit)
    }

    async fn notify(&self, _: &str, _: &NotificationTarget) -> Result<Notifications, BucketError> {
        Ok(Notifications::Unsupported)
    }

    async fn set_access(&self, _: &KeyRef, _: &KeyGrant, _: Access) -> Result<(), BucketError> {
        Err(BucketError::SecretUnfit)
    }

    async fn list_keys(&self, _: &str) -> Result<Vec<FoundKey>, BucketError> {
        Err(BucketError::SecretUnfit)
    }

    async fn last_use(&self, _: &KeyRef) -> Result<LastUse, BucketError> {
        Ok(LastUse::Untold)
    }

    async fn issue_key(&self, _: &KeyGrant) -> Result<IssuedKey, BucketError> {
        Err(BucketError::SecretUnfit)
    }

    async fn revoke_key(&self, key: &KeyRef) -> Result<(), BucketError> {
        if self.keys_stuck.load(Ordering::SeqCst) {
            return Err(BucketError::SecretUnfit);
        }
        let gone = |things: &mut Things| {
            things
                .standing
                .remove(key.access_key.as_deref().unwrap_or_default());
        };
        Ok(self.call("key", gone).await?)
    }

    fn endpoint_url(&self) -> &str {
        "http://127.0.0.1:1"
    }

    fn region(&self) -> &str {
        "auto"
    }
}

#[async_trait]
impl Instances for Outside {
    fn secret_delivery(&self) -> SecretDelivery {
        SecretDelivery::ByDriver
    }

    async fn ensure_app(&self, tenant_id: &str) -> Result<(), InstanceError> {
        let thing = format!("app {tenant_id}");
        Ok(self.call("app", |things| make(things, thing)).await?)
    }

    async fn ensure_secrets(
        &self,
        tenant_id: &str,
        secrets: &BTreeMap<&'static str, SecretString>,
    ) -> Result<Option<i64>, InstanceError> {
        let names: Vec<&str> = secrets.keys().copied().collect();
        let expected = [
            "BM_TENANT_KEYS",
            "BM_TENANT_S3_ACCESS_KEY_ID",
            "BM_TENANT_S3_SECRET_ACCESS_KEY",
        ];
        assert_eq!(names, expected);
        let tenant = tenant_id.to_owned();
        let kept = |things: &mut Things| {
            things.secrets.insert(tenant);
        };
        self.call("secrets", kept).await?;
        Ok(Some(7))
    }

    /// Like a provider that knows a repeated call by its key, and nothing else: a call with
    /// another key makes another machine.
    async fn ensure_instance(&self, spec: &InstanceSpec) -> Result<Option<Address>, InstanceError> {
        let made = |things: &mut Things| {
            assert!(things.secrets.contains(&spec.tenant_id), "no secrets yet");
            assert_eq!(spec.secrets_version, Some(7));
            let known = things
                .machines
                .insert(spec.idempotency_key.clone(), spec.tenant_id.clone());
            if known.is_none() {
                let thing = format!("instance {}", spec.tenant_id);
                things.standing.insert(thing.clone());
                things.made.push(thing);
            }
        };
        self.call("instance", made).await?;
        Ok(Some(Address("http://127.0.0.1:1".to_owned())))
    }

    async fn wait_ready(&self, _: &str) -> Result<Readiness, InstanceError> {
        Ok(Readiness::Ready)
    }

    async fn set_state(&self, _: &str, wanted: WantedState) -> Result<(), InstanceError> {
        self.let_in("stop")?;
        match wanted {
            WantedState::Running | WantedState::Suspended | WantedState::Stopped => {
                Ok(self.call("state", |_: &mut Things| ()).await?)
            }
        }
    }

    async fn destroy(&self, tenant_id: &str) -> Result<(), InstanceError> {
        self.let_in("delete app")?;
        let gone = |things: &mut Things| {
            for thing in ["app", "instance"] {
                things.standing.remove(&format!("{thing} {tenant_id}"));
            }
        };
        Ok(self.call("instance", gone).await?)
    }

    async fn list(&self) -> Result<Vec<ListedInstance>, InstanceError> {
        Ok(Vec::new())
    }

    async fn wake(&self, _: &str, _: &Instance) -> Result<Awake, InstanceError> {
        Err(InstanceError::Asleep)
    }

    async fn awake(&self, _: &str, _: &Instance) -> Result<Option<Address>, InstanceError> {
        Ok(None)
    }

    fn all_awake(&self) -> Vec<String> {
        Vec::new()
    }
}

#[async_trait]
impl BucketKeys for Outside {
    async fn issue(&self, tenant: &TenantRecord, _: &Origin) -> Result<IssuedKey, KeyError> {
        let number = self.issued.fetch_add(1, Ordering::SeqCst);
        let key = IssuedKey {
            access_key: format!("instance key {}-{number}", tenant.id),
            secret: "secret".to_owned().into(),
            policy_arn: "policy".to_owned(),
        };
        self.call("instance key", |_: &mut Things| ())
            .await
            .map_err(BucketError::from)?;
        Ok(key)
    }
}

impl InstanceKeys for Outside {
    fn current(&self) -> &str {
        "k1"
    }

    fn key_file(&self, _: &str) -> SecretString {
        "k1 key\n".to_owned().into()
    }
}

#[async_trait]
impl BucketReports for Outside {
    async fn ensure(&self, _: &str, bucket: &str) -> Result<(), ReportError> {
        let lost = self.call("reports", |things| {
            assert!(things.standing.contains(&format!("bucket {bucket}")));
        });
        Ok(lost.await.map_err(BucketError::from)?)
    }
}
