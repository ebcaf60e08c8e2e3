//! How the bucket becomes files, and what happens where it cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use testkit::{Fate, HttpRelay, wait_for, wait_until};
use wire::InstanceStatus;

use crate::bed::{Cloud, Home, Laptop, Plan, SOON, children_of, nothing_left};

const FILES_ALONE: Plan = Plan {
    driver: "replica",
    memory: None,
};

#[tokio::test]
async fn files_are_followed_without_fuse_and_without_basic_memory() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    laptop.create("main/a.md", "a\n").await;
    let home = Home::new(&cloud, FILES_ALONE);
    let instance = home.start().await;
    let health = instance.settled().await;
    assert_eq!(
        (health.files.driver.as_str(), health.upstream.version),
        ("replica", None)
    );
    let here = home.data().join("main");
    assert_eq!(fs::read_to_string(here.join("a.md")).unwrap(), "a\n");
    assert!(
        !fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .contains(here.to_str().unwrap())
    );

    laptop.create("main/b.md", "b\n").await;
    instance.hint(&["main/b.md"]).await;
    wait_until(SOON, async || here.join("b.md").exists()).await;
    fs::write(here.join("c.md"), "c\n").unwrap();
    wait_until(SOON, async || laptop.read("main/c.md").await.is_some()).await;

    // Hints may be lost: a look at everything finds what nobody told of.
    laptop.create("main/d.md", "d\n").await;
    let (status, _) = instance
        .ask(
            "POST",
            "/sync",
            Some(&serde_json::json!({ "changes": [], "full": true })),
        )
        .await
        .unwrap();
    assert_eq!(status.as_u16(), 202);
    wait_until(SOON, async || here.join("d.md").exists()).await;
    let (status, answer) = instance.ask("GET", "/v2/projects/", None).await.unwrap();
    assert_eq!(status.as_u16(), 404);
    assert!(answer["detail"].is_string());
    instance.end(&home).await;
}

#[tokio::test]
async fn a_folder_that_was_lost_is_filled_again_and_nothing_is_deleted() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    for number in 0..30 {
        laptop.create(&format!("main/{number}.md"), "text\n").await;
    }
    let home = Home::new(&cloud, FILES_ALONE);
    let mut instance = home.start().await;
    instance.settled().await;
    instance.child.kill();
    fs::remove_dir_all(home.data()).unwrap();
    let instance = home.start().await;
    instance.settled().await;
    assert_eq!(laptop.notes().await.len(), 30);
    assert_eq!(fs::read_dir(home.data().join("main")).unwrap().count(), 30);
    instance.end(&home).await;
}

#[tokio::test]
async fn deletes_of_many_notes_reach_the_folder() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    for number in 0..40 {
        laptop.create(&format!("main/{number}.md"), "text\n").await;
    }
    laptop.create("main/stays.md", "text\n").await;
    laptop.create("other/stays.md", "text\n").await;
    let home = Home::new(&cloud, FILES_ALONE);
    let instance = home.start().await;
    instance.settled().await;
    for object in laptop.bucket.sweep().await.unwrap() {
        if object.key.starts_with("main/") && object.key != "main/stays.md" {
            laptop
                .bucket
                .delete(&object.key, &object.etag)
                .await
                .unwrap();
        }
    }
    let full = serde_json::json!({ "full": true });
    instance.ask("POST", "/sync", Some(&full)).await.unwrap();
    let main = home.data().join("main");
    wait_until(SOON, async || fs::read_dir(&main).unwrap().count() == 1).await;
    instance.end(&home).await;
}

// The store must answer while a mount waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_when_the_bucket_refuses_it() {
    let cloud = Cloud::start().await;
    for driver in ["replica", "mount"] {
        let plan = Plan {
            driver,
            memory: None,
        };
        let mut home = Home::new(&cloud, plan);
        home.set("BM_TENANT_S3_SECRET_ACCESS_KEY", "wrong");
        let mut child = home.spawn();
        child.json_line(SOON).await;
        assert!(!child.exit(SOON).await.success(), "{driver}");
        let said = child.stderr();
        assert!(said.contains("could not be made readable"), "{said}");
        assert!(!said.contains("wrong"));
        nothing_left(&home, &[]).await;
    }
}

