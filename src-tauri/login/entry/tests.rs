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

/// A home whose desktop reads its entries from `folder`, and what the plugin would do there.
fn place(home: &Path, folder: &str) -> Place {
    Place {
        file: home.join(folder).join("autostart/Notes.desktop"),
        of_plugin: home.join(".config/autostart/Notes.desktop"),
        name: "Notes".to_owned(),
        program: home.join("My Apps/notes"),
    }
}

fn fails() -> Result<(), tauri_plugin_autostart::Error> {
    panic!("the plugin is not asked")
}

#[test]
fn the_entry_is_where_the_desktop_reads_it() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = place(home.path(), "settings");
    assert_eq!(elsewhere.look(), Entry::Missing);
    elsewhere.make(fails).unwrap();
    assert_eq!(elsewhere.look(), Entry::Ours);
    assert!(!elsewhere.of_plugin.exists());
    elsewhere.remove(fails).unwrap();
    assert_eq!(elsewhere.look(), Entry::Missing);

    let usual = place(home.path(), ".config");
    let write = || {
        std::fs::create_dir_all(usual.file.parent().unwrap()).unwrap();
        let entry = format!("Exec={} --background", usual.program.display());
        std::fs::write(&usual.file, entry).unwrap();
        Ok(())
    };
    usual.make(write).unwrap();
    assert_eq!(usual.look(), Entry::Ours);
}

#[test]
fn what_starts_something_else_is_neither_replaced_nor_removed() {
    let home = tempfile::tempdir().unwrap();
    let place = place(home.path(), ".config");
    std::fs::create_dir_all(place.file.parent().unwrap()).unwrap();
    for foreign in [
        &b"Exec=/usr/bin/other-notes\n"[..],
        b"Exec=/opt/\xff/notes\n",
    ] {
        std::fs::write(&place.file, foreign).unwrap();
        assert!(matches!(place.make(fails), Err(LoginError::Foreign(_))));
        place.remove(fails).unwrap();
        assert_eq!(std::fs::read(&place.file).unwrap(), foreign);
    }
}
