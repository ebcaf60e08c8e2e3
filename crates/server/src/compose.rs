//! Puts the parts together, the same way for every deployment, and runs them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use s3_store::Change;
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;

use crate::accept::{self, Bounds, Certificates};
use crate::api;
use crate::app::{App, Links};
use crate::background::{Background, STOP_DEADLINE};
use crate::buckets::{Buckets, Objects};
use crate::clock::Clock;
use crate::credentials::{CredentialSettings, Keys};
use crate::events::{self, EventSettings, Events, Hooks};
use crate::idp::IdentityProvider;
use crate::instances::Instances;
use crate::instances::hints::Hints;
use crate::life::Life;
use crate::limits::{LimitSettings, Limits};
use crate::metrics;
use crate::polar::Polar;
use crate::principal::Admins;
use crate::provisioning::{self, BucketKeys, InstanceKeys, Provisioner, ProvisioningSettings};
use crate::proxy::{Proxy, ProxySettings, SigningKeys};
use crate::request::Hosts;
use crate::retention::{Sweeper, VersionRule};
use crate::store::Store;
use crate::token::Verifier;
use crate::workspace::WorkspaceKind;

/// What differs from deployment to deployment.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) buckets: Arc<dyn Buckets>,
    pub(crate) objects: Objects,
    pub(crate) old_versions: VersionRule,
    pub(crate) events: EventSettings,
    /// What the embedded store tells, where there is one.
    pub(crate) changes: Option<Receiver<Change>>,
    /// Where object stores reach the API.
    pub(crate) public_url: String,
    pub(crate) credentials: CredentialSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) admins: Option<Admins>,
    pub(crate) clock: Clock,
    pub(crate) links: Links,
    pub(crate) workspace_kind: WorkspaceKind,
    pub(crate) hosts: Hosts,
    pub(crate) signing_keys: Arc<SigningKeys>,
    pub(crate) proxy: ProxySettings,
    pub(crate) sign_in: wire::SignInConfig,
    pub(crate) polar: Option<Arc<Polar>>,
    pub(crate) instances: Arc<dyn Instances>,
    pub(crate) instance_settings: InstanceSettings,
    pub(crate) provisioning: ProvisioningSettings,
    pub(crate) development: Option<Arc<IdentityProvider>>,
}

/// What concerns instances of every driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceSettings {
    /// Where instances reach the buckets, if not where clients do.
    pub(crate) s3_endpoint: Option<String>,
    /// How often instances that are awake are told to compare everything.
    pub(crate) sync_every: Duration,
}

impl Default for InstanceSettings {
    fn default() -> Self {
        Self {
            s3_endpoint: None,
            sync_every: Duration::from_secs(300),
        }
    }
}

/// A server that is complete, but does not answer yet.
pub(crate) struct Composition {
    pub(crate) router: Router,
    pub(crate) background: Background,
    life: Arc<Life>,
    store: Arc<dyn Store>,
}

