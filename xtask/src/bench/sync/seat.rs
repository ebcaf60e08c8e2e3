use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bench::sync::course::Course;
use crate::bench::sync::proxy::{Proxy, Swap};
use crate::child::{self, Companion, Input};
use crate::demo::device::Device;
use crate::demo::server::Credentials;
use crate::repo::Repo;

const FILES_PER_FOLDER: usize = 50;
/// A first sync of a hundred thousand notes is behind it.
const PATIENCE: Duration = Duration::from_secs(600);

/// A signed-in device whose requests to the store are counted on the way.
pub(crate) struct Seat {
    pub(crate) device: Device,
    pub(crate) store: Proxy,
    _api: Proxy,
}

impl Seat {
    /// The client learns the store's address from the server; what tells it that is a second
    /// proxy, which puts the counting one's address in its place.
    pub(crate) fn sign_in(
        device: Device,
        course: &Course<'_>,
        keys: &Credentials,
        email: &str,
    ) -> Result<Self> {
        let server = course.server;
        let store = keys.endpoint.trim_start_matches("http://");
        let counting = Proxy::start(&course.store.address(keys)?, None)?;
        let address = counting.url().trim_start_matches("http://").to_owned();
        ensure!(
            store.len() == address.len(),
            "{store} and {address} differ in length; run again"
        );
        let swap = Swap {
            from: store.to_owned(),
            to: address,
        };
        let api = Proxy::start(server.url().trim_start_matches("http://"), Some(swap))?;
        let said = device.sign_in_at(&api.url(), server, email)?;
        ensure!(
            said.code == Some(0),
            "sign-in failed: {}{}",
            said.output,
            said.errors
        );
        Ok(Self {
            device,
            store: counting,
            _api: api,
        })
    }

    pub(crate) fn set_up(&self) -> Result<()> {
        let folder = self.device.folder();
        let folder = folder.to_str().context("the folder's path is text")?;
        self.device
            .json(&["setup", "--folder", folder, "--profile", "balanced"])
            .map(drop)
    }

    /// Starts the engine that carries changes by itself, and waits until it has nothing to do.
    pub(crate) fn watch(&self, repo: &Repo) -> Result<Companion> {
        let mut command = child::tied(repo.binary("bm-cloud"));
        self.device.dress(&mut command);
        command.args(["bisync", "--watch", "--json"]);
        let log = self.device.home().join("watch.log");
        let watching = Companion::start(
            "bm-cloud bisync --watch",
            &mut command,
            Input::Nothing,
            &log,
        )?;
        child::wait_for("a watching device", PATIENCE, || {
            let line = watching.line(PATIENCE)?;
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            Ok((event["event"] == "status" && event["status"] == "idle").then_some(()))
        })?;
        Ok(watching)
    }
}

/// A device whose folder holds so many notes.
pub(crate) fn device_with_notes(
    repo: &Repo,
    base: &Path,
    name: &str,
    files: usize,
) -> Result<Device> {
    let device = Device::new(repo, base, name)?;
    fill(&device.folder(), files)?;
    Ok(device)
}

pub(crate) fn note(number: usize) -> PathBuf {
    format!("{:04}/note {number:06}.md", number / FILES_PER_FOLDER).into()
}

/// Notes of 1 to 4 KB, all different, the same in every run.
pub(crate) fn fill(folder: &Path, files: usize) -> Result<()> {
    for number in 0..files {
        let path = folder.join(note(number));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut text = format!("# Note {number}\n\n");
        let length = 1_024 + number * 7_919 % 3_072;
        while text.len() < length {
            writeln!(
                text,
                "Line {} of note {number}: {}",
                text.len(),
                number * text.len()
            )?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// Gives another device the text that this one's note has by now.
pub(crate) fn same_edit(from: &Device, to: &Device, number: usize) -> Result<()> {
    let note = note(number);
    std::fs::copy(from.folder().join(&note), to.folder().join(&note))?;
    Ok(())
}
