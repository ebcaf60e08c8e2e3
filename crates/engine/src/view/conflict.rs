//! What front ends see of a conflict, and what they may choose.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ConflictView {
    pub id: String,
    pub pair: String,
    /// The note's path in the folder.
    pub path: String,
    /// Where the other version is, beside it; absent once resolved into history.
    pub copy_path: Option<String>,
    pub device: String,
    #[ts(type = "number")]
    pub at_ms: i64,
    pub state: ConflictState,
    pub kind: ConflictKind,
    /// When each version was saved, as far as known (Unix milliseconds).
    #[ts(type = "number | null")]
    pub mine_at_ms: Option<i64>,
    #[ts(type = "number | null")]
    pub theirs_at_ms: Option<i64>,
    /// The device that stored the other version, where that is known.
    pub theirs_device: Option<String>,
    /// Bytes; absent where that side had deleted the note.
    #[ts(type = "number | null")]
    pub mine_size: Option<u64>,
    #[ts(type = "number | null")]
    pub theirs_size: Option<u64>,
    /// The hash of each version when the conflict came up, as `SeenVersions` has it.
    pub mine_md5: Option<String>,
    pub theirs_md5: Option<String>,
    /// Whether the note holds what both sides wrote.
    pub merged: bool,
    /// What `UndoResolution` takes; absent where there is nothing to take back.
    pub undo: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum ConflictState {
    /// Both versions are visible; a person decides.
    Open,
    /// Decided by the profile, a merge or a person; what lost is in history.
    Resolved,
    /// Put off until the next start: it counts, but nothing asks about it.
    Dismissed,
}

/// How a conflict came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum ConflictKind {
    BothEdited,
    EditedHereRemovedThere,
    RemovedHereEditedThere,
    /// Two notes of one name that have no past in common.
    CreatedTwice,
}

/// One decision of `ResolveConflicts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ConflictChoice {
    pub id: String,
    pub choice: Choice,
    /// The versions that the decision was made of; if they changed since, nothing is touched.
    pub seen: Option<SeenVersions>,
}

/// MD5 of each version in lower-case hexadecimal, absent where the note is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SeenVersions {
    pub mine: Option<String>,
    pub theirs: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[ts(export)]
pub enum Choice {
    KeepMine,
    KeepTheirs,
    /// Both stay, under their two names.
    KeepBoth,
    /// This text is the note from now on.
    Merged {
        text: String,
    },
}

/// A conflict with its versions, as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ConflictDetail {
    pub id: String,
    pub path: String,
    pub kind: ConflictKind,
    pub state: ConflictState,
    /// What `UndoResolution` takes; absent where there is nothing to take back.
    pub undo: Option<String>,
    pub mine: VersionText,
    pub theirs: VersionText,
    /// What both versions came from, where it is known.
    pub base: Option<VersionText>,
    /// Empty where a version is not text.
    pub diff: Vec<DiffLine>,
    /// Where the front matter of both can be compared by key, and differs.
    pub front_matter: Option<FrontMatterDiff>,
    /// Absent where the base is not known: then nothing may be merged.
    pub merge: Option<MergeView>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct VersionText {
    pub device: Option<String>,
    #[ts(type = "number | null")]
    pub at_ms: Option<i64>,
    #[ts(type = "number")]
    pub size: u64,
    /// Absent if this version is that there is no note.
    pub md5: Option<String>,
    /// Absent if it is not text, too large to show, or no longer kept.
    pub text: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct DiffLine {
    pub kind: DiffKind,
    /// Line numbers from 1.
    pub mine_line: Option<u32>,
    pub theirs_line: Option<u32>,
    /// The line of the other version that stands beside one that only this version has; absent
    /// where none does.
    pub beside: Option<u32>,
    pub text: String,
    /// Byte ranges of the words that changed, where the line beside it is a version of it.
    pub marks: Vec<[u32; 2]>,
}

/// The front matter of both versions by key: the order of the keys does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FrontMatterDiff {
    /// The keys that differ, in this device's order, then those that only the other version has.
    pub keys: Vec<KeyDiff>,
    /// How many keys have the same value in both.
    pub same: u32,
    /// Whether the keys that both have stand in another order.
    pub reordered: bool,
    /// The first lines of each version, which this tells of: `diff` has them too.
    pub mine_lines: u32,
    pub theirs_lines: u32,
}

/// A key with the lines of both of its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct KeyDiff {
    pub key: String,
    pub lines: Vec<DiffLine>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum DiffKind {
    Same,
    Mine,
    Theirs,
}

/// What the three versions make together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct MergeView {
    /// Whether no place is left to choose.
    pub clean: bool,
    /// In order, the whole text.
    pub chunks: Vec<MergeChunk>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[ts(export)]
pub enum MergeChunk {
    Agreed {
        text: String,
        from: MergeOrigin,
    },
    Overlap {
        base: String,
        mine: String,
        theirs: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum MergeOrigin {
    Both,
    Mine,
    Theirs,
}
