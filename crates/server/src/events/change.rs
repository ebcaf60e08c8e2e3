//! Changes as they come in, and whether one is an event of its own.
//!
//! The same change can be told twice: by the device that wrote it and by the bucket. Each of the
//! two sides is matched with the other one to one, so that writing A, B and A again stays three
//! events even when the two sides tell them at different times.

use wire::{ChangeIn, ChangeKind, ChangesIn};

use crate::clock::parse_rfc3339;

/// S3's limit for a key, in bytes.
const MAX_PATH_BYTES: usize = 1024;
const MAX_CHANGES: usize = 256;
const MAX_DEVICE_BYTES: usize = 64;
const MAX_ETAG_BYTES: usize = 128;
/// How long one side waits for the other. Later the two count as separate changes: an event too
/// many costs a look at the bucket, one too few costs minutes.
pub(crate) const PAIRING_MS: i64 = 120_000;

/// Who tells of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    /// The one who wrote it. `told_at` is the writer's own time for it.
    Device {
        name: Option<String>,
        told_at: Option<i64>,
    },
    /// The bucket; `mark` is the same when the same change is told again.
    Bucket { mark: String },
}

/// A change that may become an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewEvent {
    pub(crate) kind: ChangeKind,
    pub(crate) path: String,
    pub(crate) from: Option<String>,
    /// Without quotes.
    pub(crate) etag: Option<String>,
    pub(crate) size: Option<i64>,
    /// Unix milliseconds.
    pub(crate) at: i64,
    pub(crate) teller: Teller,
}

/// An earlier event of the same path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) seq: i64,
    pub(crate) kind: ChangeKind,
    pub(crate) etag: Option<String>,
    pub(crate) recorded_at: i64,
    /// What [`NewEvent::device_mark`] gave for the device's report.
    pub(crate) reported_as: Option<String>,
    /// The bucket's mark.
    pub(crate) confirmed_as: Option<String>,
}

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// An event of its own.
    New,
    /// Told before by the same side.
    Known { seq: i64 },
    /// Told before by the other side.
    Completes { seq: i64 },
}

/// What a path looks like after a change.
#[derive(PartialEq, Eq)]
enum After<'a> {
    Present(Option<&'a str>),
    Absent,
    Unclear,
}

fn after(kind: ChangeKind, etag: Option<&str>) -> After<'_> {
    match kind {
        ChangeKind::Put | ChangeKind::Rename => After::Present(etag),
        ChangeKind::Delete => After::Absent,
        ChangeKind::Changed => After::Unclear,
    }
}

impl NewEvent {
    /// What tells a device's repeated report from its next one; `None` if the bucket tells.
    pub(crate) fn device_mark(&self) -> Option<String> {
        match &self.teller {
            Teller::Device { name, told_at } => Some(format!(
                "{}@{}",
                name.as_deref().unwrap_or_default(),
                told_at.map(|at| at.to_string()).unwrap_or_default()
            )),
            Teller::Bucket { .. } => None,
        }
    }

    pub(crate) fn device(&self) -> Option<&str> {
        match &self.teller {
            Teller::Device { name, .. } => name.as_deref(),
            Teller::Bucket { .. } => None,
        }
    }
}

/// Finds what the change is among the path's `earlier` events, newest first.
pub(crate) fn pair(earlier: &[Earlier], incoming: &NewEvent, now: i64) -> Pairing {
    let state = after(incoming.kind, incoming.etag.as_deref());
    let same = |event: &&Earlier| after(event.kind, event.etag.as_deref()) == state;
    let recent = |event: &&Earlier| event.recorded_at >= now - PAIRING_MS;
    let (known, completed) = match &incoming.teller {
        Teller::Bucket { mark } => (
            earlier
                .iter()
                .filter(same)
                .find(|event| event.confirmed_as.as_ref() == Some(mark)),
            earlier
                .iter()
                .filter(same)
                .filter(recent)
                .rfind(|event| event.confirmed_as.is_none()),
        ),
        Teller::Device { told_at, .. } => {
            let mark = incoming.device_mark();
            // Without a time of its own, a report repeats the one before it or none.
            let within = if told_at.is_some() { earlier.len() } else { 1 };
            (
                earlier
                    .iter()
                    .take(within)
                    .filter(same)
                    .find(|event| event.reported_as == mark),
                earlier
                    .iter()
                    .filter(same)
                    .filter(recent)
                    .rfind(|event| event.reported_as.is_none()),
            )
        }
    };
    match (known, completed) {
        (Some(event), _) => Pairing::Known { seq: event.seq },
        (None, Some(event)) => Pairing::Completes { seq: event.seq },
        (None, None) => Pairing::New,
    }
}

/// Checks a device's report; the error says what is wrong with it.
pub(crate) fn reported(report: ChangesIn, now: i64) -> Result<Vec<NewEvent>, String> {
    if report.changes.is_empty() || report.changes.len() > MAX_CHANGES {
        return Err(format!("changes has to hold 1 to {MAX_CHANGES} entries."));
    }
    let device = report.device;
    if device.as_deref().is_some_and(|name| !is_device(name)) {
        return Err(format!(
            "device has to be 1 to {MAX_DEVICE_BYTES} letters, digits, dots, underscores or hyphens."
        ));
    }
    report
        .changes
        .into_iter()
        .enumerate()
        .map(|(index, change)| {
            one_reported(change, device.as_deref(), now)
                .map_err(|problem| format!("changes[{index}]: {problem}"))
        })
        .collect()
}

fn one_reported(change: ChangeIn, device: Option<&str>, now: i64) -> Result<NewEvent, String> {
    let paths = [Some(&change.path), change.from.as_ref()];
    if !paths.into_iter().flatten().all(|path| is_path(path)) {
        return Err(format!(
            "a path has to be 1 to {MAX_PATH_BYTES} bytes without control characters."
        ));
    }
    if change.from.is_some() != (change.kind == ChangeKind::Rename) {
        return Err("from belongs to a rename, and a rename needs it.".to_owned());
    }
    let etag = change.etag.as_deref().map(bare_etag);
    if etag.is_some_and(|etag| !is_etag(etag)) {
        return Err("etag is not one.".to_owned());
    }
    let etag = match change.kind {
        ChangeKind::Put | ChangeKind::Rename | ChangeKind::Changed => etag.map(str::to_owned),
        ChangeKind::Delete => None,
    };
    let size = change
        .size
        .map(i64::try_from)
        .transpose()
        .map_err(|_| "size is out of range.".to_owned())?;
    let told_at = match change.at.as_deref().map(parse_rfc3339) {
        None => None,
        Some(Some(at)) => Some(at),
        Some(None) => return Err("at is not RFC 3339.".to_owned()),
    };
    Ok(NewEvent {
        kind: change.kind,
        path: change.path,
        from: change.from,
        etag,
        size,
        at: told_at.unwrap_or(now),
        teller: Teller::Device {
            name: device.map(str::to_owned),
            told_at,
        },
    })
}

/// Whether a key can be the path of an event.
pub(crate) fn is_path(path: &str) -> bool {
    (1..=MAX_PATH_BYTES).contains(&path.len()) && !path.chars().any(char::is_control)
}

pub(crate) fn is_device(name: &str) -> bool {
    (1..=MAX_DEVICE_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// An `ETag` without its quotes.
pub(crate) fn bare_etag(etag: &str) -> &str {
    etag.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(etag)
}

pub(crate) fn is_etag(etag: &str) -> bool {
    (1..=MAX_ETAG_BYTES).contains(&etag.len())
        && etag
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"')
}

#[cfg(test)]
mod tests;
