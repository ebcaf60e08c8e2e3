use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::child::{self, Companion};
use crate::demo::desktop::Desktop;
use crate::demo::device::Device;
use crate::demo::menu::{self, TrayMenu};
use crate::demo::report::Details;

const SOON: Duration = Duration::from_secs(30);

/// Reads the tray menu over the bus and photographs it in the panel.
pub(crate) fn tray_menu(
    desktop: &Desktop,
    device: &Device,
    account: &str,
    folder: &Path,
    details: &mut Details,
) -> Result<TrayMenu> {
    let menu = TrayMenu::find(device.bus_address())?;
    let lines = child::wait_for("the menu to know the account", SOON, || {
        let lines = menu::lines(&menu.entries()?);
        let is_up = !lines.iter().any(|line| line.starts_with("Starting"));
        let knows = lines.iter().any(|line| line.contains(account));
        Ok((is_up && knows).then_some(lines))
    })?;
    let mut text = lines.join("\n");
    text.push('\n');
    std::fs::write(folder.join("tray-menu.txt"), &text)?;
    details.quote(&text);
    desktop.open_tray_menu(&folder.join("tray-menu.png"))?;
    desktop.close_menu()?;
    details.say("target/demo/tray-menu.txt, target/demo/tray-menu.png");
    Ok(menu)
}

/// Opens the window from the tray menu and photographs it.
pub(crate) fn window(
    desktop: &Desktop,
    app: &Companion,
    menu: &TrayMenu,
    folder: &Path,
    details: &mut Details,
) -> Result<()> {
    menu.click("Open window")?;
    let file = folder.join("window.png");
    desktop.wait_for_window(app.pid(), &file)?;
    details.say("target/demo/window.png");
    Ok(())
}