pub(crate) fn compose(parts: Parts) -> Composition {
    let life = Arc::new(Life::default());
    let mut background = Background::default();
    let measured = Arc::clone(&parts.store);
    background.add("gauges", async move |cancel| {
        metrics::watch(&*measured, cancel).await;
    });
    if let Some(polar) = parts.polar.clone() {
        background.add("polar", async move |cancel| polar.run(cancel).await);
    }
    let events = Events::new(
        Arc::clone(&parts.store),
        Arc::clone(&parts.clock),
        parts.events,
    );
    background.add("events", {
        let events = Arc::clone(&events);
        async move |cancel| events.run(cancel).await
    });
    if let Some(changes) = parts.changes {
        let events = Arc::clone(&events);
        background.add("changes", async move |cancel| {
            events::feed(events, changes, cancel).await;
        });
    }
    let keys = Arc::new(Keys::new(
        Arc::clone(&parts.store),
        Arc::clone(&parts.buckets),
        Arc::clone(&parts.clock),
        parts.credentials,
    ));
    let provisioner = Arc::new(Provisioner::new(
        Arc::clone(&parts.store),
        &provisioning::Parts {
            store: parts.store.clone(),
            buckets: Arc::clone(&parts.buckets),
            instances: Arc::clone(&parts.instances),
            instance_keys: Some(Arc::clone(&parts.signing_keys) as Arc<dyn InstanceKeys>),
            bucket_keys: Some(Arc::clone(&keys) as Arc<dyn BucketKeys>),
            instance_s3_endpoint: parts.instance_settings.s3_endpoint,
            reports: Some(Arc::new(Hooks {
                store: Arc::clone(&parts.store),
                buckets: Arc::clone(&parts.buckets),
                public_url: parts.public_url,
                clock: Arc::clone(&parts.clock),
            })),
            clock: Arc::clone(&parts.clock),
        },
        parts.provisioning,
    ));
    let worker = Arc::clone(&provisioner);
    background.add("workflows", async move |cancel| worker.run(cancel).await);
    let sweeper = Sweeper {
        store: Arc::clone(&parts.store),
        buckets: Arc::clone(&parts.buckets),
        rule: parts.old_versions,
        clock: Arc::clone(&parts.clock),
    };
    background.add("old versions", async move |cancel| {
        sweeper.run(cancel).await
    });
    let verifier = Arc::clone(&parts.verifier);
    background.add("token keys", async move |cancel| verifier.run(cancel).await);
    let tended = Arc::clone(&keys);
    background.add("credentials", async move |cancel| tended.run(cancel).await);
    let proxy = Arc::new(Proxy::new(
        parts.proxy,
        parts.signing_keys,
        Arc::clone(&parts.instances),
        life.draining(),
    ));
    let hints = Arc::new(Hints {
        store: Arc::clone(&parts.store),
        instances: Arc::clone(&parts.instances),
        proxy: Arc::clone(&proxy),
        clock: Arc::clone(&parts.clock),
        every: parts.instance_settings.sync_every,
        waiting: Mutex::default(),
    });
    let changes = events.listen();
    background.add("hints", async move |cancel| {
        hints.run(changes, cancel).await
    });
    let instances = parts.instances;
    background.add("instances", async move |cancel| instances.run(cancel).await);
    let app = App {
        events,
        store: Arc::clone(&parts.store),
        buckets: parts.buckets,
        objects: Arc::new(parts.objects),
        provisioner,
        keys,
        limits: Arc::new(Limits::new(parts.limits)),
        verifier: parts.verifier,
        admins: parts.admins.map(Arc::new),
        clock: parts.clock,
        links: Arc::new(parts.links),
        workspace_kind: parts.workspace_kind,
        hosts: Arc::new(parts.hosts),
        life: Arc::clone(&life),
        proxy,
        denials: Arc::default(),
        sign_in: Arc::new(parts.sign_in),
        polar: parts.polar,
        development: parts.development,
    };
    Composition {
        router: api::router(app),
        background,
        life,
        store: parts.store,
    }
}

/// Where and how requests arrive.
pub(crate) struct Front {
    pub(crate) listener: TcpListener,
    pub(crate) bounds: Bounds,
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// Between telling probes that the server is not ready and refusing connections.
    pub(crate) drain_delay: Duration,
}

impl Composition {
    /// Answers until `cancel`; then lets requests in flight end, stops the tasks and leaves the
    /// database, in this order. Tells whether a part broke and ended it.
    ///
    /// With `hurry`, the pause before connections are refused is cut short.
    pub(crate) async fn run(
        self,
        front: Front,
        cancel: CancellationToken,
        hurry: CancellationToken,
    ) -> Ended {
        let (refuse, stop, broken) = (
            CancellationToken::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let life = Arc::clone(&self.life);
        let draining = async {
            tokio::select! {
                () = cancel.cancelled() => tokio::select! {
                    () = tokio::time::sleep(front.drain_delay) => {}
                    () = hurry.cancelled() => {}
                },
                () = broken.cancelled() => {}
            }
            refuse.cancel();
        };
        let telling = async {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = broken.cancelled() => {}
            }
            tracing::info!("draining");
            life.drain();
        };
        let answering = async {
            accept::serve(
                front.listener,
                self.router,
                front.bounds,
                front.certificates,
                refuse.clone(),
            )
            .await;
            stop.cancel();
        };
        let working = self
            .background
            .run(stop.clone(), broken.clone(), STOP_DEADLINE);
        tokio::join!(telling, draining, answering, working);
        self.store.leave().await;
        if broken.is_cancelled() {
            Ended::Broken
        } else {
            Ended::AsTold
        }
    }
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    AsTold,
    /// One of its tasks broke; the log says which.
    Broken,
}
