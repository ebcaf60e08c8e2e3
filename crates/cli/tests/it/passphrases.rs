//! The encrypted file of secrets under a passphrase, and rclone by the machine's own means.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use testkit::{Server, program, scratch};

use crate::device::{ANA, Device, SOON, files};

const PASSPHRASE: &str = "correct horse battery";

fn keep(device: &Device, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
    let file = device.home().join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file
}

#[tokio::test]
async fn secrets_under_a_passphrase_open_with_it_and_with_nothing_else() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let mut device = Device::new("laptop");
    let right = keep(&device, "right", &format!("{PASSPHRASE}\n"), 0o600);
    device.set("BM_CLOUD_PASSPHRASE_FILE", &right);
    device.set_up(&server, "safe").await;
    device.ok(&["bisync"]).await;
    fs::remove_file(&right).unwrap();
    for file in files(device.home()) {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(PASSPHRASE), "{}", file.display());
    }

    let wrong = keep(&device, "wrong", "something else", 0o600);
    device.set("BM_CLOUD_PASSPHRASE_FILE", &wrong);
    let said = device.run(&["credentials", "--json"]).await;
    assert_eq!(said.last_json()["code"], "secrets_unreadable", "{said:#?}");
    let open = keep(&device, "open", PASSPHRASE, 0o644);
    device.set("BM_CLOUD_PASSPHRASE_FILE", &open);
    let said = device.run(&["credentials", "--json"]).await;
    assert_eq!(said.last_json()["code"], "passphrase_file", "{said:#?}");
    device.set("BM_CLOUD_PASSPHRASE_FILE", "");
    let said = device.run(&["credentials", "--json"]).await;
    assert_eq!(said.last_json()["code"], "passphrase_needed", "{said:#?}");

    // What is typed before the terminal stops echoing would be thrown away.
    let at_a_terminal = "import os, pty, sys, termios, time\n\
        pid, terminal = pty.fork()\n\
        if pid == 0:\n    os.execv(sys.argv[1], sys.argv[1:])\n\
        seen, typed = b'', False\n\
        while True:\n    \
            try:\n        part = os.read(terminal, 4096)\n    \
            except OSError:\n        break\n    \
            if not part:\n        break\n    \
            seen += part\n    \
            if b'Passphrase' in seen and not typed:\n        \
                typed = True\n        \
                while termios.tcgetattr(terminal)[3] & termios.ECHO:\n            \
                    time.sleep(0.01)\n        \
                os.write(terminal, b'correct horse battery\\n')\n\
        print(seen.decode())\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    let mut terminal = program("python3")
        .args([
            "-c",
            at_a_terminal,
            env!("CARGO_BIN_EXE_bm-cloud"),
            "credentials",
        ])
        .env("HOME", device.home())
        .env("XDG_RUNTIME_DIR", device.home().join("run"))
        .env("BM_CLOUD_SECRETS", "file")
        .env("BM_CLOUD_RCLONE", testkit::rclone())
        .spawn();
    let seen = terminal.success(SOON).await;
    assert!(seen.contains("Passphrase of the secrets' file"), "{seen}");
    assert!(seen.contains("this device"), "{seen}");
    assert!(!seen.contains(PASSPHRASE), "what is typed is not shown");
}

#[tokio::test]
async fn rclone_comes_by_the_machines_own_means_after_consent() {
    let device = Device::new("laptop");
    let tools = device.home().join("tools");
    fs::create_dir(&tools).unwrap();
    let told = device.home().join("told");
    let snap = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\nexec /bin/ln -s '{}' '{}'\n",
        told.display(),
        testkit::rclone().display(),
        tools.join("rclone").display()
    );
    keep(&device, "tools/snap", &snap, 0o755);
    keep(
        &device,
        "tools/sudo",
        "#!/bin/sh\nshift\nexec \"$@\"\n",
        0o755,
    );
    let device = device
        .with("PATH", &tools)
        .with("BM_CLOUD_RCLONE", tools.join("rclone"));
    let ways = device.json(&["rclone", "ways"]).await;
    assert_eq!(ways["ways"][0]["way"], "snap", "{ways}");
    assert_eq!(ways["ways"][0]["administrator"], true);
    let asked = device
        .run(&["rclone", "install", "--with", "snap", "--json"])
        .await;
    assert_eq!(asked.last_json()["code"], "consent_needed", "{asked:#?}");
    assert!(!told.exists(), "nothing runs unasked");
    let said = device
        .ok(&["rclone", "install", "--with", "snap", "--yes"])
        .await;
    assert!(
        said.out.contains(tools.join("rclone").to_str().unwrap()),
        "{said:#?}"
    );
    assert_eq!(fs::read_to_string(&told).unwrap(), "install rclone\n");
}
