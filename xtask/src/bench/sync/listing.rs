//! Listings of plain bisync, as a first sync leaves them.

use std::fmt::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// Writes both sides' listings of a folder that is equal to its remote.
pub(super) fn write(workdir: &Path, folder: &Path, remote: &str) -> Result<()> {
    let mut notes = Vec::new();
    collect(folder, "", &mut notes)?;
    notes.sort();
    let mut text = format!("# bisync listing v1 from {}\n", stamp(SystemTime::now())?);
    for (name, size, modified) in notes {
        writeln!(text, "- {size:>8} - - {} \"{name}\"", stamp(modified)?)?;
    }
    std::fs::create_dir_all(workdir)?;
    let stem = stem(folder, remote)?;
    for side in ["path1", "path2"] {
        std::fs::write(workdir.join(format!("{stem}.{side}.lst")), &text)?;
    }
    Ok(())
}

/// What rclone calls the listings of two paths.
fn stem(folder: &Path, remote: &str) -> Result<String> {
    let plain = |text: &str| text.trim_matches('/').replace([':', '/'], "_");
    let folder = folder.to_str().context("the folder's path is text")?;
    Ok(format!("{}..{}", plain(folder), plain(remote)))
}

fn collect(folder: &Path, prefix: &str, notes: &mut Vec<(String, u64, SystemTime)>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().context("the names are text")?;
        let path = format!("{prefix}{name}");
        let found = entry.metadata()?;
        if found.is_dir() {
            collect(&entry.path(), &format!("{path}/"), notes)?;
        } else {
            notes.push((path, found.len(), found.modified()?));
        }
    }
    Ok(())
}

/// A moment as bisync writes it: to the nanosecond, in universal time.
fn stamp(time: SystemTime) -> Result<String> {
    let since = time.duration_since(UNIX_EPOCH)?;
    let (seconds, nanoseconds) = (since.as_secs(), since.subsec_nanos());
    let (year, month, day) = crate::demo::server::civil(i64::try_from(seconds / 86_400)?);
    let of_day = seconds % 86_400;
    Ok(format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{nanoseconds:09}+0000",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_and_times_are_rclone_s() {
        let stem = stem(Path::new("/tmp/a/Notes"), "cloud:basic-memory-1").unwrap();
        assert_eq!(stem, "tmp_a_Notes..cloud_basic-memory-1");
        let time = UNIX_EPOCH + Duration::new(1_763_769_842, 477_497_873);
        assert_eq!(stamp(time).unwrap(), "2025-11-22T00:04:02.477497873+0000");
    }
}
