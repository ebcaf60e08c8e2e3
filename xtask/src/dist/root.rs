use std::path::Path;
use std::process::Command;

use crate::child;
use crate::demo::device::Device;

/// Shows folders of the machine inside another system, and becomes a program there. The mounts end with
/// the program.
const ENTER: &str = r#"set -e
root=$1; shift
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --bind "$1" "$root$1"; shift; done
shift
exec chroot "$root" "$@""#;

/// Where a package was installed.
pub(super) enum Root<'a> {
    /// Its files alone; the libraries are the machine's.
    Files(&'a Path),
    /// A whole system.
    System(&'a Path),
}

impl Root<'_> {
    pub(super) fn command_line(&self) -> Command {
        match self {
            Self::Files(root) => Command::new(root.join("usr/bin/bm-cloud")),
            Self::System(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg("/usr/bin/bm-cloud");
                command
            }
        }
    }

    /// The app, for a device's display and bus, whose sockets are in `/tmp`.
    pub(super) fn app(&self, device: &Device) -> Command {
        match self {
            Self::Files(root) => child::tied(root.join("usr/bin/basic-memory-tray")),
            Self::System(root) => {
                let mut command = child::tied("unshare");
                command.args(["--mount", "sh", "-c", ENTER, "sh"]);
                command.args([root, Path::new("/tmp"), device.home(), device.runtime()]);
                command.args(["--", "/usr/bin/basic-memory-tray"]);
                command
            }
        }
    }
}
