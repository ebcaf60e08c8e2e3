/// Whether something on the desktop shows tray icons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrayHost {
    /// Not asked yet.
    Unknown,
    Present,
    #[cfg_attr(
        not(any(target_os = "linux", test)),
        expect(dead_code, reason = "elsewhere there always is one")
    )]
    Missing,
}
