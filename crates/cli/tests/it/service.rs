//! Sync that starts at login: with a systemd of its own that runs for the test, and with stand-ins.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use testkit::{Child, Server, program, scratch, wait_until};

use crate::device::{ANA, Device, SOON, Said};

const SYSTEM: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn unit(device: &Device) -> PathBuf {
    device
        .home()
        .join(".config/systemd/user/basic-memory-cloud.service")
}

/// A device whose `systemctl` writes down what it is asked and does as `body` says.
fn with_stand_in(body: &str) -> Device {
    let device = Device::new("laptop");
    let tools = device.home().join("tools");
    fs::create_dir(&tools).unwrap();
    let told = device.home().join("told");
    let script = format!("#!/bin/sh\necho \"$@\" >> '{}'\n{body}\n", told.display());
    fs::write(tools.join("systemctl"), script).unwrap();
    fs::set_permissions(tools.join("systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{SYSTEM}", tools.display());
    device.with("PATH", path)
}

fn told(device: &Device) -> String {
    fs::read_to_string(device.home().join("told")).unwrap_or_default()
}

#[tokio::test]
async fn installing_twice_is_as_once_and_uninstalling_leaves_nothing() {
    let device = with_stand_in("if [ \"$2\" = is-active ]; then echo active; fi");
    let absent = device.run(&["bisync-service", "status", "--json"]).await;
    assert_eq!((absent.code, told(&device).as_str()), (Some(1), ""));
    assert_eq!(absent.last_json()["installed"], false);
    let early = device.run(&["bisync-service", "start"]).await;
    assert!(
        early
            .err
            .contains("hint: Run `bm-cloud bisync-service install` first")
    );
    device.ok(&["bisync-service", "install"]).await;
    let first = fs::read_to_string(unit(&device)).unwrap();
    device.ok(&["bisync-service", "install"]).await;
    assert_eq!(fs::read_to_string(unit(&device)).unwrap(), first);
    assert!(first.contains("Environment=\"BM_CLOUD_SECRETS=file\"\n"));
    let status = device.json(&["bisync-service", "status"]).await;
    assert_eq!(
        (&status["installed"], &status["running"]),
        (&true.into(), &true.into())
    );
    device.ok(&["bisync-service", "stop"]).await;
    device.ok(&["bisync-service", "uninstall"]).await;
    assert!(!unit(&device).exists());
    let name = "basic-memory-cloud.service";
    let asked = told(&device);
    for line in [
        "--user daemon-reload\n".to_owned(),
        format!("--user enable {name}\n"),
        format!("--user stop {name}\n"),
        format!("--user disable --now {name}\n"),
    ] {
        assert!(asked.contains(&line), "{line}: {asked}");
    }
}

#[tokio::test]
async fn somebody_elses_unit_is_not_touched_unasked() {
    let device = with_stand_in("");
    fs::create_dir_all(unit(&device).parent().unwrap()).unwrap();
    let theirs = "[Service]\nExecStart=/bin/true\n";
    fs::write(unit(&device), theirs).unwrap();
    for words in [
        &["bisync-service", "install"][..],
        &["bisync-service", "start"],
        &["bisync-service", "uninstall"],
    ] {
        let said = device.run(words).await;
        assert_eq!(said.code, Some(1), "{said:#?}");
        assert!(said.err.contains("somebody else"), "{said:#?}");
    }
    assert_eq!(fs::read_to_string(unit(&device)).unwrap(), theirs);
    assert_eq!(told(&device), "");
    let replaced = device
        .json(&["bisync-service", "install", "--replace"])
        .await;
    let backup = replaced["backup"].as_str().unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), theirs);
    assert!(
        fs::read_to_string(unit(&device))
            .unwrap()
            .contains("bisync --watch")
    );
}

#[tokio::test]
async fn what_the_system_says_against_it_is_told() {
    let device = with_stand_in("echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    let said = device.run(&["bisync-service", "install"]).await;
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.err.contains("No medium found\nhint: "), "{said:#?}");
    let none = Device::new("desktop");
    let said = none.run(&["bisync-service", "install", "--json"]).await;
    assert_eq!(said.last_json()["code"], "no_service_manager");
}

