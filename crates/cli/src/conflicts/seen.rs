//! The versions that a decision is made of: what `show` showed, else what the list tells. Pure.

use engine::view::{Choice, ConflictDetail, ConflictView, SeenVersions};

/// What stands for a version that is none: the note was deleted on that side.
const DELETED: &str = "deleted";

/// Letters of a version's name that are shown.
const SHOWN: usize = 8;

/// Letters that name a version.
const FEWEST: usize = 6;

/// Both versions as `show` names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    mine: String,
    theirs: String,
}

/// Reads what was typed.
pub(crate) fn parse(typed: &str) -> Result<Seen, String> {
    let names = typed.split_once(',');
    let names = names.filter(|(mine, theirs)| is_name(mine) && is_name(theirs));
    let (mine, theirs) = names.ok_or(
        "`bm-cloud conflicts show ID` names both versions, such as 0cc175b9,92eb5ffe or \
         0cc175b9,deleted",
    )?;
    Ok(Seen {
        mine: mine.to_ascii_lowercase(),
        theirs: theirs.to_ascii_lowercase(),
    })
}

fn is_name(text: &str) -> bool {
    let is_hash = text.len() >= FEWEST && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash || text.eq_ignore_ascii_case(DELETED)
}

/// The name of a version.
pub(super) fn name(md5: Option<&str>) -> &str {
    md5.map_or(DELETED, |md5| md5.get(..SHOWN).unwrap_or(md5))
}

/// Both versions as they are now.
pub(super) fn read(detail: &ConflictDetail) -> SeenVersions {
    SeenVersions {
        mine: detail.mine.md5.clone(),
        theirs: detail.theirs.md5.clone(),
    }
}

impl Seen {
    /// The versions that were seen. `None` where one is another by now.
    pub(super) fn still(&self, now: SeenVersions) -> Option<SeenVersions> {
        let is = |typed: &str, md5: &Option<String>| match md5 {
            Some(md5) => md5.starts_with(typed),
            None => typed == DELETED,
        };
        (is(&self.mine, &now.mine) && is(&self.theirs, &now.theirs)).then_some(now)
    }
}

/// What a decision needs to know of the versions that the list tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Versions(SeenVersions),
    /// What is kept twice loses nothing, whatever it is.
    Any,
    /// Of a drive's versions the list knows no hash.
    Unknown,
}

pub(super) fn listed(conflict: &ConflictView, choice: &Choice) -> Listed {
    match (choice, &conflict.mine_md5, &conflict.theirs_md5) {
        (Choice::KeepBoth, _, _) => Listed::Any,
        (_, None, None) => Listed::Unknown,
        (_, mine, theirs) => Listed::Versions(SeenVersions {
            mine: mine.clone(),
            theirs: theirs.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(mine: &str, theirs: Option<&str>) -> SeenVersions {
        SeenVersions {
            mine: Some(mine.to_owned()),
            theirs: theirs.map(str::to_owned),
        }
    }

    #[test]
    fn names_are_read_as_they_are_shown() {
        let now = versions("0cc175b9c0f1", None);
        let shown = format!("{},{}", name(now.mine.as_deref()), name(None));
        assert_eq!(shown, "0cc175b9,deleted");
        let seen = parse(&shown).unwrap();
        assert_eq!(seen.still(now.clone()), Some(now));
        assert_eq!(seen.still(versions("0cc175b9c0f1", Some("92eb"))), None);
        assert_eq!(seen.still(versions("1cc175b9c0f1", None)), None);
        for wrong in ["", "0cc175b9", "0cc175b9,", "0c,92eb5ffe", "0cc175b9,gone"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
