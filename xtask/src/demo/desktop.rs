use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::child::{self, Companion, Input};
use crate::demo::bus;
use crate::demo::device::Device;

const SOON: Duration = Duration::from_secs(30);
/// Where the panel shows the first tray icon.
const TRAY_ICON: (&str, &str) = ("16", "16");

/// What is in a picture.
#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Window(&'a str),
    /// The corner of the screen where the panel's tray and its menu are.
    Tray,
}

/// A virtual display with a window manager and a panel that has a tray, on a device's bus.
pub(crate) struct Desktop {
    display: String,
    // Dropped in this order.
    _panel: Companion,
    _windows: Companion,
    _screen: Companion,
}

impl Desktop {
    pub(crate) fn start(device: &Device, logs: &Path) -> Result<Self> {
        let mut command = child::tied("Xvfb");
        device.dress(&mut command);
        command.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1280x800x24",
            "-nolisten",
            "tcp",
        ]);
        let screen =
            Companion::start("Xvfb", &mut command, Input::Nothing, &logs.join("xvfb.log"))?;
        let display = format!(":{}", screen.line(SOON)?.trim());

        let start = |program: &str, arguments: &[&str]| {
            let mut command = child::tied(program);
            device.dress(&mut command);
            dress_for(&mut command, &display);
            command.args(arguments);
            let log = logs.join(format!("{program}.log"));
            Companion::start(program, &mut command, Input::Nothing, &log)
        };
        let windows = start("openbox", &[])?;
        write_panel_settings(device.home())?;
        let panel = start("xfce4-panel", &["--disable-wm-check"])?;
        bus::wait_for_owner(device.bus_address(), "org.kde.StatusNotifierWatcher")?;
        Ok(Self {
            display,
            _panel: panel,
            _windows: windows,
            _screen: screen,
        })
    }

    /// Lets a command show its windows here.
    pub(crate) fn dress(&self, command: &mut Command) {
        dress_for(command, &self.display);
    }

    /// Waits for a window of the process and for its contents to stand still.
    pub(crate) fn wait_for_window(&self, pid: u32, scratch: &Path) -> Result<()> {
        let pid = pid.to_string();
        let mut last = 0;
        let mut window = String::new();
        child::wait_for("the window", SOON, || {
            let found = self.xdotool(&["search", "--onlyvisible", "--pid", &pid])?;
            let Some(first) = found.lines().next() else {
                return Ok(None);
            };
            first.clone_into(&mut window);
            Ok(Some(()))
        })?;
        child::wait_for("the window to be painted", SOON, || {
            std::thread::sleep(Duration::from_millis(400));
            self.photograph(Part::Window(&window), scratch)?;
            let size = std::fs::metadata(scratch)?.len();
            // A window with nothing in it yet compresses to almost nothing.
            let still = size == last && size > 6_000;
            last = size;
            Ok(still.then_some(()))
        })
    }

    /// Waits for a window of the process.
    pub(crate) fn window_of(&self, pid: u32) -> Result<String> {
        let pid = pid.to_string();
        child::wait_for("the window", SOON, || {
            let found = self.xdotool(&["search", "--onlyvisible", "--pid", &pid])?;
            Ok(found.lines().next().map(str::to_owned))
        })
    }

    /// How many windows of the process are to be seen now.
    pub(crate) fn windows_of(&self, pid: u32) -> Result<usize> {
        let found = self.xdotool(&["search", "--onlyvisible", "--pid", &pid.to_string()])?;
        Ok(found.lines().count())
    }

    /// Closes a window with the keys of the window manager, and waits until it is gone.
    pub(crate) fn close_window(&self, window: &str, pid: u32) -> Result<()> {
        let keys = ["key", "--clearmodifiers", "alt+F4"];
        let mut words = vec!["windowactivate", "--sync", window];
        words.extend(keys);
        self.xdotool(&words)?;
        let pid = pid.to_string();
        child::wait_for("the window to close", SOON, || {
            let found = self.xdotool(&["search", "--onlyvisible", "--pid", &pid])?;
            Ok(found.trim().is_empty().then_some(()))
        })
    }

    /// Opens the tray icon's menu with the right button; the left one opens the window.
    pub(crate) fn open_tray_menu(&self, scratch: &Path) -> Result<()> {
        let (x, y) = TRAY_ICON;
        self.photograph(Part::Tray, scratch)?;
        let before = std::fs::read(scratch)?;
        self.xdotool(&["mousemove", x, y, "click", "3"])?;
        child::wait_for("the tray menu to open", SOON, || {
            std::thread::sleep(Duration::from_millis(400));
            self.photograph(Part::Tray, scratch)?;
            Ok((std::fs::read(scratch)? != before).then_some(()))
        })
    }

    pub(crate) fn close_menu(&self) -> Result<()> {
        self.xdotool(&["key", "Escape"]).map(drop)
    }

    fn photograph(&self, part: Part<'_>, file: &Path) -> Result<()> {
        let (window, crop) = match part {
            Part::Window(id) => (id, None),
            Part::Tray => ("root", Some("480x420+0+0")),
        };
        let mut command = Command::new("import");
        command
            .env("DISPLAY", &self.display)
            .args(["-silent", "-window", window]);
        if let Some(crop) = crop {
            command.args(["-crop", crop, "+repage"]);
        }
        // Without these chunks equal pictures are equal files.
        command
            .args(["-define", "png:exclude-chunks=date,time"])
            .arg(file);
        let output = command
            .output()
            .context("could not start import (of ImageMagick)")?;
        anyhow::ensure!(
            output.status.success(),
            "no picture was taken: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    fn xdotool(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("xdotool")
            .env("DISPLAY", &self.display)
            .args(arguments)
            .output()
            .context("could not start xdotool")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn dress_for(command: &mut Command, display: &str) {
    command
        .env("DISPLAY", display)
        .env("GDK_BACKEND", "x11")
        .env("NO_AT_BRIDGE", "1")
        .env_remove("WAYLAND_DISPLAY");
}

/// One panel at the top, with nothing but the tray.
fn write_panel_settings(home: &Path) -> Result<()> {
    const SETTINGS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="32"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
  </property>
</channel>
"#;
    let folder = home.join(".config/xfce4/xfconf/xfce-perchannel-xml");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("xfce4-panel.xml"), SETTINGS)?;
    Ok(())
}
