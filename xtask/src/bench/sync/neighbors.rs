//! What others need to bring one edit from a folder to another, each at its quickest setting.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::bench::sync::live::{arrival, milliseconds};
use crate::bench::sync::seat::{fill, note};
use crate::bench::sync::sides::Plain;
use crate::child::{self, Companion, Input};
use crate::demo::device::Device;
use crate::demo::server::Server;
use crate::repo::Repo;
use crate::run::{self, Show};

const SOON: Duration = Duration::from_secs(120);

/// Two folders that somebody else keeps equal, and what keeps them so.
struct Folders<Keeper> {
    one: PathBuf,
    other: PathBuf,
    _keeper: Keeper,
}

impl<Keeper> Folders<Keeper> {
    /// Milliseconds from each save to its arrival, once everything is equal.
    fn edits(&self, files: usize, count: usize, between: Duration) -> Result<Vec<f64>> {
        let last = self.other.join(note(files - 1));
        child::wait_for("the neighbor's first sync", SOON, || {
            Ok(last.exists().then_some(()))
        })?;
        std::thread::sleep(Duration::from_secs(5));
        (0..count)
            .map(|turn| {
                std::thread::sleep(between);
                let note = note(turn * 7_919 % files);
                let text = format!("# Edited\n\nFor the {turn}. time.\n");
                std::fs::write(self.one.join(&note), &text)?;
                let saved = Instant::now();
                let arrived = arrival(&self.other.join(&note), &text)?;
                Ok(milliseconds(arrived.saturating_duration_since(saved)))
            })
            .collect()
    }
}

