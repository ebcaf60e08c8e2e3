/// Whether something on the desktop shows tray icons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrayHost {
    /// Not asked yet.
    Unknown,
    Present,
    Missing,
}
