//! What speaks against a folder for notes. Nothing is written to find out.

use std::path::Path;

use crate::disk::{self, DiskKind};
use crate::vault::{SidePlace, foresee};
use crate::view::FolderWarning;

/// What the disk below a folder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) free_bytes: u64,
    kind: DiskKind,
}

/// Looks at the folder, or at the nearest one above it that is there.
pub(super) fn look(folder: &Path) -> Disk {
    let there = folder.ancestors().find(|place| place.exists());
    let Some(place) = there else {
        return Disk {
            free_bytes: 0,
            kind: DiskKind::Local,
        };
    };
    Disk {
        free_bytes: disk::room(place).map_or(0, |room| room.free),
        kind: disk::kind(place),
    }
}

pub(super) fn warnings(
    folder: &Path,
    side_home: &Path,
    disk: &Disk,
    files: usize,
    to_come: u64,
) -> Vec<FolderWarning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| {
        warnings.push(FolderWarning {
            code: code.to_owned(),
            message,
        });
    };
    if let Some(tool) = sync_tool(folder) {
        let message = format!("{tool} syncs it too; the two would carry each other's changes");
        warn("syncTool", message);
    }
    match disk.kind {
        DiskKind::Network => warn(
            "networkDisk",
            "It is on a network disk: changes made elsewhere are seen late".to_owned(),
        ),
        DiskKind::WithoutLinks => warn(
            "noHardLinks",
            "Its disk has no hard links: sync copies each note that changed, and is slower"
                .to_owned(),
        ),
        DiskKind::Local => {}
    }
    if let Ok(SidePlace::Beside(parent)) = foresee(folder, side_home) {
        let message = format!(
            "It is on a disk of its own: sync makes a hidden folder for its work in {}",
            parent.display()
        );
        warn("sideFolder", message);
    }
    if files > 0 {
        let message = format!("It is not empty: {files} files take part in the first sync");
        warn("notEmpty", message);
    }
    if to_come > disk.free_bytes {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let message = format!(
            "{} MiB would be downloaded, but the disk has {} MiB left",
            mib(to_come),
            mib(disk.free_bytes)
        );
        warn("noSpace", message);
    }
    warnings
}

/// The sync program that a folder belongs to, told by what such programs leave in their folders
/// or how they name them.
fn sync_tool(folder: &Path) -> Option<&'static str> {
    const MARKS: [(&str, &str); 10] = [
        (".stfolder", "Syncthing"),
        (".dropbox", "Dropbox"),
        (".dropbox.cache", "Dropbox"),
        (".nextcloudsync.log", "Nextcloud"),
        (".owncloudsync.log", "ownCloud"),
        (".sync-exclude.lst", "Nextcloud"),
        (".tmp.drivedownload", "Google Drive"),
        (".tmp.driveupload", "Google Drive"),
        (".seafile-data", "Seafile"),
        (".pcloud", "pCloud"),
    ];
    const NAMES: [(&str, &str); 6] = [
        ("Dropbox", "Dropbox"),
        ("OneDrive", "OneDrive"),
        ("com~apple~CloudDocs", "iCloud Drive"),
        ("iCloudDrive", "iCloud Drive"),
        ("Google Drive", "Google Drive"),
        ("Nextcloud", "Nextcloud"),
    ];
    folder.ancestors().find_map(|place| {
        let mark = MARKS.iter().find(|(mark, _)| place.join(mark).exists());
        let name = place.file_name().and_then(|name| name.to_str());
        let named = NAMES
            .iter()
            .find(|(known, _)| name.is_some_and(|name| name == *known));
        mark.or(named).map(|(_, tool)| *tool)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Disk = Disk {
        free_bytes: 1 << 30,
        kind: DiskKind::Local,
    };

    fn codes(folder: &Path, disk: &Disk, files: usize, to_come: u64) -> String {
        let side_home = folder.parent().unwrap().join("data");
        let found = warnings(folder, &side_home, disk, files, to_come);
        let codes: Vec<String> = found.into_iter().map(|warning| warning.code).collect();
        codes.join(" ")
    }

    #[test]
    fn names_each_thing_that_speaks_against_a_folder() {
        let home = tempfile::tempdir().unwrap();
        let notes = home.path().join("Notes");
        assert_eq!(codes(&notes, &FINE, 0, 10), "");
        assert_eq!(codes(&notes, &FINE, 3, 10), "notEmpty");
        assert_eq!(codes(&notes, &FINE, 0, 2 << 30), "noSpace");
        let disk = |kind| Disk { kind, ..FINE };
        let network = disk(DiskKind::Network);
        assert_eq!(codes(&notes, &network, 0, 0), "networkDisk");
        let stick = disk(DiskKind::WithoutLinks);
        assert_eq!(codes(&notes, &stick, 0, 0), "noHardLinks");
    }

    #[test]
    fn finds_the_folder_of_another_sync_program_at_any_height() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("Shared/a/b");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(sync_tool(&deep), None);
        std::fs::create_dir(home.path().join("Shared/.stfolder")).unwrap();
        assert_eq!(sync_tool(&deep), Some("Syncthing"));
        assert_eq!(
            sync_tool(&home.path().join("Dropbox/Notes")),
            Some("Dropbox")
        );
    }

    #[test]
    fn looks_at_the_nearest_folder_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        let found = look(&home.path().join("not/yet/there"));
        assert_eq!(found.kind, DiskKind::Local);
        assert!(found.free_bytes > 0);
        assert!(!home.path().join("not").exists());
    }
}
