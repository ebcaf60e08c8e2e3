//! Numbers, times and names as people read them. Pure text.

use std::time::Duration;

use engine::view::{ChangeAction, ProblemView, ProfileName, RunResult, RunView};
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::arguments::{Limit, Quiet};

const DAY: &[FormatItem<'_>] = format_description!("[day padding:none] [month repr:short] [year]");
const MINUTE: &[FormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]");
const SECOND: &[FormatItem<'_>] = format_description!("[hour]:[minute]:[second]");

/// Reads a time such as `30s`, `5m`, `1h` or `90`; at least a second.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => return Err("write it like 30s, 5m or 1h".to_owned()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "write it like 30s, 5m or 1h".to_owned())?;
    match number.checked_mul(unit) {
        None | Some(0) => Err("it has to be at least a second".to_owned()),
        Some(seconds) if seconds > 24 * 3600 => Err("it has to be a day at most".to_owned()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

/// Reads KiB per second, or `off`.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    if text == "off" {
        return Ok(Limit::Off);
    }
    let number = text.parse();
    number
        .map(Limit::KibPerSecond)
        .map_err(|_| "write KiB per second, like 500, or off".to_owned())
}

/// Reads hours such as `22:00-07:00`, or `off`.
pub(crate) fn quiet(text: &str) -> Result<Quiet, String> {
    let minute = |time: &str| {
        let (hour, minute) = time.split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    if text == "off" {
        return Ok(Quiet::Off);
    }
    text.split_once('-')
        .and_then(|(from, to)| Some(Quiet::Between(minute(from)?, minute(to)?)))
        .ok_or_else(|| "write hours, like 22:00-07:00, or off".to_owned())
}

/// "12 s ago".
pub(crate) fn age(then_ms: i64, now_ms: i64) -> String {
    match now_ms.saturating_sub(then_ms) / 1000 {
        ..=0 => "just now".to_owned(),
        seconds @ 1..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

/// "340 ms", "2.4 s", "3 min 5 s".
pub(crate) fn took(ms: u64) -> String {
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// "1 note", "2 notes".
pub(crate) fn count(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// The text as the beginning of a line; addresses and paths stay as they are.
pub(crate) fn capitalized(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    if !word.chars().all(char::is_alphabetic) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

pub(crate) fn day(ms: i64, offset: UtcOffset) -> String {
    formatted(ms, offset, DAY)
}

pub(crate) fn minute(ms: i64, offset: UtcOffset) -> String {
    formatted(ms, offset, MINUTE)
}

pub(crate) fn second(ms: i64, offset: UtcOffset) -> String {
    formatted(ms, offset, SECOND)
}

fn formatted(ms: i64, offset: UtcOffset, shape: &[FormatItem<'_>]) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|time| time.to_offset(offset).format(shape).ok())
        .unwrap_or_else(|| "at an unknown time".to_owned())
}

pub(crate) fn profile(profile: ProfileName) -> &'static str {
    match profile {
        ProfileName::Safe => "safe",
        ProfileName::Balanced => "balanced",
        ProfileName::Fast => "fast",
    }
}

/// What happened to one note.
pub(crate) fn happened(action: ChangeAction) -> &'static str {
    match action {
        ChangeAction::Upload => "uploaded",
        ChangeAction::Download => "downloaded",
        ChangeAction::RemoveHere => "removed here",
        ChangeAction::RemoveInCloud => "removed in the cloud",
        ChangeAction::Conflict => "conflict",
    }
}

/// "2 uploaded · 1 downloaded · 0 conflicts · 340 ms".
pub(crate) fn summary(run: &RunView) -> String {
    let mut parts = vec![
        format!("{} uploaded", run.uploaded),
        format!("{} downloaded", run.downloaded),
    ];
    if run.removed_here > 0 {
        parts.push(format!("{} removed here", run.removed_here));
    }
    if run.removed_in_cloud > 0 {
        parts.push(format!("{} removed in the cloud", run.removed_in_cloud));
    }
    parts.push(count(run.conflicts, "conflict"));
    parts.push(took(run.duration_ms));
    parts.join(" · ")
}

/// How a run ended, in one line.
pub(crate) fn ended(run: &RunView, files: u64) -> String {
    match &run.result {
        RunResult::Verified => {
            let notes = count(files, "note");
            format!("Up to date · {notes} · {}", took(run.duration_ms))
        }
        RunResult::Synced => summary(run),
        RunResult::Previewed => format!("Nothing was changed · {}", took(run.duration_ms)),
        RunResult::Halted { code } => format!("Halted: {code}"),
        RunResult::Failed { message, .. } => format!("Failed: {message}"),
        RunResult::Stopped => "Stopped before the end".to_owned(),
    }
}

/// All remarks in one line, if there are any: they stop nothing.
pub(crate) fn remark(problems: &[ProblemView]) -> Option<String> {
    let mut remarks = problems.iter().filter(|it| it.is_remark());
    let first = remarks.next()?;
    Some(match remarks.next() {
        None => format!("{}: {}", first.path, first.message),
        Some(_) => format!(
            "Windows cannot hold some of the names here, such as {}; rename them if you use \
             Windows too",
            first.path
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_one_line() {
        let view = |path: &str, code: &str| ProblemView {
            pair: "p".to_owned(),
            path: path.to_owned(),
            code: code.to_owned(),
            message: "m".to_owned(),
        };
        let (twins, odd) = (view("n.md", "name_twins"), "name_not_everywhere");
        let (one, other) = (view("a:b.md", odd), view("c?.md", odd));
        assert_eq!(remark(std::slice::from_ref(&twins)), None);
        let found = [twins.clone(), one.clone()];
        assert_eq!(remark(&found).as_deref(), Some("a:b.md: m"));
        let all = remark(&[twins, one, other]).unwrap();
        assert!(all.contains("such as a:b.md;"), "{all}");
    }

    #[test]
    fn reads_quiet_hours() {
        assert_eq!(quiet("off"), Ok(Quiet::Off));
        assert_eq!(quiet("22:00-7:05"), Ok(Quiet::Between(1320, 425)));
        for text in ["22:00", "24:00-07:00", "22-7", "a:b-c:d", "22:60-07:00"] {
            assert!(quiet(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_intervals() {
        let seconds = |text: &str| interval(text).map(|time| time.as_secs()).ok();
        for (text, expected) in [
            ("30s", Some(30)),
            ("90", Some(90)),
            ("5m", Some(300)),
            ("1h", Some(3600)),
            ("24h", Some(86_400)),
            ("25h", None),
            ("0s", None),
            ("-5s", None),
            ("s", None),
            ("", None),
            ("1.5m", None),
            ("5 s", None),
            ("5ms", None),
            ("99999999999999999999h", None),
            ("9999999999999999h", None),
            ("5é", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }

    #[test]
    fn tells_ages_and_durations() {
        let now = 1_000_000_000;
        for (before_ms, words) in [
            (-5000, "just now"),
            (999, "just now"),
            (12_000, "12 s ago"),
            (61_000, "1 min ago"),
            (7_200_000, "2 h ago"),
            (200_000_000, "2 d ago"),
        ] {
            assert_eq!(age(now - before_ms, now), words);
        }
        for (ms, words) in [(340, "340 ms"), (2450, "2.4 s"), (185_000, "3 min 5 s")] {
            assert_eq!(took(ms), words);
        }
    }

    #[test]
    fn shows_days_and_minutes_where_the_person_is() {
        let offset = UtcOffset::from_hms(2, 0, 0).unwrap();
        let late = 1_759_442_400_000; // 2025-10-02 22:00 UTC
        assert_eq!(day(late, offset), "3 Oct 2025");
        assert_eq!(minute(late, offset), "2025-10-03 00:00");
        assert_eq!(day(i64::MAX, offset), "at an unknown time");
    }

    #[test]
    fn summarizes_a_run() {
        let run = RunView {
            number: 1,
            ended_at_ms: 0,
            duration_ms: 340,
            result: RunResult::Synced,
            uploaded: 2,
            downloaded: 1,
            removed_here: 0,
            removed_in_cloud: 3,
            conflicts: 0,
            requests: 9,
        };
        let words = "2 uploaded · 1 downloaded · 3 removed in the cloud · 0 conflicts · 340 ms";
        assert_eq!(summary(&run), words);
        let verified = RunView {
            result: RunResult::Verified,
            ..run
        };
        assert_eq!(ended(&verified, 1), "Up to date · 1 note · 340 ms");
    }
}
