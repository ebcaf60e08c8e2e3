use super::*;
use crate::filters::Filters;
use crate::plan::plan;
use crate::state::Node;
use crate::vault::Signature;
use crate::view::ProfileName;

fn signature(mtime_ns: i64) -> Signature {
    Signature {
        ino: 1,
        dev: 1,
        size: 1,
        mtime_ns,
        ctime_ns: 0,
    }
}

fn baseline(paths: &[String]) -> Baseline {
    let node = Node {
        md5: "m".into(),
        etag: "m".into(),
        size: 1,
        signature: signature(0),
    };
    paths
        .iter()
        .map(|path| (path.clone(), node.clone()))
        .collect()
}

fn vault(paths: &[String]) -> Scan {
    let files = paths.iter().map(|path| (path.clone(), signature(0)));
    Scan {
        files: files.collect(),
        ..Scan::default()
    }
}

fn bucket(paths: &[String], marker: Option<&str>) -> BTreeMap<String, Object> {
    let object = |key: &str, etag: &str| Object {
        key: key.into(),
        size: 1,
        etag: etag.into(),
        last_modified_ms: 0,
        mtime_ms: None,
    };
    let notes = paths.iter().map(|path| object(path, "m"));
    let marker = marker.map(|etag| object(SENTINEL, etag));
    notes
        .chain(marker)
        .map(|object| (object.key.clone(), object))
        .collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n:03}.md")).collect()
}

fn profile(name: ProfileName) -> Profile {
    Profile::named(name)
}

fn lost(count: usize, recent: usize, known: usize, name: ProfileName) -> bool {
    let baseline = baseline(&names(known));
    let side = ChangeAction::RemoveInCloud;
    too_many_deletes(names(count), recent, &baseline, side, profile(name)).is_some()
}

#[test]
fn a_side_that_is_empty_or_another_one_stops_everything() {
    let all = names(20);
    let own = hex::encode(Md5::digest(SENTINEL_TEXT));
    let tripped = |here: &[String], cloud: &BTreeMap<String, Object>, name| {
        let (scan, filters) = (vault(here), Filters::parse("- *.tmp\n").unwrap());
        let plan = plan(&baseline(&all), &scan, cloud, &filters);
        emptied(&plan, &scan, cloud, profile(name))
    };
    let (safe, fast) = (ProfileName::Safe, ProfileName::Fast);
    let cloud = bucket(&all, Some(&own));
    assert_eq!(tripped(&all, &cloud, safe), None);
    assert_eq!(
        tripped(&[], &cloud, fast),
        Some(Brake::VaultEmptied { known: 20 })
    );
    assert_eq!(
        tripped(&all, &bucket(&[], Some(&own)), fast),
        Some(Brake::CloudEmptied { known: 20 })
    );
    let without = bucket(&all, None);
    assert_eq!(
        tripped(&all, &without, safe),
        Some(Brake::AccessCheckFailed)
    );
    assert_eq!(tripped(&all, &without, fast), None);
    let rewritten = bucket(&all, Some("0123456789abcdef0123456789abcdef"));
    assert_eq!(
        tripped(&all, &rewritten, safe),
        Some(Brake::MarkerRewritten)
    );
    let opaque = bucket(&all, Some("0123456789abcdef0123456789abcdef-1"));
    assert_eq!(tripped(&all, &opaque, safe), None);
}

#[test]
fn many_deletes_trip_and_just_fewer_do_not() {
    use ProfileName::{Balanced, Fast, Safe};
    for (count, recent, known, name, expected) in [
        (2, 0, 2, Safe, false),
        (3, 0, 30, Safe, false),
        (3, 0, 29, Safe, true),
        (3, 0, 12, Balanced, false),
        (4, 0, 15, Balanced, true),
        (10, 0, 20, Fast, false),
        (11, 0, 20, Fast, true),
        (24, 0, 1000, Safe, false),
        (25, 0, 1000, Fast, true),
        (1, 23, 1000, Safe, false),
        (1, 24, 1000, Safe, true),
        (0, 40, 1000, Safe, false),
    ] {
        let found = lost(count, recent, known, name);
        assert_eq!(found, expected, "{count} {recent} {known} {name:?}");
    }
}

