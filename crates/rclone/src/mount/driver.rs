use std::fmt;
use std::path::{Path, PathBuf};

/// What takes away a mount whose daemon is gone: programs with their option, in order.
pub(super) const DETACHERS: &[(&str, &str)] = if cfg!(target_os = "macos") {
    &[
        ("/sbin/umount", "-f"),
        ("/usr/sbin/diskutil", "unmount"),
        ("/sbin/umount", "-f"),
    ]
} else if cfg!(windows) {
    // A drive is gone with its daemon, and that with us.
    &[]
} else {
    &[
        ("/usr/bin/fusermount3", "-uz"),
        ("/bin/fusermount3", "-uz"),
        ("/usr/bin/fusermount", "-uz"),
    ]
};

/// How a bucket is shown as a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The kernel's FUSE.
    Fuse,
    /// rclone as an NFS server on loopback, mounted by the system.
    Nfs,
    /// FUSE for Windows.
    WinFsp,
}

impl Driver {
    /// As rclone's `mount/mount` names it.
    pub(super) fn mount_type(self) -> &'static str {
        match self {
            Self::Fuse => "mount",
            Self::Nfs => "nfsmount",
            Self::WinFsp => "cmount",
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fuse => "FUSE",
            Self::Nfs => "NFS",
            Self::WinFsp => "WinFsp",
        })
    }
}

/// What this machine has none of. The message says what is missing, the hint how to get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverMissing {
    #[error("this system has no FUSE (/dev/fuse is missing)")]
    FuseDevice,
    #[error("the program fusermount3 is missing")]
    Fusermount,
    /// rclone has no NFS server on Windows: its `mount/types` names `cmount` alone.
    #[error("the driver WinFsp is missing")]
    WinFsp,
    #[error("drives are not possible on this system yet")]
    System,
}

impl DriverMissing {
    /// What a person can do.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::FuseDevice => {
                "Load the kernel module `fuse`; in a container, give it /dev/fuse. Folders sync without it."
            }
            Self::Fusermount => {
                "Install the package `fuse3`, for example with `sudo apt install fuse3`. Folders sync without it."
            }
            Self::WinFsp => {
                "Install WinFsp, for example with `winget install WinFsp.WinFsp`. Folders sync without it."
            }
            Self::System => "Folders sync without it.",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    Linux,
    MacOs,
    Windows,
    Other,
}

/// What the choice of a driver depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformFacts {
    pub system: System,
    /// `/dev/fuse`, where it is there.
    pub fuse_device: Option<PathBuf>,
    /// `fusermount3` or its elder, where it is there.
    pub fusermount: Option<PathBuf>,
    /// The folder of `WinFsp`, where it is installed.
    pub winfsp: Option<PathBuf>,
}

impl PlatformFacts {
    /// Looks at this machine.
    #[must_use]
    pub fn look() -> Self {
        let first = |paths: &[&str]| {
            let mut found = paths.iter().map(Path::new);
            found.find(|path| path.exists()).map(Path::to_owned)
        };
        let system = if cfg!(target_os = "linux") {
            System::Linux
        } else if cfg!(target_os = "macos") {
            System::MacOs
        } else if cfg!(windows) {
            System::Windows
        } else {
            System::Other
        };
        Self {
            system,
            fuse_device: first(&["/dev/fuse"]),
            fusermount: first(&[
                "/usr/bin/fusermount3",
                "/bin/fusermount3",
                "/usr/local/bin/fusermount3",
                "/usr/bin/fusermount",
                "/bin/fusermount",
            ]),
            winfsp: first(&[r"C:\Program Files (x86)\WinFsp", r"C:\Program Files\WinFsp"]),
        }
    }

    /// The driver to mount with.
    ///
    /// # Errors
    /// What is missing.
    pub fn driver(&self) -> Result<Driver, DriverMissing> {
        match self.system {
            System::Linux => match (&self.fuse_device, &self.fusermount) {
                (None, _) => Err(DriverMissing::FuseDevice),
                (Some(_), None) => Err(DriverMissing::Fusermount),
                (Some(_), Some(_)) => Ok(Driver::Fuse),
            },
            // No kernel extension is asked for.
            System::MacOs => Ok(Driver::Nfs),
            System::Windows => match self.winfsp {
                Some(_) => Ok(Driver::WinFsp),
                None => Err(DriverMissing::WinFsp),
            },
            System::Other => Err(DriverMissing::System),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_follows_from_the_machine() {
        let facts = |system, fuse: [bool; 2], winfsp: bool| PlatformFacts {
            system,
            fuse_device: fuse[0].then(|| "/dev/fuse".into()),
            fusermount: fuse[1].then(|| "/usr/bin/fusermount3".into()),
            winfsp: winfsp.then(|| "w".into()),
        };
        let none = [false, false];
        for (facts, expected) in [
            (facts(System::Linux, [true, true], false), Ok(Driver::Fuse)),
            (
                facts(System::Linux, [false, true], false),
                Err(DriverMissing::FuseDevice),
            ),
            (
                facts(System::Linux, [true, false], false),
                Err(DriverMissing::Fusermount),
            ),
            (facts(System::MacOs, none, false), Ok(Driver::Nfs)),
            (facts(System::Windows, none, true), Ok(Driver::WinFsp)),
            (
                facts(System::Windows, none, false),
                Err(DriverMissing::WinFsp),
            ),
            (
                facts(System::Other, [true, true], true),
                Err(DriverMissing::System),
            ),
        ] {
            assert_eq!(facts.driver(), expected, "{facts:?}");
        }
    }
}
