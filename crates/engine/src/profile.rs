use crate::view::ProfileName;

/// What a profile allows a cycle to do (the table of the sync profiles in the user guide).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) conflict: ConflictRule,
    /// More deletes than this share of the known notes, in percent, halt the pair.
    pub(crate) max_delete_percent: u8,
    pub(crate) access_check: AccessCheck,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConflictRule {
    KeepBoth,
    /// What merges cleanly is merged, and of the rest both are kept: where nobody reads an inbox.
    MergeOrKeepBoth,
    /// The newer version has the name; the older goes to history and can be had back.
    Newer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessCheck {
    Required,
    Skipped,
}

impl Profile {
    pub(crate) fn named(name: ProfileName) -> Self {
        match name {
            ProfileName::Safe => Self {
                conflict: ConflictRule::KeepBoth,
                max_delete_percent: 10,
                access_check: AccessCheck::Required,
            },
            ProfileName::Balanced => Self {
                conflict: ConflictRule::Newer,
                max_delete_percent: 25,
                access_check: AccessCheck::Required,
            },
            ProfileName::Fast => Self {
                conflict: ConflictRule::Newer,
                max_delete_percent: 50,
                access_check: AccessCheck::Skipped,
            },
        }
    }
}
