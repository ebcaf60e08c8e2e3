use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::state::{HistoryEntry, Publication};
use crate::vault::Kept;
use crate::view::VersionReason;

const NOTE: &str = "a.md";

/// A state whose history has versions of a note from these moments, in this order.
fn state(moments: &[i64]) -> (tempfile::TempDir, State) {
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(&folder.path().join("state.db")).unwrap();
    add(&mut state, moments);
    (folder, state)
}

fn add(state: &mut State, moments: &[i64]) {
    for (nth, run) in moments.chunk_by(|one, other| one == other).enumerate() {
        let entry = |_| HistoryEntry {
            path: NOTE.into(),
            kept: Kept {
                file: "/h/a".into(),
                md5: "0".into(),
                size: 1,
            },
            reason: "replaced",
        };
        let news = Publication {
            at_ms: run[0],
            history: run.iter().map(entry).collect(),
            ..Publication::default()
        };
        let pair = if nth % 2 == 0 { "p" } else { "q" };
        state.publish(pair, &news).unwrap();
    }
}

/// Versions of the note in the cloud, as the store lists them.
fn cloud(moments: &[i64]) -> Vec<VersionView> {
    let version = |(nth, at_ms): (usize, &i64)| VersionView {
        id: VersionId::InCloud {
            pair: "p".into(),
            version: format!("v:{}", nth * 7919 % 1000),
            path: NOTE.into(),
        }
        .text(),
        pair: "p".into(),
        path: NOTE.into(),
        at_ms: *at_ms,
        size: 1,
        reason: VersionReason::InCloud,
        device: None,
        current: nth == 0,
    };
    moments.iter().enumerate().map(version).collect()
}

fn after(place: Option<Place>) -> Wanted {
    Wanted {
        pairs: vec!["p".into(), "q".into()],
        path: Some(NOTE.into()),
        after: place,
    }
}

/// What the pages list, one after the other; between two of them something may happen.
fn walk(
    state: &mut State,
    cloud: Option<&[VersionView]>,
    length: usize,
    mut between: impl FnMut(&mut State),
) -> Vec<(i64, String)> {
    let (mut listed, mut place) = (Vec::new(), None);
    loop {
        let stored = cloud.map(<[VersionView]>::to_vec);
        let (versions, next) = page(state, &after(place), stored, length).unwrap();
        assert!(versions.len() == length || next.is_none());
        listed.extend(versions.into_iter().map(|it| (it.at_ms, it.id)));
        let Some(next) = next else {
            return listed;
        };
        between(state);
        let read = Place::parse(&next.text());
        assert_eq!(read.as_ref(), Some(&next));
        place = read;
    }
}

fn ids(listed: &[(i64, String)]) -> Vec<&str> {
    listed.iter().map(|(_, id)| id.as_str()).collect()
}

#[test]
fn versions_of_one_moment_are_listed_over_the_pages_in_one_order() {
    let (_folder, mut state) = state(&[9, 7, 7, 7, 5]);
    let stored = cloud(&[8, 7, 7, 3]);
    let whole = walk(&mut state, Some(&stored), 100, |_| {});
    let expected = [
        "h1",
        "cloud:p:v:0:a.md",
        "h4",
        "h3",
        "h2",
        "cloud:p:v:919:a.md",
        "cloud:p:v:838:a.md",
        "h5",
        "cloud:p:v:757:a.md",
    ];
    assert_eq!(ids(&whole), expected);
    for length in 1..10 {
        let listed = walk(&mut state, Some(&stored), length, |_| {});
        assert_eq!(listed, whole, "{length} on a page");
    }
}

#[test]
fn without_a_note_or_a_way_to_the_cloud_only_this_device_is_listed() {
    let (_folder, mut state) = state(&[2, 2, 2]);
    assert_eq!(ids(&walk(&mut state, None, 2, |_| {})), ["h3", "h2", "h1"]);
    let (_, next) = page(&state, &after(None), None, 2).unwrap();
    assert_eq!(next.unwrap().listed, Listed::HereAlone);
    let (_, next) = page(&state, &after(None), Some(Vec::new()), 2).unwrap();
    assert_eq!(next.unwrap().listed, Listed::WithCloud);
}

#[test]
fn where_the_last_version_of_a_page_is_gone_nothing_is_left_out() {
    let (_folder, mut state) = state(&[5, 5, 5]);
    let stored = cloud(&[5, 5, 4]);
    let (_, next) = page(&state, &after(None), Some(stored.clone()), 2).unwrap();
    state.forget_versions(&[2]).unwrap();
    let (rest, _) = page(&state, &after(next), Some(stored.clone()), 2).unwrap();
    let told: Vec<&str> = rest.iter().map(|version| version.id.as_str()).collect();
    assert_eq!(told, ["h1", stored[0].id.as_str()]);
    let (_, next) = page(&state, &after(None), Some(stored.clone()), 3).unwrap();
    let (rest, _) = page(&state, &after(next), Some(stored[1..].to_vec()), 9).unwrap();
    let told: Vec<&str> = rest.iter().map(|version| version.id.as_str()).collect();
    assert_eq!(told, [stored[1].id.as_str(), stored[2].id.as_str()]);
}

#[test]
fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
    for text in [
        "",
        "7",
        "here:7",
        "here:x:h1",
        "here:7:x",
        "all:7:cloud:p",
        "there:7:h1",
    ] {
        assert_eq!(Place::parse(text), None, "{text:?}");
    }
    for text in ["here:7:h1", "all:-7:cloud:p:v:a: b/c.md"] {
        assert_eq!(Place::parse(text).unwrap().text(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_version_is_on_one_page(
        here in prop::collection::vec(0_i64..4, 0..30),
        there in prop::option::of(prop::collection::vec(0_i64..4, 0..30)),
        length in 1_usize..9,
    ) {
        let (_folder, mut state) = state(&here);
        let stored = there.as_deref().map(cloud);
        let whole = walk(&mut state, stored.as_deref(), 1000, |_| {});
        prop_assert_eq!(whole.len(), here.len() + there.map_or(0, |there| there.len()));
        prop_assert!(whole.is_sorted_by_key(|(at_ms, _)| Reverse(*at_ms)));
        let newer = |state: &mut State| add(state, &[9]);
        let listed = walk(&mut state, stored.as_deref(), length, newer);
        let different: BTreeSet<&str> = ids(&listed).into_iter().collect();
        prop_assert_eq!(different.len(), whole.len());
        prop_assert_eq!(listed, whole);
    }
}
