//! What mounts are asked for, and what their keepers tell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use guard::Access;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;
use wire::{ChangeIn, ChangeKind};

use super::made::MadeFolders;
use super::requests::signed_out;
use super::session::refusal;
use super::{Answer, Core, Input};
use crate::config::Mode;
use crate::engine::Link;
use crate::lane::Hint;
use crate::mounts::{
    Command, Keeper, KeeperEnv, MountModel, MountSettings, Report, Room, Told, Wanted, support,
};
use crate::view::{MountProfileName, MountState, MountSupport};
use crate::{Refusal, Reply, SignInKeep};

mod place;

use place::{fit_to_mount, may_show_a_drive};

/// How long an ending engine waits for its mounts.
const PARTING: Duration = Duration::from_secs(20);

/// The keepers of this engine's mounts.
pub(in crate::engine) struct Mounts {
    keepers: BTreeMap<String, KeeperHandle>,
    /// Keepers that nobody needs any more, at their last work.
    parting: Vec<JoinHandle<()>>,
    links: watch::Sender<Option<Link>>,
    access: watch::Sender<Access>,
    reports: mpsc::Sender<Report>,
    pub(super) received: Option<mpsc::Receiver<Report>>,
}

struct KeeperHandle {
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

impl Mounts {
    pub(super) fn none() -> Self {
        let (reports, received) = mpsc::channel(64);
        Self {
            keepers: BTreeMap::new(),
            parting: Vec::new(),
            links: watch::Sender::new(None),
            access: watch::Sender::new(Access::ReadWrite),
            reports,
            received: Some(received),
        }
    }

    pub(in crate::engine) fn are_active(&self) -> bool {
        !self.keepers.is_empty()
    }

    fn command(&self, id: &str, command: Command) -> bool {
        let Some(keeper) = self.keepers.get(id) else {
            return false;
        };
        if let Err(error) = keeper.commands.try_send(command) {
            tracing::warn!(%error, mount.id = id, "a mount did not take a command");
        }
        true
    }

    fn part_from(&mut self, id: &str) {
        if let Some(keeper) = self.keepers.remove(id) {
            self.parting.push(keeper.task);
        }
    }
}

impl Core {
    /// Shows the mounts of the account that is signed in; in the background, brings up those that
    /// were wanted.
    pub(super) fn load_mounts(&mut self) {
        let key = self.account.as_ref().map(|account| account.key());
        let known = std::mem::take(&mut self.model.mounts);
        let ours = |mount: &&MountSettings| Some(mount.account.as_str()) == key;
        let settings: Vec<MountSettings> = self
            .model
            .settings
            .mounts
            .iter()
            .filter(ours)
            .cloned()
            .collect();
        let strangers: Vec<String> = self
            .mounts
            .keepers
            .keys()
            .filter(|id| !settings.iter().any(|mount| mount.id == **id))
            .cloned()
            .collect();
        for id in strangers {
            self.mounts.part_from(&id);
        }
        for mount in settings {
            let told = known
                .iter()
                .find(|model| model.settings.id == mount.id)
                .map_or_else(
                    || {
                        let room = Room::new(&self.config.places, &mount.id);
                        Told::unmounted(room.waiting())
                    },
                    |model| model.told.clone(),
                );
            let wanted = mount.wanted == Wanted::Mounted
                && matches!(self.config.mode, Mode::Background { .. });
            self.model.mounts.push(MountModel {
                settings: mount.clone(),
                told,
            });
            if wanted && !self.mounts.keepers.contains_key(&mount.id) {
                self.keep(mount);
            }
        }
    }

    /// Gives a mount a keeper and has it mounted.
    fn keep(&mut self, settings: MountSettings) {
        let Some(account) = self.account.clone() else {
            return;
        };
        let id = settings.id.clone();
        let (commands, received) = mpsc::channel(64);
        let env = KeeperEnv {
            config: self.config.clone(),
            account: Some(account),
            rclone: self.rclone.clone(),
            links: self.mounts.links.subscribe(),
            access: self.mounts.access.subscribe(),
            limits: self.limits.subscribe(),
            reports: self.mounts.reports.clone(),
        };
        let task = tokio::spawn(Keeper::new(settings, env).run(received));
        let handle = KeeperHandle { commands, task };
        self.mounts.keepers.insert(id.clone(), handle);
        self.mounts.command(&id, Command::Mount);
        if self.hints.is_none() {
            self.follow_changes();
        }
    }

