//! Streams over both databases, and over two replicas on one `PostgreSQL`.

mod hints;
mod hooks;
mod replicas;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wire::{ChangeEvent, ChangeKind};

use super::{EventSettings, Events, Live, NewEvent, Reader, Start, Teller};
use crate::api;
use crate::app::App;
use crate::life::Life;
use crate::principal::{ActiveMember, TenantScope};
use crate::store::tests::{Fixture, origin};
use crate::store::{Store, Subscription};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use api::tests::NOW_MS;

const SOON: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(60 * 60);
const ANA: &str = "user_ana";
const TENANT: &str = "tenant-ana";

/// Nothing comes by itself but what a test turns on.
fn quiet() -> EventSettings {
    EventSettings {
        heartbeat: NEVER,
        poll_every: NEVER,
        trim_every: NEVER,
        ..EventSettings::default()
    }
}

/// A server on the database of a test, without its sockets.
struct Replica {
    app: App,
    cancel: CancellationToken,
    _running: AbortOnDropHandle<()>,
}

impl Replica {
    async fn start(store: &Arc<dyn Store>, settings: EventSettings) -> Self {
        let template = api::tests::Fixture::new().await.app;
        let app = App {
            events: Events::new(Arc::clone(store), template.clock.clone(), settings),
            store: Arc::clone(store),
            life: Arc::new(Life::default()),
            ..template
        };
        let cancel = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&app.events).run(cancel.clone()));
        Self {
            app,
            cancel,
            _running: AbortOnDropHandle::new(running),
        }
    }

    fn follow(&self, start: Start) -> Follower {
        self.follow_from(start, None)
    }

    fn follow_from(&self, start: Start, device: Option<&str>) -> Follower {
        let reader = Reader {
            subject: ANA.to_owned(),
            tenant_id: TENANT.to_owned(),
            device: device.map(str::to_owned),
        };
        let place = self.app.events.enter(reader).unwrap();
        let tenant = TenantScope::for_tests(TENANT, "bucket");
        let member = ActiveMember::for_tests(ANA);
        Follower {
            live: Live::new(self.app.clone(), member, tenant, place, start),
            unread: Vec::new(),
        }
    }

    async fn append(&self, path: &str) -> i64 {
        let changes = [put(path)];
        let seq = self.app.events.append(TENANT, &changes).await.unwrap();
        seq.unwrap()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn put(path: &str) -> NewEvent {
    NewEvent {
        kind: ChangeKind::Put,
        path: path.to_owned(),
        from: None,
        etag: Some("x".to_owned()),
        size: Some(1),
        at: NOW_MS,
        teller: Teller::Device {
            name: Some("laptop".to_owned()),
            told_at: Some(NOW_MS),
        },
    }
}

/// One frame of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Frame {
    id: Option<i64>,
    event: String,
    data: Value,
    retry_ms: Option<u64>,
}

fn frame(text: &str) -> Frame {
    let mut frame = Frame::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => frame.id = Some(id.parse().unwrap()),
            Some(("event", name)) => frame.event = name.to_owned(),
            Some(("data", data)) => frame.data = serde_json::from_str(data).unwrap(),
            Some(("retry", pause)) => frame.retry_ms = Some(pause.parse().unwrap()),
            Some(("", "beat")) => frame.event = "beat".to_owned(),
            _ => panic!("no line of a stream: {line}"),
        }
    }
    frame
}

/// A reader of a stream, which reads only when asked.
struct Follower {
    live: Live,
    unread: Vec<Frame>,
}

impl Follower {
    /// Gives the next frame; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Frame> {
        while self.unread.is_empty() {
            let text = tokio::time::timeout(SOON, self.live.next())
                .await
                .expect("the stream says something")?;
            let text = String::from_utf8(text.to_vec()).unwrap();
            assert!(text.ends_with("\n\n"), "{text:?}");
            self.unread = text.trim_end().split("\n\n").map(frame).collect();
            self.unread.reverse();
        }
        self.unread.pop()
    }

    /// Gives the next frame with this name, past `retry` and beats.
    async fn expect(&mut self, event: &str) -> Frame {
        loop {
            let frame = self.next().await.expect("the stream goes on");
            if frame.event == event {
                return frame;
            }
            assert!(
                frame.event.is_empty() || frame.event == "beat",
                "{frame:?} instead of {event}"
            );
        }
    }

    async fn change(&mut self) -> ChangeEvent {
        let frame = self.expect("change").await;
        let change: ChangeEvent = serde_json::from_value(frame.data).unwrap();
        assert_eq!(frame.id, Some(change.seq));
        change
    }

    async fn ready(mut self) -> Self {
        self.expect("ready").await;
        self
    }
}

async fn subscribe(store: &dyn Store, end: i64) {
    let subscription = Subscription {
        status: "active".to_owned(),
        plan: None,
        current_period_end: Some(end),
    };
    store
        .put_subscription(ANA, &subscription, &origin(1))
        .await
        .unwrap();
}

/// Ana, who may follow her tenant's events.
async fn ana(fixture: &Fixture) {
    let store = &*fixture.store;
    subscribe(store, NOW_MS + 1).await;
    let profile = store
        .ensure_profile(ANA, Some("ana@example.org"), &origin(1))
        .await
        .unwrap();
    let tenant = store
        .claim_tenant(&profile, TENANT, "bucket", &origin(1))
        .await
        .unwrap();
    store.record_bucket(&tenant, &origin(1)).await.unwrap();
}
