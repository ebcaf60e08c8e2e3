use crate::bench::report::{Goal, Row};
use crate::bench::samples::{median, percentile};
use crate::bench::sync::contest::{Contestant, DOWNLOAD, Row as Pass, UPLOAD};
use crate::bench::sync::live::{Edits, Idle};
use crate::bench::sync::memory::Peaks;

/// Among fewer notes, starting the program is most of a pass, and nothing is judged.
const JUDGED_FROM: usize = 10_000;

/// The passes of everybody among so many notes. `suffix` tells the store.
pub(super) fn passes(passes: &[Pass], files: usize, suffix: &str) -> Vec<Row> {
    let find = |who: Contestant, pass: &str| {
        passes
            .iter()
            .find(|row| row.files == files && row.who == who.name() && row.pass == pass)
    };
    let plain = Contestant::PlainDefault.name();
    let judged = |row: Row, goal| match files {
        ..JUDGED_FROM => row,
        JUDGED_FROM.. => row.goal(goal),
    };
    let verify = || {
        let ours = find(Contestant::Ours, "no change")?;
        let other = find(Contestant::PlainDefault, "no change")?;
        let time = Row::new(format!("verify_vs_bisync@{files}{suffix}"), ours.ms(), "ms")
            .beside(plain, other.ms());
        let time = judged(time, Goal::RatioAtMost(0.1));
        let name = format!("verify_requests@{files}{suffix}");
        let requests = Row::new(name, ours.sent(), "requests").beside(plain, other.sent());
        let requests = judged(requests, Goal::RatioAtMost(0.01));
        Some([time, requests])
    };
    let cycle = || {
        let ours = find(Contestant::Ours, "one edit")?;
        // Without a change it is a little quicker.
        let (other, of) = match find(Contestant::PlainDefault, "one edit") {
            Some(row) => (row, plain.to_owned()),
            None => {
                let row = find(Contestant::PlainDefault, "no change")?;
                (row, format!("{plain}, without a change"))
            }
        };
        let row = Row::new(format!("cycle_vs_bisync@{files}{suffix}"), ours.ms(), "ms")
            .beside(of, other.ms());
        Some(judged(row, Goal::RatioAtMost(0.4)))
    };
    let verify = verify().into_iter().flatten();
    verify.chain(cycle()).collect()
}

/// The first upload, next to the quickest that rclone has, and next to that under our condition.
pub(super) fn first_upload(passes: &[Pass], files: usize, suffix: &str) -> Vec<Row> {
    let find = |who: Contestant| {
        passes
            .iter()
            .find(|row| row.files == files && row.who == who.name() && row.pass == UPLOAD)
    };
    let row = |name: &str, other: Contestant| {
        let (ours, theirs) = (find(Contestant::Ours)?, find(other)?);
        let row = Row::new(format!("{name}{suffix}"), ours.ms(), "ms")
            .beside(format!("{} of {files}", theirs.who), theirs.ms());
        Some(match files {
            ..JUDGED_FROM => row,
            JUDGED_FROM.. => row.goal(Goal::RatioAtMost(1.1)),
        })
    };
    let rows = [
        row("first_upload_vs_copy", Contestant::Copy),
        row("first_upload_vs_careful_copy", Contestant::CarefulCopy),
    ];
    rows.into_iter().flatten().collect()
}

/// The first download, next to a copy that keeps nothing durable and remembers nothing.
pub(super) fn first_download(passes: &[Pass], files: usize, suffix: &str) -> Option<Row> {
    let find = |who: Contestant| {
        passes
            .iter()
            .find(|row| row.files == files && row.who == who.name() && row.pass == DOWNLOAD)
    };
    let (ours, theirs) = (find(Contestant::Ours)?, find(Contestant::Copy)?);
    let name = format!("first_download_vs_copy@{files}{suffix}");
    Some(Row::new(name, ours.ms(), "ms").beside(theirs.who, theirs.ms()))
}

pub(super) fn edits(edits: &Edits, files: usize, suffix: &str) -> Vec<Row> {
    let row = |name: &str, value: f64, unit, most: f64| {
        Row::new(format!("{name}@{files}{suffix}"), value, unit).goal(Goal::AtMost(most))
    };
    let (bucket, device) = (&edits.to_bucket, &edits.to_device);
    vec![
        row("edit_to_bucket_p50_ms", median(bucket), "ms", 250.0),
        row("edit_to_bucket_p95_ms", percentile(bucket, 95), "ms", 600.0),
        row("edit_to_device_p50_ms", median(device), "ms", 400.0),
        row(
            "edit_to_device_p95_ms",
            percentile(device, 95),
            "ms",
            1_000.0,
        ),
        row("edit_requests", edits.requests, "requests", 4.0),
    ]
}

/// Whether one edit costs more among many notes.
pub(super) fn growth(fewest: (usize, &Edits), most: (usize, &Edits)) -> Row {
    Row::new(
        format!("edit_to_device_growth@{}", most.0),
        median(&most.1.to_device),
        "ms",
    )
    .beside(format!("at {}", fewest.0), median(&fewest.1.to_device))
    .goal(Goal::RatioAtMost(1.2))
}

pub(super) fn neighbor(who: &str, times: &[f64], files: usize) -> Row {
    Row::new(
        format!("edit_to_device_p50_ms@{files}/{who}"),
        median(times),
        "ms",
    )
}

pub(super) fn idle(idle: Idle) -> Vec<Row> {
    vec![
        Row::new("idle_cpu_percent", idle.cpu_percent, "%").goal(Goal::AtMost(0.2)),
        Row::new("idle_requests", idle.requests, "requests").goal(Goal::AtMost(0.0)),
        // 157 MB were measured with 100 000 notes.
        Row::new("rss_mb", idle.memory_mb, "MB").goal(Goal::AtMost(256.0)),
    ]
}

/// Of a first upload or download. 400 MB is rclone's bound for a hundred thousand notes.
pub(super) fn memory(what: &str, peaks: Peaks, files: usize) -> Vec<Row> {
    let row = |who: &str, value| Row::new(format!("{what}_{who}_mb@{files}"), value, "MB");
    vec![
        row("rclone", peaks.rclone_mb).goal(Goal::AtMost(400.0)),
        row("engine", peaks.engine_mb).goal(Goal::AtMost(256.0)),
    ]
}