#[tokio::test]
async fn systemd_finds_nothing_to_complain_about_in_the_unit() {
    let device = with_stand_in("");
    device.ok(&["bisync-service", "install"]).await;
    let mut verify = program("systemd-analyze")
        .args(["verify", "--user"])
        .arg(unit(&device))
        .env("XDG_RUNTIME_DIR", device.home().join("run"))
        .spawn();
    let status = verify.exit(SOON).await;
    let said = verify.stderr();
    assert!(status.success() && !said.contains("basic-memory"), "{said}");
}

/// A systemd of a person's own in a world of its own, as after a login. All of it ends with the
/// test.
struct Login {
    _world: Child,
    pid: String,
}

impl Login {
    async fn start(device: &Device) -> Self {
        // systemd runs only where the system was started by one, so far as it can see.
        let begin = "mount -t tmpfs none /run && mkdir -p /run/systemd/system && \
                     { /lib/systemd/systemd --user --log-target=null & wait; }";
        let world = program("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", begin])
            .env_clear()
            .env("PATH", SYSTEM)
            .env("HOME", device.home())
            .env("XDG_RUNTIME_DIR", device.home().join("run"))
            .spawn();
        let socket = device.home().join("run/systemd/private");
        wait_until(SOON, async || socket.exists()).await;
        let children = format!("/proc/{0}/task/{0}/children", world.pid());
        let pid = fs::read_to_string(children).unwrap().trim().to_owned();
        Self { _world: world, pid }
    }

    /// Runs `bm-cloud` in that world.
    async fn run(&self, device: &Device, words: &[&str]) -> Said {
        let mut child = program("nsenter")
            .args(["--target", &self.pid, "--mount", "--pid"])
            .arg(env!("CARGO_BIN_EXE_bm-cloud"))
            .args(words)
            .env_clear()
            .env("PATH", SYSTEM)
            .env("HOME", device.home())
            .env("XDG_RUNTIME_DIR", device.home().join("run"))
            .env("BM_CLOUD_SECRETS", "file")
            .env("BM_CLOUD_DEVICE", "laptop")
            .env("BM_CLOUD_RCLONE", testkit::rclone())
            .spawn();
        Said::of(&mut child).await
    }
}

#[tokio::test]
async fn a_real_systemd_runs_it_and_notes_travel() {
    if !rustix::process::getuid().is_root() || !Path::new("/lib/systemd/systemd").exists() {
        eprintln!("SKIPPED: this needs systemd, and root to give it a world of its own");
        return;
    }
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let (device, other) = (Device::new("laptop"), Device::new("desktop"));
    device.set_up(&server, "safe").await;
    other.set_up(&server, "safe").await;
    let login = Login::start(&device).await;
    let ok = async |words: &[&str]| {
        let said = login.run(&device, words).await;
        assert_eq!(said.code, Some(0), "{words:?}: {said:#?}");
        said
    };
    ok(&["bisync-service", "install"]).await;
    let stopped = login.run(&device, &["bisync-service", "status"]).await;
    assert_eq!(
        (stopped.code, stopped.out.as_str()),
        (Some(1), "Installed, not running\n")
    );
    ok(&["bisync-service", "start"]).await;
    assert_eq!(
        ok(&["bisync-service", "status"]).await.out,
        "Installed and running\n"
    );
    device.write("new.md", "carried by the service\n");
    wait_until(SOON, async || {
        other.run(&["bisync"]).await;
        other.read("new.md").is_some()
    })
    .await;
    ok(&["bisync-service", "stop"]).await;
    let stopped = login.run(&device, &["bisync-service", "status"]).await;
    assert_eq!(stopped.code, Some(1), "{stopped:#?}");
    ok(&["bisync-service", "uninstall"]).await;
    assert!(!unit(&device).exists());
    let wants = unit(&device).with_file_name("default.target.wants");
    let left = fs::read_dir(&wants)
        .map(Iterator::count)
        .unwrap_or_default();
    assert_eq!(left, 0, "nothing starts at the next login");
}
