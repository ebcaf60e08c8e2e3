use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::child::{self, Companion, Input};
use crate::demo::desktop::Desktop;
use crate::demo::device::Device;
use crate::demo::menu::{self, TrayMenu};
use crate::dist::root::Root;
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
/// The tray is spoken over the bus: no package may ask for the library that others draw it with.
const NOT_NEEDED: &str = "appindicator";

/// Has the packer read the configuration of all systems, and sees that it would refuse a wrong one.
pub(super) fn configuration(repo: &Repo, packer: &Path) -> Result<()> {
    let wrong: [(&str, Value); 3] = [
        ("macOS", json!({ "minimumSystemVersion": 12 })),
        ("windows", json!({ "nsis": { "installMode": "nobody" } })),
        ("linux", json!({ "deb": { "section": [] } })),
    ];
    for (system, part) in wrong {
        let config = json!({ "bundle": { system: part } }).to_string();
        let mut command = run::command(repo.root(), ["node"]);
        command.arg(packer).args(["build", "--ci", "--config"]);
        let outcome = run::capture(command.arg(config), Show::OnFailure)?;
        let told = outcome.output.contains("tauri.conf.json") && outcome.output.contains("bundle");
        ensure!(
            !outcome.status.success() && told,
            "the packer takes a wrong configuration of {system}:\n{}",
            outcome.output
        );
    }
    println!("the packer checks the configuration of Linux, macOS and Windows");
    Ok(())
}

/// Installs the package into a root of its own, starts what is in it, and takes it away again.
pub(super) fn deb(repo: &Repo, package: &Path) -> Result<()> {
    let base = fresh(repo, "dist/deb")?;
    let root = base.join("root");
    let field = |name: &str| -> Result<String> {
        let mut command = run::command(repo.root(), ["dpkg-deb", "--field"]);
        let told = run::require(command.arg(package).arg(name), Show::OnFailure)?;
        Ok(told.trim().to_owned())
    };
    let depends = field("Depends")?;
    needs(&depends, "libwebkit2gtk-4.1-0")?;

    let database = root.join("var/lib/dpkg");
    for folder in ["info", "updates", "triggers"] {
        std::fs::create_dir_all(database.join(folder))?;
    }
    std::fs::write(database.join("status"), "")?;
    let dpkg = |words: &[&str], what: &OsStr| {
        let mut command = run::command(repo.root(), ["fakeroot", "dpkg"]);
        command.arg(format!("--root={}", root.display()));
        // What it needs is the system's; the root has nothing else.
        command.args(["--force-depends", "--force-not-root"]);
        run::require(command.args(words).arg(what), Show::OnFailure)
    };
    dpkg(&["--install"], package.as_os_str())?;
    is_whole(&root)?;
    let said = starts(repo, &base, "debian-computer", &Root::Files(&root))?;
    dpkg(&["--purge"], field("Package")?.as_ref())?;
    let left: Vec<&str> = NEEDED
        .into_iter()
        .filter(|file| root.join(file).exists())
        .collect();
    ensure!(left.is_empty(), "these stay after a removal: {left:?}");
    println!("the .deb, installed into a root of its own: {said}; removed again, nothing stays");
    println!("it needs {depends}");
    Ok(())
}

/// The same of a package for Fedora and its kin, as far as a Debian can.
pub(super) fn rpm(repo: &Repo, package: &Path) -> Result<()> {
    if !run::exists("rpm") {
        println!("the .rpm is not tried: there is no rpm here");
        return Ok(());
    }
    let base = fresh(repo, "dist/rpm")?;
    let root = base.join("root");
    std::fs::create_dir_all(&root)?;
    let mut query = run::command(repo.root(), ["rpm", "-qp", "--requires"]);
    let requires = run::require(query.arg(package), Show::OnFailure)?;
    needs(&requires, "libwebkit2gtk-4.1.so.0")?;
    let mut install = run::command(repo.root(), ["fakeroot", "rpm"]);
    install.arg(format!("--root={}", root.display()));
    install.args(["--install", "--nodeps", "--noscripts"]);
    run::require(install.arg(package), Show::OnFailure)?;
    is_whole(&root)?;
    let said = starts(repo, &base, "other-computer", &Root::Files(&root))?;
    println!("the .rpm, installed into a root of its own: {said}");
    Ok(())
}

pub(super) fn fresh(repo: &Repo, folder: &str) -> Result<PathBuf> {
    let base = repo.made(folder);
    remove_folder(&base)?;
    std::fs::create_dir_all(base.join("logs"))?;
    Ok(base)
}

fn needs(told: &str, library: &str) -> Result<()> {
    ensure!(
        told.contains(library),
        "the package does not say what it needs: {told}"
    );
    ensure!(
        !told.contains(NOT_NEEDED),
        "the package asks for what it does not use: {told}"
    );
    Ok(())
}

pub(super) fn is_whole(root: &Path) -> Result<()> {
    for file in NEEDED {
        ensure!(root.join(file).is_file(), "the package has no /{file}");
    }
    let entry = std::fs::read_to_string(root.join(NEEDED[2]))?;
    ensure!(
        entry.lines().any(|line| line == "Exec=basic-memory-tray"),
        "the desktop entry starts something else:\n{entry}"
    );
    ensure!(
        entry
            .lines()
            .any(|line| line == "Exec=basic-memory-tray --quit"),
        "the launcher offers no end:\n{entry}"
    );
    Ok(())
}

/// Starts what was installed on a display of its own, until its menu offers to sign in and its window
/// stands; leaves a picture of it.
pub(super) fn starts(repo: &Repo, base: &Path, name: &str, root: &Root<'_>) -> Result<String> {
    let device = Device::new(repo, base, name)?;
    let version = root.command_line().arg("--version").output();
    let version = version.context("the command line in the package does not start")?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    ensure!(
        version.starts_with("bm-cloud "),
        "the command line in the package does not tell its version: {version}"
    );
    let desktop = Desktop::start(&device, &base.join("logs"))?;
    let mut command = root.app(&device);
    device.dress(&mut command);
    desktop.dress(&mut command);
    let log = base.join("logs/app.log");
    let app = Companion::start("the packed app", &mut command, Input::Nothing, &log)?;
    let tray = TrayMenu::find(device.bus_address())?;
    child::wait_for("a menu that offers to sign in", SOON, || {
        let lines = menu::lines(&tray.entries()?);
        Ok(lines.iter().any(|line| line == "Sign in…").then_some(()))
    })?;
    desktop.wait_for_window(app.pid(), &base.join("window.png"))?;
    drop(app);
    Ok(format!(
        "{version} answers, the app shows its icon, its window, and offers to sign in"
    ))
}