#[test]
fn a_whole_folder_at_the_top_is_asked_about() {
    let inside: Vec<String> = (0..5).map(|n| format!("Work/{n}.md")).collect();
    let mut all = names(200);
    all.extend(inside.clone());
    let known = baseline(&all);
    let judge = |held: &[String]| {
        let side = ChangeAction::RemoveHere;
        let held = held.to_vec();
        too_many_deletes(held, 0, &known, side, profile(ProfileName::Safe)).is_some()
    };
    assert!(judge(&inside));
    assert!(!judge(&inside[1..]));
    all.push("Work/deep/more.md".into());
    let known = baseline(&all);
    let side = ChangeAction::RemoveHere;
    let some = too_many_deletes(inside, 0, &known, side, profile(ProfileName::Safe));
    assert_eq!(some, None);
}

#[test]
fn many_spoiled_notes_trip_and_just_fewer_do_not() {
    for (changed, spoiled, known, expected) in [
        (4, 4, 4, false),
        (5, 5, 25, true),
        (5, 5, 26, false),
        (49, 49, 1000, false),
        (50, 50, 1000, true),
        (50, 30, 1000, true),
        (50, 29, 1000, false),
    ] {
        let many = Rewrites {
            changed,
            spoiled,
            known,
        };
        assert_eq!(many.trip(), expected, "{many:?}");
    }
}

#[test]
fn tells_spoiled_bytes_from_edited_ones() {
    let text = "Plain words, written by a person. "
        .repeat(100)
        .into_bytes();
    let mut noise = Vec::new();
    for round in 0..256_u32 {
        noise.extend(Md5::digest(round.to_le_bytes()));
    }
    let edited = "Other plain words, ähnlich lang. ".repeat(100).into_bytes();
    assert!(is_spoiled(&text, &noise));
    assert!(!is_spoiled(&text, &edited));
    // A picture was never text, and is as dense as before.
    assert!(!is_spoiled(&noise, &noise[16..]));
    let cut = &"ä".as_bytes()[..1];
    assert!(!looks_spoiled(cut), "a character cut at the end");
    assert!(looks_spoiled(&[0xff, 0xfe, 0x00]));
}

#[test]
fn finds_notes_that_got_one_new_suffix() {
    let known = names(3);
    let mut now: Vec<String> = known.iter().map(|path| format!("{path}.locked")).collect();
    now.push("other.md".into());
    let filters = Filters::parse("- *.tmp\n").unwrap();
    let cloud = bucket(&known, None);
    let plan = plan(&baseline(&known), &vault(&now), &cloud, &filters);
    let found = resuffixed(&plan);
    assert_eq!(found.len(), 3);
    assert_eq!(found[0], ("n000.md".into(), "n000.md.locked".into()));
}

#[test]
fn keeps_a_part_of_small_disks_and_little_of_large_ones() {
    assert_eq!(reserve(16 << 20), (16 << 20) / 20);
    assert_eq!(reserve(1 << 40), 64 << 20);
}

#[test]
fn the_copies_of_settled_conflicts_are_no_mass_deletion() {
    let notes = ["a", "b", "c", "d"].map(|note| format!("{note}.md"));
    let copies = ["a", "b", "c", "d"]
        .map(|note| format!("{note} (conflict desktop 2026-11-22 05.23.27).md"));
    let everything = [notes.clone(), copies.clone()].concat();
    let filters = Filters::parse("- *.tmp\n").unwrap();
    let lost = |left: &[String]| {
        let (scan, cloud) = (vault(&everything), bucket(left, None));
        let plan = plan(&baseline(&everything), &scan, &cloud, &filters);
        deletes(&plan, ChangeAction::RemoveHere, &scan, &cloud).len()
    };
    assert_eq!(lost(&notes), 0, "the notes are still there");
    assert_eq!(lost(&copies), 4, "the notes went");
    assert_eq!(lost(&[]), 8);
}

#[test]
fn one_new_name_excuses_one_deletion_of_many_notes_alike() {
    let deleted = [("a.md", "same"), ("b.md", "same"), ("c.md", "other")];
    let moved = |arrived: &[&str]| {
        let arrived = arrived.iter().map(|md5| (*md5).to_owned()).collect();
        moved(deleted.into_iter(), arrived)
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(moved(&["same"]), ["a.md"]);
    assert_eq!(moved(&["same", "same", "same"]), ["a.md", "b.md"]);
    assert_eq!(moved(&["new"]), Vec::<String>::new());
}
