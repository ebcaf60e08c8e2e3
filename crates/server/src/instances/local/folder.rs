//! What is kept of a tenant's instance, in a folder of its own.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::LocalError;
use super::settings::LocalSettings;
use crate::instances::InstanceSpec;
use crate::state_folder::{private, restrict_folder, write_whole};

/// Goes into a file of its own, since that is how an instance reads it.
const SIGNING_KEYS: &str = "BM_TENANT_KEYS";

/// A process as it was started, to be found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessRecord {
    pub(super) pid: u32,
    /// Clock ticks between the system's start and the process's.
    pub(super) start_time: u64,
    /// Tells one start of the system from another.
    pub(super) boot: String,
    /// Digest of all that it was started with.
    pub(super) spec: String,
}

#[derive(Clone, Debug)]
pub(super) struct TenantFolder {
    root: PathBuf,
}

impl TenantFolder {
    pub(super) fn of(folder: &Path, tenant_id: &str) -> Result<Self, LocalError> {
        let plain = tenant_id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !plain || !(1..=64).contains(&tenant_id.len()) {
            return Err(LocalError::BadTenant(tenant_id.to_owned()));
        }
        Ok(Self {
            root: folder.join(tenant_id),
        })
    }

    pub(super) fn exists(&self) -> bool {
        self.root.exists()
    }

    pub(super) fn make(&self) -> Result<(), LocalError> {
        make_private(&self.root)?;
        make_private(&self.state())
    }

