//! Objects that other programs stored in several parts: their `ETag` says nothing of their bytes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::rig::{Cloud, Device, write};

/// More than one part of five megabytes.
fn large(line: &str) -> String {
    line.repeat((6 << 20) / line.len())
}

async fn put_in_parts(cloud: &Cloud, key: &str, text: &str) {
    let folder = testkit::scratch();
    let file = folder.path().join("large");
    write(&file, text);
    let mut child = testkit::program(testkit::rclone())
        .args(["copyto", "--config", ""])
        .args(["--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M"])
        .arg(&file)
        .arg(format!("{}/{key}", cloud.remote_at(&cloud.behind)))
        .spawn();
    assert!(child.exit(Duration::from_secs(120)).await.success());
    let object = cloud.bucket().head(key).await.unwrap().unwrap();
    assert!(object.etag.contains('-'), "{object:?}");
}

/// Flips a bit of every blob of the store that holds this text.
fn damage(store: &Path, text: &str) -> usize {
    let mut damaged = 0;
    for entry in walkdir::WalkDir::new(store) {
        let entry = entry.unwrap();
        if !entry.file_type().is_file() {
            continue;
        }
        let mut bytes = fs::read(entry.path()).unwrap();
        if bytes == text.as_bytes() {
            bytes[0] ^= 1;
            write(entry.path(), bytes);
            damaged += 1;
        }
    }
    damaged
}

#[tokio::test]
async fn a_conflict_with_what_went_up_in_parts_keeps_both_and_rests() {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    laptop.save("large.txt", "first\n");
    laptop.sync().await;
    let (theirs, ours) = (large("theirs\n"), large("ours\n"));
    put_in_parts(&cloud, "large.txt", &theirs).await;
    laptop.save("large.txt", &ours);
    let tally = laptop.sync().await;
    assert_eq!(tally.conflicts, 1);
    laptop.sync().await;

    let (here, there) = (laptop.files(), cloud.files().await);
    assert!(here == there, "both sides hold the same");
    let mut texts: Vec<&String> = here.values().collect();
    texts.sort_by_key(|text| **text == theirs);
    assert!(texts == [&ours, &theirs], "{:?}", here.keys());
    let rested = laptop.sync().await;
    assert!(!rested.carried, "nothing is left to do");
}

#[tokio::test]
async fn what_is_damaged_in_the_cloud_is_listed_and_the_rest_goes_on() {
    let cloud = Cloud::start().await;
    let laptop = Device::new("laptop", &cloud).await;
    for note in ["a.md", "b.md", "c.md"] {
        laptop.save(note, &format!("{note}, first\n"));
    }
    laptop.sync().await;
    let desktop = Device::new("desktop", &cloud).await;
    desktop.sync().await;
    laptop.save("a.md", "a.md, second\n");
    laptop.save("b.md", "b.md, second\n");
    laptop.sync().await;
    assert_eq!(damage(cloud.folder(), "b.md, second\n"), 1);

    desktop.save("c.md", "c.md, second\n");
    let tally = desktop.sync().await;
    let told: Vec<_> = (tally.problems.iter())
        .map(|problem| (problem.path.as_str(), problem.code.as_str()))
        .collect();
    assert_eq!(told, [("b.md", "damaged_in_cloud")]);
    assert_eq!(desktop.read("a.md").as_deref(), Some("a.md, second\n"));
    assert_eq!(desktop.read("b.md").as_deref(), Some("b.md, first\n"));
    assert_eq!(cloud.files().await["c.md"], "c.md, second\n");

    // The device that it came from saves it again.
    laptop.save("b.md", "b.md, third\n");
    laptop.sync().await;
    let tally = desktop.sync().await;
    assert_eq!(tally.problems, []);
    assert_eq!(desktop.files(), laptop.files());
}
