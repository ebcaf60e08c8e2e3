//! Measures one instance beside one device: `e2e NOTES EDITS GENERATION DRIVER [TURN]`.
//!
//! A device's folder, the embedded store, its events as hints, an instance with a real Basic
//! Memory. Prints a line of JSON when it is healthy, when everything is indexed, and at the end;
//! times are in milliseconds. The edits wait until there is a file TURN.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on fails where it stands"
)]

#[path = "../tests/it/bed.rs"]
#[expect(dead_code, reason = "tests ask for more than a measurement")]
mod bed;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::{Arrived, Clock, Places, Replica, ReplicaSpec, ReplicaState};
use serde_json::json;
use testkit::{BasicMemory, wait_for, wait_until};
use tokio::sync::mpsc;
use wire::InstanceStatus;

use bed::{Cloud, Home, LATE, Laptop, Plan, Running};

/// Beside a first walk; over a smaller project it is over too soon.
const MEANWHILE: usize = 10;
const LARGE: usize = 1_000;
/// Half the speed of a quiet machine, and more.
const INDEXES_ONE: Duration = Duration::from_millis(400);

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (words, turn) = match words.as_slice() {
        [words @ .., turn] if words.len() == 4 => (words, Some(turn)),
        words => (words, None),
    };
    let [notes, edits, generation, driver] = words else {
        panic!("e2e NOTES EDITS GENERATION DRIVER [TURN]");
    };
    let (notes, edits): (usize, usize) = (notes.parse().unwrap(), edits.parse().unwrap());
    let memory = BasicMemory::ALL
        .into_iter()
        .find(|memory| memory.generation() == generation)
        .unwrap();
    let driver: &'static str = match driver.as_str() {
        "mount" => "mount",
        "replica" => "replica",
        other => panic!("no driver {other}"),
    };
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    for number in 0..notes {
        laptop.create(&key(number), &text(number, "first")).await;
    }
    // Where a server keeps an instance: nothing hidden on the way, which 0.15's watcher leaves out.
    let home = Home::at(
        testkit::scratch(),
        &cloud,
        Plan {
            driver,
            memory: Some(memory),
        },
    );
    let began = Instant::now();
    let (instance, started) = start(&home).await;
    say(&started);

    let scratch = tempfile::tempdir().unwrap();
    let (device, folder) = device(&cloud, scratch.path()).await;
    let bed = Bed {
        cloud: &cloud,
        instance: &instance,
        home: &home,
        folder: &folder,
        notes,
    };
    let mut meanwhile = Vec::new();
    let walks_beside = memory == BasicMemory::V0_24_1 && driver == "replica";
    while notes >= LARGE && walks_beside && meanwhile.len() < MEANWHILE {
        let number = meanwhile.len();
        let times = bed.save_and_find(number, &format!("early{number}")).await;
        if bed.is_indexed().await {
            break;
        }
        meanwhile.push(times.found);
    }
    let patience = LATE + INDEXES_ONE * u32::try_from(notes).unwrap();
    wait_until(patience, async || bed.is_indexed().await).await;
    say(&json!({ "indexed": ms(began), "meanwhile": meanwhile }));

    if let Some(turn) = turn {
        wait_until(patience, async || Path::new(turn).exists()).await;
    }
    let (mut on_disk, mut visible, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for edit in 0..edits {
        let times = bed.save_and_find(edit, &format!("quokka{edit}")).await;
        on_disk.push(times.on_disk);
        visible.extend(times.visible);
        found.push(times.found);
    }
    device.stop(Duration::from_secs(5)).await;
    instance.end(&home).await;
    let (instance, again) = start(&home).await;
    instance.end(&home).await;
    say(&json!({ "on_disk": on_disk, "visible": visible, "found": found, "again": again }));
}

