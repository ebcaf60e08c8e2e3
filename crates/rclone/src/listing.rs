//! bisync's listing files: what both sides held when they were last known equal.
//!
//! ```text
//! # bisync listing v1 from 2026-11-21T21:00:31.560831492+0000
//! -     1254 md5:3483… - 0001-01-01T00:00:00.000000000+0000 "00/00/note-0.md"
//! ```
//! Flag, size, hashes, an unused id, time (zero unless times are compared), Go-quoted name. Source:
//! rclone's `cmd/bisync/listing.go`. Two files rendered from what is known to be equal on both
//! sides replace rclone's own resynchronization, which would decide about files that differ.

mod quote;

use std::fmt::Write as _;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

pub use quote::{QuoteError, quote, unquote};

const HEADER: &str = "# bisync listing v1 from ";
const NO_TIME: &str = "0001-01-01T00:00:00.000000000+0000";
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:9]+0000");

/// One file of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Relative to the root, with `/` between folders.
    pub path: String,
    pub size: u64,
    /// 32 lower-case hex digits.
    pub md5: Option<String>,
}

/// Why a listing cannot be read. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    #[error("this is not a bisync listing of version 1")]
    WrongHeader,
    #[error("line {line} of the listing is malformed")]
    Malformed { line: usize },
    #[error("line {line} of the listing has an unreadable name")]
    BadName {
        line: usize,
        #[source]
        source: QuoteError,
    },
}

/// Reads a listing file. Folders, which only appear where empty ones are carried, are left out.
///
/// # Errors
/// See [`ListingError`]; nothing is guessed.
pub fn parse(text: &str) -> Result<Vec<Entry>, ListingError> {
    let mut lines = text.lines().enumerate();
    if !lines
        .next()
        .is_some_and(|(_, header)| header.starts_with(HEADER))
    {
        return Err(ListingError::WrongHeader);
    }
    let mut entries = Vec::new();
    for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let line_number = index + 1;
        if let Some(entry) = row(line, line_number)? {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn row(line: &str, number: usize) -> Result<Option<Entry>, ListingError> {
    let malformed = || ListingError::Malformed { line: number };
    let (flag, rest) = line.split_once(' ').ok_or_else(malformed)?;
    let (size, rest) = rest.trim_start().split_once(' ').ok_or_else(malformed)?;
    let (hashes, rest) = rest.split_once(' ').ok_or_else(malformed)?;
    let (_id, rest) = rest.split_once(' ').ok_or_else(malformed)?;
    let (_time, name) = rest.split_once(' ').ok_or_else(malformed)?;
    let path = unquote(name).map_err(|source| ListingError::BadName {
        line: number,
        source,
    })?;
    let md5 = match hashes {
        "-" => None,
        some => some
            .split(',')
            .find_map(|hash| hash.strip_prefix("md5:"))
            .map(str::to_owned),
    };
    match flag {
        "-" => {
            let size = size.parse().map_err(|_| malformed())?;
            Ok(Some(Entry { path, size, md5 }))
        }
        "d" => Ok(None),
        _ => Err(malformed()),
    }
}

/// Writes a listing file as rclone does, in the order of the names. `now` is only a note in it.
#[must_use]
pub fn render(entries: &[Entry], now: SystemTime) -> String {
    let now = OffsetDateTime::from(now)
        .format(TIME)
        .unwrap_or_else(|_| NO_TIME.to_owned());
    let mut text = format!("{HEADER}{now}\n");
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort();
    for Entry { path, size, md5 } in sorted {
        let hashes = md5
            .as_ref()
            .map_or_else(|| "-".to_owned(), |md5| format!("md5:{md5}"));
        let name = quote(path);
        writeln!(text, "- {size:>8} {hashes} - {NO_TIME} {name}").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const RECORDED: &str = "\
# bisync listing v1 from 2026-11-21T22:19:50.336988456+0000
-        2 md5:f4d5d0c0671be202bc241807c243e80b - 0001-01-01T00:00:00.000000000+0000 \"SENTINEL\"
-        4 md5:9cd599a3523898e6a12e13ec787da50a - 0001-01-01T00:00:00.000000000+0000 \"d/neu ü.md\"
";

    #[test]
    fn renders_what_it_reads_to_the_letter() {
        let entries = parse(RECORDED).unwrap();
        assert_eq!(
            entries[1],
            Entry {
                path: "d/neu ü.md".to_owned(),
                size: 4,
                md5: Some("9cd599a3523898e6a12e13ec787da50a".to_owned()),
            }
        );
        let now = UNIX_EPOCH + Duration::new(1_795_299_590, 336_988_456);
        assert_eq!(render(&entries, now), RECORDED);
    }

    #[test]
    fn reads_missing_hashes_and_leaves_folders_out() {
        let text = format!("{HEADER}x\n-  -1 - - t \"a\"\n");
        assert_eq!(parse(&text), Err(ListingError::Malformed { line: 2 }));
        let text = format!(
            "{HEADER}x\nd       -1 - - t \"folder\"\n-   7 sha1:x,md5:y - t \"a b\"\n- 1 - - t \"c\"\n"
        );
        let entry = |path: &str, size, md5: Option<&str>| Entry {
            path: path.to_owned(),
            size,
            md5: md5.map(str::to_owned),
        };
        assert_eq!(
            parse(&text).unwrap(),
            [entry("a b", 7, Some("y")), entry("c", 1, None)]
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(parse(""), Err(ListingError::WrongHeader));
        assert_eq!(
            parse("# bisync listing v2 from x\n"),
            Err(ListingError::WrongHeader)
        );
        for line in ["x 1 - - t \"a\"", "- 1 - - t", "- z - - t \"a\""] {
            let text = format!("{HEADER}x\n{line}\n");
            assert_eq!(
                parse(&text),
                Err(ListingError::Malformed { line: 2 }),
                "{line}"
            );
        }
        let bad = parse(&format!("{HEADER}x\n- 1 - - t \"a\n"));
        assert!(
            matches!(bad, Err(ListingError::BadName { line: 2, .. })),
            "{bad:?}"
        );
    }
}
