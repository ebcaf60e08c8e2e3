//! `bm-cloud bisync --watch`.

use std::time::Instant;

use testkit::{Child, program, wait_until};

use crate::device::{ANA, Device, SOON, Said, processes_at};
use crate::syncing::{Stage, stage};

async fn watch(device: &Device) -> Child {
    let mut child = device.start(&["bisync", "--watch", "--interval", "1s"]);
    child.line(SOON, |line| line.starts_with("Watching ")).await;
    child
        .line(SOON, |line| line.ends_with("  Up to date"))
        .await;
    child
}

#[tokio::test]
async fn a_saved_note_arrives_at_the_other_device() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    let (mut here, mut there) = (watch(laptop).await, watch(desktop).await);
    let saved = Instant::now();
    laptop.write("new.md", "new\n");
    wait_until(SOON, async || {
        desktop.read("new.md").as_deref() == Some("new\n")
    })
    .await;
    println!("arrived after {:?}", saved.elapsed());
    here.line(SOON, |line| line.ends_with("  uploaded  new.md"))
        .await;
    there
        .line(SOON, |line| line.ends_with("  downloaded  new.md"))
        .await;
    for (device, child) in [(laptop, &mut here), (desktop, &mut there)] {
        child.terminate();
        let said = Said::of(child).await;
        assert_eq!(said.code, Some(0), "{said:#?}");
        assert!(
            said.err
                .ends_with("Sync has ended; edits wait in the folder.\n"),
            "{said:#?}"
        );
        wait_until(SOON, async || processes_at(device.home()).is_empty()).await;
    }
}

#[tokio::test]
async fn other_commands_join_it() {
    let Stage { laptop, .. } = &stage("safe").await;
    let mut watching = watch(laptop).await;
    let status = laptop.ok(&["status"]).await;
    assert!(
        status.out.contains("\nStatus: Up to date · checked "),
        "{status:#?}"
    );
    laptop.write("new.md", "new\n");
    laptop.ok(&["bisync"]).await;
    watching
        .line(SOON, |line| line.ends_with("  uploaded  new.md"))
        .await;
    assert!(watching.ended().is_none());
}

#[tokio::test]
async fn a_second_one_says_so_and_takes_over_when_the_first_ends() {
    let Stage { laptop, .. } = &stage("safe").await;
    let mut first = watch(laptop).await;
    let mut second = laptop.start(&["bisync", "--watch", "--interval", "1s", "--json"]);
    second
        .line(SOON, |line| line.starts_with("Another program"))
        .await;
    first.signal(rustix::process::Signal::INT);
    assert_eq!(first.exit(SOON).await.code(), Some(0));
    second.line(SOON, |line| line.contains("taking over")).await;
    laptop.write("new.md", "new\n");
    let uploaded = |line: &str| line.contains(r#""event":"change""#) && line.contains("new.md");
    second.line(SOON, uploaded).await;
    second.terminate();
    assert_eq!(second.exit(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn it_tells_of_a_lapse_once_and_goes_on_after_the_renewal() {
    let Stage {
        server,
        laptop,
        desktop,
        ..
    } = &stage("safe").await;
    let mut watching = watch(laptop).await;
    server.expire(ANA).await;
    watching
        .line(SOON, |line| line.contains("Read-only: subscription ended"))
        .await;
    laptop.write("waits.md", "waits\n");
    server.activate(ANA).await;
    watching
        .line(SOON, |line| line.ends_with("  uploaded  waits.md"))
        .await;
    let told = watching.stdout().matches("Read-only").count();
    assert_eq!(told, 1, "{}", watching.stdout());
    desktop.ok(&["bisync"]).await;
    assert_eq!(laptop.all(), desktop.all());
}

/// Lets a program watch so many folders and no more.
const FEW_WATCHES: &str = "echo 3 > /proc/sys/user/max_inotify_watches && exec \"$@\"";

#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_the_system_watches_no_more_folders_it_says_so_and_looks_by_itself() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    for number in 0..5 {
        laptop.write(&format!("folder {number}/note.md"), "note\n");
    }
    laptop.ok(&["bisync"]).await;
    // A user namespace of its own has a limit of its own.
    let limited = program("/usr/bin/unshare")
        .args([
            "--user",
            "--map-root-user",
            "/bin/sh",
            "-c",
            FEW_WATCHES,
            "sh",
        ])
        .args([Device::BM_CLOUD, "bisync", "--watch", "--interval", "1s"]);
    let mut watching = laptop.in_surroundings(limited).spawn();
    let up_to_date = |line: &str| line.ends_with("  Up to date");
    watching.line(SOON, up_to_date).await;
    let said = laptop.ok(&["status"]).await;
    let reason = "this system watches no more folders; raise fs.inotify.max_user_watches";
    assert!(said.out.contains(reason), "{said:#?}");

    laptop.write("folder 4/new.md", "new\n");
    laptop.write("folder 5/deeper/new.md", "new\n");
    for path in ["folder 4/new.md", "folder 5/deeper/new.md"] {
        watching
            .line(SOON, |line| line.ends_with(&format!("  uploaded  {path}")))
            .await;
    }
    desktop.write("a.md", "edited elsewhere\n");
    desktop.ok(&["bisync"]).await;
    wait_until(SOON, async || laptop.all() == desktop.all()).await;
    watching.terminate();
    assert_eq!(watching.exit(SOON).await.code(), Some(0));
}
