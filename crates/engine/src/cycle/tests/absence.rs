//! A store that lists less than it holds.

use guard::Access;
use testkit::{Fate, HttpRelay, Seen};

use super::*;
use crate::RunKind;
use crate::view::ChangeAction;

/// In the second version of the call, or the first, which rclone uses.
fn lists(seen: &Seen) -> bool {
    let asks = ["list-type=2", "prefix="];
    seen.method == "GET" && asks.iter().any(|part| seen.path.contains(part))
}

/// Leaves a note out of every listing.
pub(super) async fn without(cloud: &Cloud, note: &'static str) -> HttpRelay {
    let relay = HttpRelay::start(&cloud.behind).await;
    relay.decide(move |seen| {
        if !lists(seen) {
            return Fate::Pass;
        }
        Fate::Omit {
            element: "Contents",
            holding: format!("<Key>{note}</Key>"),
            counter: "KeyCount",
        }
    });
    relay
}

async fn three_notes() -> (Cloud, Device) {
    let cloud = Cloud::start().await;
    let device = Device::new("laptop", &cloud).await;
    for note in ["a.md", "b.md", "c.md"] {
        device.save(note, "text\n");
    }
    device.sync().await;
    (cloud, device)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_the_listing_leaves_out_stays_and_costs_one_request() {
    let (cloud, laptop) = three_notes().await;
    let short = without(&cloud, "b.md").await;
    let laptop = laptop.through(cloud.bucket_at(&short.url)).await;
    short.forget();
    let tally = laptop.sync().await;
    assert_eq!((tally.removed_here, tally.carried), (0, false));
    assert_eq!(laptop.files().len(), 3);
    let asked = short.seen();
    let heads = asked.iter().filter(|seen| seen.method == "HEAD");
    assert_eq!((heads.count(), asked.len()), (1, 2), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_note_that_the_listing_leaves_out_replaces_what_is_there() {
    let (cloud, laptop) = three_notes().await;
    let short = without(&cloud, "b.md").await;
    let laptop = laptop.through(cloud.bucket_at(&short.url)).await;
    laptop.save("b.md", "edited\n");
    let tally = laptop.sync().await;
    assert_eq!((tally.uploaded, tally.conflicts), (1, 0));
    assert_eq!(cloud.files().await["b.md"], "edited\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_is_gone_on_one_side_and_left_out_on_the_other_goes_there_too() {
    let (cloud, laptop) = three_notes().await;
    let short = without(&cloud, "b.md").await;
    let laptop = laptop.through(cloud.bucket_at(&short.url)).await;
    laptop.delete("b.md");
    let tally = laptop.sync().await;
    assert_eq!(tally.removed_in_cloud, 1);
    assert!(!cloud.files().await.contains_key("b.md"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_subscription_a_note_that_was_left_out_is_not_removed_from_the_cloud() {
    let (cloud, laptop) = three_notes().await;
    let short = without(&cloud, "b.md").await;
    let mut laptop = laptop.through(cloud.bucket_at(&short.url)).await;
    laptop.access = Access::ReadOnly;
    laptop.delete("b.md");
    let tally = laptop.sync().await;
    assert_eq!((tally.removed_in_cloud, tally.waiting), (0, 1));
    assert!(cloud.files().await.contains_key("b.md"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_names_no_deletion_that_is_none() {
    let (cloud, laptop) = three_notes().await;
    let short = without(&cloud, "b.md").await;
    let mut laptop = laptop.through(cloud.bucket_at(&short.url)).await;
    laptop.kind = RunKind::DryRun;
    cloud.remove("c.md").await;
    let preview = laptop.sync().await.preview.unwrap();
    let told: Vec<_> = preview.changes.into_iter().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].path.as_str(), told[0].action),
        ("c.md", ChangeAction::RemoveHere)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_while_the_store_does_not_say_that_it_is_gone() {
    let (cloud, laptop) = three_notes().await;
    let silent = HttpRelay::start(&cloud.behind).await;
    silent.decide(|seen| match seen.method.as_str() {
        "HEAD" => Fate::Answer {
            status: 403,
            headers: Vec::new(),
            body: String::new(),
        },
        _ => Fate::Pass,
    });
    cloud.remove("c.md").await;
    let laptop = laptop.through(cloud.bucket_at(&silent.url)).await;
    laptop.failure().await;
    assert_eq!(laptop.files().len(), 3);
}

/// An answer to HEAD has no body: it is the same for a missing object and for a missing bucket.
#[tokio::test(flavor = "multi_thread")]
async fn the_lane_removes_a_note_only_where_the_store_says_in_words_that_it_is_gone() {
    let (cloud, laptop) = three_notes().await;
    let bare = HttpRelay::start(&cloud.behind).await;
    bare.decide(|seen| Fate::Answer {
        status: 404,
        headers: Vec::new(),
        body: match seen.method.as_str() {
            "HEAD" => String::new(),
            _ => "<Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>".to_owned(),
        },
    });
    let astray = laptop.through(cloud.bucket_at(&bare.url)).await;
    let trip = astray.lane(&[], &["b.md"]).await;
    assert_eq!((trip.tally.removed_here, trip.left.len()), (0, 1));
    assert_eq!(laptop.files().len(), 3);

    cloud.remove("b.md").await;
    let trip = laptop.lane(&[], &["b.md"]).await;
    assert_eq!((trip.tally.removed_here, trip.left.len()), (1, 0));
    assert_eq!(laptop.files().len(), 2);
}
