use std::fmt;

/// An rclone release: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32, pub u32);

/// The oldest release that honors every option we pass.
pub const FLOOR: Version = Version(1, 74, 2);

/// The release that [`crate::install`] fetches.
pub const PINNED: Version = Version(1, 75, 2);

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}
