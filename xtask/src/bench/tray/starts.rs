use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::child::{self, Companion, Input};
use crate::demo::desktop::Desktop;
use crate::demo::device::Device;

const SOON: Duration = Duration::from_secs(30);
const REGISTERS: &str = "type='method_call',interface='org.kde.StatusNotifierWatcher',member='RegisterStatusNotifierItem'";

/// Hears on the bus when an icon registers; the bus stamps each message with its time.
pub(super) struct Starts<'a> {
    device: &'a Device,
    desktop: &'a Desktop,
    monitor: Companion,
    log: PathBuf,
}

impl<'a> Starts<'a> {
    pub(super) fn watch(device: &'a Device, desktop: &'a Desktop, base: &Path) -> Result<Self> {
        let mut command = child::tied("dbus-monitor");
        device.dress(&mut command);
        command.args(["--address", device.bus_address(), REGISTERS]);
        let log = base.join("logs/dbus-monitor.log");
        let monitor = Companion::start("dbus-monitor", &mut command, Input::Nothing, &log)?;
        // It tells of its own name before it listens.
        monitor.line(SOON)?;
        Ok(Self {
            device,
            desktop,
            monitor,
            log: base.join("logs/start.log"),
        })
    }

    /// Milliseconds from the start of the process to its icon.
    pub(super) fn measure(&mut self, program: &Path, arguments: &[&str]) -> Result<f64> {
        let mut command = child::tied(program);
        self.device.dress(&mut command);
        self.desktop.dress(&mut command);
        command.args(arguments);
        let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let mut app = Companion::start("the app", &mut command, Input::Nothing, &self.log)?;
        let at = loop {
            let line = self.monitor.line(SOON)?;
            if line.contains("RegisterStatusNotifierItem") {
                let at = registered_at(&line)?;
                // An icon that came before is another program's.
                if at >= began {
                    break at;
                }
            }
        };
        app.stop();
        Ok((at - began) * 1000.0)
    }
}

fn registered_at(line: &str) -> Result<f64> {
    let time = line.split_once("time=").map(|(_, rest)| rest);
    let time = time.and_then(|rest| rest.split(' ').next());
    time.context("the bus stamps messages")?
        .parse()
        .context("a time is a number of seconds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_time_of_a_message() {
        let line = "method call time=1763799999.250000 sender=:1.7 -> destination=org.kde.StatusNotifierWatcher serial=5 path=/StatusNotifierWatcher; interface=org.kde.StatusNotifierWatcher; member=RegisterStatusNotifierItem";
        assert_eq!(registered_at(line).unwrap(), 1_763_799_999.25);
        assert!(registered_at("signal").is_err());
    }
}
