//! Bringing a mount up, from whatever was left behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use guard::{CopyName, GuardEvent, Held, LiveSpec};
use rclone::mount::{Daemon, MountError, MountSpec, PlatformFacts, clear_leftovers};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::{KeeperEnv, Report, Running, strays};
use crate::config::Config;
use crate::engine::{Link, find_rclone};
use crate::mounts::{MountSettings, Room, Times, Words};
use crate::naming::numbered_conflict_name;
use crate::view::RcloneView;

const QUEUED_EVENTS: usize = 256;

pub(super) struct Brought {
    pub(super) running: Running,
    pub(super) events: mpsc::Receiver<GuardEvent>,
}

/// Why there is no mount, in words.
pub(super) struct Failure {
    pub(super) words: Words,
    pub(super) is_transient: bool,
}

impl Failure {
    fn new(message: impl Into<String>, hint: &str) -> Self {
        Self {
            words: Words {
                message: message.into(),
                hint: (!hint.is_empty()).then(|| hint.to_owned()),
            },
            is_transient: false,
        }
    }

    fn transient(self) -> Self {
        Self {
            is_transient: true,
            ..self
        }
    }

    pub(super) fn broken(error: &tokio::task::JoinError) -> Self {
        Self::new(format!("the mount broke off: {error}"), "").transient()
    }
}

impl From<MountError> for Failure {
    fn from(error: MountError) -> Self {
        let hint = match &error {
            MountError::Unreachable => "It is tried again by itself.",
            MountError::BucketRefused => "Sign in again.",
            MountError::NotEmpty => {
                "Move its files elsewhere, or choose another folder: a mount would hide them."
            }
            MountError::AlreadyMounted => "Unmount it there first, or choose another folder.",
            MountError::FolderMissing => "Make the folder, or choose another.",
            MountError::TooOld { .. } => "A check-up in Diagnostics puts a newer one in place.",
            MountError::Stuck { .. } => "End the programs that use the folder, and try again.",
            MountError::SocketPathTooLong
            | MountError::PathNotUnicode
            | MountError::NotStarted { .. }
            | MountError::NotReady
            | MountError::Died { .. }
            | MountError::Busy
            | MountError::Gone
            | MountError::Refused { .. }
            | MountError::Rc(_) => "",
        };
        let failure = Self::new(capitalized(&error.to_string()), hint);
        if error.is_transient() {
            failure.transient()
        } else {
            failure
        }
    }
}

pub(super) async fn bring(
    settings: MountSettings,
    room: Room,
    env: KeeperEnv,
) -> Result<Brought, Failure> {
    let driver = PlatformFacts::look()
        .driver()
        .map_err(|missing| Failure::new(capitalized(&missing.to_string()), missing.hint()))?;
    let device_name = settings.device_name();
    clear_leftovers(&settings.folder, &device_name, &room.run).await?;
    // A person is told of what lies in the folder; an instance has nobody to tell.
    let is_alone = env.account.is_none();
    let prepared = room
        .create()
        .and_then(|()| make(&settings.folder))
        .and_then(|()| match is_alone {
            true => strays::set_aside(&settings.folder, &room.strays()),
            false => Ok(()),
        });
    prepared.map_err(|error| {
        let message = format!("The folders of the mount could not be made: {error}");
        Failure::new(message, "Check permissions and free space.")
    })?;
    let binary = binary(&env).await?;
    let link = link(&env).await?;
    let (events, received) = mpsc::channel(QUEUED_EVENTS);
    let bucket = link.bucket.name().to_owned();
    if let Err(error) = room.mend(&bucket) {
        let message = format!("What the mount keeps could not be put in order: {error}");
        return Err(Failure::new(message, "Check permissions and free space."));
    }
    let session = link.guard.open_live(LiveSpec {
        access: *env.access.borrow(),
        shown: room.shown(&bucket),
        held: held(&room, &bucket),
        copy_name: copy_name(&env.config),
        events,
    });
    let spec = MountSpec {
        folder: settings.folder,
        driver,
        device_name,
        endpoint: session.endpoint(),
        bucket,
        access_key: session.access_key().to_owned(),
        secret_key: session.secret_key().clone(),
        cache_dir: room.cache(),
        dir_cache: Times::of(settings.profile).cache,
        run_dir: room.run.clone(),
    };
    let folder = spec.folder.clone();
    let daemon = match Daemon::start(&binary, spec).await {
        // A person can sign in again; of an instance, whoever runs it has to hear.
        Err(error @ MountError::BucketRefused) if is_alone => {
            return Err(Failure {
                is_transient: false,
                ..Failure::from(error)
            });
        }
        started => started?,
    };
    if is_alone {
        bring_strays(room.strays(), folder, copy_name(&env.config)).await;
    }
    Ok(Brought {
        running: Running {
            daemon,
            session,
            _link: link,
        },
        events: received,
    })
}

/// What cannot be brought now waits for the next time.
async fn bring_strays(aside: PathBuf, folder: PathBuf, copy_name: CopyName) {
    let brought = tokio::task::spawn_blocking(move || {
        strays::bring_back(&aside, &folder, |path| copy_name(path, 1))
    });
    match brought.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "what was saved under a drive still waits"),
        Err(error) => tracing::warn!(%error, "what was saved under a drive still waits"),
    }
}

fn make(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

async fn binary(env: &KeeperEnv) -> Result<rclone::Binary, Failure> {
    if let Some(binary) = env.rclone.clone().filter(|binary| binary.path.exists()) {
        return Ok(binary);
    }
    find_rclone(&env.config).await.map_err(|view| match view {
        RcloneView::Missing { message, hint } | RcloneView::TooOld { message, hint, .. } => {
            Failure::new(message, &hint)
        }
        RcloneView::Unknown | RcloneView::Ready { .. } | RcloneView::Installing => {
            Failure::new("rclone is not ready", "Try again.").transient()
        }
    })
}

async fn link(env: &KeeperEnv) -> Result<Link, Failure> {
    let known = env.links.borrow().clone();
    let Some(account) = &env.account else {
        return known.ok_or_else(|| Failure::new("There is no way to the bucket", ""));
    };
    if let Some(link) = known.filter(|link| link.is_of(account)) {
        return Ok(link);
    }
    let opened = Link::open(account, &env.config.clock, env.limits.clone()).await;
    let link = opened.map_err(|error| {
        let hint = "It is tried again by itself.";
        Failure::new(capitalized(&error.to_string()), hint).transient()
    })?;
    let report = Report::Linked(Box::new(link.clone()));
    if env.reports.send(report).await.is_err() {
        tracing::debug!("the engine ends while a mount starts");
    }
    Ok(link)
}

fn held(room: &Room, bucket: &str) -> Held {
    let files = room.files(bucket);
    Arc::new(move |path| files.is_waiting(path))
}

fn copy_name(config: &Config) -> CopyName {
    let (clock, device) = (config.clock.clone(), config.device.clone());
    Arc::new(move |path, number| {
        let now = OffsetDateTime::from(clock.now());
        numbered_conflict_name(path, &device, now, number)
    })
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
