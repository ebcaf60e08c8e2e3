//! The state file comes back from a backup: it knows less than the folder and the cloud.

use std::path::PathBuf;

use super::rig::write;
use super::*;

/// The files of the state, as a backup has them.
fn state_files(device: &Device) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(device.home.join("state")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("state.db")
    };
    paths.filter(named).collect()
}

struct Backup(Vec<(PathBuf, Vec<u8>)>);

impl Backup {
    fn of(device: &Device) -> Self {
        let read = |path: PathBuf| {
            let bytes = std::fs::read(&path).unwrap();
            (path, bytes)
        };
        Self(state_files(device).into_iter().map(read).collect())
    }

    fn restore(&self, device: &Device) {
        for path in state_files(device) {
            super::rig::delete(&path);
        }
        for (path, bytes) in &self.0 {
            write(path, bytes);
        }
    }
}

/// A device whose state is from before an edit, a deletion and a rename of its own, and an edit, a
/// deletion and a new note of another's.
async fn rolled_back(cloud: &Cloud) -> (Device, Device) {
    let laptop = Device::new("laptop", cloud).await;
    let desktop = Device::new("desktop", cloud).await;
    for name in ["mine", "theirs", "dropped", "gone", "old-name", "still"] {
        laptop.save(&format!("{name}.md"), &format!("{name}\n"));
    }
    laptop.sync().await;
    desktop.sync().await;
    let backup = Backup::of(&laptop);
    laptop.save("mine.md", "mine, edited\n");
    laptop.delete("dropped.md");
    laptop.delete("old-name.md");
    laptop.save("new-name.md", "old-name\n");
    laptop.sync().await;
    desktop.sync().await;
    desktop.save("theirs.md", "theirs, edited\n");
    desktop.delete("gone.md");
    desktop.save("new.md", "new\n");
    desktop.sync().await;
    laptop.sync().await;
    assert_eq!(laptop.files(), cloud.files().await);
    backup.restore(&laptop);
    (laptop, desktop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_equal_is_adopted_and_nothing_that_was_deleted_returns() {
    let cloud = Cloud::start().await;
    let (laptop, desktop) = rolled_back(&cloud).await;
    let before = laptop.files();
    let tally = laptop.sync().await;
    assert_eq!(
        (tally.uploaded, tally.downloaded, tally.conflicts),
        (0, 0, 0)
    );
    assert_eq!((tally.removed_here, tally.removed_in_cloud), (0, 0));
    assert_eq!(laptop.files(), before);
    assert_eq!(cloud.files().await, before);
    desktop.sync().await;
    assert_eq!(desktop.files(), before);
    assert!(!laptop.sync().await.carried, "one pass is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_saved_since_is_kept_beside_what_the_state_forgot() {
    let cloud = Cloud::start().await;
    let (laptop, desktop) = rolled_back(&cloud).await;
    laptop.save("mine.md", "mine, again\n");
    laptop.save("theirs.md", "theirs, mine now\n");
    laptop.sync().await;
    desktop.sync().await;
    laptop.sync().await;
    assert_eq!(laptop.files(), desktop.files());
    assert_eq!(laptop.files(), cloud.files().await);
    let texts: Vec<String> = laptop.files().into_values().collect();
    for text in ["mine, again\n", "theirs, mine now\n", "theirs, edited\n"] {
        assert!(texts.iter().any(|it| it == text), "{text:?} in {texts:?}");
    }
    for text in ["dropped\n", "gone\n"] {
        assert!(!texts.iter().any(|it| it == text), "{text:?} is back");
    }
}
