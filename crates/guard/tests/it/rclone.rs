use std::path::Path;

use guard::{RefusedReason, Session};
use secrecy::ExposeSecret;
use testkit::Child;

use crate::cloud::{BUCKET, Cloud, Machine, SOON};

const BISYNC: [&str; 21] = [
    "--compare",
    "size,checksum",
    "--conflict-resolve",
    "path2",
    "--conflict-loser",
    "num",
    "--conflict-suffix",
    "MARK",
    "--suffix-keep-extension",
    "--max-delete",
    "50",
    "--resilient",
    "--fast-list",
    "--max-lock",
    "15m",
    "--no-update-modtime",
    "--local-no-preallocate",
    "--transfers",
    "4",
    "--retries",
    "1",
];

/// The real rclone, with a session as its only remote.
pub(crate) struct Rclone {
    settings: Vec<(String, String)>,
}

pub(crate) struct Run {
    code: Option<i32>,
    pub(crate) stdout: String,
    stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn assert_success(&self) {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
    }

    #[track_caller]
    pub(crate) fn assert_failure_with(&self, text: &str) {
        assert_ne!(self.code, Some(0), "{}", self.stderr);
        assert!(self.stderr.contains(text), "{}", self.stderr);
    }
}

impl Rclone {
    pub(crate) fn new(session: &Session) -> Self {
        let settings = [
            ("TYPE", "s3"),
            ("PROVIDER", "Other"),
            ("ENDPOINT", &session.endpoint()),
            ("REGION", "us-east-1"),
            ("FORCE_PATH_STYLE", "true"),
            ("ACCESS_KEY_ID", session.access_key()),
            ("SECRET_ACCESS_KEY", session.secret_key().expose_secret()),
            ("NO_CHECK_BUCKET", "true"),
            ("LIST_VERSION", "2"),
            ("LIST_URL_ENCODE", "true"),
        ];
        let name = |setting: &str| format!("RCLONE_CONFIG_GUARD_{setting}");
        let settings = settings.map(|(setting, value)| (name(setting), value.to_owned()));
        Self {
            settings: settings.to_vec(),
        }
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut program = testkit::program(testkit::rclone())
            .args([
                "--config",
                "",
                "--use-json-log",
                "-v",
                "--low-level-retries",
                "2",
            ])
            .args(["--contimeout", "3s", "--timeout", "60s"])
            .args(args);
        for (name, value) in &self.settings {
            program = program.env(name, value);
        }
        program.spawn()
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Run {
        let mut child = self.start(args);
        let status = child.exit(SOON).await;
        Run {
            code: status.code(),
            stdout: child.stdout(),
            stderr: child.stderr(),
        }
    }

    pub(crate) fn start_copy_up(&self, folder: &Path, extra: &[&str]) -> Child {
        let to = format!("guard:{BUCKET}");
        self.start(
            &[
                &[
                    "copy",
                    folder.to_str().unwrap(),
                    &to,
                    "--checksum",
                    "--retries",
                    "1",
                ],
                extra,
            ]
            .concat(),
        )
    }

    pub(crate) async fn copy_up(&self, folder: &Path, extra: &[&str]) -> Run {
        let to = format!("guard:{BUCKET}");
        self.run(
            &[
                &[
                    "copy",
                    folder.to_str().unwrap(),
                    &to,
                    "--checksum",
                    "--retries",
                    "1",
                ],
                extra,
            ]
            .concat(),
        )
        .await
    }

    async fn bisync(&self, mirror: &Path, workdir: &Path, extra: &[&str]) -> Run {
        let (mirror, workdir) = (mirror.to_str().unwrap(), workdir.to_str().unwrap());
        let to = format!("guard:{BUCKET}");
        let start = ["bisync", mirror, &to, "--workdir", workdir];
        self.run(&[&start, BISYNC.as_slice(), extra].concat()).await
    }
}

const ODD: [&str; 12] = [
    "plain.md",
    "Ordner mit Leerzeichen/n 1.md",
    "plus+plus.md",
    "percent%20.md",
    "ünïcödé/日本語.md",
    "quote'\"s.md",
    "hash#question?.md",
    "amp&equals=.md",
    "semi;colon:comma,.md",
    "brackets[1]{2}(3).md",
    "tilde~at@dollar$.md",
    "emoji 🗒️.md",
];

#[tokio::test]
async fn odd_names_go_up_and_come_down_as_they_are() {
    let cloud = Cloud::start().await;
    let (from, to) = (testkit::scratch(), testkit::scratch());
    for name in ODD {
        let path = from.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("text of {name}")).unwrap();
    }
    let up = Machine::new(cloud.bucket()).await;
    Rclone::new(&up.session)
        .copy_up(from.path(), &[])
        .await
        .assert_success();
    for name in ODD {
        assert_eq!(
            cloud.read(name).await,
            Some(format!("text of {name}")),
            "{name}"
        );
    }
    assert_eq!(up.session.outcome().uploaded.len(), ODD.len());

