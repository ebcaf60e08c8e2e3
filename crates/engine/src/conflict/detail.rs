//! A conflict's versions as text, with their differences and what they make together.

use std::path::PathBuf;

use super::Desk;
use super::decide::Shape;
use crate::cycle::{CycleFailure, blocking};
use crate::state::{ConflictRow, Stamp, is_mergeable};
use crate::vault;
use crate::view::{
    ConflictDetail, ConflictState, DiffKind, DiffLine, FrontMatterDiff, KeyDiff, MergeChunk,
    MergeOrigin, MergeView, VersionText,
};

/// The largest version that is shown as text, in bytes: as much as history shows of one.
pub(super) const LARGEST_SHOWN: u64 = 1024 * 1024;

/// Reads all that there is to see of a conflict.
///
/// # Errors
/// What the state or the disk gave instead.
pub(crate) async fn detail(desk: &Desk, row: &ConflictRow) -> Result<ConflictDetail, CycleFailure> {
    let (mut mine, mut theirs) = match row.state {
        ConflictState::Resolved => (
            kept(desk, row, &row.mine).await?,
            kept(desk, row, &row.theirs).await?,
        ),
        ConflictState::Open | ConflictState::Dismissed => {
            let note = now(desk, &row.path).await?;
            let copy = match &row.copy_path {
                Some(copy) => now(desk, copy).await?,
                None => None,
            };
            let shape = Shape::of(row.kind, row.copy_path.as_ref());
            let (mine, theirs) = shape.versions(note, copy);
            (mine.unwrap_or_default(), theirs.unwrap_or_default())
        }
    };
    mine.device = mine.md5.is_some().then(|| row.device.clone());
    if theirs.md5 == row.theirs.md5 {
        theirs.at_ms = row.theirs.at_ms.or(theirs.at_ms);
        theirs.device.clone_from(&row.theirs_device);
    }
    let base = base(desk, row).await?;
    compared(row.clone(), mine, theirs, base).await
}

/// Both versions with their differences, which long notes take their time for.
pub(super) async fn compared(
    row: ConflictRow,
    mine: VersionText,
    theirs: VersionText,
    base: Option<VersionText>,
) -> Result<ConflictDetail, CycleFailure> {
    blocking(move || {
        Ok::<_, CycleFailure>(ConflictDetail {
            diff: diff(&mine, &theirs),
            front_matter: front_matter(&mine, &theirs),
            merge: merged(&row, &mine, &theirs, base.as_ref()),
            id: row.id,
            path: row.path,
            kind: row.kind,
            state: row.state,
            undo: row.undo,
            mine,
            theirs,
            base,
        })
    })
    .await
}

/// A file of the folder as it is now.
async fn now(desk: &Desk, path: &str) -> Result<Option<VersionText>, CycleFailure> {
    let (vault, path) = (desk.vault.clone(), path.to_owned());
    blocking(move || {
        Ok::<_, CycleFailure>(match vault::read_note(&vault, &path, LARGEST_SHOWN) {
            Ok(Some(note)) => Some(VersionText {
                device: None,
                at_ms: Some(note.signature.mtime_ns / 1_000_000),
                size: note.signature.size,
                md5: Some(note.md5),
                text: String::from_utf8(note.bytes.to_vec()).ok(),
            }),
            Ok(None) => vault::md5_of(&vault.join(&path))
                .ok()
                .map(|(md5, signature)| VersionText {
                    device: None,
                    at_ms: Some(signature.mtime_ns / 1_000_000),
                    size: signature.size,
                    md5: Some(md5),
                    text: None,
                }),
            Err(_) => None,
        })
    })
    .await
}

/// A version as it was recorded, with its text if some file still has it.
async fn kept(desk: &Desk, row: &ConflictRow, stamp: &Stamp) -> Result<VersionText, CycleFailure> {
    let text = match &stamp.md5 {
        Some(md5) if stamp.size.unwrap_or(0) <= LARGEST_SHOWN => {
            let file = desk.locate(md5, &[&row.path]).await?;
            read(file).await?
        }
        Some(_) | None => None,
    };
    Ok(VersionText {
        device: None,
        at_ms: stamp.at_ms,
        size: stamp.size.unwrap_or(0),
        md5: stamp.md5.clone(),
        text,
    })
}

