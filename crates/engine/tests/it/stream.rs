//! The change stream when it breaks off, and when it says what is not so.

use std::net::Ipv4Addr;
use std::time::Duration;

use engine::view::{ChangeAction, ProfileName, Status};
use engine::{Reply, Request, RunKind, View};
use serde_json::json;
use testkit::{Server, wait_until};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::device::{Device, Home, LONG, is_running, is_signed_in, last_number};
use super::member::Member;

const ANA: &str = "ana@example.org";
/// So far away that no pass begins by itself.
const NEVER: Duration = Duration::from_secs(3600);

/// A device's way to the server, which can be cut and mended.
struct Line {
    url: String,
    whole: watch::Sender<bool>,
}

impl Line {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let far = server.url.trim_start_matches("http://").to_owned();
        let far = far.trim_end_matches('/').to_owned();
        let (whole, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, far.clone(), state.clone()));
            }
        });
        Self { url, whole }
    }

    fn cut(&self) {
        self.whole.send_replace(false);
    }

    fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn carry(mut near: TcpStream, far: String, mut whole: watch::Receiver<bool>) {
    let passing = async {
        if let Ok(mut far) = TcpStream::connect(far).await {
            tokio::io::copy_bidirectional(&mut near, &mut far)
                .await
                .ok();
        }
    };
    let cut = async { whole.wait_for(|whole| !whole).await.is_ok() };
    tokio::select! {
        () = passing => {}
        _ = cut => {}
    }
}

/// Waits until no pass runs or follows; the number of the last.
async fn calm(device: &Device) -> u64 {
    let quiet = Duration::from_millis(1500);
    loop {
        let before = last_number(&device.view());
        let is_quiet = device.stays_without(quiet, is_running).await;
        if is_quiet && last_number(&device.view()) == before {
            return before;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_line_was_cut_is_told_when_it_is_back() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let laptop = Home::in_background("laptop", NEVER);
    let desktop = Home::in_background("desktop", NEVER);
    desktop.save("first.md", "first\n");
    desktop.save("second.md", "second\n");
    let other = desktop.join(&server, ANA, ProfileName::Safe).await;
    let line = Line::to(&server).await;
    let one = laptop.open().await;
    let approve = async |code: String| server.approve(&code, ANA).await;
    one.sign_in_at(&line.url, approve).await;
    one.until(|view| is_signed_in(view, ANA)).await;
    one.set_up(&laptop.vault(), ProfileName::Safe).await;
    let before = calm(&one).await;
    calm(&other).await;

    line.cut();
    desktop.save_atomically("first.md", "better\n");
    desktop.delete("second.md");
    desktop.save("third.md", "third\n");
    let gone_up = [
        ("first.md", ChangeAction::Upload),
        ("second.md", ChangeAction::RemoveInCloud),
        ("third.md", ChangeAction::Upload),
    ];
    let has = |view: &engine::View, path: &str, action| {
        let mut lines = view.activity.iter().take(3);
        lines.any(|line| line.path == path && line.action == action)
    };
    other
        .until(|view| {
            gone_up
                .iter()
                .all(|(path, action)| has(view, path, *action))
        })
        .await;
    assert_eq!(laptop.read("first.md").as_deref(), Some("first\n"));

    line.mend();
    wait_until(LONG, async || laptop.notes() == desktop.notes()).await;
    assert_eq!(laptop.read("third.md").as_deref(), Some("third\n"));
    assert_eq!(calm(&one).await, before, "the stream went on where it was");
    assert_eq!(laptop.history().len(), 2);
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_not_so_or_come_twice_change_nothing() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let laptop = Home::in_background("laptop", NEVER);
    laptop.save("first.md", "first\n");
    laptop.save("second.md", "second\n");
    let device = laptop.join(&server, ANA, ProfileName::Balanced).await;
    calm(&device).await;
    let before = laptop.notes();

    let member = Member::sign_in(&server, ANA).await;
    let untrue = json!([
        { "kind": "delete", "path": "first.md" },
        { "kind": "put", "path": "second.md", "etag": "0".repeat(32), "size": 7 },
        { "kind": "put", "path": "nowhere.md", "etag": "1".repeat(32), "size": 7 },
        { "kind": "rename", "path": "elsewhere.md", "from": "first.md" },
        { "kind": "changed", "path": "../outside.md" },
        { "kind": "changed", "path": "second.md" },
    ]);
    for _ in 0..3 {
        member.tell(&untrue).await;
    }
    // What is so, and comes after all that.
    let cloud = member.client().await;
    let body = guard::Body::from(b"third\n".to_vec());
    let stored = cloud
        .put("third.md", body, guard::Precondition::Absent, &[])
        .await;
    let etag = stored.unwrap();
    let third = json!({ "kind": "put", "path": "third.md", "etag": etag, "size": 6 });
    member.tell(&json!([third, third])).await;
    wait_until(LONG, async || laptop.read("third.md").is_some()).await;
    calm(&device).await;

    let mut expected = before;
    expected.insert("third.md".to_owned(), "third\n".to_owned());
    assert_eq!(laptop.notes(), expected);
    assert_eq!(laptop.history(), Vec::<String>::new());
    let mut stored: Vec<String> = member.bucket().await.into_keys().collect();
    stored.retain(|key| !key.starts_with('.'));
    assert_eq!(stored, ["first.md", "second.md", "third.md"]);
    let view = device.view();
    assert_eq!(view.status, Status::Idle, "{}", view.headline);
    assert!(view.problems.is_empty(), "{:#?}", view.problems);
    device.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_after_which_change_it_was_taken() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let (laptop, desktop) = (Home::in_background("laptop", NEVER), Home::new("desktop"));
    laptop.save("a.md", "a\n");
    let device = laptop.join(&server, ANA, ProfileName::Balanced).await;
    let checked = async |device: &Device| {
        let run = RunKind::Check;
        let reply = device.ask(Request::SyncNow { pair: None, run }).await;
        let Reply::Run { number } = reply else {
            panic!("no run: {reply:?}");
        };
        let done = |view: &View| {
            view.pairs[0]
                .check
                .as_ref()
                .is_some_and(|it| it.number >= number)
        };
        let view = device.until(done).await;
        view.pairs[0].check.clone().unwrap()
    };
    // The stream opens when it can.
    let mut first = None;
    let opened = async {
        while first.is_none() {
            first = checked(&device).await.sequence;
        }
    };
    tokio::time::timeout(LONG, opened).await.unwrap();

    let other = desktop.join(&server, ANA, ProfileName::Balanced).await;
    desktop.save("b.md", "b\n");
    other.settle().await;
    wait_until(LONG, async || laptop.read("b.md").is_some()).await;
    let later = checked(&device).await;
    assert!(later.sequence > first, "{later:?} after {first:?}");
    // Without a change stream nothing is claimed.
    let once = checked(&other).await;
    assert_eq!((once.sequence, once.receipt), (None, later.receipt));
    other.close().await;
    device.close().await;
}
