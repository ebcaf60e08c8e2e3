//! Keeping the texts of what became equal, for later merges.

use std::fs;
use std::path::Path;

use super::CycleFailure;
use super::resolve::{Gathered, blocking};
use crate::state::{BaseText, is_mergeable};
use crate::vault::{self, NewBytes, Signature};

/// Texts are written ahead of the publication in parts of this size, in bytes.
const PART: usize = 8 * 1024 * 1024;

/// Linked files that are hashed, and read, in one go.
const AT_ONCE: usize = 1024;

impl Gathered<'_> {
    /// Keeps the text of a version that was installed.
    pub(super) async fn remember(
        &mut self,
        path: &str,
        md5: &str,
        size: u64,
        from: NewBytes,
    ) -> Result<(), CycleFailure> {
        if !is_mergeable(path, size) {
            return Ok(());
        }
        let bytes = match from {
            NewBytes::Here(bytes) => Some(bytes),
            NewBytes::File(file) => blocking(move || Ok::<_, CycleFailure>(fs::read(file).ok()))
                .await?
                .map(Into::into),
        };
        let text = bytes.and_then(|bytes| BaseText::of(path, md5, &bytes));
        self.add_texts(text).await
    }

    /// Hashes the files that were linked, and keeps the texts of those that are in the baseline.
    pub(super) async fn rehash(
        &mut self,
        paths: Vec<String>,
    ) -> Result<Vec<(String, (String, Signature))>, CycleFailure> {
        let mut hashed = Vec::with_capacity(paths.len());
        for part in paths.chunks(AT_ONCE) {
            let (vault, part) = (self.input.vault.clone(), part.to_vec());
            let read = blocking(move || {
                let read = part
                    .into_iter()
                    .filter_map(|path| read(&vault, path))
                    .collect::<Vec<_>>();
                Ok::<_, CycleFailure>(read)
            })
            .await?;
            for (path, found, text) in read {
                let wanted = |text: &BaseText| {
                    let known = self.news.set.get(&path);
                    known.is_some_and(|node| text.is(&node.md5))
                };
                let text = text.filter(wanted);
                self.add_texts(text).await?;
                hashed.push((path, found));
            }
        }
        Ok(hashed)
    }

    async fn add_texts(
        &mut self,
        texts: impl IntoIterator<Item = BaseText>,
    ) -> Result<(), CycleFailure> {
        self.news.texts.extend(texts);
        let size: usize = self.news.texts.iter().map(BaseText::size).sum();
        if size >= PART || self.news.texts.len() >= AT_ONCE {
            let texts = std::mem::take(&mut self.news.texts);
            self.input
                .state
                .with(move |state| state.record_texts(&texts))
                .await?;
        }
        Ok(())
    }
}

fn read(vault: &Path, path: String) -> Option<(String, (String, Signature), Option<BaseText>)> {
    if is_mergeable(&path, 0)
        && let Ok(Some(note)) = vault::read_note(vault, &path, BaseText::LARGEST)
    {
        let text = BaseText::of(&path, &note.md5, &note.bytes);
        return Some((path, (note.md5, note.signature), text));
    }
    let hashed = vault::md5_of(&vault.join(&path)).ok()?;
    Some((path, hashed, None))
}