async fn read(file: Option<PathBuf>) -> Result<Option<String>, CycleFailure> {
    let Some(file) = file else {
        return Ok(None);
    };
    blocking(move || {
        let bytes = std::fs::read(file).ok();
        Ok::<_, CycleFailure>(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    })
    .await
}

async fn base(desk: &Desk, row: &ConflictRow) -> Result<Option<VersionText>, CycleFailure> {
    let Some(md5) = row.base_md5.clone() else {
        return Ok(None);
    };
    let wanted = md5.clone();
    let text = desk
        .state
        .with(move |state| state.base_text(&wanted))
        .await?;
    Ok(text.map(|text| VersionText {
        device: None,
        at_ms: None,
        size: text.len() as u64,
        md5: Some(md5),
        text: Some(text),
    }))
}

/// A version that does not exist has no lines.
fn diff(mine: &VersionText, theirs: &VersionText) -> Vec<DiffLine> {
    let lines_of = |version: &VersionText| match (&version.text, &version.md5) {
        (Some(text), _) => Some(text.clone()),
        (None, None) => Some(String::new()),
        (None, Some(_)) => None,
    };
    let (Some(mine), Some(theirs)) = (lines_of(mine), lines_of(theirs)) else {
        return Vec::new();
    };
    lines(merge::diff(&mine, &theirs))
}

/// Absent where a version is not text.
fn front_matter(mine: &VersionText, theirs: &VersionText) -> Option<FrontMatterDiff> {
    let head = merge::head_diff(mine.text.as_ref()?, theirs.text.as_ref()?)?;
    let key = |key: merge::KeyDiff| KeyDiff {
        key: key.key,
        lines: lines(key.lines),
    };
    Some(FrontMatterDiff {
        keys: head.keys.into_iter().map(key).collect(),
        same: head.same,
        reordered: head.reordered,
        mine_lines: head.mine_lines,
        theirs_lines: head.theirs_lines,
    })
}

fn lines(found: Vec<merge::DiffLine>) -> Vec<DiffLine> {
    let line = |line: merge::DiffLine| DiffLine {
        kind: match line.kind {
            merge::DiffKind::Same => DiffKind::Same,
            merge::DiffKind::Mine => DiffKind::Mine,
            merge::DiffKind::Theirs => DiffKind::Theirs,
        },
        mine_line: line.mine_line,
        theirs_line: line.theirs_line,
        beside: line.beside,
        text: line.text,
        marks: line
            .marks
            .iter()
            .map(|mark| [mark.start, mark.end])
            .collect(),
    };
    found.into_iter().map(line).collect()
}

fn merged(
    row: &ConflictRow,
    mine: &VersionText,
    theirs: &VersionText,
    base: Option<&VersionText>,
) -> Option<MergeView> {
    let text = |version: &VersionText| version.text.clone();
    let (mine, theirs, base) = (text(mine)?, text(theirs)?, text(base?)?);
    if !is_mergeable(&row.path, mine.len().max(theirs.len()) as u64) {
        return None;
    }
    let merge = merge::merge(&base, &mine, &theirs);
    let chunk = |chunk| match chunk {
        merge::Chunk::Agreed { text, from } => MergeChunk::Agreed {
            text,
            from: match from {
                merge::Origin::Both => MergeOrigin::Both,
                merge::Origin::Mine => MergeOrigin::Mine,
                merge::Origin::Theirs => MergeOrigin::Theirs,
            },
        },
        merge::Chunk::Overlap { base, mine, theirs } => MergeChunk::Overlap { base, mine, theirs },
    };
    Some(MergeView {
        clean: merge.text.is_some(),
        chunks: merge.chunks.into_iter().map(chunk).collect(),
    })
}
