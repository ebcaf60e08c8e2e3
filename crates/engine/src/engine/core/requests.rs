//! What each request does.

use super::super::run::QueuedRun;
use super::{Answer, Core, Decision};
use crate::cycle::Confirmed;
use crate::engine::model::PairModel;
use crate::view::{ProfileName, RcloneView, SyncSwitch};
use crate::{Refusal, Reply, Request, RunKind};

impl Core {
    pub(super) async fn take_request(&mut self, request: Request, answer: Answer) {
        let result = match request {
            Request::SignIn {
                server_url,
                open_browser,
                keep,
            } => self.sign_in(&server_url, open_browser, keep),
            Request::KeepSignIn => return self.keep_sign_in(answer),
            Request::CancelSignIn => {
                if let Some(signing_in) = self.signing_in.take() {
                    signing_in.cancel();
                }
                Ok(Reply::Done)
            }
            Request::SignOut => return self.sign_out(answer),
            Request::OpenSecrets { passphrase } => return self.open_secrets(passphrase, answer),
            Request::ForgetSecrets => return self.forget_secrets(answer),
            Request::CheckSubscription => return self.ask_subscription(Some(answer)),
            Request::SetUp {
                folder,
                profile,
                instead_of,
                mount,
            } => return self.set_up(&folder, profile, instead_of, mount, answer),
            Request::SetProfile { pair, profile } => self.set_profile(&pair, profile),
            Request::PreviewSetUp { folder, instead_of } => {
                return self.preview_set_up(&folder, instead_of.as_deref(), answer);
            }
            Request::PreviewMount { folder, notes } => {
                self.preview_mount(&folder, notes.as_deref())
            }
            Request::CheckFilters { pair, lines } => {
                return self.check_filters(&pair, lines, answer);
            }
            Request::SetFilters { pair, lines } => self.set_filters(&pair, lines),
            Request::ChangeSettings { settings } => self.change_settings(settings),
            Request::SetSync { on } => {
                self.set_switch(if on { SyncSwitch::On } else { SyncSwitch::Off })
            }
            Request::PauseUntil { until_ms } => {
                self.set_switch(SyncSwitch::PausedUntil { until_ms })
            }
            Request::SyncNow { pair, run } => self.sync_now(pair.as_deref(), run),
            Request::ConfirmHalt { pair } => self.confirm_halt(pair).await,
            Request::ListHistory { pair, path, after } => {
                return self.list_history(pair.as_deref(), path, after, answer);
            }
            Request::ReadVersion { id } => return self.read_version(id, answer),
            Request::RestoreVersion { id } => return self.restore_version(id, answer),
            Request::Explain { path } => return self.explain(&path, answer),
            Request::UndoLastSync { pair } => self.undo_last_sync(pair).await,
            Request::RestoreHalted { pair } => self.restore_halted(pair),
            Request::DismissConflict { id } => self.dismiss_conflict(id).await,
            Request::RecallConflict { id } => self.recall_conflict(id).await,
            Request::ReadConflict { id } => return self.read_conflict(id, answer),
            Request::ListConflicts => self.list_conflicts().await,
            Request::ResolveConflicts { choices } => {
                return self.decide(Decision::Resolve { choices }, answer);
            }
            Request::UndoResolution { undo } => {
                return self.decide(Decision::Undo { undo }, answer);
            }
            Request::Mount { folder, profile } => return self.mount(&folder, profile, answer),
            Request::Unmount { id } => self.unmount(&id),
            Request::SetMountProfile { id, profile } => self.set_mount_profile(&id, profile),
            Request::ForgetMount { id } => self.forget_mount(&id),
            Request::OpenFolder { pair } => self.open_folder(pair.as_deref()),
            Request::InstallRclone => {
                self.install_rclone();
                Ok(Reply::Done)
            }
            Request::ListInstallWays => return self.list_install_ways(answer),
            Request::InstallRcloneWith { way } => return self.install_with(&way, answer),
            Request::TestRclone { path } => return self.test_rclone(path, answer),
            Request::UseRclone { path } => return self.use_rclone(path, answer),
            Request::FindNotes { draft } => return self.find_notes(draft, answer),
            Request::ListCredentials => return self.list_credentials(answer),
            Request::RevokeCredential { id } => return self.revoke_credential(id, answer),
            Request::CreateCredential { name, file } => {
                return self.create_credential(&name, &file, answer);
            }
            Request::Diagnose => return self.diagnose(answer),
            Request::Repair { code } => return self.repair(&code, answer),
            Request::ExportDiagnostics { file } => return self.export_diagnostics(&file, answer),
            Request::ExportRclone { config } => return self.export_rclone(config, answer),
            Request::Quit => {
                self.quit();
                Ok(Reply::Done)
            }
        };
        self.reply(answer, result);
    }

    fn sync_now(&mut self, pair: Option<&str>, kind: RunKind) -> Result<Reply, Refusal> {
        self.must_be_signed_in()?;
        let chosen: Vec<String> = match pair {
            Some(id) => vec![self.pair(id)?.settings.id.clone()],
            None => self
                .model
                .pairs
                .iter()
                .map(|pair| pair.settings.id.clone())
                .collect(),
        };
        if chosen.is_empty() {
            return Err(Refusal::new("not_set_up", "No folder is set up yet")
                .hint("Choose your folder of notes first."));
        }
        if matches!(
            self.model.rclone,
            RcloneView::Missing { .. } | RcloneView::TooOld { .. }
        ) {
            self.look_for_rclone();
        }
        let number = self.queue_runs(chosen, kind, Confirmed::No);
        Ok(Reply::Run { number })
    }

