use super::*;

/// A finding's code, level and repair.
type Expected = (&'static str, FindingLevel, Option<&'static str>);

fn healthy() -> Facts {
    Facts {
        device: "laptop".into(),
        rclone: RcloneView::Ready {
            version: "1.75.2".into(),
            path: "/r".into(),
        },
        configs: Vec::new(),
        copies: Vec::new(),
        server: ServerSeen::Reached {
            url: "https://c".into(),
            ahead_s: Some(-3),
        },
        storage: StorageSeen::Reached,
        secrets: SecretStoreView::Keyring,
        session: None,
        keys: vec![key("own", "laptop", true), key("other", "desktop", false)],
        access_keys: vec![("own".into(), "AK1".into()), ("x".into(), "AK2".into())],
        drives: Ok("FUSE".into()),
        watches: Some(8192),
        folders: vec![folder_seen()],
    }
}

fn folder_seen() -> FolderSeen {
    FolderSeen {
        path: "/n".into(),
        exists: true,
        free_bytes: Some(1 << 40),
        folders: 10,
        linking: Some(LinkingSeen::HardLinks),
        names: Some(NamesSeen::CaseSensitive),
    }
}

fn key(id: &str, name: &str, this_device: bool) -> CredentialView {
    CredentialView {
        id: id.into(),
        name: name.into(),
        created_at_ms: None,
        last_used_at_ms: None,
        expires_at_ms: None,
        this_device,
        state: CredentialState::Active,
    }
}

/// The findings that are not fine, as code and repair.
fn troubles(facts: &Facts) -> Vec<(String, FindingLevel, Option<String>)> {
    findings(facts)
        .into_iter()
        .filter(|finding| finding.level != FindingLevel::Ok)
        .map(|finding| {
            assert!(
                finding.hint.is_some() || finding.level == FindingLevel::Note,
                "{finding:?} leaves a person alone"
            );
            (finding.code, finding.level, finding.repair)
        })
        .collect()
}

#[test]
fn a_healthy_machine_has_no_troubles() {
    assert_eq!(troubles(&healthy()), []);
}

#[test]
fn each_trouble_has_its_finding() {
    use FindingLevel::{Error, Note, Warning};
    let config = |text: &str, open_to| ConfigSeen {
        path: "/c".into(),
        text: text.into(),
        open_to,
        endpoint: Some("https://right".into()),
    };
    let reached = |ahead_s| ServerSeen::Reached {
        url: "https://c".into(),
        ahead_s: Some(ahead_s),
    };
    let folder = |folder| Facts {
        folders: vec![folder],
        ..healthy()
    };
    let old = RcloneView::TooOld {
        version: "1.60.1".into(),
        path: "/usr/bin/rclone".into(),
        message: "too old".into(),
        hint: "h".into(),
    };
    let astray = "[basic-memory-t]\naccess_key_id = AK2\nendpoint = https://wrong\n\
                  secret_access_key = s\n";
    let open = OpenTo::Others { mode: 0o644 };
    let cases: Vec<(Facts, Vec<Expected>)> = vec![
        (
            Facts {
                rclone: old,
                ..healthy()
            },
            vec![("rclone", Error, Some(INSTALL_RCLONE))],
        ),
        (
            Facts {
                server: reached(61),
                ..healthy()
            },
            vec![("clock_skew", Warning, None)],
        ),
        (
            Facts {
                server: reached(-901),
                ..healthy()
            },
            vec![("clock_skew", Error, None)],
        ),
        (
            Facts {
                storage: StorageSeen::Unreachable {
                    endpoint: "e".into(),
                },
                ..healthy()
            },
            vec![("storage_unreachable", Error, None)],
        ),
        (
            Facts {
                secrets: SecretStoreView::KeyringLocked,
                ..healthy()
            },
            vec![("keyring_locked", Warning, None)],
        ),
        (
            Facts {
                secrets: SecretStoreView::FileLocked,
                ..healthy()
            },
            vec![("passphrase_needed", Error, None)],
        ),
        (
            Facts {
                configs: vec![config(astray, open)],
                ..healthy()
            },
            vec![
                ("upstream_endpoint", Warning, Some(MEND_ENDPOINT)),
                ("config_permissions", Warning, Some(CLOSE_CONFIG)),
            ],
        ),
        (
            Facts {
                configs: vec![config("RCLONE_ENCRYPT_V0:\nx", open)],
                ..healthy()
            },
            vec![("config_encrypted", Note, None)],
        ),
        (
            Facts {
                drives: Err(("no".into(), "h".into())),
                ..healthy()
            },
            vec![("no_fuse", Note, None)],
        ),
        (
            Facts {
                watches: Some(11),
                ..healthy()
            },
            vec![("inotify_limit", Warning, None)],
        ),
        (
            folder(FolderSeen {
                exists: false,
                ..folder_seen()
            }),
            vec![("folder_missing", Error, None)],
        ),
        (
            folder(FolderSeen {
                free_bytes: Some(1 << 20),
                linking: Some(LinkingSeen::Copies),
                names: Some(NamesSeen::CaseInsensitive),
                ..folder_seen()
            }),
            vec![
                ("disk_space", Error, None),
                ("no_hard_links", Note, None),
                ("case_insensitive", Note, None),
            ],
        ),
    ];
    for (facts, expected) in cases {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(code, level, repair)| (code.to_owned(), level, repair.map(str::to_owned)))
            .collect();
        assert_eq!(troubles(&facts), expected);
    }
}

#[test]
fn keys_of_upstream_set_ups_count_as_abandoned_unless_a_configuration_here_may_have_them() {
    let config = |text: &str| ConfigSeen {
        path: "/c".into(),
        text: text.into(),
        open_to: OpenTo::NobodyElse,
        endpoint: None,
    };
    let text = "[basic-memory-t]\naccess_key_id = AK2\nendpoint = https://right\n";
    let facts = Facts {
        keys: vec![
            key("own", "laptop", true),
            key("left", UPSTREAM_KEY, false),
            key("y", UPSTREAM_KEY, false),
            key("x", UPSTREAM_KEY, false),
        ],
        configs: vec![config(text)],
        // What only a copy has is in use no more.
        copies: vec![config("[basic-memory-t]\naccess_key_id = AK1\n")],
        ..healthy()
    };
    let ids: Vec<&str> = abandoned(&facts).iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["left", "y"]);
    let unknown = Facts {
        configs: vec![config("RCLONE_ENCRYPT_V0:\nabc")],
        ..facts
    };
    assert_eq!(abandoned(&unknown).len(), 0);
}

#[test]
fn only_keys_of_this_device_that_nothing_uses_count_as_orphaned() {
    let ids = |facts: &Facts| -> Vec<String> {
        orphaned(facts).iter().map(|key| key.id.clone()).collect()
    };
    let keys = vec![
        key("own", "laptop", true),
        key("left", "laptop", false),
        key("other", "desktop", false),
        key("x", "rclone on laptop", false),
        key("y", "rclone on laptop", false),
    ];
    let text = "[basic-memory-t]\naccess_key_id = AK2\nendpoint = https://right\n";
    let facts = Facts {
        keys: keys.clone(),
        configs: vec![ConfigSeen {
            path: "/c".into(),
            text: text.into(),
            open_to: OpenTo::NobodyElse,
            endpoint: None,
        }],
        ..healthy()
    };
    assert_eq!(ids(&facts), ["left", "y"]);
    let unsure = Facts {
        keys: keys.into_iter().skip(1).collect(),
        ..facts
    };
    assert_eq!(
        ids(&unsure),
        ["y"],
        "without a key of its own it may be this one's"
    );
}
