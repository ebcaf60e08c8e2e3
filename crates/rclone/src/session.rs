use std::path::Path;

/// Bytes that rclone appends to a session's name at most (`.path1.lst-dry-new`).
const LONGEST_SUFFIX: usize = 18;
const LONGEST_FILE_NAME: usize = 255;

/// A path has no usable listing files: rclone would fail with a misleading message about a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the folder's path makes a file name of {bytes} bytes, and 255 is the limit")]
pub struct NameTooLong {
    pub bytes: usize,
}

/// The stem of bisync's listing files for the options that [`crate::bisync`] passes:
/// `STEM.path1.lst` and `STEM.path2.lst` in the workdir.
///
/// `mirror` is absolute; `remote` is written `name:bucket`. Source: `SessionName` in rclone's
/// `cmd/bisync/bilib`; a local path is written `local_…` because of our `--local-*` option.
///
/// # Errors
/// If the longest of the files would exceed 255 bytes.
pub fn session_name(mirror: &Path, remote: &str) -> Result<String, NameTooLong> {
    let mirror = mirror.to_string_lossy();
    let root = if cfg!(windows) {
        windows_root(&mirror)
    } else {
        mirror.into_owned()
    };
    stem(&root, remote)
}

/// What rclone makes of an absolute path on Windows: one that may be longer than 260 letters.
/// Source: `cleanRootPath` in rclone's `backend/local`, and names seen of its listings.
fn windows_root(path: &str) -> String {
    let path = path.replace('\\', "/");
    if path.starts_with("//?/") {
        path
    } else if let Some(share) = path.strip_prefix("//") {
        format!("//?/UNC/{share}")
    } else {
        format!("//?/{path}")
    }
}

fn stem(root: &str, remote: &str) -> Result<String, NameTooLong> {
    let mirror = flatten(&format!("local:{root}"));
    let stem = format!("{mirror}..{}", flatten(remote));
    let bytes = stem.len() + LONGEST_SUFFIX;
    if bytes > LONGEST_FILE_NAME {
        return Err(NameTooLong { bytes });
    }
    Ok(stem)
}

fn flatten(path: &str) -> String {
    let replaced = |character| match character {
        ' ' | '\\' | '/' | ':' | '?' | '*' => '_',
        shown => pictured(shown),
    };
    path.trim_matches(['/', '\\'])
        .chars()
        .map(replaced)
        .collect()
}

/// rclone shows control characters as their pictures, in names of files too.
fn pictured(character: char) -> char {
    let code = u32::from(character);
    match code {
        0..0x20 => char::from_u32(0x2400 + code).unwrap_or(character),
        0x7f => '\u{2421}',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattens_as_rclone_does() {
        for (mirror, remote, expected) in [
            ("/a/m", "guard:b", "local__a_m..guard_b"),
            ("/a b/ü:n/", "guard:b", "local__a_b_ü_n..guard_b"),
            ("/tab\t/del\x7f", "g:b", "local__tab␉_del␡..g_b"),
        ] {
            assert_eq!(stem(mirror, remote).unwrap(), expected, "{mirror}");
        }
    }

    #[test]
    fn a_path_of_windows_is_named_as_the_long_one_that_rclone_makes_of_it() {
        for (mirror, expected) in [
            ("C:\\Users\\ana\\m", "local_____C__Users_ana_m..guard_b"),
            ("C:/Users/ana/m", "local_____C__Users_ana_m..guard_b"),
            ("\\\\?\\Z:\\m", "local_____Z__m..guard_b"),
            ("\\\\nas\\notes\\m", "local_____UNC_nas_notes_m..guard_b"),
        ] {
            let root = windows_root(mirror);
            assert_eq!(stem(&root, "guard:b").unwrap(), expected, "{mirror}");
        }
    }

    #[test]
    fn refuses_what_does_not_fit_into_a_file_name() {
        let refused = stem(&format!("/{}", "x".repeat(230)), "guard:b");
        assert_eq!(
            refused,
            Err(NameTooLong {
                bytes: 7 + 230 + 2 + 7 + 18
            })
        );
    }
}