    async fn confirm_halt(&mut self, id: String) -> Result<Reply, Refusal> {
        let halt = self.pair(&id)?.halt.as_ref();
        let Some(halt) = halt.filter(|halt| halt.can_confirm) else {
            return Err(Refusal::new(
                "nothing_to_confirm",
                "There is nothing to go on with",
            ));
        };
        let (accepted, now_ms) = (halt.clone(), self.config.clock.now_ms());
        let code = accepted.code.clone();
        let pair = id.clone();
        self.state
            .with(move |state| state.accept(&pair, &code, now_ms))
            .await
            .map_err(|error| Refusal::new("state", error.to_string()))?;
        let number = self.queue_runs(vec![id], RunKind::Sync, Confirmed::Yes);
        if let Some(run) = self.queue.back_mut() {
            run.accepted = Some(accepted);
        }
        Ok(Reply::Run { number })
    }

    pub(super) fn queue_runs(
        &mut self,
        pairs: Vec<String>,
        kind: RunKind,
        confirmed: Confirmed,
    ) -> u64 {
        self.numbers += 1;
        let number = self.numbers;
        for pair in pairs {
            self.queue.push_back(QueuedRun {
                number,
                pair,
                kind,
                confirmed,
                accepted: None,
            });
        }
        number
    }

    /// Queues a plain run of every pair.
    pub(super) fn queue_all(&mut self) {
        let pairs = self
            .model
            .pairs
            .iter()
            .map(|pair| pair.settings.id.clone())
            .collect();
        self.queue_runs(pairs, RunKind::Sync, Confirmed::No);
    }

    fn set_profile(&mut self, id: &str, profile: ProfileName) -> Result<Reply, Refusal> {
        self.pair(id)?;
        let saved = self.change_pair(id, |pair| pair.profile = profile)?;
        if let Some(pair) = self.model.pair_mut(id) {
            pair.settings.profile = profile;
        }
        Ok(saved)
    }

    fn set_switch(&mut self, sync: SyncSwitch) -> Result<Reply, Refusal> {
        self.model.settings.sync = sync;
        let saved = self.save_settings();
        if self.model.carries(self.config.clock.now_ms()) {
            self.pass_within(std::time::Duration::ZERO);
        } else {
            self.rest();
        }
        saved
    }

    async fn dismiss_conflict(&mut self, id: String) -> Result<Reply, Refusal> {
        let dismissed = self
            .state
            .with(move |state| state.dismiss_conflict(&id))
            .await;
        self.load_lists().await;
        match dismissed {
            Ok(true) => Ok(Reply::Done),
            Ok(false) => Err(Refusal::new("not_found", "There is no such open conflict")),
            Err(error) => Err(Refusal::new("state", error.to_string())),
        }
    }

    async fn recall_conflict(&mut self, id: String) -> Result<Reply, Refusal> {
        let recalled = self
            .state
            .with(move |state| state.recall_conflict(&id))
            .await;
        self.load_lists().await;
        match recalled {
            Ok(true) => Ok(Reply::Done),
            Ok(false) => {
                let message = "There is no such conflict that was put off";
                Err(Refusal::new("not_found", message))
            }
            Err(error) => Err(Refusal::new("state", error.to_string())),
        }
    }

    fn open_folder(&self, pair: Option<&str>) -> Result<Reply, Refusal> {
        let folder = match pair {
            Some(id) => match self
                .model
                .mounts
                .iter()
                .find(|mount| mount.settings.id == id)
            {
                Some(mount) => mount.settings.folder.as_path(),
                None => self.pair(id)?.settings.folder.as_path(),
            },
            None => match self.model.notes_folder() {
                Some(folder) => folder,
                None => return Err(Refusal::new("not_set_up", "No folder is set up yet")),
            },
        };
        if !folder.is_dir() {
            let message = format!("{} is not there", folder.display());
            return Err(Refusal::new("folder_missing", message)
                .hint("Bring the folder back (connect its disk); sync goes on by itself."));
        }
        match open::that_detached(folder) {
            Ok(()) => Ok(Reply::Done),
            Err(error) => Err(Refusal::new(
                "open_failed",
                format!("The folder could not be opened: {error}"),
            )),
        }
    }

    pub(super) fn pair(&self, id: &str) -> Result<&PairModel, Refusal> {
        self.model
            .pairs
            .iter()
            .find(|pair| pair.settings.id == id)
            .ok_or_else(|| Refusal::new("not_found", "There is no such folder").field("pair"))
    }

    pub(super) fn must_be_signed_in(&self) -> Result<(), Refusal> {
        if self.account.is_some() {
            Ok(())
        } else {
            Err(signed_out())
        }
    }
}

pub(super) fn signed_out() -> Refusal {
    Refusal::new("signed_out", "Nobody is signed in").hint("Sign in.")
}
