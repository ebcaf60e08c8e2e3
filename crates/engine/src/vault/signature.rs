use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::{Digest, Md5};

use super::lease::has_writers;
use super::system::{self, Kind};

/// What `stat` says about one version of a file.
///
/// The change time cannot be set by a program, so it shows an edit that keeps size and
/// modification time. But it also moves when a mirror link comes or goes. Hence the two
/// comparisons: all five equal proves the content unchanged; a difference in the change time alone
/// asks for a new hash and is never taken for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub ino: u64,
    pub dev: u64,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Nanoseconds since 1970, or [`Signature::UNTRUSTED`].
    pub ctime_ns: i64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    #[error("the file changed while it was read")]
    Moved,
    #[error("the file is gone")]
    Missing,
    #[error("something other than a file has this name")]
    NotAFile,
    #[error("the file cannot be read")]
    Unreadable {
        #[source]
        source: io::Error,
    },
}

impl Signature {
    /// Stands for a change time that a later write could repeat, because the kernel's clock had
    /// not ticked since or a program has the file open for writing. It equals no scanned one, so
    /// the next scan hashes the file again.
    pub(crate) const UNTRUSTED: i64 = i64::MIN;

    /// Equals no scanned one, for a path whose file is not known.
    pub(crate) fn unknown() -> Self {
        Self {
            ino: 0,
            dev: 0,
            size: 0,
            mtime_ns: 0,
            ctime_ns: Self::UNTRUSTED,
        }
    }

    /// Whether the file surely has the content it had when `recorded` was taken.
    pub(crate) fn unchanged_since(&self, recorded: &Self) -> bool {
        self == recorded
    }

    /// Whether inode, size and modification time agree: true also after links came or went.
    pub(crate) fn same_content_likely(&self, other: &Self) -> bool {
        (self.dev, self.ino, self.size, self.mtime_ns)
            == (other.dev, other.ino, other.size, other.mtime_ns)
    }

    pub(super) fn untrusted(self) -> Self {
        Self {
            ctime_ns: Self::UNTRUSTED,
            ..self
        }
    }

    pub(super) fn of_file(file: &File) -> io::Result<Self> {
        Ok(system::stat_of(file)?.signature)
    }
}

/// Hashes a file and says which version that was.
///
/// # Errors
/// [`HashError::Moved`] if the file changed under the read: leave it to the next cycle.
pub(crate) fn md5_of(path: &Path) -> Result<(String, Signature), HashError> {
    let file = system::open_own(path).map_err(|error| {
        use io::ErrorKind::{NotADirectory, NotFound};
        if [NotFound, NotADirectory].contains(&error.kind()) {
            HashError::Missing
        } else if system::is_no_file(&error) {
            HashError::NotAFile
        } else {
            HashError::Unreadable { source: error }
        }
    })?;
    md5_of_file(&file)
}

/// As [`md5_of`], for a file that is open at its start.
pub(super) fn md5_of_file(file: &File) -> Result<(String, Signature), HashError> {
    md5_of_open(file, |mut from| digest(&mut from))
}

/// As [`md5_of_file`], with `read` taking the bytes and telling MD5 and size.
pub(super) fn md5_of_open(
    file: &File,
    read: impl FnOnce(&File) -> io::Result<(String, u64)>,
) -> Result<(String, Signature), HashError> {
    let unreadable = |source| HashError::Unreadable { source };
    // Memory that is mapped and dirty takes more bytes and leaves all times as they are. A program
    // that comes later has to open the file, and that shows.
    let written = has_writers(file);
    let tick = system::file_clock_ns();
    let stat = system::stat_of(file).map_err(unreadable)?;
    if stat.kind != Kind::File {
        return Err(HashError::NotAFile);
    }
    let before = stat.signature;
    let (md5, size) = read(file).map_err(unreadable)?;
    let after = Signature::of_file(file).map_err(unreadable)?;
    if before != after || size != after.size {
        return Err(HashError::Moved);
    }
    let certain = is_past(after.ctime_ns, tick) && !written;
    Ok((md5, if certain { after } else { after.untrusted() }))
}

/// Whether a write that comes now gets another stamp than this one. Disks count in steps: FAT in two
/// seconds, HFS+ in one, exFAT in ten milliseconds. Which, nobody tells; but each of their stamps is
/// whole in their step.
fn is_past(stamp_ns: i64, now_ns: i64) -> bool {
    const STEPS_NS: [i64; 3] = [2_000_000_000, 1_000_000_000, 10_000_000];
    let step = STEPS_NS.into_iter().find(|step| stamp_ns % step == 0);
    stamp_ns.saturating_add(step.unwrap_or(1)) <= now_ns
}

/// MD5 of all that can be read, and its size.
pub(super) fn digest(from: &mut impl Read) -> io::Result<(String, u64)> {
    let mut hash = Md5::new();
    let size = each_block(from, |block| {
        hash.update(block);
        Ok(())
    })?;
    Ok((hex::encode(hash.finalize()), size))
}

/// Copies all that can be read; MD5 and size of what was written.
pub(super) fn digest_into(
    from: &mut dyn Read,
    into: &mut impl io::Write,
) -> io::Result<(String, u64)> {
    let mut hash = Md5::new();
    let size = each_block(from, |block| {
        hash.update(block);
        into.write_all(block)
    })?;
    Ok((hex::encode(hash.finalize()), size))
}

fn each_block(
    from: &mut dyn Read,
    mut visit: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut block = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(size),
            Ok(count) => {
                visit(&block[..count])?;
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(unix)]
pub(super) fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_past_once_the_disk_would_write_another() {
        const SECOND: i64 = 1_000_000_000;
        let at = 1_700_000_000 * SECOND;
        for (stamp, first) in [
            // In steps of nanoseconds, of ten milliseconds, of one second and of two.
            (at + 123_456_789, at + 123_456_790),
            (at + 30_000_000, at + 40_000_000),
            (at + SECOND, at + 2 * SECOND),
            (at, at + 2 * SECOND),
        ] {
            assert!(!is_past(stamp, stamp), "{stamp}");
            assert!(!is_past(stamp, first - 1), "{stamp}");
            assert!(is_past(stamp, first), "{stamp}");
        }
        // That of a disk which keeps none.
        assert!(!is_past(i64::MAX, i64::MAX - 1));
    }
}
