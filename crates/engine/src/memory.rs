//! Memory that a run has freed, given back to the system.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc;

/// Gives freed memory back, beside whatever goes on.
///
/// A pass over many notes takes a lot for a moment, on several threads. glibc keeps what each of
/// them freed for later, and a device that has nothing to do would hold a multiple of what it needs.
/// Elsewhere the system's own allocator does this by itself.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    drop(tokio::task::spawn_blocking(glibc::trim));
}
