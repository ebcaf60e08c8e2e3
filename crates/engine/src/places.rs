use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

/// The folders of one user's installation. Nothing of ours is kept anywhere else, except the
/// side folder that a pair on another file system needs beside its vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Settings a person may edit; no secrets.
    pub config: PathBuf,
    /// `state.db`, work folders, logs.
    pub state: PathBuf,
    /// History and the app's own rclone.
    pub data: PathBuf,
    /// Only what may be lost.
    pub cache: PathBuf,
    /// Sockets and locks; gone after a reboot.
    pub runtime: PathBuf,
}

const APP: &str = "basic-memory-cloud";

impl Places {
    /// Resolves the folders by the XDG rules on Linux and by custom elsewhere. `lookup` reads an
    /// environment variable; `None` if no home folder is known.
    pub fn resolve(lookup: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let absolute = |name: &str| {
            lookup(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = absolute("HOME").or_else(|| absolute("USERPROFILE"))?;
        if cfg!(windows) {
            let local = absolute("LOCALAPPDATA").unwrap_or_else(|| home.join("AppData/Local"));
            let roaming = absolute("APPDATA").unwrap_or_else(|| home.join("AppData/Roaming"));
            let base = local.join(APP);
            return Some(Self {
                config: roaming.join(APP),
                state: base.join("state"),
                data: base.join("data"),
                cache: base.join("cache"),
                runtime: base.join("run"),
            });
        }
        let xdg = |name: &str, fallback: &str| {
            absolute(name)
                .unwrap_or_else(|| home.join(fallback))
                .join(APP)
        };
        let state = xdg("XDG_STATE_HOME", ".local/state");
        let runtime =
            absolute("XDG_RUNTIME_DIR").map_or_else(|| state.join("run"), |path| path.join(APP));
        Some(Self {
            config: xdg("XDG_CONFIG_HOME", ".config"),
            data: xdg("XDG_DATA_HOME", ".local/share"),
            cache: xdg("XDG_CACHE_HOME", ".cache"),
            state,
            runtime,
        })
    }

    /// Makes the folders, readable by their owner only.
    pub(crate) fn create(&self) -> io::Result<()> {
        for path in [
            &self.config,
            &self.state,
            &self.data,
            &self.cache,
            &self.runtime,
        ] {
            create_private(path)?;
        }
        Ok(())
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.state.join("state.db")
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    pub(crate) fn engine_lock(&self) -> PathBuf {
        self.state.join("engine.lock")
    }

    /// What is known of the programs that were asked for their version.
    pub(crate) fn known_programs(&self) -> PathBuf {
        self.cache.join("rclone.json")
    }

    /// Where the app keeps its own rclone.
    pub fn own_rclone(&self) -> PathBuf {
        self.data.join("rclone")
    }
}

/// Makes a folder and its parents, the last one for its owner only.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn follows_xdg_and_ignores_relative_values() {
        let places = Places::resolve(|name| match name {
            "HOME" => Some("/home/ana".into()),
            "XDG_CONFIG_HOME" => Some("/etc/ana".into()),
            "XDG_CACHE_HOME" => Some("relative".into()),
            _ => None,
        })
        .unwrap();
        assert_eq!(places.config, PathBuf::from("/etc/ana/basic-memory-cloud"));
        assert_eq!(
            places.cache,
            PathBuf::from("/home/ana/.cache/basic-memory-cloud")
        );
        assert_eq!(places.runtime, places.state.join("run"));
    }

    #[test]
    fn knows_no_places_without_a_home() {
        assert_eq!(Places::resolve(|_| None), None);
    }
}
