//! What the app holds for itself alone, over a life of windows that open and close.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::bench::process::{cpu_seconds, tree};
use crate::child::{self, Companion, Input};
use crate::demo::desktop::Desktop;
use crate::demo::device::Device;
use crate::demo::menu::TrayMenu;

const SOON: Duration = Duration::from_secs(60);
/// Long enough for the first pass and for memory to be given back.
const REST: Duration = Duration::from_secs(8);

/// Private memory in MiB, of the app with all its children.
pub(super) struct Life {
    pub(super) never: f64,
    pub(super) open: f64,
    pub(super) closed: f64,
    pub(super) after: f64,
    pub(super) open_ms: f64,
    pub(super) idle_cpu_percent: f64,
    pub(super) processes: f64,
}

impl Life {
    pub(super) fn live(
        device: &Device,
        desktop: &Desktop,
        app: &Path,
        base: &Path,
        cycles: usize,
    ) -> Result<Self> {
        let app = start(device, desktop, app, &["--background"], base)?;
        let pid = app.pid();
        let menu = TrayMenu::find(device.bus_address())?;
        child::wait_for("an app that is up to date", SOON, || {
            let text = crate::demo::menu::lines(&menu.entries()?).join("\n");
            Ok(text.starts_with("Up to date").then_some(()))
        })?;
        std::thread::sleep(REST);
        let processes = tree(pid).len();
        let (busy, began) = (cpu_seconds(pid)?, Instant::now());
        std::thread::sleep(REST);
        let idle_cpu_percent = (cpu_seconds(pid)? - busy) / began.elapsed().as_secs_f64() * 100.0;
        let never = private_mib(pid)?;

        let mut slowest: f64 = 0.0;
        let mut turn = || -> Result<f64> {
            let began = Instant::now();
            menu.click("Open window")?;
            let window = desktop.window_of(pid)?;
            slowest = slowest.max(began.elapsed().as_secs_f64() * 1000.0);
            std::thread::sleep(REST / 4);
            let open = private_mib(pid)?;
            desktop.close_window(&window, pid)?;
            std::thread::sleep(REST / 4);
            Ok(open)
        };
        let open = turn()?;
        std::thread::sleep(REST);
        let closed = private_mib(pid)?;
        for _ in 1..cycles {
            turn()?;
        }
        std::thread::sleep(REST);
        Ok(Self {
            never,
            open,
            closed,
            after: private_mib(pid)?,
            open_ms: slowest,
            idle_cpu_percent,
            processes: u32::try_from(processes).map_or(f64::INFINITY, f64::from),
        })
    }
}

/// What another program holds for itself, and how many windows it shows.
pub(super) struct Held {
    pub(super) private: f64,
    pub(super) windows: usize,
}

/// The same of another program, a while after its icon came.
pub(super) fn of(
    device: &Device,
    desktop: &Desktop,
    program: &Path,
    arguments: &[&str],
    base: &Path,
) -> Result<Held> {
    let app = start(device, desktop, program, arguments, base)?;
    TrayMenu::find(device.bus_address())?;
    std::thread::sleep(REST);
    Ok(Held {
        private: private_mib(app.pid())?,
        windows: desktop.windows_of(app.pid())?,
    })
}

fn start(
    device: &Device,
    desktop: &Desktop,
    program: &Path,
    arguments: &[&str],
    base: &Path,
) -> Result<Companion> {
    let mut command = child::tied(program);
    device.dress(&mut command);
    desktop.dress(&mut command);
    command.args(arguments);
    let log = base.join("logs/life.log");
    Companion::start("the app", &mut command, Input::Nothing, &log)
}

fn private_mib(pid: u32) -> Result<f64> {
    let mut kilobytes = 0.0;
    for process in tree(pid) {
        let file = format!("/proc/{process}/smaps_rollup");
        let Ok(text) = std::fs::read_to_string(&file) else {
            // It ended meanwhile.
            continue;
        };
        kilobytes += private_kilobytes(&text)?;
    }
    Ok(kilobytes / 1024.0)
}

fn private_kilobytes(rollup: &str) -> Result<f64> {
    let mut sum = 0.0;
    for line in rollup.lines().filter(|line| line.starts_with("Private_")) {
        let number = line.split_whitespace().nth(1);
        let number: f64 = number.context("a line has a number")?.parse()?;
        sum += number;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_private() {
        let text =
            "Rss: 900 kB\nPrivate_Clean:  100 kB\nPrivate_Dirty: 20 kB\nShared_Dirty: 5 kB\n";
        assert_eq!(private_kilobytes(text).unwrap(), 120.0);
    }
}
