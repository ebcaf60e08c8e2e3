//! Which version a person means. Pure.

use engine::view::{VersionReason, VersionView};
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{PrimitiveDateTime, UtcOffset};

use crate::failure::Failure;

const SHAPES: [(&[FormatItem<'_>], i64); 4] = [
    (
        format_description!("[year]-[month]-[day] [hour]:[minute]"),
        60_000,
    ),
    (
        format_description!("[year]-[month]-[day]T[hour]:[minute]"),
        60_000,
    ),
    (
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"),
        1000,
    ),
    (
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]"),
        1000,
    ),
];

/// A minute or a second, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    from_ms: i64,
    until_ms: i64,
}

/// Whether this is what the list calls an id.
pub(super) fn is_id(typed: &str) -> bool {
    let number = typed.strip_prefix('h').unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number || typed.starts_with("cloud:")
}

/// A note's name may have an `@` of its own: only what reads as a time is one.
pub(super) fn note_and_time(typed: &str, offset: UtcOffset) -> (&str, Option<Moment>) {
    let split = typed.rsplit_once('@');
    let found = split.and_then(|(path, time)| Some((path, moment(time, offset)?)));
    match found {
        Some((path, moment)) if !path.is_empty() => (path, Some(moment)),
        Some(_) | None => (typed, None),
    }
}

fn moment(text: &str, offset: UtcOffset) -> Option<Moment> {
    SHAPES.into_iter().find_map(|(shape, length_ms)| {
        let time = PrimitiveDateTime::parse(text, shape).ok()?;
        let from_ms = time.assume_offset(offset).unix_timestamp() * 1000;
        Some(Moment {
            from_ms,
            until_ms: from_ms + length_ms,
        })
    })
}

/// The version that is listed with this time, else the note as it was then; without a time the
/// newest that is not the note as it is.
pub(super) fn version<'v>(
    versions: &'v [VersionView],
    path: &str,
    at: Option<&Moment>,
) -> Result<&'v VersionView, Failure> {
    let Some(at) = at else {
        let earlier = versions.iter().find(|version| !version.current);
        return earlier.ok_or_else(|| missing(path, "no earlier version"));
    };
    let listed: Vec<&VersionView> = versions
        .iter()
        .filter(|version| (at.from_ms..at.until_ms).contains(&version.at_ms))
        .collect();
    match listed.as_slice() {
        [one] => Ok(one),
        [] => as_it_was(versions, at.from_ms)
            .ok_or_else(|| missing(path, "no version from that time")),
        several => {
            let ids: Vec<&str> = several.iter().map(|version| version.id.as_str()).collect();
            let message = format!("{path} has {} versions of that time", several.len());
            Err(Failure::new("ambiguous", message)
                .hint(format!("Name one by its id: {}", ids.join(", "))))
        }
    }
}

/// A version in the cloud is from the moment it was stored, one here until it was taken out.
fn as_it_was(versions: &[VersionView], at_ms: i64) -> Option<&VersionView> {
    let is_in_cloud = |version: &&VersionView| version.reason == VersionReason::InCloud;
    let stored = versions
        .iter()
        .filter(is_in_cloud)
        .filter(|version| version.at_ms <= at_ms)
        .max_by_key(|version| version.at_ms);
    stored.or_else(|| {
        versions
            .iter()
            .filter(|version| !is_in_cloud(version) && version.at_ms > at_ms)
            .min_by_key(|version| version.at_ms)
    })
}

fn missing(path: &str, what: &str) -> Failure {
    Failure::new("not_found", format!("There is {what} of {path}"))
        .hint("`bm-cloud history PATH` lists those that there are.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn listed(id: &str, at_ms: i64, reason: VersionReason, current: bool) -> VersionView {
        VersionView {
            id: id.into(),
            pair: "p".into(),
            path: "a.md".into(),
            at_ms,
            size: 1,
            reason,
            device: None,
            current,
        }
    }

    #[test]
    fn tells_ids_from_notes() {
        for id in ["h7", "cloud:p:v:a.md"] {
            assert!(is_id(id), "{id}");
        }
        for note in ["h", "h7.md", "./h7", "a.md", "hello"] {
            assert!(!is_id(note), "{note}");
        }
    }

    #[test]
    fn a_time_is_read_where_the_person_is() {
        let offset = UtcOffset::from_hms(2, 0, 0).unwrap();
        let read = |text| {
            let (path, moment) = note_and_time(text, offset);
            (path, moment.map(|it| (it.from_ms, it.until_ms)))
        };
        let hour = 60 * MINUTE;
        let expected = Some((hour, hour + MINUTE));
        assert_eq!(read("a.md@1970-01-01 03:00"), ("a.md", expected));
        assert_eq!(read("a@b.md@1970-01-01T03:00"), ("a@b.md", expected));
        let second = Some((hour + 5000, hour + 6000));
        assert_eq!(read("a.md@1970-01-01 03:00:05"), ("a.md", second));
        assert_eq!(read("ana@example.md"), ("ana@example.md", None));
        assert_eq!(read("@1970-01-01 03:00"), ("@1970-01-01 03:00", None));
    }

    #[test]
    fn the_version_of_a_time_is_the_listed_one_or_what_was_then() {
        use VersionReason::{InCloud, Removed, Replaced};
        let versions = [
            listed("now", 9 * MINUTE, InCloud, true),
            listed("twin", 7 * MINUTE + 5, Removed, false),
            listed("taken", 7 * MINUTE, Replaced, false),
            listed("stored", 5 * MINUTE, InCloud, false),
        ];
        let at = |minute: i64| {
            let moment = Moment {
                from_ms: minute * MINUTE,
                until_ms: (minute + 1) * MINUTE,
            };
            version(&versions, "a.md", Some(&moment))
                .map(|version| version.id.as_str())
                .map_err(|failure| failure.code)
        };
        assert_eq!(at(5), Ok("stored"));
        assert_eq!(at(6), Ok("stored"));
        assert_eq!(at(7), Err("ambiguous".to_owned()));
        assert_eq!(at(12), Ok("now"));
        assert_eq!(at(3), Ok("taken"), "here until it was taken out");
        let newest = version(&versions, "a.md", None).unwrap();
        assert_eq!(newest.id, "twin");
        let nothing = version(&versions[..1], "a.md", None).unwrap_err();
        assert_eq!(nothing.code, "not_found");
    }
}
