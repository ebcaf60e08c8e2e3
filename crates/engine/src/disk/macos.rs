use std::path::Path;

use super::DiskKind;

pub(super) fn kind(place: &Path) -> Option<DiskKind> {
    let found = rustix::fs::statfs(place).ok()?;
    let local = found.f_flags & libc::MNT_LOCAL.cast_unsigned() != 0;
    let bytes = found.f_fstypename.map(i8::cast_unsigned);
    let end = bytes.iter().position(|byte| *byte == 0);
    let name = &bytes[..end.unwrap_or(bytes.len())];
    Some(if !local {
        DiskKind::Network
    } else if [b"msdos".as_slice(), b"exfat"].contains(&name) {
        DiskKind::WithoutLinks
    } else {
        DiskKind::Local
    })
}
