//! Which paths of a plan need no decision, if there are many of them. Pure.

use std::collections::BTreeMap;

use guard::Object;

use crate::plan::{Plan, Side};
use crate::vault::Scan;
use crate::view::ChangeAction;

/// Fewer plain paths than this are bisync's, as everything else is.
pub(super) const FROM: usize = 256;
/// The largest note that goes this way, in bytes; it is held in memory meanwhile.
pub(super) const LARGEST: u64 = 1024 * 1024;

/// A path that is new on one side, or on both with as many bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) path: String,
    pub(crate) way: Way,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The cloud has nothing of this name.
    Upload,
    /// Nothing is here.
    Download,
    /// The cloud has an object of this size, with this MD5.
    AdoptIfEqual { md5: String },
}

/// The paths that need no decision, if they are many.
pub(super) fn pick(plan: &Plan, scan: &Scan, cloud: &BTreeMap<String, Object>) -> Vec<Pick> {
    let picked = plain(plan, scan, cloud);
    if picked.len() < FROM {
        return Vec::new();
    }
    picked
}

pub(crate) fn plain(plan: &Plan, scan: &Scan, cloud: &BTreeMap<String, Object>) -> Vec<Pick> {
    // The old names of a rename may be among what goes, and on some disks they are the new ones.
    let removes_here = plan
        .scope
        .values()
        .any(|difference| difference.action() == Some(ChangeAction::RemoveHere));
    let ways = plan.scope.iter().filter_map(|(path, difference)| {
        let (size, way) = match (difference.here, difference.cloud) {
            (Side::New, Side::Absent) => (scan.files.get(path)?.size, Way::Upload),
            (Side::Absent, Side::New) => {
                let object = cloud
                    .get(path)
                    .filter(|object| !removes_here && has_md5(object))?;
                (object.size, Way::Download)
            }
            (Side::New, Side::New) => {
                let size = scan.files.get(path)?.size;
                (size, adopt(cloud.get(path)?, size)?)
            }
            (
                Side::Absent | Side::Same | Side::New | Side::Changed | Side::Deleted,
                Side::Absent | Side::Same | Side::New | Side::Changed | Side::Deleted,
            ) => return None,
        };
        (size <= LARGEST).then(|| Pick {
            path: path.clone(),
            way,
        })
    });
    ways.collect()
}

/// The `ETag` of a multipart upload contains a dash and says nothing about the bytes.
pub(super) fn has_md5(object: &Object) -> bool {
    !object.etag.contains('-')
}

fn adopt(object: &Object, size: u64) -> Option<Way> {
    (object.size == size && has_md5(object)).then(|| Way::AdoptIfEqual {
        md5: object.etag.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Difference;
    use crate::vault::Signature;

    fn object(key: &str, etag: &str, size: u64) -> Object {
        Object {
            key: key.to_owned(),
            size,
            etag: etag.to_owned(),
            last_modified_ms: 0,
            mtime_ms: None,
        }
    }

    /// Many new notes, and one path of interest.
    fn among_many(sides: (Side, Side), size: u64, there: Option<Object>, many: usize) -> Vec<Pick> {
        let signature = |size| Signature {
            size,
            ..Signature::unknown()
        };
        let (mut plan, mut scan, mut cloud) = (Plan::default(), Scan::default(), BTreeMap::new());
        for number in 0..many {
            let path = format!("many/{number:04}.md");
            scan.files.insert(path.clone(), signature(1));
            let difference = Difference {
                here: Side::New,
                cloud: Side::Absent,
            };
            plan.scope.insert(path, difference);
        }
        let (here, side) = sides;
        plan.scope
            .insert("a.md".to_owned(), Difference { here, cloud: side });
        scan.files.insert("a.md".to_owned(), signature(size));
        cloud.extend(there.map(|object| (object.key.clone(), object)));
        let picked = pick(&plan, &scan, &cloud);
        picked
            .into_iter()
            .filter(|pick| !pick.path.starts_with("many/"))
            .collect()
    }

    #[test]
    fn picks_only_what_is_new_on_one_side_or_new_and_as_long_on_both() {
        use Side::{Absent, Changed, Deleted, New, Same};
        let all = [Absent, Same, New, Changed, Deleted];
        for here in all {
            for cloud in all {
                let there = Some(object("a.md", "e", 5));
                let ways: Vec<Way> = among_many((here, cloud), 5, there, FROM)
                    .into_iter()
                    .map(|pick| pick.way)
                    .collect();
                let expected = match (here, cloud) {
                    (New, Absent) => vec![Way::Upload],
                    (Absent, New) => vec![Way::Download],
                    (New, New) => vec![Way::AdoptIfEqual { md5: "e".into() }],
                    _ => vec![],
                };
                assert_eq!(ways, expected, "{here:?} {cloud:?}");
            }
        }
    }

    #[test]
    fn leaves_what_is_large_or_differs_in_size_or_has_no_md5() {
        let new = (Side::New, Side::New);
        let there = |etag: &str, size| Some(object("a.md", etag, size));
        assert_eq!(among_many(new, 5, there("e", 6), FROM), []);
        assert_eq!(among_many(new, 5, there("e-2", 5), FROM), []);
        let absent = (Side::New, Side::Absent);
        assert_eq!(among_many(absent, LARGEST, None, FROM).len(), 1);
        assert_eq!(among_many(absent, LARGEST + 1, None, FROM), []);
        let arriving = (Side::Absent, Side::New);
        assert_eq!(among_many(arriving, 0, there("e", 6), FROM).len(), 1);
        assert_eq!(among_many(arriving, 0, there("e-2", 6), FROM), []);
        assert_eq!(among_many(arriving, 0, there("e", LARGEST + 1), FROM), []);
    }

    #[test]
    fn leaves_downloads_where_something_is_removed_here() {
        let removed = Difference {
            here: Side::Same,
            cloud: Side::Deleted,
        };
        let arriving = Difference {
            here: Side::Absent,
            cloud: Side::New,
        };
        let mut plan = Plan::default();
        plan.scope.insert("Note.md".to_owned(), arriving);
        let cloud = [("Note.md".to_owned(), object("Note.md", "e", 1))].into();
        assert_eq!(plain(&plan, &Scan::default(), &cloud).len(), 1);
        plan.scope.insert("note.md".to_owned(), removed);
        assert_eq!(plain(&plan, &Scan::default(), &cloud), []);
    }

    #[test]
    fn leaves_few_to_bisync() {
        let absent = (Side::New, Side::Absent);
        assert_eq!(among_many(absent, 5, None, FROM - 2), []);
        assert_eq!(among_many(absent, 5, None, FROM - 1).len(), 1);
    }
}
