use crate::bench::report::{Goal, Row};
use crate::bench::samples::{median, percentile};
use crate::bench::sync::contest::{Contestant, Row as Pass};
use crate::bench::sync::live::{Edits, Idle};

/// The passes of everybody, judged.
pub(super) fn passes(passes: &[Pass], files: usize) -> Vec<Row> {
    let find = |who: Contestant, pass: &str| {
        passes
            .iter()
            .find(|row| row.files == files && row.who == who.name() && row.pass == pass)
    };
    let against = |name: &str, pass: &str, share: f64| {
        let (ours, plain) = (
            find(Contestant::Ours, pass)?,
            find(Contestant::PlainDefault, pass)?,
        );
        let row = Row::new(format!("{name}@{files}"), ours.ms(), "ms")
            .beside(Contestant::PlainDefault.name(), plain.ms())
            .goal(Goal::RatioAtMost(share));
        Some(row)
    };
    let requests = || {
        let (ours, plain) = (
            find(Contestant::Ours, "no change")?,
            find(Contestant::PlainDefault, "no change")?,
        );
        let row = Row::new(format!("verify_requests@{files}"), ours.sent(), "requests")
            .beside(Contestant::PlainDefault.name(), plain.sent())
            .goal(Goal::RatioAtMost(0.01));
        Some(row)
    };
    [
        against("verify_vs_bisync", "no change", 0.1),
        requests(),
        against("cycle_vs_bisync", "one edit", 0.4),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The first upload, next to the quickest that rclone has.
pub(super) fn first_upload(passes: &[Pass], files: usize) -> Option<Row> {
    let find = |who: Contestant| {
        passes
            .iter()
            .find(|row| row.files == files && row.who == who.name() && row.pass == "first sync")
    };
    let (ours, copy) = (find(Contestant::Ours)?, find(Contestant::Copy)?);
    let row = Row::new("first_upload_vs_copy", ours.ms(), "ms")
        .beside(format!("rclone copy of {files}"), copy.ms())
        .goal(Goal::RatioAtMost(1.1));
    Some(row)
}

pub(super) fn edits(edits: &Edits, files: usize) -> Vec<Row> {
    let row = |name: &str, value: f64, unit, most: f64| {
        Row::new(format!("{name}@{files}"), value, unit).goal(Goal::AtMost(most))
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
        Row::new("rss_mb", idle.memory_mb, "MB"),
    ]
}

/// 400 MB is the bound for a hundred thousand notes.
pub(super) fn rclone_memory(peak_mb: f64, files: usize) -> Row {
    Row::new(format!("first_upload_rclone_mb@{files}"), peak_mb, "MB").goal(Goal::AtMost(400.0))
}