/// Starts the instance and tells what that took.
async fn start(home: &Home) -> (Running, serde_json::Value) {
    let began = Instant::now();
    let instance = home.start().await;
    let listening = ms(began);
    let mut files = None;
    wait_until(LATE, async || {
        let Some(health) = instance.health().await else {
            return false;
        };
        if health.files.state == InstanceStatus::Ok {
            files.get_or_insert_with(|| ms(began));
        }
        health.status == InstanceStatus::Ok
    })
    .await;
    let told = json!({ "listening": listening, "files": files, "ready": ms(began) });
    (instance, told)
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn say(what: &serde_json::Value) {
    println!("{what}");
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn key(number: usize) -> String {
    format!("main/{}", below_main(number))
}

fn below_main(number: usize) -> String {
    format!("n{}/note-{number}.md", number / 50)
}

/// With the front matter that Basic Memory would add: nothing is rewritten.
fn text(number: usize, word: &str) -> String {
    format!(
        "---\ntitle: note-{number}\ntype: note\npermalink: main/n{}/note-{number}\n---\n\n# Note {number}\n\n{word} {}\n",
        number / 50,
        "Lorem ipsum dolor sit amet. ".repeat(40)
    )
}

/// A folder kept equal to the bucket, as a person's is.
async fn device(cloud: &Cloud, scratch: &Path) -> (Replica, std::path::PathBuf) {
    let folder = scratch.join("Notes");
    let below = |name: &str| scratch.join(name);
    let places = Places {
        config: below("state"),
        state: below("state"),
        data: below("side"),
        cache: below("state"),
        runtime: below("run"),
    };
    let spec = ReplicaSpec {
        folder: folder.clone(),
        places,
        bucket: cloud.bucket(),
        rclone: rclone::find(&[testkit::rclone()]).await.unwrap(),
        device: "laptop".to_owned(),
        clock: Clock::system(),
    };
    let (tell, mut arrived) = mpsc::channel::<Arrived>(64);
    let device = Replica::start(spec, tell).await.unwrap();
    tokio::spawn(async move { while arrived.recv().await.is_some() {} });
    let mut told = device.told();
    told.wait_for(|told| told.state == ReplicaState::Following)
        .await
        .unwrap();
    (device, folder)
}

struct Bed<'a> {
    cloud: &'a Cloud,
    instance: &'a Running,
    home: &'a Home,
    folder: &'a Path,
    notes: usize,
}

impl Bed<'_> {
    async fn is_indexed(&self) -> bool {
        let health = self.instance.health().await;
        health.is_some_and(|health| health.lag.pending == 0)
    }

    /// From a save on the device on.
    async fn save_and_find(&self, edit: usize, word: &str) -> Times {
        let number = edit * 7919 % self.notes;
        let note = key(number);
        // During the first walk nobody knows the note yet.
        let resource = self.instance.resource(&below_main(number)).await;
        let mut events = self.cloud.store.subscribe();
        let began = Instant::now();
        fs::write(self.folder.join(&note), text(number, word)).unwrap();
        // What the server does with the store's events.
        let change = wait_for(LATE, async || events.try_recv().ok()).await;
        self.instance.hint(&[change.key.as_str()]).await;
        let here = self.home.data().join(&note);
        let on_disk = async {
            wait_until(LATE, async || {
                let read = fs::read_to_string(&here);
                read.is_ok_and(|text| text.contains(word))
            })
            .await;
            ms(began)
        };
        let visible = async {
            let resource = resource?;
            wait_until(LATE, async || {
                let read = self.instance.text(&resource).await;
                read.is_some_and(|text| text.contains(word))
            })
            .await;
            Some(ms(began))
        };
        let (on_disk, visible) = tokio::join!(on_disk, visible);
        wait_until(LATE, async || {
            let found = self.instance.search(word).await;
            found.is_some_and(|found| !found.is_empty())
        })
        .await;
        Times {
            on_disk,
            visible,
            found: ms(began),
        }
    }
}

/// What a save took until each of these, in milliseconds.
struct Times {
    /// The instance's folder has it.
    on_disk: f64,
    /// Basic Memory's API answers with it; none if it did not know the note before.
    visible: Option<f64>,
    /// A search finds it.
    found: f64,
}
