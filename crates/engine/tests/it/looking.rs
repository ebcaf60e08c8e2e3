//! A look before a folder is set up.

use engine::view::{ChangeAction, ProfileName, SetUpPreview};
use engine::{Reply, Request};
use testkit::Server;

use super::device::{Device, Home};

const ANA: &str = "ana@example.org";

async fn look(device: &Device, folder: std::path::PathBuf) -> SetUpPreview {
    let reply = device
        .ask(Request::PreviewSetUp {
            folder,
            instead_of: None,
        })
        .await;
    let Reply::SetUpPreview { preview } = reply else {
        panic!("no preview: {reply:?}");
    };
    preview
}

async fn keys(device: &Device) -> usize {
    let reply = device.ask(Request::ListCredentials).await;
    let Reply::Credentials { credentials } = reply else {
        panic!("no keys: {reply:?}");
    };
    credentials.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_both_sides_changes_nothing_and_leaves_no_key() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let (laptop, desktop) = (Home::new("laptop"), Home::new("desktop"));
    for (name, text) in [
        ("same.md", "same\n"),
        ("differs.md", "1\n"),
        ("afar.md", "afar\n"),
    ] {
        desktop.save(name, text);
    }
    let other = desktop.join(&server, ANA, ProfileName::Balanced).await;
    let device = laptop.open().await;
    device.sign_in(&server, ANA).await;
    for (name, text) in [
        ("same.md", "same\n"),
        ("differs.md", "2\n"),
        ("here.md", "here\n"),
    ] {
        laptop.save(name, text);
    }
    let (before, keys_before) = (laptop.notes(), keys(&device).await);

    let preview = look(&device, laptop.vault()).await;
    assert!(preview.exists && preview.free_bytes > 0, "{preview:#?}");
    let counts = (
        preview.only_here,
        preview.only_in_cloud,
        preview.identical,
        preview.differ,
    );
    assert_eq!(counts, (1, 1, 1, 1), "{preview:#?}");
    let lines: Vec<(&str, ChangeAction)> = preview
        .lines
        .iter()
        .map(|line| (line.path.as_str(), line.action))
        .collect();
    let expected = [
        ("differs.md", ChangeAction::Conflict),
        ("afar.md", ChangeAction::Download),
        ("here.md", ChangeAction::Upload),
    ];
    assert_eq!(lines, expected);
    assert!(preview.warnings.iter().any(|it| it.code == "notEmpty"));
    assert_eq!(keys(&device).await, keys_before, "the key is taken back");
    assert_eq!(laptop.notes(), before);
    assert!(device.view().pairs.is_empty());

    let missing = laptop.root().join("not/there");
    let preview = look(&device, missing.clone()).await;
    assert_eq!((preview.exists, preview.only_in_cloud), (false, 3));
    assert!(!laptop.root().join("not").exists());

    // A folder that a set-up would refuse is refused before anything is asked of the cloud.
    let file = laptop.vault().join("same.md");
    let request = Request::PreviewSetUp {
        folder: file,
        instead_of: None,
    };
    let refusal = device.try_ask(request).await.unwrap_err();
    let told = (refusal.code.as_str(), refusal.field.as_deref());
    assert_eq!(told, ("folder_unusable", Some("folder")));

    // What was shown is what is done: the union.
    device.set_up(&laptop.vault(), ProfileName::Balanced).await;
    device.settle().await;
    other.settle().await;
    assert_eq!(laptop.notes(), desktop.notes());
    let texts: Vec<String> = laptop.notes().into_values().collect();
    for text in ["1\n", "2\n", "here\n", "afar\n", "same\n"] {
        assert!(texts.iter().any(|it| it == text), "{text} is lost");
    }
    device.close().await;
    other.close().await;
}
