use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::super::storm::{City, Ledger};
use super::api::Api;
use super::instance::Instance;

/// What Basic Memory accepted is in a file a moment later; a kill in that moment is its own loss.
const IS_FILE_WITHIN: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(250);

/// A program that writes notes at the tenant's Basic Memory.
pub(super) struct Agent {
    pub(super) ledger: Ledger,
    /// Every line that it asked to have written.
    pub(super) possible: BTreeSet<String>,
    /// How many of them were seen in a file.
    pub(super) proven: usize,
    api: Api,
    data: PathBuf,
}

impl Agent {
    pub(super) async fn new(city: &City, instance: &Instance, ledger: Ledger) -> Self {
        Self {
            ledger,
            possible: BTreeSet::new(),
            proven: 0,
            api: Api::of(city).await,
            data: instance.data(),
        }
    }

    pub(super) async fn is_heard(&self) {
        self.api.main().await;
    }

    pub(super) async fn work(mut self, notes: u64) -> Self {
        for number in 1..=notes {
            let title = format!("Agent {number}");
            let line = format!("agent wrote this as number {number}:");
            self.possible.insert(line.clone());
            let note = json!({
                "title": title,
                "directory": "agent",
                "content": format!("# {title}\n\n{line}\n"),
                "note_type": "note",
                "content_type": "text/markdown",
            });
            let path = format!("{}/knowledge/entities", self.api.main().await);
            let accepted = self.api.ask("POST", &path, Some(&note)).await.is_some();
            if accepted && self.is_file(&title, &line).await {
                self.proven += 1;
                let path = format!("main/agent/{title}.md");
                self.ledger.saving(&path, &format!("{line}\n"));
            }
            tokio::time::sleep(AGAIN).await;
        }
        self
    }

    /// From here on it is ours to keep.
    async fn is_file(&self, title: &str, line: &str) -> bool {
        let file = self.data.join(format!("main/agent/{title}.md"));
        let end = Instant::now() + IS_FILE_WITHIN;
        while Instant::now() < end {
            // A mount whose daemon was killed answers with an error, or late.
            let file = file.clone();
            let read = tokio::task::spawn_blocking(move || fs::read_to_string(file));
            let text = tokio::time::timeout(IS_FILE_WITHIN, read).await;
            if text.is_ok_and(|text| text.unwrap().is_ok_and(|text| text.contains(line))) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Waits until a search finds one of its notes that people left alone.
    pub(super) async fn finds_what_it_wrote(&self, notes: &BTreeMap<String, String>) {
        let left = notes.iter().find_map(|(path, text)| {
            let note = path.strip_prefix("main/")?;
            let title = note.strip_prefix("agent/")?.strip_suffix(".md")?;
            let is_own = title.starts_with("Agent ") && !title.contains('(');
            let is_left = text.contains(&format!("# {title}\n"));
            (is_own && is_left).then(|| (title.to_owned(), note.to_owned()))
        });
        if let Some((title, note)) = left {
            self.api.finds(&title, &note).await;
        }
    }
}
