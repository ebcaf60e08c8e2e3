//! Whole cycles with the real rclone against the real embedded store: one cloud, several devices.

mod conflicts;
mod interruptions;
mod obstacles;
mod rig;
mod traffic;

use rig::{Cloud, Device};
