use std::ops::Range;

/// A remote as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) name: String,
    /// Options in the order of the file.
    pub(crate) options: Vec<(String, String)>,
}

impl Remote {
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A line of the file with its end.
enum Line<'a> {
    Section(&'a str),
    Option(&'a str, &'a str),
    /// Comments, blank lines, and what nobody understands.
    Other,
}

fn lines(text: &str) -> impl Iterator<Item = (Range<usize>, Line<'_>)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |whole| {
        let range = start..start + whole.len();
        start = range.end;
        (range, line(whole))
    })
}

fn line(whole: &str) -> Line<'_> {
    let text = whole.trim_start_matches('\u{feff}').trim();
    if text.starts_with(['#', ';']) {
        return Line::Other;
    }
    if let Some(name) = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        return Line::Section(name.trim());
    }
    match text.split_once('=') {
        Some((name, value)) => Line::Option(name.trim(), value.trim()),
        None => Line::Other,
    }
}

/// Whether rclone keeps this file encrypted: then nobody but rclone may edit it.
pub(crate) fn is_encrypted(text: &str) -> bool {
    let first = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    first.is_some_and(|line| line.starts_with("RCLONE_ENCRYPT_V"))
}

/// All remotes of the file.
pub(crate) fn remotes(text: &str) -> Vec<Remote> {
    let mut found: Vec<Remote> = Vec::new();
    for (_, line) in lines(text) {
        match (line, found.last_mut()) {
            (Line::Section(name), _) => found.push(Remote {
                name: name.to_owned(),
                options: Vec::new(),
            }),
            (Line::Option(name, value), Some(remote)) => {
                remote.options.push((name.to_owned(), value.to_owned()));
            }
            (Line::Option(..), None) | (Line::Other, _) => {}
        }
    }
    found
}

/// The text with this remote at its end under a comment, unless it is there already.
pub(crate) fn with_section(text: &str, remote: &str, comment: &str) -> String {
    if remotes(text).iter().any(|known| known.name == remote) {
        return text.to_owned();
    }
    let end = line_end(text);
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        end
    };
    let blank = if text.trim().is_empty() { "" } else { end };
    [
        text,
        gap,
        blank,
        &format!("# {comment}{end}[{remote}]{end}"),
    ]
    .concat()
}

/// The text with one option of a remote set: where it stands, or after the last one of the remote.
/// Without such a remote it stays as it is.
pub(crate) fn with_value(text: &str, remote: &str, option: &str, value: &str) -> String {
    let end = line_end(text);
    let new = format!("{option} = {value}{end}");
    let mut inside = false;
    let mut after = None;
    for (range, line) in lines(text) {
        match line {
            Line::Section(name) => {
                inside = name == remote;
                if inside {
                    after = Some(range.end);
                }
            }
            Line::Option(name, _) if inside && name == option => {
                return [&text[..range.start], &new, &text[range.end..]].concat();
            }
            Line::Option(..) if inside => after = Some(range.end),
            Line::Option(..) | Line::Other => {}
        }
    }
    let Some(at) = after else {
        return text.to_owned();
    };
    let gap = if text[..at].ends_with('\n') { "" } else { end };
    [&text[..at], gap, &new, &text[at..]].concat()
}

fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\n[drive]\ntype = drive\n; keep\nToken = {\"a\": \"b=c\"}\n\n\
                        # the cloud\n[basic-memory-t1]\ntype=s3\n# old key\naccess_key_id = OLD\n\
                        acl = private\n\n# last\n[z]\ntype = local";

    #[test]
    fn reads_the_remotes_of_a_file() {
        let found = remotes(FILE);
        let names: Vec<&str> = found.iter().map(|remote| remote.name.as_str()).collect();
        assert_eq!(names, ["drive", "basic-memory-t1", "z"]);
        assert_eq!(found[0].option("Token"), Some("{\"a\": \"b=c\"}"));
        assert_eq!(found[1].option("access_key_id"), Some("OLD"));
        assert_eq!(found[2].option("type"), Some("local"));
    }

    #[test]
    fn a_value_is_replaced_where_it_stands_and_all_else_stays() {
        let edited = with_value(FILE, "basic-memory-t1", "access_key_id", "NEW");
        assert_eq!(
            edited,
            FILE.replace("access_key_id = OLD", "access_key_id = NEW")
        );
        let added = with_value(FILE, "basic-memory-t1", "region", "auto");
        assert_eq!(
            added,
            FILE.replace("acl = private\n", "acl = private\nregion = auto\n")
        );
    }

    #[test]
    fn a_new_remote_comes_last_also_behind_a_line_without_an_end() {
        let added = with_section(FILE, "new", "why");
        assert_eq!(added, format!("{FILE}\n\n# why\n[new]\n"));
        let set = with_value(&added, "new", "type", "s3");
        assert_eq!(set, format!("{added}type = s3\n"));
        let unended = with_value("[new]", "new", "type", "s3");
        assert_eq!(unended, "[new]\ntype = s3\n");
        assert_eq!(with_section("", "new", "why"), "# why\n[new]\n");
        assert_eq!(with_section(&set, "new", "why"), set);
        assert_eq!(with_value(FILE, "none", "type", "s3"), FILE);
        let windows = with_value("[a]\r\nb = c\r\n", "a", "d", "e");
        assert_eq!(windows, "[a]\r\nb = c\r\nd = e\r\n");
    }

    #[test]
    fn an_encrypted_file_is_known() {
        let text = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nabc=\n";
        assert!(is_encrypted(text));
        assert!(!is_encrypted(FILE));
    }
}