#[tokio::test]
async fn a_bucket_that_answers_late_is_readable_within_seconds_of_that() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    laptop.create("main/a.md", "a\n").await;
    let relay = HttpRelay::start(&cloud.endpoint).await;
    relay.decide(|_| Fate::CutBefore);
    let mut home = Home::new(&cloud, FILES_ALONE);
    home.set("BM_TENANT_S3_ENDPOINT", &relay.url);
    let instance = home.start().await;
    // Long enough for pauses that doubled to be longer than the tries are apart.
    let tries = || relay.seen().len();
    wait_until(SOON, async || tries() >= 8).await;
    let health = instance.health().await.unwrap();
    assert_eq!(health.status, InstanceStatus::Degraded);
    relay.decide(|_| Fate::Pass);
    let began = Instant::now();
    instance.settled().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{began:?}");
    assert!(home.data().join("main/a.md").exists());
    instance.end(&home).await;
}

#[tokio::test]
async fn says_so_when_the_bucket_is_out_of_reach() {
    let cloud = Cloud::start().await;
    let mut home = Home::new(&cloud, FILES_ALONE);
    home.set("BM_TENANT_S3_ENDPOINT", "http://127.0.0.1:1");
    let instance = home.start().await;
    wait_until(SOON, async || {
        instance.health().await.is_some_and(|health| {
            health.status == InstanceStatus::Degraded && health.files.message.is_some()
        })
    })
    .await;
    instance.end(&home).await;
}

// The store must answer while a read of the mount waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mount_outlives_its_daemon_and_its_instance() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    laptop.create("main/a.md", "a\n").await;
    let plan = Plan {
        driver: "mount",
        memory: None,
    };
    let home = Home::new(&cloud, plan);
    let mut instance = home.start().await;
    instance.settled().await;
    let here = home.data().join("main");
    assert_eq!(fs::read_to_string(here.join("a.md")).unwrap(), "a\n");
    let daemons = children_of(instance.child.pid());
    let [(daemon, _)] = daemons.as_slice() else {
        panic!("one daemon holds the mount: {daemons:?}");
    };
    let daemon = rustix::process::Pid::from_raw(i32::try_from(*daemon).unwrap()).unwrap();
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
    wait_until(SOON, async || {
        let again = children_of(instance.child.pid());
        !again.is_empty() && again != daemons && here.join("a.md").exists()
    })
    .await;
    instance.settled().await;
    // Saved, and perhaps not stored when everything is killed.
    wait_until(SOON, async || fs::write(here.join("b.md"), "b\n").is_ok()).await;
    instance.child.kill();
    let instance = home.start().await;
    instance.settled().await;
    wait_until(SOON, async || {
        laptop.read("main/b.md").await.as_deref() == Some("b\n")
    })
    .await;
    instance.end(&home).await;
}

