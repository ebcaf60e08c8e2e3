use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::PreviewChange;

/// What a set-up of a folder would find, and its first sync do. Nothing was changed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SetUpPreview {
    pub folder: String,
    /// A missing folder is made by the set-up.
    pub exists: bool,
    pub warnings: Vec<FolderWarning>,
    /// What the folder's disk has left.
    #[ts(type = "number")]
    pub free_bytes: u64,
    /// Would be uploaded.
    #[ts(type = "number")]
    pub only_here: u64,
    /// Would be downloaded.
    #[ts(type = "number")]
    pub only_in_cloud: u64,
    #[ts(type = "number")]
    pub identical: u64,
    /// Both versions would be kept.
    #[ts(type = "number")]
    pub differ: u64,
    /// At most 200; identical notes are not among them.
    pub lines: Vec<PreviewChange>,
}

/// Why a folder is less fit for notes than another, or unfit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FolderWarning {
    /// `syncTool`, `ownFolder`, `networkDisk`, `noHardLinks`, `readOnly`, `notEmpty` or `noSpace`.
    pub code: String,
    pub message: String,
}

/// A folder that seems to hold a person's notes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct NotesFolder {
    pub folder: String,
    pub kind: NotesKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub enum NotesKind {
    /// Obsidian lists it among its vaults.
    Obsidian,
    /// It has the name that notes usually have.
    Folder,
}
