use std::time::Duration;

use engine::Step;
use engine::view::ProfileName;

use super::rig::{Desk, LANE_NOTE, LANE_TEXT, Orders, die};

/// What was uploaded just before the end is found to be equal after the next start.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_the_lane_uploaded_makes_no_conflict() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::lane::a_kill_after_the_lane_uploaded_makes_no_conflict";
    let desk = Desk::set_up(&[], ProfileName::Safe).await;
    desk.laptop.save(LANE_NOTE, "before\n");
    desk.heal().await;
    die(&desk.laptop, test, Step::LaneUploaded, 0).await;
    let view = desk.heal().await;
    assert!(view.conflicts.is_empty(), "{:#?}", view.conflicts);
    assert_eq!(desk.desktop.read(LANE_NOTE).as_deref(), Some(LANE_TEXT));
    desk.check_bucket().await;
}

/// The person saved again in between: then both versions are newer than what was known.
#[tokio::test(flavor = "multi_thread")]
async fn a_save_after_such_a_kill_is_kept_too() {
    if let Some(orders) = Orders::received() {
        return orders.obey().await;
    }
    let test = "killed::lane::a_save_after_such_a_kill_is_kept_too";
    let desk = Desk::set_up(&[], ProfileName::Safe).await;
    desk.laptop.save(LANE_NOTE, "before\n");
    desk.heal().await;
    die(&desk.laptop, test, Step::LaneUploaded, 0).await;
    desk.laptop.save(LANE_NOTE, "after\n");
    desk.laptop.age(LANE_NOTE, Duration::from_secs(60));
    desk.heal().await;
    let texts: Vec<String> = desk.laptop.notes().into_values().collect();
    for text in [LANE_TEXT, "after\n"] {
        assert!(texts.iter().any(|note| note == text), "{text} in {texts:?}");
    }
}
