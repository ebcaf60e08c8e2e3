use std::path::{Path, PathBuf};

/// One line of the system's table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountEntry {
    pub folder: PathBuf,
    /// The file system, as `fuse.rclone`.
    pub kind: String,
    /// What is mounted: for ours, the mount's device name.
    pub source: String,
}

/// Reads `/proc/self/mountinfo` (format: `proc_pid_mountinfo(5)`); lines that are none are skipped.
#[must_use]
pub fn parse_table(text: &str) -> Vec<MountEntry> {
    text.lines().filter_map(entry).collect()
}

fn entry(line: &str) -> Option<MountEntry> {
    let (place, device) = line.split_once(" - ")?;
    let folder = place.split(' ').nth(4)?;
    let mut device = device.split(' ');
    let (kind, source) = (device.next()?, device.next()?);
    Some(MountEntry {
        folder: PathBuf::from(unescape(folder)),
        kind: kind.to_owned(),
        source: unescape(source),
    })
}

/// Spaces and their like are written as a backslash with three octal digits.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the system has a mount of ours in a folder. Where it has no such table, the daemon's
/// word is enough.
pub(super) fn is_mounted(folder: &Path, device_name: &str) -> bool {
    match std::fs::read_to_string("/proc/self/mountinfo") {
        Ok(text) => parse_table(&text).iter().any(|entry| {
            entry.folder == folder && entry.source == device_name && entry.kind.starts_with("fuse.")
        }),
        Err(_) => !cfg!(target_os = "linux"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_folders_kinds_and_sources() {
        let text = "22 1 0:21 / /proc rw,nosuid - proc proc rw\n\
            97 28 0:49 / /home/ana/My\\040Notes rw,nosuid shared:5 - fuse.rclone basic-memory-m1 rw,user_id=0\n\
            broken line\n";
        let entry = |folder: &str, kind: &str, source: &str| MountEntry {
            folder: folder.into(),
            kind: kind.to_owned(),
            source: source.to_owned(),
        };
        assert_eq!(
            parse_table(text),
            [
                entry("/proc", "proc", "proc"),
                entry("/home/ana/My Notes", "fuse.rclone", "basic-memory-m1"),
            ]
        );
    }
}
