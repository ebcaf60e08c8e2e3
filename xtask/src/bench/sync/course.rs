use std::path::Path;

use crate::bench::sync::store::Store;
use crate::demo::server::Server;
use crate::repo::Repo;

/// Where everybody runs: one server, one store, one folder for all that is made.
pub(crate) struct Course<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) server: &'a Server,
    pub(crate) base: &'a Path,
    pub(crate) store: Store,
}

impl Course<'_> {
    /// Who has these notes.
    pub(crate) fn email(&self, who: &str, files: usize) -> String {
        format!("{}@example.org", self.device(who, files))
    }

    pub(crate) fn device(&self, who: &str, files: usize) -> String {
        format!("{who}-{files}{}", self.store.mark())
    }
}
