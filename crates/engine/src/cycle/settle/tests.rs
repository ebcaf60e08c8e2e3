use super::*;
use crate::plan::Side;
use crate::state::Node;

const MARK: &str = "bmc-1";

#[derive(Default)]
struct Case {
    scope: BTreeMap<String, Difference>,
    baseline: Baseline,
    linked: BTreeMap<String, Signature>,
    mirror: BTreeMap<String, MirrorFile>,
    snapshot: BTreeMap<String, Object>,
    uploaded: BTreeMap<String, Stored>,
    deleted: BTreeSet<String>,
    listed: BTreeMap<String, String>,
}

fn signature(ino: u64) -> Signature {
    Signature {
        ino,
        dev: 1,
        size: 1,
        mtime_ns: 0,
        ctime_ns: 0,
    }
}

impl Case {
    fn of(path: &str) -> Self {
        let difference = Difference {
            here: Side::Changed,
            cloud: Side::Changed,
        };
        Self {
            scope: BTreeMap::from([(path.to_owned(), difference)]),
            ..Self::default()
        }
    }
    fn known(mut self, path: &str, md5: &str) -> Self {
        let node = Node {
            md5: md5.into(),
            etag: md5.into(),
            size: 1,
            signature: signature(9),
        };
        self.baseline.insert(path.into(), node);
        self
    }
    fn linked(mut self, path: &str, ino: u64) -> Self {
        self.linked.insert(path.into(), signature(ino));
        self
    }
    fn mirror(mut self, path: &str, ino: u64, md5: &str) -> Self {
        self.mirror.insert(
            path.into(),
            MirrorFile {
                ino,
                size: 1,
                mtime_ns: 0,
            },
        );
        self.listed.insert(path.into(), md5.into());
        self
    }
    fn cloud(mut self, path: &str, etag: &str) -> Self {
        let object = Object {
            key: path.into(),
            size: 1,
            etag: etag.into(),
            last_modified_ms: 0,
            mtime_ms: None,
        };
        self.snapshot.insert(path.into(), object);
        self
    }
    fn uploaded(mut self, path: &str, key: &str, etag: &str) -> Self {
        let stored = Stored {
            key: key.into(),
            etag: etag.into(),
            size: 1,
        };
        self.uploaded.insert(path.into(), stored);
        self
    }
    fn deleted(mut self, path: &str) -> Self {
        self.deleted.insert(path.into());
        self
    }
    fn settle(&self) -> Settled {
        let evidence = Evidence {
            scope: &self.scope,
            baseline: &self.baseline,
            linked: &self.linked,
            untouched: &|path, file| self.linked[path].ino == file.ino,
            mirror: &self.mirror,
            snapshot: &self.snapshot,
            uploaded: &self.uploaded,
            deleted: &self.deleted,
            listed: &self.listed,
            mark: MARK,
        };
        settle(&evidence).into_values().next().unwrap()
    }
}

fn version(md5: &str) -> CloudVersion {
    CloudVersion {
        md5: md5.into(),
        etag: md5.into(),
        size: 1,
    }
}

#[test]
fn an_upload_counts_only_when_hash_and_etag_agree() {
    let base = || {
        Case::of("n")
            .known("n", "old")
            .linked("n", 1)
            .cloud("n", "old")
    };
    let good = base().mirror("n", 1, "new").uploaded("n", "n", "new");
    assert_eq!(
        good.settle(),
        Settled::Equal {
            version: version("new"),
            signature: signature(1),
            uploaded: true
        }
    );
    let elsewhere = base().mirror("n", 1, "newer").uploaded("n", "copy", "new");
    assert_eq!(elsewhere.settle(), Settled::Unproven);
    let not_uploaded = base().mirror("n", 1, "new");
    assert_eq!(not_uploaded.settle(), Settled::Unproven);
}

#[test]
fn what_went_up_is_known_though_it_was_saved_again_since() {
    let case = Case::of("n")
        .known("n", "old")
        .linked("n", 1)
        .cloud("n", "old")
        .mirror("n", 1, "newer")
        .uploaded("n", "n", "new");
    assert_eq!(
        case.settle(),
        Settled::Equal {
            version: version("new"),
            signature: Signature::unknown(),
            uploaded: true
        }
    );
}

#[test]
fn equal_files_on_both_sides_are_adopted() {
    let case = Case::of("n")
        .linked("n", 1)
        .cloud("n", "same")
        .mirror("n", 1, "same");
    assert_eq!(
        case.settle(),
        Settled::Equal {
            version: version("same"),
            signature: signature(1),
            uploaded: false
        }
    );
}

#[test]
fn a_download_expects_what_bisync_saw() {
    let new = Case::of("n").cloud("n", "c").mirror("n", 2, "c");
    assert_eq!(
        new.settle(),
        Settled::Install {
            version: version("c"),
            expect: Expect::Absent
        }
    );
    let changed = new.known("n", "old").linked("n", 1);
    assert_eq!(
        changed.settle(),
        Settled::Install {
            version: version("c"),
            expect: Expect::Content { md5: "old".into() }
        }
    );
}

#[test]
fn a_removal_needs_the_clouds_absence_and_a_known_version() {
    let gone = Case::of("n").known("n", "old").linked("n", 1);
    assert_eq!(
        gone.settle(),
        Settled::Remove {
            expect: Expect::Content { md5: "old".into() }
        }
    );
    assert_eq!(Case::of("n").linked("n", 1).settle(), Settled::Unproven);
    let still_there = Case::of("n")
        .known("n", "old")
        .linked("n", 1)
        .cloud("n", "old");
    assert_eq!(still_there.settle(), Settled::Unproven);
}

#[test]
fn a_path_is_gone_when_the_bucket_dropped_it() {
    let ours = Case::of("n")
        .known("n", "old")
        .cloud("n", "old")
        .deleted("n");
    assert_eq!(
        ours.settle(),
        Settled::Gone {
            removed_in_cloud: true
        }
    );
    assert_eq!(
        Case::of("n").settle(),
        Settled::Gone {
            removed_in_cloud: false
        }
    );
    assert_eq!(Case::of("n").cloud("n", "x").settle(), Settled::Unproven);
}

#[test]
fn a_conflict_has_both_versions_in_hand() {
    let case = Case::of("n.md")
        .known("n.md", "old")
        .linked("n.md", 1)
        .cloud("n.md", "theirs")
        .mirror("n.md", 2, "theirs")
        .mirror("n.bmc-11.md", 1, "ours")
        .uploaded("n.bmc-11.md", "n (conflict).md", "ours");
    assert_eq!(
        case.settle(),
        Settled::Conflict {
            cloud: version("theirs"),
            ours: version("ours"),
            marked: "n.bmc-11.md".into(),
            copy: "n (conflict).md".into(),
        }
    );
    let mut without_upload = case;
    without_upload.uploaded.clear();
    assert_eq!(without_upload.settle(), Settled::Unproven);
}

#[test]
fn finds_the_note_behind_a_mark() {
    for (path, original) in [
        ("a/n.bmc-11.md", Some("a/n.md")),
        ("n.bmc-12", Some("n")),
        ("n.bmc-11.tar.gz", Some("n.tar.gz")),
        ("n.bmc-1.md", None),
        ("n.bmc-11x.md", None),
        ("n.md", None),
    ] {
        assert_eq!(original_of(path, MARK).as_deref(), original, "{path}");
    }
}
