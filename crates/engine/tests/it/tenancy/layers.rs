//! The four ways by which an instance hears of a save, each alone and all together.
//!
//! `LAYERS_EDITS` (2 if not set, and at least) makes it longer; `LAYERS_REPORT` names a file for the
//! times in milliseconds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::view::ProfileName;
use engine::{Arrived, Clock, Places, Replica, ReplicaSpec, ReplicaState};
use guard::Bucket;
use serde_json::json;
use testkit::{wait_for, wait_until};
use tokio::sync::mpsc;

use super::super::device::{Device, Home, LONG, write};
use super::super::storm::{City, number};
use super::api::Api;
use super::instance::Instance;
use super::with_instances;

const EDITS: u64 = 2;
/// Each waits for half a minute at worst.
const MOST_PERIODIC: u64 = 4;
const HOOK: &str = "th_of-this-tenant";
/// Within an instance's own period, and with an allowance for a machine that has other work.
const AT_ONCE: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    /// The client says what it uploaded.
    Client,
    /// The bucket's webhook does.
    Webhook,
    /// Whoever stored it asks for `POST /sync`.
    Api,
    /// Nobody does, and the instance looks by itself.
    Periodic,
    All,
}

impl Layer {
    const EACH: [Self; 5] = [
        Self::Client,
        Self::Webhook,
        Self::Api,
        Self::All,
        Self::Periodic,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Webhook => "webhook",
            Self::Api => "api",
            Self::Periodic => "periodic",
            Self::All => "all",
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_four_layers_alone_makes_a_save_findable() {
    let edits = number("LAYERS_EDITS").unwrap_or(EDITS).max(EDITS);
    let mut bed = Bed::make().await;
    // The first search of each device imports and opens what later ones have.
    for layer in [Layer::Client, Layer::Webhook] {
        bed.save_and_find(layer).await;
    }
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for layer in Layer::EACH {
        let count = match layer {
            Layer::Periodic => edits.min(MOST_PERIODIC),
            Layer::Client | Layer::Webhook | Layer::Api | Layer::All => edits,
        };
        let taken = times.entry(layer.name()).or_default();
        for _ in 0..count {
            taken.push(bed.save_and_find(layer).await.as_secs_f64() * 1000.0);
        }
    }
    eprintln!("{times:?}");
    for (layer, times) in &times {
        // A layer that is dead may be lucky once. What only the instance's own look finds is found
        // right after one, so whatever is saved next waits for almost a whole period.
        let best = times[1..].iter().copied().fold(f64::INFINITY, f64::min);
        assert!(
            *layer == Layer::Periodic.name() || best < AT_ONCE.as_secs_f64() * 1000.0,
            "{layer}: {times:?}"
        );
    }
    if let Some(file) = report_file() {
        write(&file, &json!(times).to_string());
    }
    bed.end().await;
}

fn report_file() -> Option<PathBuf> {
    std::env::var_os("LAYERS_REPORT").map(PathBuf::from)
}

/// A tenant in `SeaweedFS`, which tells nobody, and two devices of which one does.
struct Bed {
    city: City,
    instance: Instance,
    api: Api,
    bucket: Bucket,
    loud: (Home, Device),
    quiet: (tempfile::TempDir, Replica),
    saved: u64,
}

impl Bed {
    async fn make() -> Self {
        let city = City::build_with(&with_instances("replica", NEVER)).await;
        let home = Home::in_background("laptop", NEVER);
        let device = home.open().await;
        city.sign_in(&device).await;
        device
            .set_up_once_prepared(&home.vault(), ProfileName::Safe)
            .await;
        let instance = Instance::of(&city).await;
        city.accept_hooks(instance.tenant(), HOOK);
        let api = Api::of(&city).await;
        api.main().await;
        instance.is_settled().await;
        let bucket = city.bucket(&device.view().pairs[0].bucket);
        let scratch = testkit::scratch();
        let quiet = quiet_device(scratch.path(), bucket.clone()).await;
        Self {
            city,
            instance,
            api,
            bucket,
            loud: (home, device),
            quiet: (scratch, quiet),
            saved: 0,
        }
    }

    /// From the moment of the save.
    async fn save_and_find(&mut self, layer: Layer) -> Duration {
        self.saved += 1;
        let (name, word) = (
            format!("note-{}", self.saved),
            format!("quokka{}", self.saved),
        );
        let key = format!("main/layers/{name}.md");
        // With all that Basic Memory would add: nothing is rewritten.
        let text = format!(
            "---\ntitle: {name}\ntype: note\npermalink: main/layers/{name}\n---\n\n{word} text\n"
        );
        let folder = match layer {
            Layer::Client | Layer::All => self.loud.0.vault(),
            Layer::Webhook | Layer::Api | Layer::Periodic => self.quiet.0.path().join("Notes"),
        };
        let file = folder.join(&key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let began = Instant::now();
        write(&file, &text);
        let etag = wait_for(LONG, async || {
            let object = self.bucket.head(&key).await.ok()??;
            Some(object.etag)
        })
        .await;
        if matches!(layer, Layer::Webhook | Layer::All) {
            self.deliver(&key, &etag).await;
        }
        if matches!(layer, Layer::Api | Layer::All) {
            let body = json!({ "changes": [{ "path": key, "kind": "written", "etag": etag }] });
            let answer = self.api.ask("POST", "/sync", Some(&body)).await;
            assert_eq!(answer, Some(json!({ "accepted": 1 })));
        }
        let note = format!("layers/{name}.md");
        self.api.finds(&word, &note).await;
        let taken = began.elapsed();
        // What comes late is not to help the next one.
        self.instance.is_settled().await;
        taken
    }

    /// As a bucket's notifications come.
    async fn deliver(&self, key: &str, etag: &str) {
        let event = json!({ "events": [{
            "eventVersion": "1",
            "eventSource": "tigris",
            "eventName": "OBJECT_CREATED_PUT",
            "eventTime": "2026-11-14T22:13:20Z",
            "bucket": self.bucket.name(),
            "object": { "key": key, "size": 1, "eTag": etag },
        }] });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!(
            "{}/webhooks/tigris/{}",
            self.city.url,
            self.instance.tenant()
        );
        let answer = http.post(url).bearer_auth(HOOK).json(&event).send().await;
        assert_eq!(answer.unwrap().status(), reqwest::StatusCode::OK);
    }

    async fn end(mut self) {
        self.loud.1.close().await;
        self.quiet.1.stop(LONG).await;
        self.city.close().await;
        self.instance.is_gone().await;
    }
}

/// A folder kept equal to the bucket by a program that knows of no server.
async fn quiet_device(scratch: &Path, bucket: Bucket) -> Replica {
    let below = |name: &str| scratch.join(name);
    let spec = ReplicaSpec {
        folder: below("Notes"),
        places: Places {
            config: below("state"),
            state: below("state"),
            data: below("side"),
            cache: below("state"),
            runtime: below("run"),
        },
        bucket,
        rclone: rclone::find(&[testkit::rclone()]).await.unwrap(),
        device: "desktop".to_owned(),
        clock: Clock::system(),
    };
    let (tell, mut arrived) = mpsc::channel::<Arrived>(64);
    let device = Replica::start(spec, tell).await.unwrap();
    tokio::spawn(async move { while arrived.recv().await.is_some() {} });
    let told = device.told();
    wait_until(LONG, async || {
        told.borrow().state == ReplicaState::Following
    })
    .await;
    device
}