    pub(super) fn mount(&mut self, folder: &Path, profile: MountProfileName, answer: Answer) {
        let fit = self.mount_to_be(folder, profile, None);
        let ((settings, made), account) = match (fit, &self.account) {
            (Ok(fit), Some(account)) => (fit, account.clone()),
            (Ok(_), None) => return self.reply(answer, Err(signed_out())),
            (Err(refusal), _) => return self.reply(answer, Err(refusal)),
        };
        if account.kept() == SignInKeep::Now {
            return self.finish_mount(Ok(settings), answer);
        }
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let result = match account.make_lasting().await {
                Ok(()) => Ok(settings),
                Err(error) => {
                    made.take_back();
                    Err(refusal(&error))
                }
            };
            let input = Input::Mount(Box::new(result), answer);
            if inputs.send(input).await.is_err() {
                tracing::debug!("the engine stopped before a sign-in was kept");
            }
        });
    }

    /// What a mount there would be written down as once `notes` is in sync, and the folders that
    /// were made for it.
    pub(super) fn mount_to_be(
        &mut self,
        folder: &Path,
        profile: MountProfileName,
        notes: Option<&Path>,
    ) -> Result<(MountSettings, MadeFolders), Refusal> {
        let Some(account) = self
            .account
            .as_ref()
            .map(|account| account.key().to_owned())
        else {
            return Err(signed_out());
        };
        self.must_show_drives()?;
        let known = self
            .model
            .settings
            .mounts
            .iter()
            .find(|mount| mount.account == account && is_same_folder(&mount.folder, folder));
        if let Some(mount) = known {
            let settings = MountSettings {
                profile,
                wanted: Wanted::Mounted,
                ..mount.clone()
            };
            return Ok((settings, MadeFolders::none()));
        }
        let (folder, made) = fit_to_mount(folder, &self.synced_with(notes), &self.in_use())?;
        let settings = MountSettings {
            id: format!("mount_{}", &Uuid::now_v7().simple().to_string()[20..]),
            folder,
            profile,
            account,
            wanted: Wanted::Mounted,
        };
        Ok((settings, made))
    }

    pub(super) fn finish_mount(&mut self, result: Result<MountSettings, Refusal>, answer: Answer) {
        let result = result.and_then(|settings| self.begin_mount(settings));
        self.reply(answer, result);
    }

    fn begin_mount(&mut self, settings: MountSettings) -> Result<Reply, Refusal> {
        let saved = self.write_settings(|all| all.put_mount(settings.clone()))?;
        self.show_mount(settings);
        Ok(saved)
    }

    /// Mounts what is written down.
    pub(super) fn show_mount(&mut self, settings: MountSettings) {
        self.tell_mount(settings.clone());
        self.foretell(&settings.id, MountState::Starting, &[MountState::Mounted]);
        if self.mounts.keepers.contains_key(&settings.id) {
            let id = settings.id.clone();
            self.mounts.command(&id, Command::Change(settings));
            self.mounts.command(&id, Command::Mount);
        } else {
            self.keep(settings);
        }
    }

    pub(super) fn unmount(&mut self, id: &str) -> Result<Reply, Refusal> {
        let settings = MountSettings {
            wanted: Wanted::Unmounted,
            ..self.known_mount(id)?
        };
        let saved = self.put_mount(settings.clone())?;
        if self.mounts.command(id, Command::Unmount) {
            self.foretell(id, MountState::Unmounting, &[MountState::Unmounted]);
        } else {
            clear_away(&settings, &Room::new(&self.config.places, id));
        }
        Ok(saved)
    }

    pub(super) fn set_mount_profile(
        &mut self,
        id: &str,
        profile: MountProfileName,
    ) -> Result<Reply, Refusal> {
        let settings = MountSettings {
            profile,
            ..self.known_mount(id)?
        };
        let saved = self.put_mount(settings.clone())?;
        self.mounts.command(id, Command::Change(settings));
        Ok(saved)
    }

    pub(super) fn forget_mount(&mut self, id: &str) -> Result<Reply, Refusal> {
        self.known_mount(id)?;
        let told = self
            .model
            .mounts
            .iter()
            .find(|mount| mount.settings.id == id);
        if told.is_some_and(|mount| {
            !matches!(mount.told.state, MountState::Unmounted | MountState::Failed)
        }) {
            return Err(Refusal::new("still_mounted", "Unmount it first").field("id"));
        }
        let room = Room::new(&self.config.places, id);
        let (waiting, _) = room.waiting();
        if waiting > 0 {
            let message = format!("{waiting} files of this mount are not in the cloud yet");
            let hint = "Mount it once more while the cloud can be reached.";
            return Err(Refusal::new("files_waiting", message).hint(hint));
        }
        let saved = self.write_settings(|settings| {
            settings.mounts.retain(|mount| mount.id != id);
        })?;
        self.mounts.part_from(id);
        self.model.mounts.retain(|mount| mount.settings.id != id);
        room.remove();
        Ok(saved)
    }

    /// Shows what begins now, before its keeper tells: what was said of an earlier try is over.
    fn foretell(&mut self, id: &str, state: MountState, unless: &[MountState]) {
        let mut shown = self.model.mounts.iter_mut();
        if let Some(mount) = shown.find(|mount| mount.settings.id == id)
            && !unless.contains(&mount.told.state)
        {
            mount.told.state = state;
            mount.told.words = None;
        }
    }

    fn known_mount(&self, id: &str) -> Result<MountSettings, Refusal> {
        self.model
            .mounts
            .iter()
            .find(|mount| mount.settings.id == id)
            .map(|mount| mount.settings.clone())
            .ok_or_else(|| Refusal::new("not_found", "There is no such mount").field("id"))
    }

    /// Saves one mount's settings and tells them.
    fn put_mount(&mut self, settings: MountSettings) -> Result<Reply, Refusal> {
        let saved = self.write_settings(|all| all.put_mount(settings.clone()))?;
        self.tell_mount(settings);
        Ok(saved)
    }

    fn tell_mount(&mut self, settings: MountSettings) {
        let shown = &mut self.model.mounts;
        match shown
            .iter_mut()
            .find(|mount| mount.settings.id == settings.id)
        {
            Some(mount) => mount.settings = settings,
            None => shown.push(MountModel {
                settings,
                told: Told::unmounted((0, 0)),
            }),
        }
    }

    /// Tells whether a mount could be at a folder, once `notes` is in sync. Makes nothing.
    pub(super) fn preview_mount(
        &mut self,
        folder: &Path,
        notes: Option<&Path>,
    ) -> Result<Reply, Refusal> {
        self.must_be_signed_in()?;
        self.must_show_drives()?;
        let synced = self.synced_with(notes);
        may_show_a_drive(folder, &synced, &self.in_use()).map(|_| Reply::Done)
    }

    fn must_show_drives(&mut self) -> Result<(), Refusal> {
        self.model.mount_support = support();
        match &self.model.mount_support {
            MountSupport::Missing { message, hint } => {
                Err(Refusal::new("mount_unsupported", message.clone()).hint(hint.clone()))
            }
            MountSupport::Ready { .. } => Ok(()),
        }
    }

    /// The folders that sync, and one that is about to.
    fn synced_with(&self, notes: Option<&Path>) -> Vec<PathBuf> {
        let pairs = self.model.settings.pairs.iter();
        let folders = pairs.map(|pair| pair.folder.clone());
        folders.chain(notes.map(Path::to_owned)).collect()
    }

    /// Folders of the app itself and of other drives.
    fn in_use(&self) -> Vec<PathBuf> {
        let places = &self.config.places;
        [&places.state, &places.data, &places.config, &places.runtime]
            .into_iter()
            .cloned()
            .chain(
                self.model
                    .settings
                    .mounts
                    .iter()
                    .map(|mount| mount.folder.clone()),
            )
            .collect()
    }

    pub(super) async fn take_report(&mut self, report: Report) {
        match report {
            Report::Told { mount, told } => {
                let mut shown = self.model.mounts.iter_mut();
                if let Some(model) = shown.find(|model| model.settings.id == mount) {
                    model.told = told;
                }
            }
            Report::Linked(link) => {
                if self.link.is_none() && self.leads_home(&link) {
                    self.link = Some(*link);
                }
                // Only an account with a bucket has a stream of its changes.
                if !self.stream_live {
                    self.follow_changes();
                }
            }
            Report::Stored { path, etag, size } => self.take_stored(path, etag, size),
            Report::SetAside { mount, path, copy } => {
                self.take_set_aside(mount, path, copy).await;
            }
        }
    }

    /// What a mount changed, others should see at once: this device's folder and other devices.
    fn take_stored(&mut self, path: String, etag: Option<String>, size: Option<u64>) {
        let (kind, hint) = match (&etag, size) {
            (Some(etag), Some(size)) => {
                let etag = etag.clone();
                (ChangeKind::Put, Hint::Stored { etag, size })
            }
            (Some(_) | None, Some(_) | None) => (ChangeKind::Delete, Hint::Ask),
        };
        self.hint_pairs(&[(path.clone(), hint)]);
        self.tell_others(vec![ChangeIn {
            path,
            kind,
            from: None,
            etag,
            size,
            at: None,
        }]);
    }

    async fn take_set_aside(&mut self, mount: String, path: String, copy: String) {
        // A folder with the same bucket gets both versions, so the conflict is settled there.
        let pair = match self.model.pairs.first() {
            Some(pair) => pair.settings.id.clone(),
            None => mount,
        };
        let id = format!("conflict_{}", &Uuid::now_v7().simple().to_string()[20..]);
        let (device, now_ms) = (self.config.device.clone(), self.config.clock.now_ms());
        let noted = self
            .state
            .with(move |state| state.note_set_aside(&id, &pair, (&path, &copy), (&device, now_ms)))
            .await;
        if let Err(error) = noted {
            tracing::error!(%error, "a conflict of a mount was not recorded; both versions are there");
        }
        self.load_lists().await;
    }

    /// The cloud may have changed at these paths: mounts list their folders again.
    pub(in crate::engine) fn refresh_mounts<'a>(&self, paths: impl Iterator<Item = &'a str>) {
        if self.mounts.keepers.is_empty() {
            return;
        }
        let mut folders: Vec<String> = paths
            .map(|path| {
                path.rsplit_once('/')
                    .map_or("", |(folder, _)| folder)
                    .to_owned()
            })
            .collect();
        folders.sort_unstable();
        folders.dedup();
        for id in self.mounts.keepers.keys() {
            self.mounts.command(id, Command::Refresh(folders.clone()));
        }
    }

    /// Lets keepers see the newest way to the bucket and what they may do there.
    pub(super) fn share_with_mounts(&self) {
        self.mounts.links.send_if_modified(|current| {
            let same = match (&*current, &self.link) {
                (Some(current), Some(link)) => std::sync::Arc::ptr_eq(&current.guard, &link.guard),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !same {
                current.clone_from(&self.link);
            }
            !same
        });
        let now_ms = self.config.clock.now_ms();
        let is_current = self.model.subscription.as_ref().is_none_or(|standing| {
            standing.current && standing.period_end_ms.is_none_or(|end| end >= now_ms)
        });
        let access = if is_current {
            Access::ReadWrite
        } else {
            Access::ReadOnly
        };
        self.mounts.access.send_if_modified(|current| {
            let changed = *current != access;
            *current = access;
            changed
        });
    }

    /// Takes all mounts away; what is not stored stays for the next start.
    pub(super) async fn end_mounts(&mut self, reports: &mut mpsc::Receiver<Report>) {
        let ids: Vec<String> = self.mounts.keepers.keys().cloned().collect();
        for id in ids {
            self.mounts.part_from(&id);
        }
        let tasks = std::mem::take(&mut self.mounts.parting);
        let all = async {
            for task in tasks {
                if let Err(error) = task.await {
                    tracing::error!(%error, "a keeper of a mount broke off");
                }
            }
        };
        tokio::pin!(all);
        let deadline = tokio::time::Instant::now() + PARTING;
        loop {
            tokio::select! {
                () = &mut all => return,
                Some(report) = reports.recv() => self.take_report(report).await,
                () = tokio::time::sleep_until(deadline) => {
                    tracing::warn!("a mount did not go away in time");
                    return;
                }
            }
        }
    }
}

fn clear_away(settings: &MountSettings, room: &Room) {
    let (folder, run) = (settings.folder.clone(), room.run.clone());
    let name = settings.device_name();
    tokio::spawn(async move {
        if let Err(error) = rclone::mount::clear_leftovers(&folder, &name, &run).await {
            tracing::warn!(%error, "a dead mount was not cleared away");
        }
    });
}

/// The same by name, or by what the names lead to. A dead mount cannot be asked where it is.
fn is_same_folder(one: &Path, other: &Path) -> bool {
    one == other || dunce::canonicalize(other).is_ok_and(|other| other == one)
}
