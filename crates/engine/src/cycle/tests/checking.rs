use sha2::{Digest, Sha256};

use super::rig::{Cloud, Device, map, write};
use crate::RunKind;
use crate::view::{CheckDifference, CheckView};

async fn check(device: &mut Device) -> CheckView {
    device.kind = RunKind::Check;
    let check = device.sync().await.check.expect("a check has a result");
    device.kind = RunKind::Sync;
    check
}

#[tokio::test]
async fn equal_sides_have_a_receipt_and_rclone_agrees() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    laptop.save("b.md", "two\n");
    laptop.save("a/ü b.md", "one\n");
    laptop.save("empty.md", "");
    laptop.save("large.bin", &"0123456789abcdef".repeat(400_000));
    laptop.sync().await;
    let found = check(&mut laptop).await;
    assert_eq!((found.equal, found.difference_count), (4, 0), "{found:#?}");
    let lines: String = laptop
        .files()
        .iter()
        .map(|(path, text)| format!("{}  {path}\n", hex::encode(md5::Md5::digest(text))))
        .collect();
    assert_eq!(found.receipt, hex::encode(Sha256::digest(lines)));
    let (code, said) = cloud.rclone_check(&laptop.vault).await;
    assert_eq!(code, Some(0), "{said}");

    let mut desktop = Device::new("desktop", &cloud).await;
    desktop.sync().await;
    assert_eq!(check(&mut desktop).await.receipt, found.receipt);
}

#[tokio::test]
async fn finds_every_difference_that_rclone_finds_and_changes_nothing() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    for name in ["same.md", "edited.md", "gone here.md", "gone there.md"] {
        laptop.save(name, "text\n");
    }
    laptop.sync().await;
    laptop.save("edited.md", "tExt\n");
    laptop.save("new.md", "new\n");
    laptop.delete("gone here.md");
    cloud.put("from afar.md", "afar\n").await;
    let object = laptop.bucket.head("gone there.md").await.unwrap().unwrap();
    laptop
        .bucket
        .delete("gone there.md", &object.etag)
        .await
        .unwrap();
    let before = (laptop.files(), cloud.files().await);

    let found = check(&mut laptop).await;
    let lines: Vec<String> = found
        .differences
        .iter()
        .map(|line| {
            let sign = match line.difference {
                CheckDifference::OnlyHere => '+',
                CheckDifference::OnlyInCloud => '-',
                CheckDifference::Differs => '*',
                CheckDifference::Unreadable => '!',
            };
            format!("{sign} {}", line.path)
        })
        .collect();
    let (code, said) = cloud.rclone_check(&laptop.vault).await;
    assert_eq!(code, Some(1), "{said}");
    let mut theirs: Vec<&str> = said.lines().filter(|line| !line.starts_with('=')).collect();
    theirs.sort_by_key(|line| line[2..].to_owned());
    assert_eq!(lines, theirs);
    assert_eq!((found.equal, found.difference_count), (1, 5));
    assert_eq!((laptop.files(), cloud.files().await), before);
}

/// The baseline and the file's identity say "equal"; the bytes do not.
#[tokio::test]
async fn believes_neither_the_baseline_nor_the_time_of_a_file() {
    let cloud = Cloud::start().await;
    let mut laptop = Device::new("laptop", &cloud).await;
    laptop.save("note.md", "right\n");
    laptop.sync().await;
    let file = laptop.vault.join("note.md");
    let saved = std::fs::metadata(&file).unwrap().modified().unwrap();
    write(&file, "wrong\n");
    laptop.set_time("note.md", saved);
    let found = check(&mut laptop).await;
    assert_eq!(found.difference_count, 1, "{found:#?}");
    assert_eq!(laptop.files(), map(&[("note.md", "wrong\n")]));
}
