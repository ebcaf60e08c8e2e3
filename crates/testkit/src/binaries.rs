use std::path::{Path, PathBuf};

/// The rclone that tests run: `RCLONE_BIN`, else `target/peers/rclone` of the workspace.
///
/// # Panics
/// If there is neither.
#[must_use]
pub fn rclone() -> PathBuf {
    if let Some(path) = std::env::var_os("RCLONE_BIN") {
        return PathBuf::from(path);
    }
    let own = peer(&format!("rclone{}", std::env::consts::EXE_SUFFIX));
    assert!(
        own.is_file(),
        "no rclone at {}: run `cargo xtask peers`",
        own.display()
    );
    own
}

/// Where `cargo xtask peers` puts things. Not below `CARGO_TARGET_DIR`: worktrees share it.
pub(crate) fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/peers")
        .join(name)
}

/// A binary of this workspace, as built beside the running test.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn bin(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("a test lies in target/*/deps");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "no {} built: run `cargo build --workspace` first",
        path.display()
    );
    path
}
