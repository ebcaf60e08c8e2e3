use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::child::{self, Companion, Input};
use crate::demo::desktop::Desktop;
use crate::demo::device::Device;
use crate::demo::menu::{self, TrayMenu};
use crate::peers::remove_folder;
use crate::repo::Repo;
use crate::run::{self, Show};

const SOON: Duration = Duration::from_secs(30);
const NEEDED: [&str; 5] = [
    "usr/bin/basic-memory-tray",
    "usr/bin/bm-cloud",
    "usr/share/applications/Basic Memory.desktop",
    "usr/share/icons/hicolor/32x32/apps/basic-memory-tray.png",
    "usr/share/icons/hicolor/128x128/apps/basic-memory-tray.png",
];

/// Unpacks the package into a root of its own and starts what is in it.
pub(super) fn deb(repo: &Repo, package: &Path) -> Result<()> {
    let base = repo.made("dist");
    remove_folder(&base)?;
    std::fs::create_dir_all(base.join("logs"))?;
    let root = base.join("root");
    let mut unpack = run::command(repo.root(), ["dpkg-deb", "--extract"]);
    run::require(unpack.arg(package).arg(&root), Show::OnFailure)?;
    for file in NEEDED {
        ensure!(root.join(file).is_file(), "the package has no /{file}");
    }
    let mut control = run::command(repo.root(), ["dpkg-deb", "--field"]);
    let depends = run::require(control.arg(package).arg("Depends"), Show::OnFailure)?;
    ensure!(
        depends.contains("libwebkit2gtk-4.1-0"),
        "the package does not say what it needs: {depends}"
    );
    let entry = std::fs::read_to_string(root.join(NEEDED[2]))?;
    ensure!(
        entry.lines().any(|line| line == "Exec=basic-memory-tray"),
        "the desktop entry starts something else:\n{entry}"
    );

    let device = Device::new(repo, &base, "new-computer")?;
    let version = Command::new(root.join(NEEDED[1]))
        .arg("--version")
        .output()?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let desktop = Desktop::start(&device, &base.join("logs"))?;
    let mut command = child::tied(root.join(NEEDED[0]));
    device.dress(&mut command);
    desktop.dress(&mut command);
    command.arg("--background");
    let log = base.join("logs/app.log");
    let app = Companion::start("the packed app", &mut command, Input::Nothing, &log)?;
    let tray = TrayMenu::find(device.bus_address())?;
    child::wait_for("a menu that offers to sign in", SOON, || {
        let lines = menu::lines(&tray.entries()?);
        Ok(lines.iter().any(|line| line == "Sign in…").then_some(()))
    })?;
    drop(app);
    println!("unpacked into a root of its own: {version} answers, the app shows its icon");
    println!("needs {}", depends.trim());
    Ok(())
}
