//! What differs, and what of it waits for a person.

use std::collections::BTreeMap;

use guard::Object;

use super::{Memory, Rules, Seen};
use crate::brakes;
use crate::cycle::surface as cycle;
use crate::plan::{self, Plan};
use crate::profile::{ConflictRule, Profile};
use crate::view::{ChangeAction, ProfileName};

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Conflict,
    Upload,
    Download,
    RemoveHere,
    RemoveInCloud,
    Nothing,
}

/// A plan of [`plan`].
#[derive(Clone, Debug, Default)]
pub struct Planned(pub(super) Plan);

#[must_use]
pub fn plan(
    memory: &Memory,
    seen: &Seen,
    cloud: &BTreeMap<String, Object>,
    rules: &Rules,
) -> Planned {
    Planned(plan::plan(&memory.0, &seen.0, cloud, &rules.0))
}

impl Planned {
    pub fn scope(&self) -> impl Iterator<Item = (&String, Meaning)> {
        self.0.scope.iter().map(|(path, difference)| {
            let meaning = match difference.action() {
                Some(ChangeAction::Conflict) => Meaning::Conflict,
                Some(ChangeAction::Upload) => Meaning::Upload,
                Some(ChangeAction::Download) => Meaning::Download,
                Some(ChangeAction::RemoveHere) => Meaning::RemoveHere,
                Some(ChangeAction::RemoveInCloud) => Meaning::RemoveInCloud,
                None => Meaning::Nothing,
            };
            (path, meaning)
        })
    }

    #[must_use]
    pub fn concerns(&self, path: &str) -> bool {
        self.0.scope.contains_key(path)
    }

    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.0.scope.is_empty()
    }

    /// Paths that are in the scope because of something new or changed here.
    #[must_use]
    pub fn changed_here(&self) -> Vec<String> {
        let changed = self.0.scope.iter();
        changed
            .filter(|(_, difference)| {
                matches!(difference.here, plan::Side::New | plan::Side::Changed)
            })
            .map(|(path, _)| path.clone())
            .collect()
    }

    pub fn take_suspects(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0.suspects).into_keys().collect()
    }

    pub fn clear_suspect(&mut self, path: &str) {
        self.0.clear_suspect(path);
    }

    #[must_use]
    pub fn deleted_here(&self) -> Vec<String> {
        self.0.deleted_here()
    }

    #[must_use]
    pub fn deleted_in_cloud(&self) -> Vec<String> {
        self.0.deleted_in_cloud()
    }

    pub fn found_in_cloud(&mut self, object: &Object, memory: &Memory) {
        self.0.found_in_cloud(object, &memory.0);
    }

    pub fn drop_path(&mut self, path: &str) {
        self.0.drop_path(path);
    }

    /// Leaves only downloads, as without a subscription.
    pub fn keep_downloads(&mut self) {
        self.0.keep_downloads();
    }

    /// Paths left alone because another name differs only in capitals or accents.
    pub fn held(&self) -> impl Iterator<Item = &String> {
        self.0.problems.iter().map(|problem| &problem.path)
    }

    /// Whether a side is empty or another one than before, so that nothing may move.
    #[must_use]
    pub fn is_emptied(
        &self,
        seen: &Seen,
        cloud: &BTreeMap<String, Object>,
        profile: Caution,
    ) -> bool {
        brakes::emptied(&self.0, &seen.0, cloud, profile.profile()).is_some()
    }

    /// The paths that one side would lose, but for the copies of settled conflicts.
    #[must_use]
    pub fn deletes(&self, on: On, seen: &Seen, cloud: &BTreeMap<String, Object>) -> Vec<String> {
        brakes::deletes(&self.0, on.side(), &seen.0, cloud)
    }

    /// The paths with something new on this side.
    #[must_use]
    pub fn arrived(&self, on: On) -> Vec<String> {
        let is_new = |difference: &plan::Difference| match on {
            On::Here => difference.cloud == plan::Side::New,
            On::Cloud => difference.here == plan::Side::New,
        };
        let scope = self.0.scope.iter();
        scope
            .filter(|(_, difference)| is_new(difference))
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Takes out what waits for a person.
    pub fn hold(&mut self, paths: &[String]) {
        self.0.hold(paths);
    }
}

/// How a path gets through ahead of bisync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ahead {
    Upload,
    Download,
    AdoptIfEqual { md5: String },
}

/// The paths that go ahead of bisync where they are many.
#[must_use]
pub fn ahead(
    planned: &Planned,
    seen: &Seen,
    cloud: &BTreeMap<String, Object>,
) -> Vec<(String, Ahead)> {
    let picks = cycle::plain_of(&planned.0, &seen.0, cloud).into_iter();
    let ways = picks.map(|pick| {
        let way = match pick.way {
            cycle::BulkWay::Upload => Ahead::Upload,
            cycle::BulkWay::Download => Ahead::Download,
            cycle::BulkWay::AdoptIfEqual { md5 } => Ahead::AdoptIfEqual { md5 },
        };
        (pick.path, way)
    });
    ways.collect()
}

/// The side that a delete is carried to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Here,
    Cloud,
}

impl On {
    fn side(self) -> ChangeAction {
        match self {
            Self::Here => ChangeAction::RemoveHere,
            Self::Cloud => ChangeAction::RemoveInCloud,
        }
    }
}

/// Whether so many deletes wait for a person; `recent` is how many were carried in the last
/// [`WINDOW_MS`].
#[must_use]
pub fn too_many_deletes(
    held: Vec<String>,
    recent: usize,
    memory: &Memory,
    on: On,
    profile: Caution,
) -> bool {
    brakes::too_many_deletes(held, recent, &memory.0, on.side(), profile.profile()).is_some()
}

/// A sync profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    Safe,
    Balanced,
    Fast,
}

impl Caution {
    fn profile(self) -> Profile {
        Profile::named(match self {
            Self::Safe => ProfileName::Safe,
            Self::Balanced => ProfileName::Balanced,
            Self::Fast => ProfileName::Fast,
        })
    }

    #[must_use]
    pub fn keeps_both(self) -> bool {
        self.profile().conflict == ConflictRule::KeepBoth
    }
}
