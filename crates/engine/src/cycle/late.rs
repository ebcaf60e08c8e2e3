//! Late saves: a program read a note, a newer version came, and the program wrote back what it had
//! read, with more in its front matter. Basic Memory does so with notes that it indexes.
//!
//! On the disk that looks like an edit of the newer version, which it would cover. So the version
//! that was read becomes the baseline again: both sides have changed it then, and both stay.

use std::collections::BTreeMap;
use std::path::Path;

use super::{CycleFailure, StateHandle, blocking};
use crate::state::{BaseText, Node, Publication, Version};
use crate::vault;

/// How long after a version came an older one may still be written back.
const WITHIN_MS: i64 = 2 * 60 * 1000;

/// Finds late saves among notes that changed here, with the baseline that they have now.
pub(crate) async fn find(
    state: &StateHandle,
    pair: &str,
    vault: &Path,
    now_ms: i64,
    changed: BTreeMap<String, Node>,
) -> Result<BTreeMap<String, Node>, CycleFailure> {
    if changed.is_empty() {
        return Ok(BTreeMap::new());
    }
    let of = pair.to_owned();
    let suspects = state.with(move |state| {
        let mut suspects = Vec::new();
        for (path, newer) in changed {
            let replaced = state.replaced_since(&of, &path, now_ms - WITHIN_MS)?;
            if let (false, Some(text)) = (replaced.is_empty(), state.base_text(&newer.md5)?) {
                suspects.push((replaced, newer, text));
            }
        }
        Ok(suspects)
    });
    let suspects = suspects.await?;
    if suspects.is_empty() {
        return Ok(BTreeMap::new());
    }
    let folder = vault.to_owned();
    let read = blocking(move || {
        let mut found = BTreeMap::new();
        for (replaced, newer, text) in suspects {
            let read = |older| {
                let base = read_by_late_save(&folder, &older, &text)?;
                Some((older, base))
            };
            if let Some((older, base)) = replaced.into_iter().find_map(read) {
                let node = Node {
                    md5: older.kept.md5.clone(),
                    etag: older.kept.md5,
                    size: older.kept.size,
                    ..newer
                };
                found.insert(older.path, (node, base));
            }
        }
        Ok::<_, CycleFailure>(found)
    });
    let mut news = Publication {
        at_ms: now_ms,
        ..Publication::default()
    };
    for (path, (node, base)) in read.await? {
        tracing::info!("a program wrote back an older version of a note than it had found");
        tracing::debug!(path, "the older version is what both sides changed");
        news.set.insert(path, node);
        news.texts.push(base);
    }
    let found = news.set.clone();
    if !found.is_empty() {
        let of = pair.to_owned();
        state.with(move |state| state.publish(&of, &news)).await?;
    }
    Ok(found)
}

/// The older version's text, if what is there now is a late save of it.
fn read_by_late_save(vault: &Path, older: &Version, newer: &str) -> Option<BaseText> {
    if older.kept.size > BaseText::LARGEST {
        return None;
    }
    let bytes = std::fs::read(&older.kept.file).ok()?;
    let base = BaseText::of(&older.path, &older.kept.md5, &bytes)?;
    let note = vault::read_note(vault, &older.path, BaseText::LARGEST).ok()??;
    let text = std::str::from_utf8(&note.bytes).ok()?;
    merge::is_late(text, base.text(), newer).then_some(base)
}
