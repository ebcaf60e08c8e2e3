use std::os::windows::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Storage::FileSystem::{
    GetDriveTypeW, GetVolumeInformationW, GetVolumePathNameW,
};
use windows_sys::Win32::System::SystemServices::FILE_SUPPORTS_HARD_LINKS;
use windows_sys::Win32::System::WindowsProgramming::DRIVE_REMOTE;

use super::DiskKind;

const LONGEST: u32 = 1024;

pub(super) fn kind(place: &Path) -> Option<DiskKind> {
    let place: Vec<u16> = place.as_os_str().encode_wide().chain([0]).collect();
    let mut root = [0_u16; LONGEST as usize];
    let mut abilities = 0;
    #[expect(unsafe_code, reason = "calls of the system")]
    // SAFETY: both paths end with a zero; no more is written than there is room for.
    let remote = unsafe {
        if GetVolumePathNameW(place.as_ptr(), root.as_mut_ptr(), LONGEST) == 0 {
            return None;
        }
        let told = GetVolumeInformationW(
            root.as_ptr(),
            ptr::null_mut(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut abilities,
            ptr::null_mut(),
            0,
        );
        if told == 0 {
            return None;
        }
        GetDriveTypeW(root.as_ptr()) == DRIVE_REMOTE
    };
    Some(if remote {
        DiskKind::Network
    } else if abilities & FILE_SUPPORTS_HARD_LINKS == 0 {
        DiskKind::WithoutLinks
    } else {
        DiskKind::Local
    })
}
