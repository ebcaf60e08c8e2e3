use super::*;

#[test]
fn a_path_that_needs_quotes_gets_them() {
    let exec = |path: &str| {
        let entry = format!("[Desktop Entry]\nExec={path} --background\nTerminal=false");
        let quoted = quoted(&entry);
        let line = quoted.lines().nth(1).unwrap().to_owned();
        assert_eq!(super::quoted(&quoted).lines().count(), 3);
        line
    };
    assert_eq!(exec("/usr/bin/app"), "Exec=/usr/bin/app --background");
    assert_eq!(
        exec("/home/ana/My Apps/Notes.AppImage"),
        "Exec=\"/home/ana/My Apps/Notes.AppImage\" --background"
    );
    assert_eq!(exec("/opt/100%/app"), "Exec=/opt/100%%/app --background");
    assert_eq!(exec(r"/opt/a$b"), r#"Exec="/opt/a\\$b" --background"#);
}

fn judged(exec: &str) -> Entry {
    let entry = format!("[Desktop Entry]\nType=Application\n{exec}\nTerminal=false");
    let there = |path: &Path| !path.starts_with("/gone");
    judge(Some(&entry), Path::new("/usr/bin/basic-memory-tray"), there)
}

#[test]
fn an_entry_of_our_name_is_read_before_it_is_written() {
    let program = Path::new("/usr/bin/basic-memory-tray");
    assert_eq!(judge(None, program, |_| true), Entry::Missing);
    for (exec, entry) in [
        ("Exec=/usr/bin/basic-memory-tray --background", Entry::Ours),
        (
            "Exec = /usr/bin/basic-memory-tray --background",
            Entry::Ours,
        ),
        (
            "Exec=env GDK_SCALE=2 /usr/bin/basic-memory-tray",
            Entry::Edited,
        ),
        ("Exec=/opt/basic-memory-tray --background", Entry::Edited),
        ("Exec=/gone/basic-memory-tray --background", Entry::Asleep),
        (
            r#"Exec="/gone/My Apps/Notes 0.1.AppImage" --background"#,
            Entry::Asleep,
        ),
        ("Exec=/usr/bin/other-notes", Entry::Foreign),
        (
            r#"Exec="/home/ana/My Apps/Notes" --background"#,
            Entry::Foreign,
        ),
        ("Name=nothing is started", Entry::Foreign),
        (
            "Hidden=true\nExec=/usr/bin/basic-memory-tray --background",
            Entry::Asleep,
        ),
        (
            "X-GNOME-Autostart-enabled=false\nExec=/usr/bin/basic-memory-tray",
            Entry::Asleep,
        ),
        ("Hidden=true\nExec=/usr/bin/other-notes", Entry::Foreign),
    ] {
        assert_eq!(judged(exec), entry, "{exec}");
    }
}

#[test]
fn what_the_app_wrote_is_its_own_whatever_its_path() {
    for path in [
        "/home/ana/My Apps/Notes.AppImage",
        "/opt/100%/app",
        r"/opt/a$b/app",
        r"/opt/a\b c/app",
    ] {
        let program = Path::new(path);
        let written = format!("[Desktop Entry]\nExec={path} --background");
        for entry in [quoted(&written), written] {
            assert_eq!(
                judge(Some(&entry), program, |_| true),
                Entry::Ours,
                "{entry}"
            );
        }
        let moved = judge(
            Some(&quoted(&format!("Exec={path} --background"))),
            Path::new("/new/x"),
            |_| false,
        );
        assert_eq!(moved, Entry::Asleep, "{path}");
    }
}
