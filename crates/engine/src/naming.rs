//! Names of conflict copies, and when two paths are one on some disk. Pure.

use time::OffsetDateTime;
use unicode_normalization::UnicodeNormalization;

/// The longest name, in bytes, that syncs: file systems allow 255, and bisync, which cannot go on
/// when its own conflict mark does not fit, needs the rest.
pub(crate) const LONGEST_NAME: usize = 255 - 32;

const LONGEST_DEVICE: usize = 40;
const LONGEST_EXTENSION: usize = 16;

/// The path of a conflict copy: `name (conflict DEVICE YYYY-MM-DD HH.MM.SS).md` beside the note.
///
/// The time is written in the offset it comes with. Names are cut at a character so that the copy
/// itself syncs.
pub(crate) fn conflict_name(path: &str, device: &str, at: OffsetDateTime) -> String {
    numbered_conflict_name(path, device, at, 1)
}

/// As [`conflict_name`]; from the second on the number is part of the name.
pub(crate) fn numbered_conflict_name(
    path: &str,
    device: &str,
    at: OffsetDateTime,
    number: u32,
) -> String {
    let (folder, name) = match path.rsplit_once('/') {
        Some((folder, name)) => (Some(folder), name),
        None => (None, path),
    };
    let (stem, extension) = split_extension(name);
    let device = plain_device(device);
    let (date, time) = (at.date(), at.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let number = if number < 2 {
        String::new()
    } else {
        format!(" {number}")
    };
    let mark = format!(
        " (conflict {device} {year:04}-{month:02}-{day:02} \
         {hour:02}.{minute:02}.{second:02}{number}){extension}"
    );
    let stem = cut(stem, LONGEST_NAME.saturating_sub(mark.len())).trim_end();
    match folder {
        Some(folder) => format!("{folder}/{stem}{mark}"),
        None => format!("{stem}{mark}"),
    }
}

/// The note that a conflict copy stands beside, by its name: the reverse of [`conflict_name`], as
/// far as nothing was cut.
pub(crate) fn note_of_copy(path: &str) -> Option<String> {
    let start = path.rfind(" (conflict ")?;
    let (mark, extension) = path[start..].rsplit_once(')')?;
    let mut words: Vec<&str> = mark.split(' ').collect();
    let digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    if words.last().is_some_and(|word| digits(word)) {
        words.pop();
    }
    let [.., date, time] = words.as_slice() else {
        return None;
    };
    let shaped = |text: &str, separator: char, lengths: [usize; 3]| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.iter().all(|part| digits(part)) && parts.iter().map(|part| part.len()).eq(lengths)
    };
    let plain = !extension.contains('/') && !path[start..].contains('/');
    (plain && shaped(date, '-', [4, 2, 2]) && shaped(time, '.', [2, 2, 2]))
        .then(|| format!("{}{extension}", &path[..start]))
}

/// One key for all spellings of a path that some disk takes for the same: composed accents
/// (NFC), letters without case.
pub(crate) fn fold_key(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let folded: String = path
        .nfc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    folded.nfc().collect()
}

/// Whether rclone carries a name unchanged, to and from a disk of this system. It shows control
/// characters as others, and uses U+201B and the full-width dots to mark what it replaced.
pub(crate) fn is_portable(name: &str) -> bool {
    !name.chars().any(|c| c.is_control() || c == '\u{201B}')
        && name != "\u{FF0E}"
        && name != "\u{FF0E}\u{FF0E}"
        && (!cfg!(windows) || fits_windows(name))
}

/// Whether a name is one that every program on Windows can use: no path, no stream, no device,
/// nothing that Windows shortens.
pub(crate) fn fits_windows(name: &str) -> bool {
    const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    const NUMBERED: [&str; 2] = ["com", "lpt"];
    let taken = |byte: u8| {
        byte < b' '
            || matches!(
                byte,
                b'<' | b'>' | b':' | b'"' | b'/' | b'\\' | b'|' | b'?' | b'*'
            )
    };
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is_device = |device: &str| stem.eq_ignore_ascii_case(device);
    let is_numbered = |device: &str| {
        let (Some(start), Some(rest)) = (stem.get(..3), stem.get(3..)) else {
            return false;
        };
        start.eq_ignore_ascii_case(device)
            && rest.chars().count() == 1
            && rest.contains(|c| "0123456789¹²³".contains(c))
    };
    !name.is_empty()
        && !name.bytes().any(taken)
        && !name.ends_with(['.', ' '])
        && !DEVICES.iter().any(|device| is_device(device))
        && !NUMBERED.iter().any(|device| is_numbered(device))
}

