//! A note's ways between a device, the bucket and an agent, with each generation of Basic Memory.

use std::time::Duration;

use guard::Precondition;
use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use testkit::{BasicMemory, wait_for, wait_until};
use tokio::time::Instant;
use wire::InstanceStatus;

use crate::bed::{Cloud, Home, LATE, Laptop, Plan, SOON, children_of};

async fn a_note_goes_both_ways(memory: BasicMemory, driver: &'static str) {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    laptop
        .create("main/before.md", "# Before\n\npapaya groves\n")
        .await;
    let home = Home::new(
        &cloud,
        Plan {
            driver,
            memory: Some(memory),
        },
    );
    let instance = home.start().await;
    let health = instance.settled().await;
    assert_eq!(health.upstream.version.as_deref(), Some(memory.version()));
    assert_eq!(health.generation, memory.generation());
    assert_eq!(health.files.driver, driver);

    // What was there before the start, and what comes after it, is found.
    instance.finds("papaya", "before.md").await;
    laptop
        .create("main/ideas/after.md", "# After\n\nkumquat trees\n")
        .await;
    instance.hint(&["main/ideas/after.md"]).await;
    instance.finds("kumquat", "ideas/after.md").await;
    let resource = instance.resource("ideas/after.md").await.unwrap();
    let text = instance.text(&resource).await.unwrap();
    assert!(text.contains("kumquat trees"), "{text}");

    // What an agent writes is an object.
    assert!(
        instance
            .write("Agent note", "ideas", "# Agent note\n\ndurian shells\n")
            .await
    );
    let stored = wait_for(SOON, async || laptop.read("main/ideas/Agent note.md").await).await;
    assert!(stored.contains("durian shells"), "{stored}");
    instance.finds("durian", "ideas/Agent note.md").await;

    // What is deleted elsewhere is found no more.
    let after = laptop
        .bucket
        .head("main/ideas/after.md")
        .await
        .unwrap()
        .unwrap();
    laptop.bucket.delete(&after.key, &after.etag).await.unwrap();
    instance.hint(&["main/ideas/after.md"]).await;
    wait_until(SOON, async || {
        instance
            .search("kumquat")
            .await
            .is_some_and(|found| found.is_empty())
    })
    .await;

    // Clients see one root, whatever folder the files are in.
    let list = match memory {
        BasicMemory::V0_15_2 => "/projects/projects",
        BasicMemory::V0_24_1 => "/v2/projects/",
    };
    let (status, projects) = instance.ask("GET", list, None).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(projects["projects"][0]["path"], "/app/data/main");

    // An agent's last words are stored before the instance ends.
    assert!(
        instance
            .write("Last words", "ideas", "# Last words\n\nlychee peel\n")
            .await
    );
    instance.end(&home).await;
    let notes = laptop.notes().await;
    let last = notes.get("main/ideas/Last words.md");
    assert!(
        last.is_some_and(|text| text.contains("lychee")),
        "{:?}",
        notes.keys()
    );
    assert!(notes["main/before.md"].contains("papaya groves"));
    let copies = notes
        .keys()
        .filter(|key| key.contains("(conflict "))
        .count();
    assert_eq!(
        copies,
        0,
        "nobody changed one note twice: {:?}",
        notes.keys()
    );
}

#[tokio::test]
async fn a_note_goes_both_ways_with_the_generation_of_the_seeds() {
    a_note_goes_both_ways(BasicMemory::V0_15_2, "replica").await;
}

#[tokio::test]
async fn a_note_goes_both_ways_with_the_current_generation() {
    a_note_goes_both_ways(BasicMemory::V0_24_1, "replica").await;
}

#[tokio::test]
async fn a_note_goes_both_ways_through_a_mount() {
    a_note_goes_both_ways(BasicMemory::V0_24_1, "mount").await;
}

/// A note that is not UTF-8: 0.24 answers 500 where it is named, and a walk passes over it; 0.15
/// answers 500 to every look at its project.
async fn a_note_that_cannot_be_indexed_holds_up_nothing(memory: BasicMemory) {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    let plan = Plan {
        driver: "replica",
        memory: Some(memory),
    };
    let home = Home::new(&cloud, plan);
    laptop.create_raw("main/old.md", b"na\xefve\n").await;
    laptop.create("main/known.md", "# Known\n\ndurian\n").await;
    let instance = home.start().await;
    instance.finds("durian", "known.md").await;
    instance.settled().await;
    // The first of all is left to a cycle, and what a cycle brings is walked over.
    laptop.create("main/first.md", "# First\n\npapaya\n").await;
    instance.hint(&["main/first.md"]).await;
    instance.finds("papaya", "first.md").await;
    laptop.create_raw("main/bad.md", b"caf\xe9\n").await;
    instance.hint(&["main/bad.md"]).await;
    let here = home.data().join("main/bad.md");
    wait_until(LATE, async || here.exists()).await;
    laptop.create("main/good.md", "# Good\n\nkumquat\n").await;
    instance.hint(&["main/good.md"]).await;
    instance.finds("kumquat", "good.md").await;
    instance.settled().await;

    // What can be read again is found again.
    let bad = laptop.bucket.head("main/bad.md").await.unwrap().unwrap();
    laptop
        .put(
            "main/bad.md",
            "# Café\n\nlychee\n",
            Precondition::Match(bad.etag),
        )
        .await
        .unwrap();
    instance.hint(&["main/bad.md"]).await;
    instance.finds("lychee", "bad.md").await;
    instance.settled().await;
    instance.end(&home).await;
}