// The store must answer while a read of the mount waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_saved_while_the_mount_was_away_is_stored_when_it_is_back() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    laptop.create("main/a.md", "a\n").await;
    let plan = Plan {
        driver: "mount",
        memory: None,
    };
    let home = Home::new(&cloud, plan);
    fs::create_dir_all(home.data().join("main/agent")).unwrap();
    fs::write(home.data().join("main/agent/b.md"), "b\n").unwrap();
    fs::write(home.data().join("main/a.md"), "another a\n").unwrap();
    let instance = home.start().await;
    instance.settled().await;
    let notes = wait_for(SOON, async || {
        let notes = laptop.notes().await;
        (notes.len() == 3).then_some(notes)
    })
    .await;
    assert_eq!(notes["main/a.md"], "a\n");
    assert_eq!(notes["main/agent/b.md"], "b\n");
    assert!(
        notes.values().any(|text| text == "another a\n"),
        "{notes:?}"
    );
    instance.end(&home).await;
    // Nor does the name stay that they had until they were whole.
    let left = laptop.bucket.sweep().await.unwrap();
    let left: Vec<_> = left.iter().filter(|it| it.key.contains("stray")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What cannot start leaves nothing, and what was saved is stored.
#[tokio::test]
async fn an_instance_without_its_basic_memory_stores_what_it_has_and_ends() {
    let cloud = Cloud::start().await;
    let laptop = Laptop {
        bucket: cloud.bucket(),
    };
    let mut home = Home::new(&cloud, FILES_ALONE);
    home.set("BM_TENANT_BASIC_MEMORY", "/nowhere");
    fs::create_dir_all(home.data().join("main")).unwrap();
    fs::write(home.data().join("main/a.md"), "a\n").unwrap();
    let mut child = home.spawn();
    child.json_line(SOON).await;
    assert!(!child.exit(SOON).await.success());
    let said = child.stderr();
    assert!(said.contains("/nowhere"), "{said}");
    assert_eq!(laptop.read("main/a.md").await.as_deref(), Some("a\n"));
    nothing_left(&home, &[]).await;
}

/// Notes its command line and environment, and mounts nothing.
const STUB: &str =
    "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$HOME/args\"\nenv > \"$HOME/env\"\nsleep 60\n";

#[tokio::test]
async fn tigrisfs_gets_documented_flags_and_keys_that_work_at_the_guard_alone() {
    let cloud = Cloud::start().await;
    let folder = tempfile::tempdir().unwrap();
    let stub = folder.path().join("tigrisfs");
    fs::write(&stub, STUB).unwrap();
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    let plan = Plan {
        driver: "tigrisfs",
        memory: None,
    };
    let mut home = Home::new(&cloud, plan);
    home.set("BM_TENANT_TIGRISFS", stub.to_str().unwrap());
    let mut child = home.spawn();
    let state = home.data().parent().unwrap().to_owned();
    let read = |name: &str| fs::read_to_string(state.join("run").join(name)).unwrap_or_default();
    wait_until(SOON, async || read("env").contains("AWS_SECRET_ACCESS_KEY")).await;
    let args = read("args");
    let args: Vec<&str> = args.lines().collect();
    let data = home.data();
    let data = data.canonicalize().unwrap();
    let [flags @ .., bucket, mount_point] = args.as_slice() else {
        panic!("{args:?}");
    };
    assert_eq!(
        (*bucket, *mount_point),
        ("basic-memory-test", data.to_str().unwrap())
    );
    assert_eq!(&flags[..3], ["-f", "--no-preload-dir", "--endpoint"]);
    assert!(flags[3].starts_with("http://127.0.0.1:"));
    assert_eq!(
        &flags[4..],
        [
            "--memory-limit",
            "512",
            "--max-flushers",
            "16",
            "--stat-cache-ttl",
            "5s"
        ]
    );
    let env = read("env");
    assert!(
        !env.contains("BM_TENANT_"),
        "the instance's own variables: {env}"
    );
    let started = children_of(child.pid());
    // What does not mount is no file system: the instance ends, and its child with it.
    assert!(!child.exit(SOON).await.success());
    nothing_left(&home, &started).await;
}

/// A file system in tigrisfs' place that mounts what it holds in memory.
fn stand_in(rclone: &std::path::Path) -> String {
    format!(
        "#!/bin/sh\nfor folder; do :; done\nexec '{}' mount :memory: \"$folder\"\n",
        rclone.display()
    )
}

#[tokio::test]
async fn tigrisfs_starts_over_the_mount_that_a_killed_one_left() {
    let cloud = Cloud::start().await;
    let folder = tempfile::tempdir().unwrap();
    let stub = folder.path().join("tigrisfs");
    fs::write(&stub, stand_in(&testkit::rclone())).unwrap();
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    let plan = Plan {
        driver: "tigrisfs",
        memory: None,
    };
    let mut home = Home::new(&cloud, plan);
    home.set("BM_TENANT_TIGRISFS", stub.to_str().unwrap());
    let mut instance = home.start().await;
    instance.settled().await;
    instance.child.kill();
    let data = home.data();
    let data = data.to_str().unwrap();
    let mounted = || {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        table.contains(data)
    };
    // The daemon dies with its instance, and what it mounted answers nothing.
    wait_until(SOON, async || fs::metadata(data).is_err()).await;
    assert!(mounted());
    let instance = home.start().await;
    instance.settled().await;
    assert!(mounted());
    instance.end(&home).await;
}
