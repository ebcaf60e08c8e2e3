//! A disk without space.

use std::fs;

use testkit::SmallDisk;

use crate::syncing::{Stage, stage};

#[tokio::test]
async fn a_full_disk_halts_and_heals_when_there_is_space() {
    let Some(disk) = SmallDisk::mount("size=16m") else {
        return;
    };
    let Stage {
        server,
        laptop,
        desktop,
        ..
    } = &mut stage("safe").await;
    laptop.move_notes(&disk.path().join("Notes"));
    laptop
        .ok(&["setup", "--folder", laptop.folder(), "--profile", "safe"])
        .await;
    laptop.write("mine.md", "edited here\n");
    fs::write(disk.path().join("ballast"), vec![0; 15 << 20]).unwrap();
    for number in 0..4 {
        desktop.write(
            &format!("big {number}.md"),
            &"all work and no play ".repeat(25_000),
        );
    }
    desktop.ok(&["bisync"]).await;
    let said = laptop.run(&["bisync", "--json"]).await;
    assert_eq!(said.code, Some(5), "{said:#?}");
    assert!(said.err.contains("the disk is full"), "{said:#?}");
    assert!(said.err.contains("hint: Free some space"), "{said:#?}");
    assert_eq!(laptop.read("mine.md").as_deref(), Some("edited here\n"));
    fs::remove_file(disk.path().join("ballast")).unwrap();
    laptop.ok(&["bisync"]).await;
    desktop.ok(&["bisync"]).await;
    assert_eq!(laptop.all(), desktop.all());
    assert_eq!(desktop.read("mine.md").as_deref(), Some("edited here\n"));
    assert!(server.pid() > 0);
}
