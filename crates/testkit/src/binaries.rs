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
    let own = target()
        .join("peers")
        .join(format!("rclone{}", std::env::consts::EXE_SUFFIX));
    assert!(
        own.is_file(),
        "no rclone at {}: run `cargo xtask peers`",
        own.display()
    );
    own
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

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    )
}