    let down = Machine::new(cloud.bucket()).await;
    let rclone = Rclone::new(&down.session);
    let remote = format!("guard:{BUCKET}");
    let folder = to.path().to_str().unwrap();
    rclone
        .run(&["copy", &remote, folder])
        .await
        .assert_success();
    for name in ODD {
        let text = std::fs::read_to_string(to.path().join(name)).unwrap();
        assert_eq!(text, format!("text of {name}"));
    }
    rclone
        .run(&["check", folder, &remote, "--download"])
        .await
        .assert_success();
    rclone.run(&["delete", &remote]).await.assert_success();
    assert_eq!(cloud.elsewhere.sweep().await.unwrap(), vec![]);
    assert_eq!(down.session.outcome().deleted.len(), ODD.len());
    assert_eq!(down.session.outcome().refused, vec![]);
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn two_and_a_half_thousand_odd_keys_are_listed_right() {
    let mut keys: Vec<String> = (0..2500)
        .map(|n| format!("d {}/é{}/n+{n} %41&<{}>.md", n % 7, n % 31, n * 7919 % 2500))
        .collect();
    keys.sort();
    let snapshot = keys.iter().map(|key| guard::Object {
        key: key.clone(),
        size: 3,
        etag: "900150983cd24fb0d6963f7d28e17f72".into(),
        last_modified_ms: 1_700_000_000_000,
        mtime_ms: None,
    });
    let cloud = Cloud::start().await;
    let machine = Machine::over(cloud.bucket(), snapshot.collect(), |spec| spec).await;
    let rclone = Rclone::new(&machine.session);
    let remote = format!("guard:{BUCKET}");
    for extra in [
        &["--fast-list"][..],
        &[],
        &["--s3-list-version", "1", "--fast-list"],
        &["--s3-list-chunk", "100"],
    ] {
        let run = rclone
            .run(&[&["lsf", "-R", "--files-only", &remote], extra].concat())
            .await;
        run.assert_success();
        let mut listed: Vec<&str> = run.stdout.lines().collect();
        listed.sort_unstable();
        assert_eq!(listed, keys, "{extra:?}");
    }
    assert_eq!(
        cloud.watcher.seen(),
        vec![],
        "no listing was asked of the bucket"
    );
}

/// One machine: a mirror folder, and listings that are kept only if a run succeeds.
struct Side {
    mirror: tempfile::TempDir,
    current: tempfile::TempDir,
}

impl Side {
    async fn adopt(cloud: &Cloud) -> Self {
        let (mirror, current) = (testkit::scratch(), testkit::scratch());
        let machine = Machine::new(cloud.bucket()).await;
        let rclone = Rclone::new(&machine.session);
        rclone
            .bisync(mirror.path(), current.path(), &["--resync"])
            .await
            .assert_success();
        Self { mirror, current }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.mirror.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.mirror.path().join(name)).unwrap()
    }

    /// Runs one cycle against a machine's session; the listings move on only after a success.
    async fn cycle(&self, machine: &Machine) -> Run {
        let next = testkit::scratch();
        for entry in std::fs::read_dir(self.current.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), next.path().join(entry.file_name())).unwrap();
        }
        let rclone = Rclone::new(&machine.session);
        let run = rclone.bisync(self.mirror.path(), next.path(), &[]).await;
        if run.code == Some(0) {
            for entry in std::fs::read_dir(next.path()).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), self.current.path().join(entry.file_name())).unwrap();
            }
        }
        run
    }
}

#[tokio::test]
async fn two_machines_that_edit_one_note_keep_both_versions() {
    let cloud = Cloud::start().await;
    for n in 1..=4 {
        let _etag = cloud.write(&format!("n{n}.md"), &format!("base {n}")).await;
    }
    let (a, b) = (Side::adopt(&cloud).await, Side::adopt(&cloud).await);
    a.write("n1.md", "edited by a");
    b.write("n1.md", "edited by b, longer");
    b.write("n2.md", "only b");

    let late = Machine::new(cloud.bucket()).await;
    let first = Machine::new(cloud.bucket()).await;
    a.cycle(&first).await.assert_success();
    b.cycle(&late).await.assert_failure_with("StatusCode: 412");
    assert_eq!(cloud.read("n1.md").await.as_deref(), Some("edited by a"));
    let refused = late.session.outcome().refused;
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (refused[0].key.as_str(), &refused[0].reason),
        ("n1.md", &RefusedReason::LostRace)
    );

    let again = Machine::with(cloud.bucket(), |mut spec| {
        spec.rename = Some(std::sync::Arc::new(|key, _| {
            let name = key.strip_suffix(".MARK1.md")?;
            Some(format!("{name} (conflict).md"))
        }));
        spec
    })
    .await;
    b.cycle(&again).await.assert_success();
    assert_eq!(b.read("n1.md"), "edited by a");
    assert_eq!(b.read("n1.MARK1.md"), "edited by b, longer");
    assert_eq!(cloud.read("n1.md").await.as_deref(), Some("edited by a"));
    assert_eq!(
        cloud.read("n1 (conflict).md").await.as_deref(),
        Some("edited by b, longer")
    );
    assert_eq!(cloud.read("n2.md").await.as_deref(), Some("only b"));
    assert_eq!(cloud.elsewhere.sweep().await.unwrap().len(), 5);
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn rclone_is_told_of_a_large_lost_race() {
    let cloud = Cloud::start().await;
    let folder = testkit::scratch();
    std::fs::write(folder.path().join("large.bin"), vec![7; 48 << 20]).unwrap();
    let machine = Machine::new(cloud.bucket()).await;
    cloud.write("large.bin", "theirs").await;
    let run = Rclone::new(&machine.session)
        .copy_up(folder.path(), &[])
        .await;
    run.assert_failure_with("StatusCode: 412");
    let refused = machine.session.outcome().refused;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].reason, RefusedReason::LostRace);
}

#[tokio::test]
async fn a_lost_answer_does_not_fail_rclone() {
    let cloud = Cloud::start().await;
    let folder = testkit::scratch();
    std::fs::write(folder.path().join("note.md"), "text").unwrap();
    let machine = Machine::new(cloud.bucket()).await;
    cloud.watcher.lose_the_next_answer_to("PUT");
    let run = Rclone::new(&machine.session)
        .copy_up(folder.path(), &[])
        .await;
    run.assert_success();
    assert_eq!(cloud.read("note.md").await.as_deref(), Some("text"));
    assert_eq!(machine.session.outcome().uploaded.len(), 1);
}
