//! A look before a set-up. The key it takes is its own, and is taken back when it ends.

use std::path::{Path, PathBuf};

use super::placing::may_hold_notes;
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
    pub(super) fn preview_set_up(
        &mut self,
        folder: &Path,
        instead_of: Option<&str>,
        answer: Answer,
    ) {
        if let Err(refusal) = self.must_be_signed_in() {
            return self.reply(answer, Err(refusal));
        }
        let Some(account) = self.account.clone() else {
            return;
        };
        let folder = match may_hold_notes(folder, &self.ground(instead_of)) {
            Ok(folder) => folder,
            Err(refusal) => return self.reply(answer, Err(refusal)),
        };
        let mut known = self.model.settings.pairs.iter();
        let pair = known.find(|pair| pair.folder == folder);
        let filters = match pair.map(|pair| pair.usable_filters()) {
            Some(Ok(filters)) => filters,
            Some(Err(_)) | None => Filters::standard(),
        };
        let side_home = self.config.places.data.clone();
        let clock = self.config.clock.clone();
        tokio::spawn(async move {
            let result = look(&account, clock, folder, filters, side_home).await;
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
    side_home: PathBuf,
) -> Result<SetUpPreview, Refusal> {
    let proxy = account.proxy();
    let looked = account.look(async |key| {
        let bucket = open_bucket(key, &clock, &proxy)
            .map_err(|error| Refusal::new("link", error.to_string()))?;
        set_up::preview(Look {
            folder,
            filters,
            side_home,
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