#[tokio::test]
async fn a_note_that_cannot_be_indexed_holds_up_nothing_with_the_current_generation() {
    a_note_that_cannot_be_indexed_holds_up_nothing(BasicMemory::V0_24_1).await;
}

#[tokio::test]
async fn a_note_that_cannot_be_indexed_holds_up_nothing_with_the_generation_of_the_seeds() {
    a_note_that_cannot_be_indexed_holds_up_nothing(BasicMemory::V0_15_2).await;
}

/// A mount answers through the instance itself: whoever looked at its files from the only thread at
/// work would wait until rclone gives up, after 40 seconds.
#[tokio::test]
async fn a_round_through_a_mount_does_not_wait_for_itself() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    let note = |word: &str| format!("# Note\n\n{word}\n");
    laptop.create("main/deep/first.md", &note("papaya")).await;
    let mut home = Home::new(
        &cloud,
        Plan {
            driver: "mount",
            memory: Some(BasicMemory::V0_24_1),
        },
    );
    home.set("TOKIO_WORKER_THREADS", "1");
    let instance = home.start().await;
    wait_until(LATE, async || {
        let health = instance.health().await;
        health.is_some_and(|health| health.status == InstanceStatus::Ok)
    })
    .await;
    let found = async |word: &str| {
        wait_until(SOON, async || {
            let found = instance.search(word).await.unwrap_or_default();
            !found.is_empty()
        })
        .await;
    };
    found("papaya").await;
    // rclone believes a listing for five seconds, and then asks again.
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < Duration::from_secs(12) {
        number += 1;
        let (key, word) = (
            format!("main/deep/note-{number}.md"),
            format!("kumquat{number}"),
        );
        laptop.create(&key, &note(&word)).await;
        instance.hint(&[&key]).await;
        found(&word).await;
    }
    instance.end(&home).await;
}

#[tokio::test]
async fn what_is_saved_while_the_first_walk_goes_on_does_not_wait_for_it() {
    const NOTES: u32 = 60;
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    for number in 0..NOTES {
        let text = format!("# Note {number}\n\nsome words\n");
        laptop
            .create(&format!("main/note-{number}.md"), &text)
            .await;
    }
    let plan = Plan {
        driver: "replica",
        memory: Some(BasicMemory::V0_24_1),
    };
    let home = Home::new(&cloud, plan);
    let instance = home.start().await;
    wait_until(LATE, async || instance.search("words").await.is_some()).await;
    laptop.create("main/a-later.md", "# A\n\nkumquat\n").await;
    instance.hint(&["main/a-later.md"]).await;
    instance.finds("kumquat", "a-later.md").await;
    let walking = instance.health().await.unwrap();
    assert!(walking.lag.pending > 0, "{:?}", walking.lag);
    instance.settled().await;
    let found = instance.search("words").await.unwrap();
    assert!(!found.is_empty());
    instance.end(&home).await;
}

#[tokio::test]
async fn of_two_who_edit_one_note_at_once_both_are_kept() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    let old = laptop.create("main/plan.md", "one\ntwo\nthree\n").await;
    let home = Home::new(
        &cloud,
        Plan {
            driver: "replica",
            memory: None,
        },
    );
    let instance = home.start().await;
    instance.settled().await;
    let here = home.data().join("main/plan.md");
    // The instance has not heard of the laptop's edit when its own is made.
    let edit = "one\ntwo, says the laptop\nthree\n";
    laptop
        .put("main/plan.md", edit, Precondition::Match(old))
        .await
        .unwrap();
    std::fs::write(&here, "one\ntwo, says the agent\nthree\n").unwrap();
    let notes = wait_for(SOON, async || {
        let notes = laptop.notes().await;
        (notes.len() == 2).then_some(notes)
    })
    .await;
    let both: Vec<&str> = notes.values().map(String::as_str).collect();
    assert!(both.contains(&edit), "{notes:?}");
    assert!(
        both.iter().any(|text| text.contains("says the agent")),
        "{notes:?}"
    );
    let names: Vec<&String> = notes.keys().collect();
    assert!(
        names[0].starts_with("main/plan (conflict cloud "),
        "{names:?}"
    );
    assert_eq!(names[1], "main/plan.md");
    instance.end(&home).await;
}

