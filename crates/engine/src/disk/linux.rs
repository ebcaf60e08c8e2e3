use std::path::Path;

use super::DiskKind;

/// From the kernel's `magic.h`: NFS, SMB, CIFS, SMB2, Ceph, AFS, 9P.
const NETWORK: [u32; 7] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x00c3_6400,
    0x5346_414f,
    0x0102_1997,
];
/// FAT and exFAT.
const WITHOUT_LINKS: [u32; 2] = [0x4d44, 0x2011_bab0];

pub(super) fn kind(place: &Path) -> Option<DiskKind> {
    let found = rustix::fs::statfs(place).ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "file system types have 32 bits, in fields of other widths"
    )]
    let kind = found.f_type as u32;
    Some(if NETWORK.contains(&kind) {
        DiskKind::Network
    } else if WITHOUT_LINKS.contains(&kind) {
        DiskKind::WithoutLinks
    } else {
        DiskKind::Local
    })
}
