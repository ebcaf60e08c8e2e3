//! Earlier versions: listing, reading, putting back, and undoing a run.

use engine::view::{ProfileName, VersionReason, VersionView};
use engine::{Reply, Request};
use tempfile::TempDir;
use testkit::Server;

use super::device::{Device, Home, is_running, last_number};

const ANA: &str = "ana@example.org";

/// Two devices of one person with the same notes.
struct Desk {
    laptop: Home,
    desktop: Home,
    here: Device,
    there: Device,
    _server: Server,
    _state: TempDir,
}

impl Desk {
    async fn set_up(notes: &[&str]) -> Self {
        let state = testkit::scratch();
        let server = Server::start(state.path()).await;
        server.activate(ANA).await;
        let (laptop, desktop) = (Home::new("laptop"), Home::new("desktop"));
        for note in notes {
            laptop.save(note, &format!("{note}, first\n"));
        }
        let here = laptop.join(&server, ANA, ProfileName::Safe).await;
        here.settle().await;
        let there = desktop.join(&server, ANA, ProfileName::Safe).await;
        there.settle().await;
        Self {
            laptop,
            desktop,
            here,
            there,
            _server: server,
            _state: state,
        }
    }

    async fn settle(&self) {
        self.here.settle().await;
        self.there.settle().await;
        self.here.settle().await;
        assert_eq!(self.laptop.notes(), self.desktop.notes());
    }
}

async fn history(device: &Device, path: Option<&str>) -> Vec<VersionView> {
    let request = Request::ListHistory {
        pair: None,
        path: path.map(str::to_owned),
        after: None,
    };
    let reply = device.ask(request).await;
    let Reply::History { versions, next } = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(next, None);
    versions
}

async fn text(device: &Device, id: &str) -> Option<String> {
    let reply = device.ask(Request::ReadVersion { id: id.to_owned() }).await;
    let Reply::Version { text, .. } = reply else {
        panic!("{reply:?}");
    };
    text
}

async fn restore(device: &Device, id: &str) -> (String, Option<String>) {
    let id = id.to_owned();
    let reply = device.ask(Request::RestoreVersion { id }).await;
    let Reply::Restored { path, undo } = reply else {
        panic!("{reply:?}");
    };
    (path, undo)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sync_replaced_or_removed_is_listed_read_and_put_back_everywhere() {
    let desk = Desk::set_up(&["edited.md", "Deep/gone.md", "other.md"]).await;
    desk.desktop.save("edited.md", "edited, second\n");
    desk.desktop.delete("Deep/gone.md");
    desk.settle().await;

    let versions = history(&desk.here, None).await;
    let told: Vec<_> = versions
        .iter()
        .map(|version| (version.path.as_str(), version.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("edited.md", VersionReason::Replaced),
            ("Deep/gone.md", VersionReason::Removed)
        ]
    );
    let view = desk.here.view();
    assert_eq!((view.history.versions, view.history.days), (2, 30));
    let (edited, gone) = (&versions[0], &versions[1]);
    assert_eq!(
        text(&desk.here, &edited.id).await.as_deref(),
        Some("edited.md, first\n")
    );

    let (path, undo) = restore(&desk.here, &gone.id).await;
    assert_eq!((path.as_str(), undo), ("Deep/gone.md", None));
    desk.laptop
        .save("edited.md", "edited, third, never synced\n");
    let (_, undo) = restore(&desk.here, &edited.id).await;
    assert_eq!(
        desk.laptop.read("edited.md").as_deref(),
        Some("edited.md, first\n")
    );
    desk.settle().await;
    assert_eq!(
        desk.desktop.read("Deep/gone.md").as_deref(),
        Some("Deep/gone.md, first\n")
    );
    assert_eq!(
        desk.desktop.read("edited.md").as_deref(),
        Some("edited.md, first\n")
    );

    // What made room is a version, too.
    restore(&desk.here, &undo.unwrap()).await;
    desk.settle().await;
    assert_eq!(
        desk.desktop.read("edited.md").as_deref(),
        Some("edited, third, never synced\n")
    );
    for id in ["h999", "nonsense"] {
        let id = id.to_owned();
        let refused = desk.here.try_ask(Request::RestoreVersion { id }).await;
        assert_eq!(refused.unwrap_err().code, "not_found");
    }
    let nowhere = Request::ListHistory {
        pair: None,
        path: None,
        after: Some("nonsense".to_owned()),
    };
    let refused = desk.here.try_ask(nowhere).await.unwrap_err();
    assert_eq!(refused.code, "no_such_page");
    assert!(refused.hint.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_note_that_only_the_cloud_has_can_be_had_back() {
    let desk = Desk::set_up(&["note.md", "note.md.txt"]).await;
    for edit in ["second\n", "third\n"] {
        desk.laptop.save("note.md", edit);
        desk.here.settle().await;
    }
    assert_eq!(history(&desk.here, None).await, []);
    let versions = history(&desk.here, Some("note.md")).await;
    let told: Vec<_> = versions
        .iter()
        .map(|version| (version.reason, version.current))
        .collect();
    let in_cloud = VersionReason::InCloud;
    assert_eq!(
        told,
        [(in_cloud, true), (in_cloud, false), (in_cloud, false)]
    );
    assert_eq!(
        text(&desk.here, &versions[1].id).await.as_deref(),
        Some("second\n")
    );
    restore(&desk.here, &versions[2].id).await;
    desk.settle().await;
    assert_eq!(
        desk.desktop.read("note.md").as_deref(),
        Some("note.md, first\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_sync_is_undone_and_newer_saves_stay() {
    let desk = Desk::set_up(&["edited.md", "saved.md", "gone.md", "other.md"]).await;
    desk.desktop.save("edited.md", "edited, second\n");
    desk.desktop.save("saved.md", "saved, second\n");
    desk.desktop.delete("gone.md");
    desk.settle().await;
    desk.laptop.save("saved.md", "saved, third\n");

    let pair = desk.here.view().pairs[0].id.clone();
    let undo = Request::UndoLastSync { pair: pair.clone() };
    let Reply::Run { number } = desk.here.ask(undo.clone()).await else {
        panic!("no run")
    };
    desk.here
        .until(|view| last_number(view) >= number && !is_running(view))
        .await;
    desk.settle().await;
    let notes = desk.desktop.notes();
    assert_eq!(notes["edited.md"], "edited.md, first\n");
    assert_eq!(notes["gone.md"], "gone.md, first\n");
    assert_eq!(notes["saved.md"], "saved, third\n");
    let copy = notes
        .keys()
        .find(|path| path.starts_with("saved (conflict"));
    assert_eq!(notes[copy.unwrap()], "saved.md, first\n");
    assert!(
        desk.laptop
            .history()
            .contains(&"edited, second\n".to_owned())
    );
    let refused = desk.here.try_ask(undo).await;
    assert_eq!(refused.unwrap_err().code, "nothing_to_undo");
}
