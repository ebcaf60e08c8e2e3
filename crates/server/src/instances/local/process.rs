//! Processes of instances: started, watched, found again, and ended.

#[cfg(target_os = "linux")]
#[path = "process/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "process/elsewhere.rs"]
mod system;

pub(super) use system::{Process, Start, check_support, end_strays};
