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
    let mirror = flatten(&format!("local:{}", mirror.display()));
    let stem = format!("{mirror}..{}", flatten(remote));
    let bytes = stem.len() + LONGEST_SUFFIX;
    if bytes > LONGEST_FILE_NAME {
        return Err(NameTooLong { bytes });
    }
    Ok(stem)
}

fn flatten(path: &str) -> String {
    let replaced = |c: char| {
        if " \t\n\x0c\r\\/:?*".contains(c) {
            '_'
        } else {
            c
        }
    };
    path.trim_matches(['/', '\\'])
        .chars()
        .map(replaced)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattens_as_rclone_does() {
        for (mirror, remote, expected) in [
            ("/a/m", "guard:b", "local__a_m..guard_b"),
            ("/a b/ü:n/", "guard:b", "local__a_b_ü_n..guard_b"),
            ("/", "g:b", "local:..g_b"),
        ] {
            let expected = expected.replace("local:", "local_");
            assert_eq!(
                session_name(Path::new(mirror), remote).unwrap(),
                expected,
                "{mirror}"
            );
        }
    }

    #[test]
    fn refuses_what_does_not_fit_into_a_file_name() {
        let long = format!("/{}", "x".repeat(230));
        let refused = session_name(Path::new(&long), "guard:b");
        assert_eq!(
            refused,
            Err(NameTooLong {
                bytes: 7 + 230 + 2 + 7 + 18
            })
        );
    }
}
