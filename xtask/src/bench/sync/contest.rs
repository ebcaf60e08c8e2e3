use std::fmt::Write;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::bench::sync::course::Course;
use crate::bench::sync::listing;
use crate::bench::sync::memory::{Memory, Peaks};
use crate::bench::sync::proxy::{Counts, Proxy};
use crate::bench::sync::seat::{Seat, device_with_notes, note};
use crate::bench::sync::sides::{Ours, Plain, Side, timed};
use crate::demo::device::Device;
use crate::demo::server::Credentials;

/// What our own marker in a bucket is called.
pub(super) const MARKER: &str = "/.basic-memory-sync";

/// Notes that the cloud has none of, from a folder to its bucket.
pub(crate) const UPLOAD: &str = "first upload";
const UPLOADERS: [Contestant; 3] = [Contestant::Copy, Contestant::Ours, Contestant::CarefulCopy];

/// Notes that a device has none of, from the bucket to its folder.
pub(crate) const DOWNLOAD: &str = "first download";

/// Who keeps the folder and the bucket equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// `rclone bisync` as it comes.
    PlainDefault,
    /// `rclone bisync` with the fastest flags that are still correct.
    PlainTuned,
    /// `rclone copy` with the fastest flags: the first upload only.
    Copy,
    /// The same, and it asks the store to replace nothing, as we do.
    CarefulCopy,
    /// `bm-cloud bisync`.
    Ours,
}

/// One measured pass.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) store: &'static str,
    pub(crate) files: usize,
    pub(crate) who: &'static str,
    pub(crate) pass: &'static str,
    pub(crate) median_ms: u128,
    pub(crate) all_ms: Vec<u128>,
    pub(crate) requests: Counts,
}

impl Row {
    pub(crate) fn ms(&self) -> f64 {
        u32::try_from(self.median_ms).map_or(f64::INFINITY, f64::from)
    }

    /// Requests of the last run of this pass.
    pub(crate) fn sent(&self) -> f64 {
        u32::try_from(self.requests.values().sum::<u64>()).map_or(f64::INFINITY, f64::from)
    }
}

impl Contestant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PlainDefault => "rclone bisync, default",
            Self::PlainTuned => "rclone bisync, tuned",
            Self::Copy => "rclone copy",
            Self::CarefulCopy => "rclone copy, on condition",
            Self::Ours => "bm-cloud bisync",
        }
    }

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::PlainDefault => "plain",
            Self::PlainTuned => "tuned",
            Self::Copy => "copy",
            Self::CarefulCopy => "careful",
            Self::Ours => "ours",
        }
    }

    /// Each pass is run so often; the median counts.
    fn repeats(self, files: usize) -> usize {
        match (self, files) {
            (_, ..=1_000) | (Self::Ours, ..=10_000) => 5,
            (Self::Ours, _) => 3,
            (_, ..=10_000) => 2,
            // Minutes each.
            (_, _) => 1,
        }
    }

    pub(super) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::PlainDefault | Self::Ours => &[],
            Self::PlainTuned => &[
                "--compare",
                "size,checksum",
                "--fast-list",
                "--transfers",
                "16",
                "--checkers",
                "32",
                "--s3-no-head",
            ],
            Self::Copy => &["--transfers", "16", "--s3-no-head", "--no-check-dest"],
            Self::CarefulCopy => &[
                "--transfers",
                "16",
                "--s3-no-head",
                "--no-check-dest",
                "--header",
                "If-None-Match: *",
            ],
        }
    }
}

/// What a contestant did.
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// Our device, with its notes in the cloud.
    pub(crate) seat: Option<Seat>,
    /// What our programs held in memory in the first sync.
    pub(crate) peaks: Option<Peaks>,
}

/// First sync, passes without a change, passes after one edited note.
pub(crate) fn measure(
    course: &Course<'_>,
    contestant: Contestant,
    files: usize,
) -> Result<Measured> {
    let (device, email, keys) = guest(course, contestant.id(), files)?;
    match contestant {
        Contestant::Ours => {
            let seat = Seat::sign_in(device, course, &keys, &email)?;
            let mut side = Ours {
                seat: &seat,
                peaks: None,
            };
            let rows = passes(course, contestant, files, &seat.store, &mut side)?;
            Ok(Measured {
                rows,
                peaks: side.peaks,
                seat: Some(seat),
            })
        }
        Contestant::PlainDefault
        | Contestant::PlainTuned
        | Contestant::Copy
        | Contestant::CarefulCopy => {
            let (proxy, mut plain) = plain(course, contestant, device, &keys)?;
            let rows = passes(course, contestant, files, &proxy, &mut plain)?;
            Ok(Measured {
                rows,
                seat: None,
                peaks: None,
            })
        }
    }
}

/// Everybody's first upload of so many notes, to a bucket of its own each time. In turns: whoever
/// comes first finds a store that has just started.
pub(crate) fn first_uploads(course: &Course<'_>, files: usize) -> Result<Vec<Row>> {
    let mut all = UPLOADERS.map(|who| (who, Vec::new(), Counts::new()));
    for turn in 0..UPLOADERS.len() {
        all.rotate_left(1);
        for (contestant, times, requests) in &mut all {
            let id = format!("{}-{turn}", contestant.id());
            let (device, email, keys) = guest(course, &id, files)?;
            let (time, sent) = match contestant {
                Contestant::Ours => {
                    let seat = Seat::sign_in(device, course, &keys, &email)?;
                    seat.store.take();
                    (timed(|| seat.set_up())?, seat.store.take())
                }
                Contestant::PlainDefault
                | Contestant::PlainTuned
                | Contestant::Copy
                | Contestant::CarefulCopy => {
                    let (proxy, mut plain) = plain(course, *contestant, device, &keys)?;
                    (timed(|| plain.first())?, proxy.take())
                }
            };
            times.push(time);
            *requests = sent;
        }
    }
    let rows = all.map(|(who, times, requests)| row(course, who, files, UPLOAD, times, requests));
    Ok(rows.into())
}

