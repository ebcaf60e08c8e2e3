//! Two versions of a note: how they differ, and what both of them say together.
//!
//! Pure: text in, text out. A merge needs the text that both versions came from. Where they
//! changed different places it takes both changes; where they changed the same place it leaves the
//! choice to a person. Front matter is merged by key, everything else by line. Nothing here knows
//! folders, clouds or conflicts.

mod diff;
mod front_matter;
mod hunks;
mod late;
mod lines;
mod long;
mod pairs;
mod proof;
mod weave;
mod words;

#[cfg(test)]
mod tests;

pub use diff::{DiffKind, DiffLine, HeadDiff, KeyDiff, diff, head_diff};
pub use late::is_late;
pub use weave::{Chunk, Merge, Origin, merge};