#[tokio::test]
async fn front_matter_that_is_added_while_a_person_edits_is_no_conflict() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    let old = laptop
        .create("main/plan.md", "# Plan\n\none\n\ntwo\n\nthree\n")
        .await;
    let home = Home::new(
        &cloud,
        Plan {
            driver: "replica",
            memory: None,
        },
    );
    let instance = home.start().await;
    instance.settled().await;
    // What indexing does to a note without front matter.
    let indexed = "---\npermalink: main/plan\n---\n\n# Plan\n\none\n\ntwo\n\nthree";
    let edit = "# Plan\n\none\n\ntwo and a half\n\nthree\n";
    laptop
        .put("main/plan.md", edit, Precondition::Match(old))
        .await
        .unwrap();
    std::fs::write(home.data().join("main/plan.md"), indexed).unwrap();
    // The version that was merged lies beside the note until the next comparison.
    let merged = wait_for(LATE, async || {
        let mut notes = laptop.notes().await;
        let text = notes.remove("main/plan.md")?;
        (notes.is_empty() && text.contains("permalink")).then_some(text)
    })
    .await;
    assert!(merged.contains("two and a half"), "{merged}");
    instance.end(&home).await;
}

#[tokio::test]
async fn what_is_written_back_late_does_not_cover_a_newer_version() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    let old = laptop
        .create("main/plan.md", "# Plan\n\none\n\ntwo\n\nthree\n")
        .await;
    let home = Home::new(
        &cloud,
        Plan {
            driver: "replica",
            memory: None,
        },
    );
    let instance = home.start().await;
    instance.settled().await;
    let edit = "# Plan\n\none\n\ntwo and a half\n\nthree\n";
    laptop
        .put("main/plan.md", edit, Precondition::Match(old))
        .await
        .unwrap();
    instance.hint(&["main/plan.md"]).await;
    let here = home.data().join("main/plan.md");
    wait_until(SOON, async || {
        std::fs::read_to_string(&here).is_ok_and(|text| text == edit)
    })
    .await;
    // A walk that nobody takes turns with had read the older version.
    let indexed = "---\npermalink: main/plan\n---\n\n# Plan\n\none\n\ntwo\n\nthree";
    std::fs::write(&here, indexed).unwrap();
    let merged = wait_for(LATE, async || {
        let mut notes = laptop.notes().await;
        let text = notes.remove("main/plan.md")?;
        (notes.is_empty() && text.contains("permalink")).then_some(text)
    })
    .await;
    assert!(merged.contains("two and a half"), "{merged}");
    instance.settled().await;
    assert_eq!(laptop.notes().await["main/plan.md"], merged);
    instance.end(&home).await;
}

#[tokio::test]
async fn health_says_when_basic_memory_is_gone_and_when_it_is_back() {
    let cloud = Cloud::start().await;
    let plan = Plan {
        driver: "replica",
        memory: Some(BasicMemory::V0_24_1),
    };
    let home = Home::new(&cloud, plan);
    let instance = home.start().await;
    let starting = instance.health().await.unwrap();
    assert_eq!(starting.upstream.state, InstanceStatus::Starting);
    instance.settled().await;
    let children = children_of(instance.child.pid());
    let python = children.iter().find(|(_, line)| line.contains("uvicorn"));
    let pid = i32::try_from(python.unwrap().0).unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    let is_ill = async || {
        let health = instance.health().await.unwrap();
        health.upstream.state == InstanceStatus::Degraded && health.upstream.message.is_some()
    };
    // One that lives and does not answer is not well.
    kill_process(pid, Signal::STOP).unwrap();
    wait_until(SOON, &is_ill).await;
    kill_process(pid, Signal::CONT).unwrap();
    instance.settled().await;
    kill_process(pid, Signal::KILL).unwrap();
    wait_until(SOON, &is_ill).await;
    let answer = instance.ask("GET", "/v2/projects/", None).await;
    let (status, refusal) = answer.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refusal}");
    instance.settled().await;
    let (status, _) = instance.ask("GET", "/v2/projects/", None).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    instance.end(&home).await;
}

#[tokio::test]
async fn what_a_person_saves_while_a_note_is_indexed_is_kept() {
    const NOTES: u64 = 60;
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    let plan = Plan {
        driver: "replica",
        memory: Some(BasicMemory::V0_24_1),
    };
    let home = Home::new(&cloud, plan);
    let instance = home.start().await;
    instance.settled().await;
    let mut saved = Vec::new();
    for number in 0..NOTES {
        let key = format!("main/note-{number}.md");
        let first = laptop.create(&key, "# Note\n\nfirst\n").await;
        instance.hint(&[&key]).await;
        // Basic Memory reads the first version and writes it back with more above it.
        tokio::time::sleep(Duration::from_millis(number * 37 % 200)).await;
        let line = format!("second {number}.");
        let text = format!("# Note\n\n{line}\n");
        let stored = laptop.put(&key, &text, Precondition::Match(first)).await;
        instance.hint(&[&key]).await;
        // Where it was faster, the person's device would keep both.
        if stored.is_ok() {
            saved.push((key, line));
        }
    }
    instance.settled().await;
    let full = serde_json::json!({ "full": true });
    instance.ask("POST", "/sync", Some(&full)).await.unwrap();
    instance.settled().await;
    let notes = laptop.notes().await;
    let lost: Vec<_> = saved
        .iter()
        .filter(|(_, line)| !notes.values().any(|text| text.contains(line)))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {}: {lost:?}",
        lost.len(),
        saved.len()
    );
    assert!(saved.len() > 10, "only {} were faster", saved.len());
    instance.end(&home).await;
}