    /// The instance's own folder.
    pub(super) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub(super) fn key_file(&self) -> PathBuf {
        self.root.join("keys")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(super) fn announcement(&self) -> PathBuf {
        self.root.join("announcement")
    }

    /// Opens the file that the instance says its address in, empty.
    pub(super) fn new_announcement(&self) -> Result<File, LocalError> {
        private(OpenOptions::new().create(true).truncate(true).write(true))
            .open(self.announcement())
            .map_err(failed("the instance's announcement"))
    }

    /// Opens the log to write behind what is there.
    pub(super) fn log_file(&self) -> Result<File, LocalError> {
        private(OpenOptions::new().create(true).append(true))
            .open(self.log())
            .map_err(failed("the instance's log"))
    }

    /// Where the instance listens, once it has said so.
    pub(super) fn announced(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Line {
            url: String,
        }
        let text = fs::read_to_string(self.announcement()).ok()?;
        let (line, _) = text.split_once('\n')?;
        let line: Line = serde_json::from_str(line).ok()?;
        Some(line.url.trim_end_matches('/').to_owned())
    }

    /// Moves a long log out of the way; the instance goes on writing to the same file.
    pub(super) fn rotate(&self, longest: u64) -> io::Result<()> {
        let log = self.log();
        match fs::metadata(&log) {
            Ok(found) if found.len() > longest => {
                let old = self.root.join("log.1");
                fs::copy(&log, &old)?;
                OpenOptions::new().write(true).open(&log)?.set_len(0)
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn keep_spec(&self, spec: &InstanceSpec) -> Result<(), LocalError> {
        self.keep("spec.json", spec)
    }

    pub(super) fn spec(&self) -> Result<Option<InstanceSpec>, LocalError> {
        self.kept("spec.json")
    }

    pub(super) fn keep_secrets(
        &self,
        secrets: &BTreeMap<&'static str, SecretString>,
    ) -> Result<(), LocalError> {
        let plain: BTreeMap<&str, &str> = secrets
            .iter()
            .map(|(name, secret)| (*name, secret.expose_secret()))
            .collect();
        if let Some(keys) = plain.get(SIGNING_KEYS) {
            write_whole(&self.key_file(), keys.as_bytes())
                .map_err(failed("the instance's key file"))?;
        }
        self.keep("secrets.json", &plain)
    }

    /// The secrets for the instance's environment.
    pub(super) fn secrets(&self) -> Result<BTreeMap<String, SecretString>, LocalError> {
        let kept: Option<BTreeMap<String, String>> = self.kept("secrets.json")?;
        let kept = kept.ok_or(LocalError::NotProvisioned)?;
        Ok(kept
            .into_iter()
            .filter(|(name, _)| name != SIGNING_KEYS)
            .map(|(name, secret)| (name, secret.into()))
            .collect())
    }

    pub(super) fn keep_process(&self, record: &ProcessRecord) -> Result<(), LocalError> {
        self.keep("process.json", record)
    }

    /// A record that cannot be read is none: what it tells of is found by its folder.
    pub(super) fn process(&self) -> Option<ProcessRecord> {
        self.kept("process.json").ok().flatten()
    }

    pub(super) fn forget_process(&self) -> Result<(), LocalError> {
        match fs::remove_file(self.root.join("process.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("the instance's process file")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Digest of everything that an instance started now would be started with.
    pub(super) fn digest(&self, settings: &LocalSettings) -> Result<String, LocalError> {
        let mut digest = Sha256::new();
        for file in ["spec.json", "secrets.json"] {
            let bytes = fs::read(self.root.join(file))
                .map_err(failed("what the instance is started with"))?;
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
        let program = fs::metadata(&settings.program)
            .and_then(|found| Ok((found.len(), found.modified()?)))
            .ok();
        let told = (
            &settings.program,
            program,
            &settings.run.files,
            &settings.run.generation,
            &settings.run.basic_memory,
            &settings.run.rclone,
        );
        digest.update(format!("{told:?}"));
        Ok(hex::encode(digest.finalize()))
    }

    /// Removes the folder, unless something is mounted in it: behind that are a person's notes.
    pub(super) fn remove(&self) -> Result<(), LocalError> {
        if let Some(place) = mounted_below(&self.root) {
            return Err(LocalError::Mounted(place));
        }
        match remove_on_one_device(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("the instance's folder")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn keep(&self, name: &str, value: &impl Serialize) -> Result<(), LocalError> {
        let bytes = serde_json::to_vec(value).map_err(LocalError::Damaged)?;
        write_whole(&self.root.join(name), &bytes).map_err(failed("the instance's folder"))
    }

    fn kept<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<Option<T>, LocalError> {
        match fs::read(self.root.join(name)) {
            Ok(bytes) => Ok(Some(
                serde_json::from_slice(&bytes).map_err(LocalError::Damaged)?,
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("the instance's folder")(error)),
        }
    }
}

pub(super) fn make_private(folder: &Path) -> Result<(), LocalError> {
    fs::create_dir_all(folder)
        .and_then(|()| restrict_folder(folder))
        .map_err(failed("the instances' folder"))
}

/// The tenants that have a folder.
pub(super) fn tenants_in(folder: &Path) -> Result<Vec<String>, LocalError> {
    let entries = fs::read_dir(folder).map_err(failed("the instances' folder"))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("the instances' folder"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if TenantFolder::of(folder, &name).is_ok() && entry.path().is_dir() {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> LocalError {
    move |source| LocalError::Files { what, source }
}

/// The first place below `root` where something is mounted.
fn mounted_below(root: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let places = text.lines().filter_map(|line| line.split(' ').nth(4));
    places
        .map(|place| PathBuf::from(place.replace("\\040", " ")))
        .find(|place| place.starts_with(root))
}

/// Removes a tree, and stops before it leaves the file system that the tree is on.
fn remove_on_one_device(root: &Path) -> io::Result<()> {
    let device = device_of(&fs::symlink_metadata(root)?);
    remove_tree(root, device)
}

fn remove_tree(place: &Path, device: Option<u64>) -> io::Result<()> {
    let found = fs::symlink_metadata(place)?;
    if !found.is_dir() {
        return fs::remove_file(place);
    }
    if device_of(&found) != device {
        return Err(io::ErrorKind::CrossesDevices.into());
    }
    for entry in fs::read_dir(place)? {
        remove_tree(&entry?.path(), device)?;
    }
    fs::remove_dir(place)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems do not tell")]
fn device_of(metadata: &fs::Metadata) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(metadata.dev())
}

#[cfg(not(unix))]
fn device_of(_: &fs::Metadata) -> Option<u64> {
    None
}