/// The last extension with its dot; a name that only begins with a dot has none.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at)
            if at > 0
                && name.len() - at <= LONGEST_EXTENSION
                && !name[at..].contains(char::is_whitespace) =>
        {
            name.split_at(at)
        }
        Some(_) | None => (name, ""),
    }
}

fn plain_device(device: &str) -> String {
    let plain: String = device
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "-_. ".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let plain = cut(plain.trim(), LONGEST_DEVICE).trim();
    if plain.is_empty() {
        "device".to_owned()
    } else {
        plain.to_owned()
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-11-21 22:11:05 +1);

    #[test]
    fn a_conflict_copy_keeps_folder_name_and_last_extension() {
        for (path, expected) in [
            ("note.md", "note (conflict laptop 2026-11-21 22.11.05).md"),
            (
                "a/b/note.md",
                "a/b/note (conflict laptop 2026-11-21 22.11.05).md",
            ),
            ("x.tar.gz", "x.tar (conflict laptop 2026-11-21 22.11.05).gz"),
            (
                "a.b/README",
                "a.b/README (conflict laptop 2026-11-21 22.11.05)",
            ),
            (".env", ".env (conflict laptop 2026-11-21 22.11.05)"),
            ("Dr. Who", "Dr. Who (conflict laptop 2026-11-21 22.11.05)"),
            ("ends.", "ends (conflict laptop 2026-11-21 22.11.05)."),
        ] {
            assert_eq!(conflict_name(path, "laptop", AT), expected);
        }
    }

    #[test]
    fn a_copy_names_its_note() {
        for path in [
            "note.md",
            "a/b/note.md",
            "x.tar.gz",
            "README",
            "a (conflict b).md",
        ] {
            for number in [1, 12] {
                let copy = numbered_conflict_name(path, "Ana's mac", AT, number);
                assert_eq!(note_of_copy(&copy).as_deref(), Some(path), "{copy}");
            }
            assert_eq!(note_of_copy(path), None, "{path}");
        }
        assert_eq!(note_of_copy("n (conflict x 2026-11-21 22.11).md"), None);
        assert_eq!(
            note_of_copy("n (conflict x 2026-11-21 22.11.05/y).md"),
            None
        );
    }

    #[test]
    fn windows_takes_plain_names_only() {
        for name in [
            "note.md",
            ".env",
            "con-text.md",
            "Tag 1.md",
            "com.md",
            "com12.md",
            "é .md",
        ] {
            assert!(fits_windows(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a:b.md",
            "a\\b.md",
            "a/b",
            "why?.md",
            "a*",
            "<a>",
            "a|b",
            "\"a\"",
            "tab\t.md",
            "ends.",
            "ends ",
            "CON",
            "con.md",
            "nul .txt",
            "Aux.tar.gz",
            "com1.md",
            "LPT9",
            "com¹",
        ] {
            assert!(!fits_windows(name), "{name}");
        }
    }

    #[test]
    fn later_copies_are_numbered() {
        assert_eq!(
            numbered_conflict_name("note.md", "laptop", AT, 2),
            "note (conflict laptop 2026-11-21 22.11.05 2).md"
        );
    }

    #[test]
    fn a_device_name_cannot_leave_the_folder() {
        assert_eq!(
            conflict_name("n.md", "../Ana's\nMac:1", AT),
            "n (conflict ..-Ana-s-Mac-1 2026-11-21 22.11.05).md"
        );
        assert_eq!(
            conflict_name("n.md", " ", AT),
            "n (conflict device 2026-11-21 22.11.05).md"
        );
    }

    #[test]
    fn folds_case_and_accents_but_nothing_else() {
        for (one, other) in [
            ("Note.md", "note.MD"),
            ("é", "e\u{301}"),
            ("ΑΣ", "ας"),
            ("K", "\u{212A}"),
            ("É", "e\u{301}"),
        ] {
            assert_eq!(fold_key(one), fold_key(other), "{one} {other}");
        }
        assert_ne!(fold_key("e"), fold_key("é"));
        assert_ne!(fold_key("a b"), fold_key("a_b"));
    }

    proptest! {
        #[test]
        fn a_conflict_copy_always_fits_and_stays_beside(
            folder in "[a-zé]{1,9}",
            name in "[^/\\x00]{1,255}",
            device in ".{0,60}",
        ) {
            let copy = conflict_name(&format!("{folder}/{name}"), &device, AT);
            let (beside, copy) = copy.rsplit_once('/').unwrap();
            prop_assert_eq!(beside, folder);
            prop_assert!(copy.len() <= LONGEST_NAME, "{}", copy.len());
            prop_assert!(copy.contains("(conflict "));
        }
    }
}
