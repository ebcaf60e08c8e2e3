//! What a tenant is to clients that know several workspaces of one person.

/// How clients are to treat workspaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkspaceKind {
    /// Published clients push and pull with rclone and keys to the whole bucket.
    Personal,
    /// Published clients push and pull over our `WebDAV`.
    Organization,
}

impl WorkspaceKind {
    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Organization => "organization",
        }
    }
}
