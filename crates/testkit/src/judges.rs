use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::binaries::peer;
use crate::{Program, program};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/tests/judges");

/// A script for Node beside the judges' `package.json`, or anywhere if `script` is a whole path;
/// only scripts beside it find the installed modules.
///
/// # Panics
/// If the modules are not installed.
pub fn node(
    script: impl AsRef<Path>,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Program {
    link_modules().expect("the installed modules can be linked beside the scripts");
    program("node")
        .arg(Path::new(SCRIPTS).join(script))
        .args(args)
}

/// A script for the Python that has the judges installed, found as [`node`] finds its own.
///
/// # Panics
/// If the judges are not installed.
pub fn python(
    script: impl AsRef<Path>,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Program {
    program(installed("venv/bin/python"))
        .arg(Path::new(SCRIPTS).join(script))
        .args(args)
}

/// A program that is installed with the judges written in Python, such as `schemathesis`.
///
/// # Panics
/// If it is not installed.
pub fn python_program(name: &str) -> Program {
    program(installed(&format!("venv/bin/{name}")))
}

fn installed(name: &str) -> PathBuf {
    let path = peer(name);
    assert!(
        path.exists(),
        "no {} : run `cargo xtask peers`",
        path.display()
    );
    path
}

/// Modules are looked for beside the script; they are installed once for all worktrees elsewhere.
#[cfg(unix)]
fn link_modules() -> io::Result<()> {
    installed("judges/node_modules");
    let target = "../../../../target/peers/judges/node_modules";
    match std::os::unix::fs::symlink(target, Path::new(SCRIPTS).join("node_modules")) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

#[cfg(not(unix))]
fn link_modules() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn scripts_find_the_installed_judges() {
        let folder = crate::scratch();
        let script = folder.path().join("versions.py");
        std::fs::write(
            &script,
            "import importlib.metadata as m, sys\nprint(m.version('PyJWT'), sys.argv[1])\n",
        )
        .unwrap();
        let mut python = python(&script, ["one"]).spawn();
        assert_eq!(python.success(SOON).await, "2.15.1 one\n");
        let mut node = node("versions.mjs", ["jose", "oidc-provider"]).spawn();
        assert_eq!(
            node.success(SOON).await,
            "jose 6.2.17\noidc-provider 9.13.3\n"
        );
    }
}
