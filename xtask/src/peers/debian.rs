use std::path::Path;

use anyhow::{Result, bail};

use super::python;
use crate::repo::Repo;
use crate::run::{self, Show};

/// What the programs are compiled with.
pub(super) const BUILD: &[&str] = &[
    "build-essential",
    "file",
    "libayatana-appindicator3-dev",
    "librsvg2-dev",
    "libssl-dev",
    "libwebkit2gtk-4.1-dev",
    "libxdo-dev",
    "patchelf",
    "pkg-config",
];

/// What the tests run against: a display and a look at its windows, a bus, a keyring, a driven
/// web view, a bus for screen readers; what mounts folders; what shows system calls.
pub(super) const TEST: &[&str] = &[
    "at-spi2-core",
    "dbus",
    "fonts-dejavu-core",
    "fuse3",
    "gnome-keyring",
    "libayatana-appindicator3-1",
    "libglib2.0-bin",
    "strace",
    "systemd",
    "webkit2gtk-driver",
    "xdotool",
    "xvfb",
];

/// What the server's tests and benchmarks hold it against. Tests start clusters and proxies of
/// their own; the machine's own ones are left alone.
pub(super) const JUDGES: &[&str] = &["chromium", "nginx", "postgresql", "wrk"];

/// What packages are installed with, into a root of their own and on a new system.
pub(super) const PACKAGES: &[&str] = &["debootstrap", "fakeroot", "rpm"];

/// Other programs that keep two folders the same.
pub(super) const NEIGHBORS: &[&str] = &["syncthing", "unison"];

/// Other tray apps that keep folders the same.
pub(super) const TRAYS: &[&str] = &["nextcloud-desktop", "syncthingtray"];

/// What pictures of the window and of the tray in a real panel need.
pub(super) const PICTURES: &[&str] = &[
    "adwaita-icon-theme",
    "hicolor-icon-theme",
    "imagemagick",
    "openbox",
    "xfce4-panel",
    "xfconf",
];

/// Installs what is missing of these lists, and a Python that can install its packages.
pub(super) fn install(repo: &Repo, lists: &[&[&str]]) -> Result<()> {
    let mut wanted: Vec<&str> = lists.iter().flat_map(|list| list.iter().copied()).collect();
    wanted.extend(python::packages_for_pip(repo.root()));
    if lists.contains(&JUDGES) && python::with_venv(repo.root()).is_none() {
        wanted.extend(["python3", "python3-venv"]);
    }
    if !run::exists("dpkg-query") {
        eprintln!("note: this is no Debian system; the equivalents of these are needed:");
        eprintln!("  {}", wanted.join(" "));
        return Ok(());
    }
    let missing = missing_packages(repo.root(), &wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!(
        "apt-get install -y --no-install-recommends {}",
        missing.join(" ")
    );
    if !is_root(repo.root())? {
        bail!(
            "Debian packages are missing. Run this, then start again:\n\n  sudo apt-get update && sudo {install}\n"
        );
    }
    println!("installing Debian packages: {}", missing.join(" "));
    apt(repo.root(), "apt-get update -q")?;
    apt(repo.root(), &install)
}

fn apt(folder: &Path, line: &str) -> Result<()> {
    let mut command = run::command(folder, line.split(' '));
    command.env("DEBIAN_FRONTEND", "noninteractive");
    run::require(&mut command, Show::OnFailure).map(drop)
}

fn missing_packages<'a>(folder: &Path, wanted: &[&'a str]) -> Result<Vec<&'a str>> {
    let query = ["dpkg-query", "-W", "-f=${Package}\t${db:Status-Status}\n"];
    let mut command = run::command(folder, query.iter().chain(wanted));
    // It exits 1 when it knows one of the names not at all, and still tells of the others.
    let known = run::capture(&mut command, Show::OnFailure)?.output;
    Ok(not_installed(&known, wanted))
}

fn not_installed<'a>(known: &str, wanted: &[&'a str]) -> Vec<&'a str> {
    let is_installed = |name: &&str| {
        known
            .lines()
            .any(|line| line.split_once('\t') == Some((name, "installed")))
    };
    wanted
        .iter()
        .copied()
        .filter(|name| !is_installed(name))
        .collect()
}

pub(super) fn is_root(folder: &Path) -> Result<bool> {
    let id = run::require(&mut run::command(folder, ["id", "-u"]), Show::OnFailure)?;
    Ok(id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_removed_or_unknown_package_as_missing() {
        let known = "xvfb\tinstalled\ndbus\tconfig-files\ndpkg-query: no packages found\n";
        assert_eq!(
            not_installed(known, &["xvfb", "dbus", "openbox"]),
            ["dbus", "openbox"]
        );
    }
}
