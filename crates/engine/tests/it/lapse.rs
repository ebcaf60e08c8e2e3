//! A subscription that ends and is renewed while two devices work by themselves.

use std::time::{Duration, Instant};

use engine::view::{NoticeCause, ProfileName, Status};
use testkit::{Server, wait_until};

use super::device::{Device, Home, LONG, is_running};
use super::member::Member;

const ANA: &str = "ana@example.org";
/// So far away that no pass begins by itself.
const NEVER: Duration = Duration::from_secs(3600);
/// A second for the renewal to arrive, and the rest for a busy machine to carry what waits; who is
/// not told asks after half a minute.
const AT_ONCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn edits_wait_through_a_lapse_and_go_up_by_themselves_when_it_ends() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let laptop = Home::in_background("laptop", NEVER);
    let desktop = Home::in_background("desktop", NEVER);
    for name in ["edited.md", "removed.md", "left.md"] {
        laptop.save(name, "first\n");
    }
    let one = laptop.join(&server, ANA, ProfileName::Safe).await;
    let other = desktop.join(&server, ANA, ProfileName::Safe).await;
    wait_until(LONG, async || desktop.notes().len() == 3).await;
    for device in [&one, &other] {
        device.until(|view| view.status == Status::Idle).await;
    }
    let member = Member::sign_in(&server, ANA).await;
    let bucket = member.client().await;

    server.expire(ANA).await;
    laptop.save("edited.md", "edited\n");
    laptop.save("new.md", "new\n");
    laptop.delete("removed.md");
    let view = one
        .until(|view| {
            view.status == Status::Expired
                && view.pairs[0].waiting == 3
                && view
                    .notices
                    .iter()
                    .any(|notice| notice.cause == NoticeCause::SubscriptionLapsed)
        })
        .await;
    assert_eq!(view.headline, "Read-only: subscription ended");
    assert!(view.pairs[0].halt.is_none(), "{view:#?}");
    other.until(|view| view.status == Status::Expired).await;
    assert_eq!(desktop.notes().len(), 3);
    let refused = bucket
        .delete("left.md", &etag(&bucket, "left.md").await)
        .await;
    assert_eq!(refused.unwrap_err().code(), "bucket_refused");
    let first = etag(&bucket, "edited.md").await;

    server.activate(ANA).await;
    let renewed = Instant::now();
    let waited = |view: &engine::View| view.pairs[0].waiting == 0 && view.status == Status::Idle;
    tokio::join!(one.until(waited), other.until(waited));
    wait_until(LONG, async || laptop.notes() == desktop.notes()).await;
    let took = renewed.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
    assert_ne!(etag(&bucket, "edited.md").await, first);
    assert_eq!(desktop.read("edited.md").as_deref(), Some("edited\n"));
    assert_eq!(desktop.read("new.md").as_deref(), Some("new\n"));
    assert_eq!(desktop.read("removed.md"), None);
    for device in [&one, &other] {
        calm(device).await;
        let view = device.view();
        assert!(view.conflicts.is_empty(), "{:#?}", view.conflicts);
        assert!(view.notices.is_empty(), "{:#?}", view.notices);
    }
}

async fn calm(device: &Device) {
    let quiet = Duration::from_millis(500);
    while !device.stays_without(quiet, is_running).await {}
}

async fn etag(bucket: &guard::Bucket, key: &str) -> String {
    bucket.head(key).await.unwrap().unwrap().etag
}
