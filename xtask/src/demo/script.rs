use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::child::{self, Companion, Input};
use crate::demo::Screen;
use crate::demo::desktop::Desktop;
use crate::demo::device::{self, Device, Said};
use crate::demo::notes::{self, Notes};
use crate::demo::pictures;
use crate::demo::report::{Details, Report};
use crate::demo::search;
use crate::demo::server::{Credentials, Server};
use crate::repo::Repo;

const ANA: &str = "ana@example.org";
const EDITED: &str = "projects/Balcony garden.md";
const DISPUTED: &str = "recipes/Sourdough bread.md";

/// Everything that is alive at the end. What was started ends with it, the tray app first.
pub(crate) struct Stage {
    app: Companion,
    _desktop: Option<Desktop>,
    _devices: [Device; 2],
    _server: Server,
}

impl Stage {
    /// On a person's display the app stays until they quit it.
    pub(crate) fn stay_open(mut self, screen: Screen) {
        if screen == Screen::Virtual {
            return;
        }
        println!("The tray app is open. Quit it from its menu, or press Ctrl-C here, to end.");
        while self.app.is_running() {
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// Plays the whole script on fresh state.
pub(crate) fn play(repo: &Repo, screen: Screen, report: &mut Report) -> Result<Stage> {
    let logs = repo.made("demo/logs");
    let server = report.step(
        "The server runs, with store and sign-in of its own",
        |details| {
            let memory = search::installed(repo);
            let flags = search::flags(repo, memory.as_deref());
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let log = logs.join("bm-server.log");
            let server = Server::start(repo, &repo.made("demo/server"), &log, &flags)?;
            details.say(server.url());
            match &memory {
                Some(_) => details.say("each tenant gets the published Basic Memory beside its bucket"),
                None => details.say("Basic Memory is not installed (it needs Python 3.12 or newer): the search is left out"),
            }
            Ok(server)
        },
    )?;
    let (laptop, desktop) = report.step("Ana has a laptop and a desktop computer", |details| {
        let laptop = Device::new(repo, &repo.made("demo"), "laptop")?;
        let desktop = Device::new(repo, &repo.made("demo"), "desktop")?;
        let count = notes::copy(&repo.at("examples/notes"), &laptop.folder())?;
        details.say(format!("{count} notes in {}", shown(repo, &laptop)));
        details.say(format!("nothing yet in {}", shown(repo, &desktop)));
        Ok((laptop, desktop))
    })?;
    report.step(
        "Without a subscription she is told so, and cloud mode stays off",
        |details| refuse(&server, &laptop, details),
    )?;
    report.step("She subscribes", |details| {
        let end = server.subscribe(ANA)?;
        details.say(format!("active until {}", &end[..10]));
        Ok(())
    })?;
    for device in [&laptop, &desktop] {
        report.step(
            &format!("Signed in as {ANA} on the {}", device.name()),
            |_| succeeded(device.sign_in(&server, ANA)?),
        )?;
    }
    let bucket = Bucket::open(repo, &server)?;
    first_sync(&laptop, &desktop, &bucket, report)?;
    edit(&laptop, &desktop, &bucket, report)?;
    if search::installed(repo).is_some() {
        search::play(repo, &server, &laptop, ANA, report)?;
    }
    conflict(&laptop, &desktop, report)?;
    let (app, virtual_desktop) = show_app(repo, screen, &laptop, report)?;
    Ok(Stage {
        app,
        _desktop: virtual_desktop,
        _devices: [laptop, desktop],
        _server: server,
    })
}

fn refuse(server: &Server, laptop: &Device, details: &mut Details) -> Result<()> {
    let said = laptop.sign_in(server, ANA)?;
    details.say(format!(
        "bm-cloud login ended with exit code {}",
        said.code.unwrap_or(-1)
    ));
    details.quote(&said.errors);
    ensure!(
        said.code.is_some_and(|code| code != 0),
        "login should have been refused"
    );
    let text = format!("{}{}", said.output, said.errors);
    ensure!(
        text.contains("/subscribe"),
        "the refusal should name the subscribe link"
    );
    Ok(())
}

fn first_sync(
    laptop: &Device,
    desktop: &Device,
    bucket: &Bucket,
    report: &mut Report,
) -> Result<()> {
    report.step(
        "The laptop's folder is set up, and its notes go to the cloud",
        |details| {
            set_up(laptop, details)?;
            let stored = bucket.list()?;
            details.say(format!("{} objects in the bucket", stored.len()));
            for note in laptop.notes()?.keys() {
                ensure!(
                    stored.iter().any(|(_, key)| key == note),
                    "{note} is not in the bucket"
                );
            }
            Ok(())
        },
    )?;
    report.step(
        "The desktop's folder is set up, and gets them all",
        |details| {
            set_up(desktop, details)?;
            same_notes(&laptop.notes()?, &desktop.notes()?)
        },
    )
}

fn set_up(device: &Device, details: &mut Details) -> Result<()> {
    let folder = device.folder();
    let folder = folder.to_str().context("the folder's path is text")?;
    let result = device.json(&["setup", "--folder", folder, "--profile", "safe"])?;
    details.say(counts(device, &result));
    Ok(())
}

fn edit(laptop: &Device, desktop: &Device, bucket: &Bucket, report: &mut Report) -> Result<()> {
    let line = "- The tomatoes want the south corner; the mint does not mind the shade.";
    let start = Instant::now();
    let size = report.step(&format!("She edits `{EDITED}` on the laptop"), |details| {
        notes::append(&laptop.folder(), EDITED, line)?;
        details.say(format!("+ {line}"));
        Ok(std::fs::metadata(laptop.folder().join(EDITED))?.len())
    })?;
    report.step("The edit is in the bucket", |details| {
        sync(laptop, details)?;
        let stored = bucket.list()?;
        let found = stored.iter().find(|(_, key)| key == EDITED);
        let (stored_size, key) = found.context("the note is not in the bucket")?;
        ensure!(
            *stored_size == size,
            "the bucket still has {stored_size} bytes of it"
        );
        details.say(format!(
            "{stored_size} {key}, {} ms after the save",
            ms_since(start)
        ));
        Ok(())
    })?;
    report.step("And on the desktop", |details| {
        sync(desktop, details)?;
        let text = std::fs::read_to_string(desktop.folder().join(EDITED))?;
        ensure!(text.contains(line), "the desktop does not have the line");
        details.say(format!("{} ms after the save", ms_since(start)));
        Ok(())
    })
}

fn conflict(laptop: &Device, desktop: &Device, report: &mut Report) -> Result<()> {
    let here = "Oven at 240 °C for the first twenty minutes.";
    let there = "Oven at 220 °C, and a tray of water below.";
    report.step(
        &format!("Both computers edit `{DISPUTED}` before they sync"),
        |details| {
            notes::append(&laptop.folder(), DISPUTED, here)?;
            notes::append(&desktop.folder(), DISPUTED, there)?;
            details.say(format!("laptop:  + {here}"));
            details.say(format!("desktop: + {there}"));
            Ok(())
        },
    )?;
    report.step("Both versions are kept, on both computers", |details| {
        for device in [laptop, desktop, laptop] {
            sync(device, details)?;
        }
        let notes = laptop.notes()?;
        same_notes(&notes, &desktop.notes()?)?;
        for line in [here, there] {
            let holder = notes
                .iter()
                .find(|(_, bytes)| String::from_utf8_lossy(bytes).contains(line))
                .map(|(path, _)| path);
            let holder = holder.with_context(|| format!("lost: {line}"))?;
            details.say(format!("{holder}: {line}"));
        }
        Ok(())
    })?;
    report.step("The conflict is on her list", |details| {
        let said = succeeded_with(desktop.bm_cloud(&["conflicts"])?)?;
        details.quote(&said.output);
        let listed = desktop.json(&["conflicts"])?.to_string();
        ensure!(
            listed.contains("Sourdough bread"),
            "`bm-cloud conflicts` does not name it"
        );
        Ok(())
    })
}

fn show_app(
    repo: &Repo,
    screen: Screen,
    laptop: &Device,
    report: &mut Report,
) -> Result<(Companion, Option<Desktop>)> {
    let folder = repo.made("demo");
    let log = folder.join("logs/basic-memory-tray.log");
    let mut command = child::tied(repo.binary("basic-memory-tray"));
    laptop.dress(&mut command);
    match screen {
        Screen::Real => report.step("The tray app is on your display", |_| {
            dress_for_real_display(&mut command)?;
            let app = Companion::start("tray app", &mut command, Input::Nothing, &log)?;
            Ok((app, None))
        }),
        Screen::Virtual => {
            let desktop = report.step("A virtual display with a panel is up", |_| {
                Desktop::start(laptop, &folder.join("logs"))
            })?;
            let (app, menu) = report.step("The tray app shows its icon and menu", |details| {
                desktop.dress(&mut command);
                command.arg("--background");
                let app = Companion::start("tray app", &mut command, Input::Nothing, &log)?;
                let menu = pictures::tray_menu(&desktop, laptop, ANA, &folder, details)
                    .with_context(|| format!("tray app{}", app.last_words()))?;
                Ok((app, menu))
            })?;
            report.step("Its window opens from the menu", |details| {
                pictures::window(&desktop, &app, &menu, &folder, details)
                    .with_context(|| format!("tray app{}", app.last_words()))
            })?;
            Ok((app, Some(desktop)))
        }
    }
}

/// Uses the display and the panel of the person who started us; the home stays the demo's.
fn dress_for_real_display(command: &mut Command) -> Result<()> {
    for name in [
        "DISPLAY",
        "XAUTHORITY",
        "DBUS_SESSION_BUS_ADDRESS",
        "XDG_CURRENT_DESKTOP",
    ] {
        if let Some(value) = device::ours(name) {
            command.env(name, value);
        }
    }
    if device::ours("XAUTHORITY").is_none()
        && let Some(home) = device::ours("HOME")
    {
        command.env("XAUTHORITY", PathBuf::from(home).join(".Xauthority"));
    }
    if let Some(wayland) = device::ours("WAYLAND_DISPLAY") {
        let runtime = device::ours("XDG_RUNTIME_DIR").context("Wayland has a runtime folder")?;
        command.env("WAYLAND_DISPLAY", PathBuf::from(runtime).join(wayland));
    }
    Ok(())
}

/// Runs one pass and says what it did.
fn sync(device: &Device, details: &mut Details) -> Result<()> {
    let result = device.json(&["bisync"])?;
    details.say(counts(device, &result));
    Ok(())
}

fn counts(device: &Device, result: &Value) -> String {
    let count = |name| device::number(result, name).unwrap_or(0);
    format!(
        "{}: {} up, {} down, {} conflicts, {} requests",
        device.name(),
        count("uploaded"),
        count("downloaded"),
        count("conflicts"),
        count("requests")
    )
}

fn same_notes(one: &Notes, other: &Notes) -> Result<()> {
    let differing = notes::differences(one, other);
    ensure!(
        differing.is_empty(),
        "the two folders differ at: {}",
        differing.join(", ")
    );
    Ok(())
}

fn succeeded(said: Said) -> Result<()> {
    succeeded_with(said).map(drop)
}

fn succeeded_with(said: Said) -> Result<Said> {
    if said.code == Some(0) {
        return Ok(said);
    }
    bail!(
        "exit code {:?}\n{}\n{}",
        said.code,
        said.output,
        said.errors
    )
}

fn shown(repo: &Repo, device: &Device) -> String {
    let folder = device.folder();
    folder
        .strip_prefix(repo.root())
        .unwrap_or(&folder)
        .display()
        .to_string()
}

fn ms_since(start: Instant) -> u128 {
    start.elapsed().as_millis()
}

/// The demo user's bucket, looked at with plain rclone and keys of its own.
struct Bucket {
    rclone: PathBuf,
    config: String,
    name: String,
}

impl Bucket {
    fn open(repo: &Repo, server: &Server) -> Result<Self> {
        let keys: Credentials = server.credentials(ANA, &repo.made("demo/logs"))?;
        let config = keys.rclone_config(&keys.endpoint);
        Ok(Self {
            rclone: repo.rclone(),
            config,
            name: keys.bucket,
        })
    }

    /// Sizes and keys of what is stored, our own marker files aside.
    fn list(&self) -> Result<Vec<(u64, String)>> {
        let output = Command::new(&self.rclone)
            .args([
                "lsf",
                "--recursive",
                "--files-only",
                "--fast-list",
                "--format",
                "sp",
            ])
            .args(["--separator", "\t", "--config", "/dev/stdin"])
            .arg(format!("cloud:{}", self.name))
            .stdin(Input::Text(&self.config).into_stdio()?)
            .stderr(Stdio::piped())
            .output()?;
        ensure!(
            output.status.success(),
            "the bucket was not listed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = |line: &str| {
            let (size, key) = line.split_once('\t')?;
            let hidden = key.split('/').any(|part| part.starts_with('.'));
            Some((size.parse().ok()?, key.to_owned())).filter(|_| !hidden)
        };
        Ok(text.lines().filter_map(line).collect())
    }
}
