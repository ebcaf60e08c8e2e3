//! A folder becomes a pair, and a drive comes with it: both are written down in one step.

use std::path::Path;

use uuid::Uuid;

use super::made::MadeFolders;
use super::placing::{Ground, fit_for_notes};
use super::requests::signed_out;
use super::session::refusal;
use super::{Answer, Core, Input};
use crate::account::{Account, AuthError};
use crate::cycle::Confirmed;
use crate::filters::Filters;
use crate::mounts::MountSettings;
use crate::settings::PairSettings;
use crate::view::{HaltAction, ProfileName};
use crate::{NewMount, Refusal, Reply, RunKind};

/// A set-up that only has to be written down.
pub(in crate::engine) struct SetUp {
    pair: PairSettings,
    instead_of: Option<String>,
    mount: Option<MountSettings>,
    made: Made,
}

/// Folders that were made for notes and for a drive.
struct Made(Vec<MadeFolders>);

impl Core {
    pub(super) fn set_up(
        &mut self,
        folder: &Path,
        profile: ProfileName,
        instead_of: Option<String>,
        mount: Option<NewMount>,
        answer: Answer,
    ) {
        let (mut set_up, account) = match self.prepare(folder, profile, instead_of, mount) {
            Ok(prepared) => prepared,
            Err(refusal) => return self.reply(answer, Err(refusal)),
        };
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let result = match take_up(&account).await {
                Ok(bucket) => {
                    set_up.pair.bucket = bucket;
                    Ok(set_up)
                }
                Err(error) => {
                    set_up.made.take_back();
                    Err(refusal(&error))
                }
            };
            if let Err(unsent) = inputs.send(Input::SetUp(Box::new(result), answer)).await {
                tracing::debug!(%unsent, "the engine stopped meanwhile");
            }
        });
    }

    /// What would be written down, but for the bucket, which the server names.
    fn prepare(
        &mut self,
        folder: &Path,
        profile: ProfileName,
        instead_of: Option<String>,
        mount: Option<NewMount>,
    ) -> Result<(SetUp, Account), Refusal> {
        let account = self.account.clone().ok_or_else(signed_out)?;
        if let Some(id) = &instead_of {
            self.must_want_a_folder(id)?;
        }
        let (folder, made) = fit_for_notes(folder, &self.ground(instead_of.as_deref()))?;
        let mut made = Made(vec![made]);
        let mount = match mount.map(|mount| self.mount_beside(&folder, &mount)) {
            None => None,
            Some(Ok((mount, made_for_it))) => {
                made.0.push(made_for_it);
                Some(mount)
            }
            Some(Err(refusal)) => {
                made.take_back();
                return Err(refusal);
            }
        };
        let mut pairs = self.model.pairs.iter().map(|pair| &pair.settings);
        let known = pairs.find(|pair| pair.folder == folder);
        let left = instead_of.as_deref().and_then(|id| self.pair(id).ok());
        let id = known.map_or_else(
            || format!("pair_{}", &Uuid::now_v7().simple().to_string()[20..]),
            |pair| pair.id.clone(),
        );
        let filters = known
            .or(left.map(|pair| &pair.settings))
            .map_or_else(Filters::default_lines, |pair| pair.filters.clone());
        let pair = PairSettings {
            id,
            folder,
            profile,
            account: account.key().to_owned(),
            bucket: String::new(),
            filters,
        };
        let set_up = SetUp {
            pair,
            instead_of,
            mount,
            made,
        };
        Ok((set_up, account))
    }

    fn mount_beside(
        &mut self,
        notes: &Path,
        mount: &NewMount,
    ) -> Result<(MountSettings, MadeFolders), Refusal> {
        self.mount_to_be(&mount.folder, mount.profile, Some(notes))
            .map_err(|refusal| refusal.field("mount"))
    }

    pub(super) async fn finish_set_up(&mut self, result: Result<SetUp, Refusal>, answer: Answer) {
        let written = result.and_then(|set_up| self.write_down(set_up));
        let (pair, mount) = match written {
            Ok(written) => written,
            Err(refusal) => return self.reply(answer, Err(refusal)),
        };
        self.load_pairs().await;
        self.watch_files();
        self.follow_changes();
        if let Some(mount) = mount {
            self.show_mount(mount);
        }
        let number = self.queue_runs(vec![pair], RunKind::Sync, Confirmed::No);
        self.reply(answer, Ok(Reply::Run { number }));
    }

    /// All of it in one file that is replaced, or nothing: a crash leaves one or the other.
    fn write_down(&mut self, set_up: SetUp) -> Result<(String, Option<MountSettings>), Refusal> {
        let SetUp {
            pair,
            instead_of,
            mount,
            made,
        } = set_up;
        let id = pair.id.clone();
        let written = self.write_settings(|settings| {
            let stays = |it: &PairSettings| it.id != pair.id && Some(&it.id) != instead_of.as_ref();
            settings.pairs.retain(stays);
            settings.pairs.push(pair);
            if let Some(mount) = &mount {
                settings.put_mount(mount.clone());
            }
        });
        match written {
            Ok(_) => Ok((id, mount)),
            Err(refusal) => {
                made.take_back();
                Err(refusal)
            }
        }
    }

    /// Only a pair that asks for another folder is given up for one.
    fn must_want_a_folder(&self, id: &str) -> Result<(), Refusal> {
        let halt = self.pair(id)?.halt.as_ref();
        if halt.is_some_and(|halt| halt.actions.contains(&HaltAction::ChooseFolder)) {
            return Ok(());
        }
        let message = "That folder is in its place; sync of it goes on";
        Err(Refusal::new("not_halted", message).field("insteadOf"))
    }

    /// What is in use already where notes may be kept.
    pub(super) fn ground(&self, instead_of: Option<&str>) -> Ground {
        let settings = &self.model.settings;
        let mut pairs = settings.pairs.clone();
        pairs.retain(|pair| Some(pair.id.as_str()) != instead_of);
        let drives = settings.mounts.iter();
        let places = &self.config.places;
        let account = self.account.as_ref();
        Ground {
            pairs,
            drives: drives.map(|mount| mount.folder.clone()).collect(),
            account: account.map_or_else(String::new, |account| account.key().to_owned()),
            own: vec![
                places.state.clone(),
                places.data.clone(),
                places.config.clone(),
            ],
            side_home: places.data.clone(),
        }
    }
}

impl Made {
    fn take_back(self) {
        for made in self.0 {
            made.take_back();
        }
    }
}

/// The account's bucket, for a sign-in that is kept from here on.
async fn take_up(account: &Account) -> Result<String, AuthError> {
    let credentials = account.bucket_credentials().await?;
    account.make_lasting().await?;
    Ok(credentials.bucket)
}
