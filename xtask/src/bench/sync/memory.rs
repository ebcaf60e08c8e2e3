use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Watches the memory of everything that works for one device.
pub(crate) struct Memory {
    stop: Arc<AtomicBool>,
    watch: Option<JoinHandle<Peaks>>,
}

/// The most that one process of a kind held, in MB; 0 if none was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Peaks {
    pub(crate) rclone_mb: f64,
    pub(crate) engine_mb: f64,
}

impl Peaks {
    pub(crate) fn or_more(self, other: Self) -> Self {
        Self {
            rclone_mb: self.rclone_mb.max(other.rclone_mb),
            engine_mb: self.engine_mb.max(other.engine_mb),
        }
    }
}

impl Memory {
    /// `folder` is the device's notes folder; its engine keeps its mirror beside it.
    pub(crate) fn watch(folder: &Path) -> Self {
        let home = folder.parent().unwrap_or(folder).to_path_buf();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watch = std::thread::spawn(move || {
            let mut peaks = Peaks::default();
            while !stopped.load(Ordering::Relaxed) {
                peaks = peaks.or_more(Peaks {
                    rclone_mb: peak_mb(&home, "rclone"),
                    engine_mb: peak_mb(&home, "bm-cloud"),
                });
                std::thread::sleep(Duration::from_millis(100));
            }
            peaks
        });
        Self {
            stop,
            watch: Some(watch),
        }
    }

    pub(crate) fn peaks(mut self) -> Peaks {
        self.stop.store(true, Ordering::Relaxed);
        let watch = self.watch.take();
        watch
            .and_then(|watch| watch.join().ok())
            .unwrap_or_default()
    }
}

fn peak_mb(home: &Path, program: &str) -> f64 {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let kilobytes = processes
        .filter_map(|process| peak_of(&process.path(), home, program))
        .max()
        .unwrap_or(0);
    u32::try_from(kilobytes).map_or(f64::INFINITY, |kilobytes| f64::from(kilobytes) / 1024.0)
}

fn peak_of(process: &Path, home: &Path, program: &str) -> Option<u64> {
    let name = std::fs::read_to_string(process.join("comm")).ok()?;
    if name.trim() != program {
        return None;
    }
    let words = std::fs::read_to_string(process.join("cmdline")).ok()?;
    words.contains(home.to_str()?).then_some(())?;
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