/// The first sync of a device that has none of these notes, which are in the cloud, and
/// `rclone copy` to an empty folder, in turns.
pub(crate) fn first_downloads(course: &Course<'_>, files: usize) -> Result<(Vec<Row>, Peaks)> {
    let turns = if files <= 10_000 { 3 } else { 1 };
    let email = course.email(Contestant::Ours.id(), files);
    let keys = course.server.credentials(&email, course.base)?;
    let mut all = [Contestant::Copy, Contestant::Ours].map(|who| (who, Vec::new(), Counts::new()));
    let mut peaks = Peaks::default();
    for turn in 0..turns {
        all.rotate_left(1);
        for (contestant, times, requests) in &mut all {
            let name = course.device(&format!("{}-down-{turn}", contestant.id()), files);
            let device = device_with_notes(course.repo, course.base, &name, 0)?;
            let (time, sent) = if *contestant == Contestant::Ours {
                let seat = Seat::sign_in(device, course, &keys, &email)?;
                seat.store.take();
                let memory = Memory::watch(&seat.device.folder());
                let time = timed(|| seat.set_up())?;
                peaks = peaks.or_more(memory.peaks());
                (time, seat.store.take())
            } else {
                let (proxy, plain) = plain(course, *contestant, device, &keys)?;
                (timed(|| plain.fetch())?, proxy.take())
            };
            times.push(time);
            *requests = sent;
        }
    }
    let rows = all.map(|(who, times, requests)| row(course, who, files, DOWNLOAD, times, requests));
    Ok((rows.into(), peaks))
}

/// Somebody with a device full of notes, and keys of an own bucket.
fn guest(course: &Course<'_>, id: &str, files: usize) -> Result<(Device, String, Credentials)> {
    let email = course.email(id, files);
    course.server.subscribe(&email)?;
    let name = course.device(id, files);
    let device = device_with_notes(course.repo, course.base, &name, files)?;
    let keys = course.server.credentials(&email, course.base)?;
    Ok((device, email, keys))
}

fn plain(
    course: &Course<'_>,
    contestant: Contestant,
    device: Device,
    keys: &Credentials,
) -> Result<(Proxy, Plain)> {
    let proxy = Proxy::start(&course.store.address(keys)?, None)?;
    let mut plain = Plain::new(course.repo, course.base, device, keys, &proxy.url())?;
    plain.contestant = contestant;
    Ok((proxy, plain))
}

/// A pass of plain bisync over notes that our device has in the cloud, with listings as a first sync
/// of its own would have left them: that one takes longer than everything else together.
pub(crate) fn plain_over_ours(course: &Course<'_>, seat: Seat, files: usize) -> Result<Vec<Row>> {
    let contestant = Contestant::PlainDefault;
    let keys = course
        .server
        .credentials(&course.email(Contestant::Ours.id(), files), course.base)?;
    let proxy = Proxy::start(&course.store.address(&keys)?, None)?;
    let mut plain = Plain::new(course.repo, course.base, seat.device, &keys, &proxy.url())?;
    plain.exclude = &["--exclude", MARKER];
    let remote = format!("cloud:{}", keys.bucket);
    listing::write(&plain.workdir, &plain.device.folder(), &remote)?;
    Ok(vec![unchanged(
        course, contestant, files, &proxy, &mut plain,
    )?])
}

fn passes(
    course: &Course<'_>,
    contestant: Contestant,
    files: usize,
    proxy: &Proxy,
    side: &mut dyn Side,
) -> Result<Vec<Row>> {
    proxy.take();
    let first = timed(|| side.first())?;
    let first = row(
        course,
        contestant,
        files,
        "first sync",
        vec![first],
        proxy.take(),
    );
    let quiet = unchanged(course, contestant, files, proxy, side)?;

    let mut times = Vec::new();
    let mut requests = Counts::new();
    for turn in 0..contestant.repeats(files) {
        let note = side.folder().join(note(files / 2));
        let mut text = std::fs::read_to_string(&note)?;
        writeln!(text, "One more line, number {turn}.")?;
        std::fs::write(&note, text)?;
        times.push(timed(|| side.pass())?);
        requests = proxy.take();
    }
    ensure!(
        requests.contains_key("PUT"),
        "{}: the edit was not uploaded",
        contestant.name()
    );
    let edited = row(course, contestant, files, "one edit", times, requests);
    Ok(vec![first, quiet, edited])
}

fn unchanged(
    course: &Course<'_>,
    contestant: Contestant,
    files: usize,
    proxy: &Proxy,
    side: &mut dyn Side,
) -> Result<Row> {
    let mut times = Vec::new();
    let mut requests = Counts::new();
    for _ in 0..contestant.repeats(files) {
        times.push(timed(|| side.pass())?);
        requests = proxy.take();
    }
    Ok(row(course, contestant, files, "no change", times, requests))
}

fn row(
    course: &Course<'_>,
    contestant: Contestant,
    files: usize,
    pass: &'static str,
    all_ms: Vec<u128>,
    requests: Counts,
) -> Row {
    let mut sorted = all_ms.clone();
    sorted.sort_unstable();
    Row {
        store: course.store.name(),
        files,
        who: contestant.name(),
        pass,
        median_ms: sorted[sorted.len() / 2],
        all_ms,
        requests,
    }
}
