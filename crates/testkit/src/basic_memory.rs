use std::path::PathBuf;

use crate::binaries::peer;

/// A published Basic Memory, by the version of its tenants and command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BasicMemory {
    V0_15_2,
    V0_24_1,
}

impl BasicMemory {
    pub const ALL: [Self; 2] = [Self::V0_15_2, Self::V0_24_1];

    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::V0_15_2 => "0.15.2",
            Self::V0_24_1 => "0.24.1",
        }
    }

    /// The two numbers by which an instance is told its generation.
    #[must_use]
    pub fn generation(self) -> &'static str {
        match self {
            Self::V0_15_2 => "0.15",
            Self::V0_24_1 => "0.24",
        }
    }
}

/// The environment that a Basic Memory is installed in; its programs are in `bin`.
///
/// # Panics
/// If it is not installed.
#[must_use]
pub fn basic_memory(which: BasicMemory) -> PathBuf {
    let folder = peer(&format!("basic-memory-{}", which.version()));
    // The last thing that an installation writes.
    assert!(
        folder.join("installed-from").is_file(),
        "no Basic Memory in {}: run `cargo xtask peers` (it needs Python 3.12 or newer)",
        folder.display()
    );
    folder
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{program, scratch};

    #[tokio::test]
    async fn both_generations_tell_their_version() {
        for which in BasicMemory::ALL {
            let home = scratch();
            let mut bm = program(basic_memory(which).join("bin/bm"))
                .arg("--version")
                .env_clear()
                .env("HOME", home.path())
                .env("PATH", "/usr/bin:/bin")
                .env("BASIC_MEMORY_NO_PROMOS", "1")
                .env("BASIC_MEMORY_AUTO_UPDATE", "false")
                .spawn();
            let told = bm.success(Duration::from_secs(120)).await;
            assert!(told.contains(which.version()), "{told}");
        }
    }
}
