use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where this checkout is, and where things made from it go.
#[derive(Clone, Debug)]
pub(crate) struct Repo {
    root: PathBuf,
    /// Where cargo puts the programs that are shown or measured.
    programs: PathBuf,
}

impl Repo {
    /// Finds the checkout that cargo started us from.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .context("start this through cargo: `cargo xtask`")?;
        let root = Path::new(&manifest)
            .parent()
            .context("xtask is expected one folder below the root")?
            .to_path_buf();
        let build =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self {
            root,
            programs: build.join("debug"),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// What we make besides cargo's output: peers, stamps, reports.
    pub(crate) fn made(&self, path: &str) -> PathBuf {
        self.root.join("target").join(path)
    }

    /// A program of this workspace.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The same checkout, with programs of the release build.
    pub(crate) fn with_release_binaries(&self) -> Self {
        Self {
            root: self.root.clone(),
            programs: self.programs.with_file_name("release"),
        }
    }

    pub(crate) fn rclone(&self) -> PathBuf {
        self.made("peers/rclone")
    }
}
