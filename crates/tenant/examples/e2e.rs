//! Measures one instance beside one device: `e2e NOTES EDITS GENERATION DRIVER`.
//!
//! A device's folder, the embedded store, its events as hints, an instance with a real Basic
//! Memory. Prints one line of JSON; times are in milliseconds.

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

const AGAIN: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [notes, edits, generation, driver] = words.as_slice() else {
        panic!("e2e NOTES EDITS GENERATION DRIVER");
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
    let home = Home::new(
        &cloud,
        Plan {
            driver,
            memory: Some(memory),
        },
    );
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
    let ready = ms(began);
    wait_until(AGAIN, async || {
        instance
            .health()
            .await
            .is_some_and(|health| health.lag.pending == 0)
    })
    .await;
    let indexed = ms(began);

    let scratch = tempfile::tempdir().unwrap();
    let (device, folder) = device(&cloud, scratch.path()).await;
    let (visible, found) = measure(&cloud, &instance, &home, (&folder, notes, edits)).await;
    device.stop(Duration::from_secs(5)).await;
    instance.end(&home).await;
    let report = json!({
        "listening": listening,
        "files": files,
        "ready": ready,
        "indexed": indexed,
        "visible": visible,
        "found": found,
    });
    #[expect(clippy::print_stdout, reason = "this is what it is for")]
    {
        println!("{report}");
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn key(number: usize) -> String {
    format!("main/n{}/note-{number}.md", number / 50)
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

async fn measure(
    cloud: &Cloud,
    instance: &Running,
    home: &Home,
    (folder, notes, edits): (&Path, usize, usize),
) -> (Vec<f64>, Vec<f64>) {
    let mut events = cloud.store.subscribe();
    let (mut visible, mut found) = (Vec::new(), Vec::new());
    for edit in 0..edits {
        let number = edit * 7919 % notes;
        let word = format!("quokka{edit}");
        let note = key(number);
        while events.try_recv().is_ok() {}
        let began = Instant::now();
        fs::write(folder.join(&note), text(number, &word)).unwrap();
        // What the server does with the store's events.
        let change = wait_for(LATE, async || events.try_recv().ok()).await;
        instance.hint(&[change.key.as_str()]).await;
        let here = home.data().join(&note);
        wait_until(LATE, async || {
            fs::read_to_string(&here).is_ok_and(|text| text.contains(&word))
        })
        .await;
        visible.push(ms(began));
        wait_until(LATE, async || {
            instance
                .search(&word)
                .await
                .is_some_and(|found| !found.is_empty())
        })
        .await;
        found.push(ms(began));
    }
    (visible, found)
}
