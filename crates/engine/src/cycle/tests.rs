//! Whole cycles with the real rclone against the real embedded store: one cloud, several devices.

mod absence;
mod adopting;
mod bulk;
mod checking;
mod conflicts;
mod dangers;
mod filtering;
mod interruptions;
mod obstacles;
mod profiles;
mod rig;
mod traffic;

use rig::{Cloud, Device};
