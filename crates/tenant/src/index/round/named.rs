//! A few notes that 0.15's own watcher is about to find: each is asked for by its path, which costs
//! little, where the report about the whole project costs a look at every note.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Round;
use super::watch::PLAIN;
use crate::upstream::CallError;

/// Its watcher waits a tenth of a second, and a note takes it another.
const FIRST_LOOK: Duration = Duration::from_millis(150);
const LONGEST_LOOK: Duration = Duration::from_millis(500);
/// A watcher that has found nothing by then is helped by a walk: of a mount it hears nothing.
const BEGINS_WITHIN: Duration = Duration::from_secs(1);
/// So long nothing is found, a walk over some thousand notes included, before the report about the
/// project as a whole is read.
const PATIENCE: Duration = Duration::from_secs(8);

impl Round {
    /// Waits until it has these notes as they are now. Answers those of which that is not known.
    pub(super) async fn watch_named(
        &mut self,
        folder: &str,
        mut notes: BTreeSet<String>,
    ) -> BTreeSet<String> {
        let mut moved = Instant::now();
        let mut pause = FIRST_LOOK;
        // Its watcher leaves everything out that is below a hidden folder, wherever that is.
        let mut help = Some(match is_hidden(&self.data) {
            true => Duration::ZERO,
            false => BEGINS_WITHIN,
        });
        while !notes.is_empty() && moved.elapsed() < PATIENCE {
            if help.is_some_and(|after| moved.elapsed() >= after) {
                help = None;
                self.ask_for_a_walk(folder).await;
            }
            tokio::time::sleep(pause).await;
            let mut found = Vec::new();
            for note in &notes {
                match self.has(folder, note).await {
                    Ok(true) => found.push(note.clone()),
                    Ok(false) => {}
                    Err(error) => tracing::debug!(%error, "a note is not known yet"),
                }
            }
            if found.is_empty() {
                pause = (pause * 2).min(LONGEST_LOOK);
            } else {
                moved = Instant::now();
            }
            for note in found {
                self.refused.forget(&format!("{folder}/{note}"));
                notes.remove(&note);
            }
        }
        notes
    }

    async fn ask_for_a_walk(&self, folder: &str) {
        let name = utf8_percent_encode(folder, PLAIN);
        let path = format!("/{name}/project/sync");
        if let Err(error) = self.caller.json(Method::POST, &path, None).await {
            tracing::debug!(%error, "a walk was not begun");
        }
    }

    async fn has(&self, folder: &str, note: &str) -> Result<bool, CallError> {
        let name = utf8_percent_encode(folder, PLAIN);
        let path = utf8_percent_encode(note, NON_ALPHANUMERIC);
        let path = format!("/{name}/knowledge/entities/{path}");
        let entity = self.caller.json(Method::GET, &path, None).await?;
        let file = self.data.join(folder).join(note);
        let here = tokio::task::spawn_blocking(move || checksum(&file));
        let here = here.await.map_err(|_| CallError::Malformed)?;
        Ok(here.is_ok_and(|here| is_of(&entity, note, &here)))
    }
}

fn is_hidden(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
}

/// What cannot be found by its path is searched for, so that the answer may be another note.
fn is_of(entity: &Value, note: &str, checksum: &str) -> bool {
    entity["file_path"].as_str() == Some(note) && entity["checksum"].as_str() == Some(checksum)
}

/// As 0.15 takes it of a note: the text with plain line ends.
fn checksum(file: &Path) -> io::Result<String> {
    let mut text = Vec::new();
    let mut after_return = false;
    for byte in std::fs::read(file)? {
        match byte {
            b'\n' if after_return => {}
            b'\r' => text.push(b'\n'),
            other => text.push(other),
        }
        after_return = byte == b'\r';
    }
    Ok(hex::encode(Sha256::digest(&text)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_checksum_is_that_of_the_text_with_plain_line_ends() {
        let folder = tempfile::tempdir().unwrap();
        let of = |bytes: &[u8]| {
            let file = folder.path().join("a.md");
            std::fs::write(&file, bytes).unwrap();
            checksum(&file).unwrap()
        };
        assert_eq!(of(b"a\r\n\rb\r"), of(b"a\n\nb\n"));
        assert_ne!(of(b"a\n\nb"), of(b"a\nb"));
        assert_eq!(of(b""), hex::encode(Sha256::digest(b"")));
        assert!(checksum(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_hidden_folder_on_the_way_hides_everything() {
        assert!(is_hidden(Path::new("/home/ana/.local/state/data")));
        assert!(!is_hidden(Path::new("/var/lib/data.d/a")));
    }

    #[test]
    fn another_note_or_an_older_one_is_no_answer() {
        let entity = json!({ "file_path": "a/b.md", "checksum": "c" });
        assert!(is_of(&entity, "a/b.md", "c"));
        assert!(!is_of(&entity, "a/b.md", "d"));
        assert!(!is_of(&entity, "b.md", "c"));
        assert!(!is_of(&json!({}), "b.md", "c"));
    }
}
