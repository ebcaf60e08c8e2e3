use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::process::{cpu_seconds, memory_mb};
use crate::bench::samples::median;
use crate::bench::sync::contest::Contestant;
use crate::bench::sync::course::Course;
use crate::bench::sync::seat::{Seat, device_with_notes, note, same_edit};
use crate::child::Companion;

/// Far beyond what is measured; whoever is later has lost the change.
const LOST: Duration = Duration::from_secs(240);
/// Between the arrival of one edit and the next one.
const BETWEEN: Duration = Duration::from_millis(300);

/// How single edits fared, in milliseconds after the editor's last write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits {
    pub(crate) to_bucket: Vec<f64>,
    pub(crate) to_device: Vec<f64>,
    /// Requests of both devices to the store for one edit.
    pub(crate) requests: f64,
}

/// What a device costs that has nothing to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) cpu_percent: f64,
    pub(crate) requests: f64,
    pub(crate) memory_mb: f64,
}

/// Two devices that carry changes by themselves.
pub(crate) struct Live {
    files: usize,
    laptop: Seat,
    desktop: Seat,
    laptop_engine: Companion,
    _desktop_engine: Companion,
}

impl Live {
    /// `laptop` has its notes in the cloud. The second device has the same ones, as from a backup:
    /// it only finds them to be equal.
    pub(crate) fn start(course: &Course<'_>, laptop: Seat, files: usize) -> Result<Self> {
        let email = course.email(Contestant::Ours.id(), files);
        let keys = course.server.credentials(&email, course.base)?;
        let name = course.device("desk", files);
        let device = device_with_notes(course.repo, course.base, &name, files)?;
        same_edit(&laptop.device, &device, files / 2)?;
        let desktop = Seat::sign_in(device, course, &keys, &email)?;
        desktop.set_up()?;
        let laptop_engine = laptop.watch(course.repo)?;
        let desktop_engine = desktop.watch(course.repo)?;
        std::thread::sleep(Duration::from_secs(3));
        Ok(Self {
            files,
            laptop,
            desktop,
            laptop_engine,
            _desktop_engine: desktop_engine,
        })
    }

    /// Stops both, and gives back the first.
    pub(crate) fn end(self) -> Seat {
        self.laptop
    }

    /// Saves one note after the other and follows each.
    pub(crate) fn edits(&self, count: usize) -> Result<Edits> {
        let mut edits = Edits::default();
        let mut requests = Vec::new();
        for turn in 0..count {
            // A stride that meets every folder before it meets one again.
            let note = note(turn * 7_919 % self.files);
            std::thread::sleep(BETWEEN);
            self.laptop.store.take();
            self.desktop.store.take();
            self.laptop.store.take_stored();
            let text = format!("# Edited\n\nFor the {turn}. time, of {count}.\n");
            std::fs::write(self.laptop.device.folder().join(&note), &text)?;
            let saved = Instant::now();
            let arrived = arrival(&self.desktop.device.folder().join(&note), &text)?;
            let stored = self.laptop.store.take_stored();
            let stored = stored
                .first()
                .context("the edit arrived without an upload")?;
            edits
                .to_bucket
                .push(milliseconds(stored.saturating_duration_since(saved)));
            edits
                .to_device
                .push(milliseconds(arrived.saturating_duration_since(saved)));
            let sent: u64 = [&self.laptop.store, &self.desktop.store]
                .into_iter()
                .flat_map(|store| store.take().into_values())
                .sum();
            requests.push(count_of(sent));
        }
        edits.requests = median(&requests);
        Ok(edits)
    }

    pub(crate) fn idle(&self, duration: Duration) -> Result<Idle> {
        std::thread::sleep(Duration::from_secs(3));
        let pid = self.laptop_engine.pid();
        self.laptop.store.take();
        let before = cpu_seconds(pid)?;
        std::thread::sleep(duration);
        let spent = cpu_seconds(pid)? - before;
        Ok(Idle {
            cpu_percent: 100.0 * spent / duration.as_secs_f64(),
            requests: count_of(self.laptop.store.take().into_values().sum()),
            memory_mb: memory_mb(pid)?,
        })
    }
}

/// When a file has this text.
pub(crate) fn arrival(file: &Path, text: &str) -> Result<Instant> {
    let until = Instant::now() + LOST;
    loop {
        if std::fs::read_to_string(file).is_ok_and(|found| found == text) {
            return Ok(Instant::now());
        }
        if Instant::now() > until {
            bail!("{} never changed", file.display());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn count_of(requests: u64) -> f64 {
    u32::try_from(requests).map_or(f64::INFINITY, f64::from)
}
