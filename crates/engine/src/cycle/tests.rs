//! Whole cycles with the real rclone against the real embedded store: one cloud, several devices.

mod absence;
mod adopting;
mod bulk;
mod checking;
mod conflicts;
#[cfg(unix)]
mod dangers;
#[cfg(unix)]
mod failed_transfers;
mod filtering;
mod interruptions;
mod late_saves;
mod obstacles;
mod parts;
#[cfg(unix)]
mod profiles;
mod rig;
mod rolled_back;
mod traffic;
#[cfg(target_os = "linux")]
mod unreadable;

use rig::{Cloud, Device};
