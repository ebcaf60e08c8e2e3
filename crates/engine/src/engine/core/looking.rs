//! A look before a set-up. The key it takes is its own, and is taken back when it ends.

use std::path::{Path, PathBuf};

use super::session::refusal;
use super::{Answer, Core};
use crate::account::Account;
use crate::cycle::CycleFailure;
use crate::engine::link::open_bucket;
use crate::filters::Filters;
use crate::set_up::{self, Look};
use crate::view::SetUpPreview;
use crate::{Clock, Refusal, Reply};

impl Core {
    /// Folders that hold notes already, for a person who has not said which.
    pub(super) fn find_notes(&self, draft: PathBuf, answer: Answer) {
        let config = &self.config.places.config;
        let settings = config.parent().unwrap_or(config).to_owned();
        self.beside(answer, async move {
            let found = tokio::task::spawn_blocking(move || set_up::notes(&settings, &draft));
            let folders = found.await.unwrap_or_default();
            Ok(Reply::NotesFound { folders })
        });
    }

    /// Answers from a task of its own: folder and cloud can be large, and nothing is changed.
    pub(super) fn preview_set_up(&mut self, folder: &Path, answer: Answer) {
        if let Err(refusal) = self.must_be_signed_in() {
            return self.reply(answer, Err(refusal));
        }
        let Some(account) = self.account.clone() else {
            return;
        };
        if !folder.is_absolute() {
            let refusal = Refusal::new("folder_relative", "Give the folder's whole path");
            return self.reply(answer, Err(refusal.field("folder")));
        }
        let folder = resolved(folder);
        let known = self.model.settings.pairs.iter();
        let pair = known.clone().find(|pair| pair.folder == folder);
        let filters = match pair.map(|pair| pair.usable_filters()) {
            Some(Ok(filters)) => filters,
            Some(Err(_)) | None => Filters::standard(),
        };
        let places = &self.config.places;
        let own = [&places.state, &places.data, &places.config].map(Clone::clone);
        let taken = known.map(|pair| pair.folder.clone()).chain(own).collect();
        let clock = self.config.clock.clone();
        tokio::spawn(async move {
            let result = look(&account, clock, folder, filters, taken).await;
            let result = result.map(|preview| Reply::SetUpPreview { preview });
            if answer.send(result).is_err() {
                tracing::debug!("nobody waits for this answer any more");
            }
        });
    }
}

async fn look(
    account: &Account,
    clock: Clock,
    folder: PathBuf,
    filters: Filters,
    taken: Vec<PathBuf>,
) -> Result<SetUpPreview, Refusal> {
    let proxy = account.proxy();
    let looked = account.look(async |key| {
        let bucket = open_bucket(key, &clock, &proxy)
            .map_err(|error| Refusal::new("link", error.to_string()))?;
        set_up::preview(Look {
            folder,
            filters,
            taken,
            bucket,
        })
        .await
        .map_err(|failure| failed(&failure))
    });
    looked.await.map_err(|error| refusal(&error))?
}

fn failed(failure: &CycleFailure) -> Refusal {
    let refusal = Refusal::new(failure.code(), failure.to_string());
    match failure.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

/// The folder without links on the way, as far as it is there.
fn resolved(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|place| place.exists());
    let whole = there.and_then(|place| {
        let rest = folder.strip_prefix(place).ok()?;
        let place = dunce::canonicalize(place).ok()?;
        Some(if rest.as_os_str().is_empty() {
            place
        } else {
            place.join(rest)
        })
    });
    whole.unwrap_or_else(|| folder.to_owned())
}