/// Syncthing over loopback, with its watcher at the shortest delay that it takes.
pub(crate) fn syncthing(base: &Path, files: usize, count: usize) -> Result<Vec<f64>> {
    let base = base.join("syncthing");
    let homes = ["one", "other"].map(|name| base.join(name));
    let folders = ["notes-one", "notes-other"].map(|name| base.join(name));
    let mut ids = Vec::new();
    let mut ports = Vec::new();
    for (home, folder) in homes.iter().zip(&folders) {
        std::fs::create_dir_all(folder.join(".stfolder"))?;
        let mut generate = Command::new("syncthing");
        generate
            .args(["generate", "--no-default-folder", "--skip-port-probing"])
            .arg("--home")
            .arg(home);
        run::require(&mut generate, Show::OnFailure)?;
        let mut ask = Command::new("syncthing");
        ask.arg("--device-id").arg("--home").arg(home);
        let id = run::require(&mut ask, Show::OnFailure)?;
        ids.push(id.trim().to_owned());
        ports.push(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
    }
    fill(&folders[0], files)?;
    let mut running = Vec::new();
    for (number, home) in homes.iter().enumerate() {
        let config = syncthing_config(&folders[number], &ids, &ports, number);
        std::fs::write(home.join("config.xml"), config)?;
        let mut command = child::tied("syncthing");
        command
            .args(["serve", "--no-browser", "--no-restart", "--no-upgrade"])
            .arg("--home")
            .arg(home)
            .env("STNOUPGRADE", "1");
        let log = home.join("log");
        running.push(Companion::start(
            "syncthing",
            &mut command,
            Input::Nothing,
            &log,
        )?);
    }
    let [one, other] = folders;
    Folders {
        one,
        other,
        _keeper: running,
    }
    .edits(files, count, Duration::from_millis(500))
}

fn syncthing_config(folder: &Path, ids: &[String], ports: &[u16], own: usize) -> String {
    let devices: String = ids
        .iter()
        .zip(ports)
        .map(|(id, port)| {
            format!("<device id=\"{id}\"><address>tcp://127.0.0.1:{port}</address></device>")
        })
        .collect();
    let members: String = ids
        .iter()
        .map(|id| format!("<device id=\"{id}\"></device>"))
        .collect();
    format!(
        "<configuration version=\"36\">\
         <folder id=\"notes\" path=\"{}\" type=\"sendreceive\" rescanIntervalS=\"3600\" \
         fsWatcherEnabled=\"true\" fsWatcherDelayS=\"1\">{members}</folder>{devices}\
         <gui enabled=\"false\"></gui><options>\
         <listenAddress>tcp://127.0.0.1:{}</listenAddress>\
         <globalAnnounceEnabled>false</globalAnnounceEnabled>\
         <localAnnounceEnabled>false</localAnnounceEnabled>\
         <relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled>\
         <startBrowser>false</startBrowser><urAccepted>-1</urAccepted>\
         <autoUpgradeIntervalH>0</autoUpgradeIntervalH>\
         <crashReportingEnabled>false</crashReportingEnabled>\
         </options></configuration>\n",
        folder.display(),
        ports[own]
    )
}

/// Unison between two local folders, looking every second (Debian's has no file events).
pub(crate) fn unison(base: &Path, files: usize, count: usize) -> Result<Vec<f64>> {
    let base = base.join("unison");
    let folders = ["one", "other"].map(|name| base.join(name));
    for folder in &folders {
        std::fs::create_dir_all(folder)?;
    }
    fill(&folders[0], files)?;
    let mut command = child::tied("unison");
    command
        .args(&folders)
        .args(["-batch", "-auto", "-ui", "text", "-repeat", "1"])
        .env("UNISON", base.join("state"));
    let log = base.join("log");
    let running = Companion::start("unison", &mut command, Input::Nothing, &log)?;
    let [one, other] = folders;
    Folders {
        one,
        other,
        _keeper: running,
    }
    .edits(files, count, Duration::from_millis(500))
}

/// Plain bisync over and over, on two devices of one person.
pub(crate) struct Loop {
    devices: Vec<Plain>,
    folders: Folders<()>,
    files: usize,
    pause: Duration,
}

impl Loop {
    /// Both devices have had their first sync.
    pub(crate) fn prepare(
        repo: &Repo,
        server: &Server,
        base: &Path,
        files: usize,
        pause: Duration,
    ) -> Result<Self> {
        let name = format!("loop-{}", pause.as_secs());
        let email = format!("{name}@example.org");
        server.subscribe(&email)?;
        let keys = server.credentials(&email, base)?;
        let devices = ["one", "other"]
            .into_iter()
            .map(|device| {
                let device = Device::new(repo, base, &format!("{name}-{device}"))?;
                Plain::new(repo, base, device, &keys, &keys.endpoint)
            })
            .collect::<Result<Vec<_>>>()?;
        let folders: Vec<PathBuf> = devices.iter().map(|it| it.device.folder()).collect();
        let [one, other] = &folders[..] else {
            anyhow::bail!("a loop has two devices");
        };
        let folders = Folders {
            one: one.clone(),
            other: other.clone(),
            _keeper: (),
        };
        fill(&folders.one, files)?;
        for device in &devices {
            device.bisync(&["--resync"])?;
        }
        Ok(Self {
            devices,
            folders,
            files,
            pause,
        })
    }

    /// Milliseconds from each save to its arrival.
    pub(crate) fn edits(self, count: usize) -> Result<Vec<f64>> {
        let Self {
            devices,
            folders,
            files,
            pause,
        } = self;
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for device in devices {
                let stop = &stop;
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        // A run that the other device disturbed is repeated by the next.
                        drop(device.bisync(&["--resilient", "--recover"]));
                        rest(pause, stop);
                    }
                });
            }
            let times = folders.edits(files, count, Duration::from_millis(500));
            stop.store(true, Ordering::Relaxed);
            times
        })
        .context("the loop of plain bisync")
    }
}

fn rest(pause: Duration, stop: &AtomicBool) {
    let until = Instant::now() + pause;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Refuses to compare with nobody.
pub(crate) fn are_installed() -> Result<()> {
    for name in ["syncthing", "unison"] {
        ensure!(run::exists(name), "{name} is missing; it is compared with");
    }
    Ok(())
}
