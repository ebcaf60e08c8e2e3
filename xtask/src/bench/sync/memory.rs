use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Watches the memory of every rclone that works for one device.
pub(crate) struct Memory {
    stop: Arc<AtomicBool>,
    watch: Option<JoinHandle<u64>>,
}

impl Memory {
    /// `folder` is the device's notes folder; its engine keeps its mirror beside it.
    pub(crate) fn watch(folder: &Path) -> Self {
        let home = folder.parent().unwrap_or(folder).to_path_buf();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watch = std::thread::spawn(move || {
            let mut most = 0;
            while !stopped.load(Ordering::Relaxed) {
                most = most.max(peak_kilobytes(&home));
                std::thread::sleep(Duration::from_millis(100));
            }
            most
        });
        Self {
            stop,
            watch: Some(watch),
        }
    }

    /// The most that one rclone held, in MB; `None` if none was seen.
    pub(crate) fn peak(mut self) -> Option<f64> {
        self.stop.store(true, Ordering::Relaxed);
        let most = self.watch.take()?.join().ok()?;
        let most = u32::try_from(most).ok().filter(|most| *most > 0)?;
        Some(f64::from(most) / 1024.0)
    }
}

fn peak_kilobytes(home: &Path) -> u64 {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| peak_of(&process.path(), home))
        .max()
        .unwrap_or(0)
}

fn peak_of(process: &Path, home: &Path) -> Option<u64> {
    let name = std::fs::read_to_string(process.join("comm")).ok()?;
    if name.trim() != "rclone" {
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
