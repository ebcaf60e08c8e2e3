use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

/// Whatever changes, opens or makes durable, and what tells processes apart.
pub(super) const CALLS: &str = "open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,\
     truncate,ftruncate,link,linkat,mkdir,mkdirat,fsync,fdatasync,syncfs,execve,clone,clone3,fork,\
     vfork";

/// The calls that succeeded, in the order in which they ended.
pub(super) struct Trace {
    pub(super) calls: Vec<Call>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    arguments: String,
    /// Every path among the arguments, in full.
    pub(super) paths: Vec<PathBuf>,
    pub(super) by_rclone: bool,
}

impl Trace {
    /// Reads what `strace -f -y` wrote.
    pub(super) fn read(log: &str) -> Self {
        let mut calls = Vec::new();
        let mut begun: BTreeMap<&str, String> = BTreeMap::new();
        let mut rclone: BTreeSet<String> = BTreeSet::new();
        for line in log.lines() {
            let (thread, rest) = line.split_once(' ').unwrap();
            let rest = rest.trim_start();
            if let Some(first) = rest.strip_suffix(" <unfinished ...>") {
                begun.insert(thread, first.to_owned());
                continue;
            }
            let whole = match rest.split_once(" resumed>") {
                Some((_, second)) => {
                    let first = begun.remove(thread).unwrap_or_default();
                    format!("{first}{second}")
                }
                None => rest.to_owned(),
            };
            let Some((text, result)) = whole.rsplit_once(" = ") else {
                continue;
            };
            let Some((name, arguments)) = text.trim_end().split_once('(') else {
                continue;
            };
            if result.starts_with('-') || result.starts_with('?') {
                continue;
            }
            match name {
                "execve" if arguments.contains("/rclone\"") => {
                    rclone.insert(thread.to_owned());
                }
                "clone" | "clone3" | "fork" | "vfork" if rclone.contains(thread) => {
                    rclone.insert(result.trim().to_owned());
                }
                _ => {}
            }
            calls.push(Call {
                name: name.to_owned(),
                paths: paths(arguments),
                arguments: arguments.to_owned(),
                by_rclone: rclone.contains(thread),
            });
        }
        Self { calls }
    }
}

impl Call {
    pub(super) fn says(&self, flag: &str) -> bool {
        self.arguments.contains(flag)
    }

    /// Whether something below this folder is named.
    pub(super) fn touches(&self, folder: &Path) -> bool {
        self.paths
            .iter()
            .any(|path| path.starts_with(folder) && path != folder)
    }

    pub(super) fn syncs(&self, path: &Path) -> bool {
        self.is_sync() && self.paths.iter().any(|synced| synced == path)
    }

    pub(super) fn syncs_file_named(&self, name: &str) -> bool {
        self.is_sync() && self.paths.iter().any(|path| path.ends_with(name))
    }

    pub(super) fn is_sync(&self) -> bool {
        ["fsync", "fdatasync", "syncfs"].contains(&self.name.as_str())
    }
}

/// `7</folder>, "name"` is one path; so is `7</file>` alone.
fn paths(arguments: &str) -> Vec<PathBuf> {
    let part =
        Regex::new(r#"(?:\d+|AT_FDCWD)<([^>]*)>(?:, "((?:[^"\\]|\\.)*)")?|"((?:[^"\\]|\\.)*)""#);
    let part = part.unwrap();
    part.captures_iter(arguments)
        .map(|found| match (found.get(1), found.get(2), found.get(3)) {
            (Some(folder), Some(name), _) => Path::new(folder.as_str()).join(name.as_str()),
            (Some(file), None, _) => file.as_str().into(),
            (None, _, name) => name.map_or("", |name| name.as_str()).into(),
        })
        .collect()
}

#[test]
fn reads_interrupted_calls_and_paths_in_both_forms() {
    let log = "\
10 execve(\"/bin/rclone\", [\"rclone\", \"bisync\"], 0x7 /* 9 vars */) = 0
10 clone3({flags=CLONE_VM}, 88) = 11
11 openat(AT_FDCWD</h>, \"/m/n.md\", O_RDONLY) = 3</m/n.md>
12 renameat2(5</s>, \"a.file\", 6</v/d>, \"n \\\"1\\\".md\", RENAME_EXCHANGE <unfinished ...>
12 fsync(7</v/d> <unfinished ...>
13 unlinkat(4</v>, \"x\", 0)   = -1 ENOENT (No such file or directory)
12 <... fsync resumed>)       = 0
13 +++ exited with 0 +++
";
    let trace = Trace::read(log);
    let told: Vec<(&str, bool)> = trace
        .calls
        .iter()
        .map(|call| (call.name.as_str(), call.by_rclone))
        .collect();
    assert_eq!(
        told,
        [
            ("execve", true),
            ("clone3", true),
            ("openat", true),
            ("fsync", false)
        ]
    );
    assert_eq!(trace.calls[2].paths, [PathBuf::from("/m/n.md")]);
    assert!(trace.calls[3].syncs(Path::new("/v/d")));
    let renamed = paths(r#"5</s>, "a.file", 6</v/d>, "n \"1\".md", RENAME_EXCHANGE)"#);
    assert_eq!(
        renamed,
        [
            PathBuf::from("/s/a.file"),
            PathBuf::from(r#"/v/d/n \"1\".md"#)
        ]
    );
}
