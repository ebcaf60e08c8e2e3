use std::path::Path;

use anyhow::{Context, Result};

use super::check;
use super::root::Root;
use crate::peers;
use crate::repo::Repo;
use crate::run::{self, Show};

/// Makes the smallest Debian there is, has its own apt install the package with what it asks for, and
/// starts the app there.
pub(super) fn deb(repo: &Repo, package: &Path) -> Result<()> {
    if !peers::is_root(repo)? {
        println!("the .deb is not tried on a new Debian: only root can make one");
        return Ok(());
    }
    let base = check::fresh(repo, "dist/system")?;
    let root = base.join("root");
    let release = release()?;
    let words = ["debootstrap", "--variant=minbase", &release];
    let mut make = run::command(repo.root(), words);
    run::require(make.arg(&root), Show::OnFailure)?;
    std::fs::copy(package, root.join("package.deb"))?;
    std::fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf"))?;
    let mut install = run::command(repo.root(), ["chroot"]);
    install.arg(&root).args(["apt-get", "install", "-y"]);
    install.args(["--no-install-recommends", "/package.deb"]);
    run::require(&mut install, Show::OnFailure)?;
    check::is_whole(&root)?;
    let said = check::starts(repo, &base, "new-computer", &Root::System(&root))?;
    println!("the .deb, installed by apt on a new Debian ({release}): {said}");
    Ok(())
}

/// The name of the machine's own Debian, such as `bookworm`.
fn release() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release")?;
    let mut names = text
        .lines()
        .filter_map(|line| line.strip_prefix("VERSION_CODENAME="));
    names.next().map(str::to_owned).context("this is no Debian")
}
