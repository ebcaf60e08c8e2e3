//! Three writers, and everything that may die is killed: nothing is lost and everything converges.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use guard::Precondition;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::{BasicMemory, wait_until};

use crate::bed::{Cloud, Home, LATE, Laptop, Plan, Running, children_of};

/// Edits of each device, and kills; `BM_TENANT_STORM` multiplies both.
const EDITS: usize = 40;
const KILLS: usize = 3;
const NOTES: usize = 6;

#[expect(
    clippy::disallowed_methods,
    reason = "the size of a run is chosen outside"
)]
fn factor() -> usize {
    std::env::var("BM_TENANT_STORM")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}

/// Edits notes the way a device does: a lost race is a conflict copy of its own. Each line is
/// unique, so it can be looked for afterwards.
async fn edit(
    laptop: Laptop,
    who: &'static str,
    count: usize,
    hints: tokio::sync::mpsc::Sender<String>,
) -> BTreeSet<String> {
    let mut rng = StdRng::seed_from_u64(who.bytes().map(u64::from).sum());
    let mut lines = BTreeSet::new();
    for number in 0..count {
        let key = format!("main/note-{}.md", rng.random_range(0..NOTES));
        let line = format!("{who} wrote {number}.");
        let stored = loop {
            let was = laptop.bucket.head(&key).await.unwrap();
            let (text, when) = match was {
                Some(object) => {
                    let Ok(download) = laptop.bucket.get(&key, Some(&object.etag)).await else {
                        continue;
                    };
                    let Ok(bytes) = download.into_bytes(1 << 20).await else {
                        continue;
                    };
                    (
                        String::from_utf8(bytes.to_vec()).unwrap(),
                        Precondition::Match(object.etag),
                    )
                }
                None => (String::new(), Precondition::Absent),
            };
            // Read and write are far apart, so that races happen.
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..20))).await;
            let text = format!("{text}\n\n{line}\n");
            match laptop.put(&key, &text, when).await {
                Ok(_) => break key,
                Err(_) if rng.random_bool(0.5) => {
                    let copy = format!("main/copy {who} {number}.md");
                    laptop.create(&copy, &text).await;
                    break copy;
                }
                Err(_) => {}
            }
        };
        lines.insert(line);
        hints.send(stored).await.ok();
    }
    lines
}

/// Kills at random: the instance, or one of the processes that it started.
async fn kill_something(instance: Running, home: &Home, rng: &mut StdRng) -> Running {
    let children = children_of(instance.child.pid());
    match rng.random_range(0..2) {
        0 if !children.is_empty() => {
            let (pid, _) = &children[rng.random_range(0..children.len())];
            let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
            // It may have ended by itself meanwhile.
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            instance
        }
        _ => {
            let mut instance = instance;
            instance.child.kill();
            drop(instance);
            home.start().await
        }
    }
}

async fn storm(driver: &'static str, memory: BasicMemory) {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    let home = Home::new(
        &cloud,
        Plan {
            driver,
            memory: Some(memory),
        },
    );
    let mut instance = home.start().await;
    instance.settled().await;
    let (hints, mut hinted) = tokio::sync::mpsc::channel(1024);
    let edits = EDITS * factor();
    let devices: Vec<_> = ["ana", "ben"]
        .into_iter()
        .map(|who| tokio::spawn(edit(laptop.clone(), who, edits, hints.clone())))
        .collect();
    drop(hints);
    let mut accepted = BTreeSet::new();
    let mut rng = StdRng::seed_from_u64(7);
    let done = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&done);
    let devices = tokio::spawn(async move {
        let mut lines = BTreeSet::new();
        for device in devices {
            lines.append(&mut device.await.unwrap());
        }
        over.store(true, Ordering::Release);
        lines
    });
    let mut kills = 0;
    let mut number = 0;
    while !done.load(Ordering::Acquire) || kills < KILLS * factor() {
        let mut told = Vec::new();
        while let Ok(path) = hinted.try_recv() {
            told.push(path);
        }
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        // A hint may fall into a kill: then it is lost, as in life.
        let changes: Vec<_> = told
            .iter()
            .map(|path| serde_json::json!({ "path": path, "kind": "written" }))
            .collect();
        let body = serde_json::json!({ "changes": changes });
        instance.ask("POST", "/sync", Some(&body)).await;
        let title = format!("Agent {number}");
        let line = format!("agent wrote {number}.");
        if instance
            .write(&title, "agent", &format!("# {title}\n\n{line}\n"))
            .await
        {
            accepted.insert((line, title));
        }
        number += 1;
        if kills < KILLS * factor() && rng.random_bool(0.2) {
            // What was accepted is in a file a moment later, and then outlives every kill.
            settle_agent(&home, &accepted).await;
            instance = kill_something(instance, &home, &mut rng).await;
            kills += 1;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lines = devices.await.unwrap();
    let full = serde_json::json!({ "full": true });
    instance.settled().await;
    instance.ask("POST", "/sync", Some(&full)).await.unwrap();
    instance.settled().await;
    let last = format!("main/note-{}.md", NOTES - 1);
    wait_until(LATE, async || {
        let notes = laptop.notes().await;
        let all: String = notes.values().cloned().collect();
        let agents = accepted.iter().map(|(line, _)| line);
        let missing: Vec<&String> = lines
            .iter()
            .chain(agents)
            .filter(|line| !all.contains(*line))
            .collect();
        if !missing.is_empty() {
            return false;
        }
        // Folder and bucket are the same, byte for byte.
        notes.iter().all(|(key, text)| {
            std::fs::read_to_string(home.data().join(key)).is_ok_and(|here| here == *text)
        })
    })
    .await;
    let word = lines.last().unwrap();
    wait_until(LATE, async || {
        instance
            .search(word)
            .await
            .is_some_and(|found| !found.is_empty())
    })
    .await;
    assert!(laptop.read(&last).await.is_some());
    instance.end(&home).await;
}

/// Waits until each accepted note of the agent is a file.
async fn settle_agent(home: &Home, accepted: &BTreeSet<(String, String)>) {
    wait_until(LATE, async || {
        accepted
            .iter()
            .all(|(_, title)| home.data().join(format!("main/agent/{title}.md")).exists())
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_whoever_is_killed() {
    storm("replica", BasicMemory::V0_24_1).await;
}
