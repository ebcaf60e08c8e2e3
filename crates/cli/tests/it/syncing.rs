//! One person, two devices, one bucket.

use tempfile::TempDir;
use testkit::{Server, scratch};

use crate::device::{ANA, Device, count};

pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) laptop: Device,
    pub(crate) desktop: Device,
    _state: TempDir,
}

/// Two devices that are set up, with some notes on both.
pub(crate) async fn stage(profile: &str) -> Stage {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let (laptop, desktop) = (Device::new("laptop"), Device::new("desktop"));
    laptop.write("a.md", "a\n");
    laptop.write("Deep/er/b.md", "b\n");
    laptop.set_up(&server, profile).await;
    desktop.set_up(&server, profile).await;
    assert_eq!(laptop.all(), desktop.all());
    Stage {
        server,
        laptop,
        desktop,
        _state: state,
    }
}

#[tokio::test]
async fn notes_travel_both_ways() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    laptop.write("c.md", "from the laptop\n");
    std::fs::remove_file(laptop.notes().join("a.md")).unwrap();
    let said = laptop.ok(&["bisync"]).await;
    let expected = "1 uploaded · 0 downloaded · 1 removed in the cloud · 0 conflicts · ";
    assert!(said.out.starts_with(expected), "{said:#?}");
    assert_eq!(said.err, "");
    let said = desktop.ok(&["bisync", "--json"]).await;
    assert_eq!(
        (said.count("downloaded"), said.count("removedHere")),
        (1, 1)
    );
    assert_eq!(laptop.all(), desktop.all());
    laptop.ok(&["bisync"]).await;
    let said = laptop.ok(&["bisync"]).await;
    assert!(said.out.starts_with("Up to date · 2 notes · "), "{said:#?}");
}

#[tokio::test]
async fn a_conflict_in_safe_keeps_both_versions_in_both_folders() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    laptop.write("a.md", "a\nlaptop\n");
    desktop.write("a.md", "a\ndesktop\n");
    laptop.ok(&["bisync"]).await;
    let said = desktop.ok(&["bisync"]).await;
    assert!(said.out.contains(" · 1 conflict · "), "{said:#?}");
    assert!(
        said.err.contains("hint: Both versions are kept"),
        "{said:#?}"
    );
    laptop.ok(&["bisync"]).await;
    assert_eq!(laptop.all(), desktop.all());
    let texts: Vec<String> = laptop.all().into_values().collect();
    for text in ["a\nlaptop\n", "a\ndesktop\n"] {
        assert!(texts.iter().any(|it| it == text), "{text} is lost");
    }
    let listed = desktop.ok(&["conflicts"]).await;
    assert!(
        listed
            .out
            .starts_with("a.md  open\n  other version: a (conflict "),
        "{listed:#?}"
    );
    let all = desktop.json(&["conflicts"]).await;
    let id = all["conflicts"][0]["id"].as_str().unwrap();
    desktop.ok(&["conflicts", "--dismiss", id]).await;
    let listed = desktop.ok(&["conflicts"]).await;
    assert!(listed.out.starts_with("a.md  put off"), "{listed:#?}");
    let unknown = desktop.run(&["conflicts", "--dismiss", id]).await;
    assert_eq!(unknown.code, Some(1), "{unknown:#?}");
    desktop.ok(&["conflicts", "recall", id]).await;
    let listed = desktop.ok(&["conflicts"]).await;
    assert!(listed.out.starts_with("a.md  open"), "{listed:#?}");
    let twice = desktop.run(&["conflicts", "recall", id]).await;
    assert_eq!(twice.code, Some(1), "{twice:#?}");
}

#[tokio::test]
async fn a_dry_run_shows_what_would_happen_and_changes_nothing() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    desktop.write("from desktop.md", "d\n");
    desktop.ok(&["bisync"]).await;
    laptop.write("new.md", "n\n");
    std::fs::remove_file(laptop.notes().join("a.md")).unwrap();
    let before = laptop.all();
    let said = laptop.ok(&["bisync", "--dry-run"]).await;
    let expected = "\
Would be uploaded (1):
  new.md
Would be downloaded (1):
  from desktop.md
Would be removed in the cloud (old versions stay) (1):
  a.md
";
    assert!(said.out.starts_with(expected), "{said:#?}");
    assert_eq!(laptop.all(), before);
    let said = desktop.ok(&["bisync"]).await;
    assert!(said.out.starts_with("Up to date · 3 notes"), "{said:#?}");
}

#[tokio::test]
async fn a_resync_adopts_equal_notes_and_loses_no_version() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    desktop.write("a.md", "a\ndesktop\n");
    desktop.ok(&["bisync"]).await;
    laptop.write("a.md", "a\nlaptop\n");
    let said = laptop.ok(&["bisync", "--resync", "--json"]).await;
    assert!(said.err.contains("equal notes are adopted"), "{said:#?}");
    assert_eq!(said.count("conflicts"), 1, "{said:#?}");
    let texts: Vec<String> = laptop.all().into_values().collect();
    for text in ["a\nlaptop\n", "a\ndesktop\n"] {
        assert!(texts.iter().any(|it| it == text), "{text} is lost");
    }
}

#[tokio::test]
async fn a_safety_stop_waits_for_a_yes() {
    let Stage {
        laptop, desktop, ..
    } = &stage("safe").await;
    for number in 0..10 {
        laptop.write(&format!("{number}.md"), "x\n");
    }
    laptop.ok(&["bisync"]).await;
    for number in 0..8 {
        std::fs::remove_file(laptop.notes().join(format!("{number}.md"))).unwrap();
    }
    let said = laptop.run(&["bisync", "--json"]).await;
    assert_eq!(said.code, Some(5), "{said:#?}");
    assert_eq!(said.last_json()["code"], "TooManyDeletes");
    assert!(
        said.err
            .contains("8 of 12 notes would be removed in the cloud"),
        "{said:#?}"
    );
    assert!(said.err.contains("bm-cloud bisync --yes"), "{said:#?}");
    assert_eq!(count(&desktop.json(&["bisync"]).await, "files"), 12);
    let said = laptop.ok(&["bisync", "--yes", "--json"]).await;
    assert_eq!(said.count("removedInCloud"), 8, "{said:#?}");
}

#[tokio::test]
async fn a_profile_stays_and_says_so() {
    let Stage { laptop, .. } = &stage("safe").await;
    let said = laptop.ok(&["bisync", "--profile", "fast"]).await;
    assert!(
        said.err.contains("has the profile fast from now on"),
        "{said:#?}"
    );
    let report = laptop.json(&["bisync"]).await;
    assert_eq!(report["folders"][0]["profile"], "fast");
    let again = laptop.ok(&["bisync", "--profile", "fast"]).await;
    assert_eq!(again.err, "");
}

#[tokio::test]
async fn two_commands_at_once_share_one_engine() {
    let Stage { laptop, .. } = &stage("safe").await;
    for number in 0..40 {
        laptop.write(&format!("{number}.md"), "x\n");
    }
    let all = [
        laptop.run(&["bisync"]),
        laptop.run(&["status"]),
        laptop.run(&["bisync"]),
        laptop.run(&["conflicts"]),
    ];
    for said in futures(all).await {
        assert_eq!(said.code, Some(0), "{said:#?}");
    }
    assert_eq!(count(&laptop.json(&["bisync"]).await, "files"), 42);
}

/// Runs four futures at once.
async fn futures<T>(all: [impl Future<Output = T>; 4]) -> [T; 4] {
    let [a, b, c, d] = all;
    tokio::join!(a, b, c, d).into()
}
