//! What makes plain bisync stop for good, until a person has it forget all it knew (B11).

use super::super::rig::{map, write};
#[cfg(target_os = "linux")]
use super::super::unreadable::{bound_by_modes, chmod};
use super::*;
use testkit::SmallDisk;

use crate::cycle::Confirmed;

#[tokio::test(flavor = "multi_thread")]
async fn w1_plain_bisync_that_was_killed_in_its_first_run_never_syncs() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let slowed = slow(&cloud, "PUT", "n1.md").await;
    let first = Plain::at(&cloud, &slowed.url, &here.vault, &here.home);
    first
        .killed(&["--resync"], is_asked(&slowed, "PUT", "n1.md"))
        .await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    assert!(!plain.run(&[]).await, "the lock is in the way");
    plain.unlock();
    for _ in 0..2 {
        assert!(!plain.run(&[]).await);
    }

    let slowed = slow(&ours, "PUT", "n1.md").await;
    let slow_one = laptop.through(ours.bucket_at(&slowed.url)).await;
    left(&slow_one, is_asked(&slowed, "PUT", "n1.md")).await;
    laptop.sync().await;
    assert_eq!(ours.files().await, laptop.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn w2_a_conflict_of_a_long_name_stops_plain_bisync_for_good() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let long = |bytes: usize| format!("{}.md", "n".repeat(bytes - 3));
    let name = long(250);
    here.save(&name, "before\n");
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    here.save(&name, "from here\n");
    cloud.put(&name, "from the cloud\n").await;
    here.save("n1.md", "edited\n");
    for _ in 0..2 {
        assert!(!plain.run(&[]).await);
    }

    // Ours says of longer names that they do not sync, and everything else does.
    let [longest, too_long] = [crate::naming::LONGEST_NAME, 250].map(long);
    laptop.save(&longest, "before\n");
    laptop.sync().await;
    laptop.save(&longest, "from here\n");
    laptop.save(&too_long, "stays here\n");
    laptop.save("n1.md", "edited\n");
    ours.put(&longest, "from the cloud\n").await;
    let tally = laptop.sync().await;
    assert_eq!(tally.conflicts, 1);
    let listed = tally.problems.iter();
    let listed: Vec<_> = listed.map(|it| (&it.path, it.code.as_str())).collect();
    assert_eq!(listed, [(&too_long, "name_too_long")]);
    let stored = ours.files().await;
    assert_eq!(stored["n1.md"], "edited\n");
    for text in ["from here\n", "from the cloud\n"] {
        assert!(stored.values().any(|it| it == text), "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w3_plain_bisync_stops_for_good_when_all_notes_were_deleted() {
    let [(cloud, here), (ours, mut laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    for number in 0..3 {
        here.delete(&format!("n{number}.md"));
        laptop.delete(&format!("n{number}.md"));
    }
    for more in [&[] as &[&str], &["--force"], &["--force"]] {
        assert!(!plain.run(more).await);
    }
    assert_eq!(cloud.files().await.len(), 3);

    let halt = laptop.failure().await.halt().unwrap();
    assert_eq!(halt.code, "RootEmptied");
    laptop.confirmed = Confirmed::Yes;
    laptop.sync().await;
    assert_eq!(ours.files().await, map(&[]));
}

#[cfg(target_os = "linux")]
#[test]
fn w4_an_unreadable_folder_stops_all_of_plain_bisync() {
    bound_by_modes(async || {
        let [(cloud, here), (ours, laptop)] = pair_of(3).await;
        let plain = Plain::new(&cloud, &here.vault, &here.home);
        for device in [&here, &laptop] {
            device.save("closed/a.md", "a\n");
        }
        plain.begins().await;
        laptop.sync().await;
        for device in [&here, &laptop] {
            chmod(&device.vault.join("closed"), 0o000);
            device.save("n1.md", "edited\n");
        }
        assert!(!plain.run(&[]).await);
        assert_eq!(cloud.files().await["n1.md"], "1\n");
        let tally = laptop.sync().await;
        assert_eq!(tally.problems.len(), 1, "{:?}", tally.problems);
        assert_eq!(ours.files().await["n1.md"], "edited\n");

        for device in [&here, &laptop] {
            chmod(&device.vault.join("closed"), 0o755);
        }
        assert!(!plain.run(&[]).await, "and it never goes on");
        assert!(laptop.sync().await.problems.is_empty());
        assert_eq!(ours.files().await, laptop.files());
    });
}

/// Refuses to store anything, as a store does whose key may only read.
async fn refusing(cloud: &Cloud) -> HttpRelay {
    let relay = HttpRelay::start(&cloud.behind).await;
    relay.decide(|seen| match seen.method.as_str() {
        "PUT" => Fate::Answer {
            status: 403,
            headers: vec![("content-type", "application/xml".to_owned())],
            body: "<Error><Code>AccessDenied</Code><Message>no</Message></Error>".to_owned(),
        },
        _ => Fate::Pass,
    });
    relay
}

#[tokio::test(flavor = "multi_thread")]
async fn w5_one_refused_upload_stops_plain_bisync_for_good() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    here.save("n1.md", "edited\n");
    laptop.save("n1.md", "edited\n");
    let refuses = refusing(&cloud).await;
    let refused = Plain::at(&cloud, &refuses.url, &here.vault, &here.home);
    assert!(!refused.run(&[]).await);
    for _ in 0..2 {
        assert!(!plain.run(&[]).await, "though nothing refuses any more");
    }
    assert_eq!(cloud.files().await["n1.md"], "1\n");

    let refuses = refusing(&ours).await;
    let refused = laptop.through(ours.bucket_at(&refuses.url)).await;
    refused.failure().await;
    laptop.sync().await;
    assert_eq!(ours.files().await, laptop.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn w7_the_lock_of_a_killed_run_stops_plain_bisync_for_good() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    here.save("n1.md", "edited\n");
    laptop.save("n1.md", "edited\n");
    let slowed = slow(&cloud, "PUT", "n1.md").await;
    let slow_one = Plain::at(&cloud, &slowed.url, &here.vault, &here.home);
    slow_one
        .killed(&[], is_asked(&slowed, "PUT", "n1.md"))
        .await;
    here.save("n2.md", "edited too\n");
    for _ in 0..2 {
        assert!(!plain.run(&[]).await);
    }
    assert_eq!(cloud.files().await["n2.md"], "2\n");

    let slowed = slow(&ours, "PUT", "n1.md").await;
    let slow_one = laptop.through(ours.bucket_at(&slowed.url)).await;
    left(&slow_one, is_asked(&slowed, "PUT", "n1.md")).await;
    laptop.save("n2.md", "edited too\n");
    laptop.sync().await;
    assert_eq!(ours.files().await, laptop.files());
    assert_eq!(laptop.files().len(), 3, "{:?}", laptop.files());
}

/// As on a disk that keeps local time, on two days of each year.
fn an_hour_off(device: &Device) {
    for number in 0..3 {
        let note = format!("n{number}.md");
        let time = device.vault.join(&note).metadata().unwrap().modified();
        device.set_time(&note, time.unwrap() + Duration::from_secs(3600));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b23_times_that_are_an_hour_off_stop_plain_bisync_until_it_is_forced() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    an_hour_off(&here);
    an_hour_off(&laptop);
    cloud.put("new.md", "new\n").await;
    ours.put("new.md", "new\n").await;
    for _ in 0..2 {
        assert!(!plain.run(&[]).await);
    }
    assert_eq!(here.read("new.md"), None);

    let tally = laptop.sync().await;
    assert_eq!((tally.downloaded, tally.uploaded), (1, 0));
    assert_eq!(laptop.read("new.md").as_deref(), Some("new\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn b28_a_name_that_cannot_be_here_stops_plain_bisync_for_good() {
    let [(cloud, here), (ours, laptop)] = pair_of(3).await;
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    let name = format!("{}.md", "n".repeat(300));
    for bucket in [&cloud, &ours] {
        bucket.put(&name, "from a program in the cloud\n").await;
    }
    assert!(!plain.run(&[]).await);
    here.save("n1.md", "edited\n");
    laptop.save("n1.md", "edited\n");
    for _ in 0..2 {
        assert!(!plain.run(&[]).await);
    }
    assert_eq!(cloud.files().await["n1.md"], "1\n");

    let tally = laptop.sync().await;
    let listed = tally.problems.iter();
    let listed: Vec<_> = listed.map(|it| (&it.path, it.code.as_str())).collect();
    assert_eq!(listed, [(&name, "name_too_long")]);
    assert_eq!(ours.files().await["n1.md"], "edited\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn w6_a_full_disk_stops_plain_bisync_for_good() {
    const LARGE: usize = 4 << 20;
    let mut pair = Vec::new();
    for _ in 0..2 {
        let Some(disk) = SmallDisk::mount("size=20m") else {
            return;
        };
        let cloud = Cloud::start().await;
        let device = Device::at("laptop", disk.path(), cloud.bucket()).await;
        notes(&device, 3);
        pair.push((cloud, device, disk));
    }
    let [(cloud, here, plain_disk), (ours, laptop, our_disk)] = pair.try_into().ok().unwrap();
    let plain = Plain::new(&cloud, &here.vault, &here.home);
    plain.begins().await;
    laptop.sync().await;
    let large = "a line of a long note\n".repeat(LARGE / 22);
    for (bucket, device, disk) in [(&cloud, &here, &plain_disk), (&ours, &laptop, &our_disk)] {
        bucket.put("large.md", &large).await;
        device.save("n1.md", "edited\n");
        let space = rustix::fs::statvfs(disk.path()).unwrap();
        let free = usize::try_from(space.f_bavail * space.f_frsize).unwrap();
        write(&disk.path().join("other"), vec![0; free - LARGE * 3 / 4]);
    }
    assert!(!plain.run(&[]).await);
    assert_eq!(laptop.failure().await.halt().unwrap().code, "DiskFull");
    assert_eq!(ours.files().await["n1.md"], "edited\n");
    for (device, disk) in [(&here, &plain_disk), (&laptop, &our_disk)] {
        write(&disk.path().join("other"), "");
        device.save("n2.md", "edited later\n");
    }
    for _ in 0..2 {
        assert!(!plain.run(&[]).await, "though there is room again");
    }
    assert_eq!(cloud.files().await["n2.md"], "2\n");

    laptop.sync().await;
    assert_eq!(ours.files().await, laptop.files());
    assert_eq!(laptop.read("large.md"), Some(large));
}
