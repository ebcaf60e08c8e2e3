use regex::Regex;

/// Translates one of rclone's patterns. Without a leading `/` it may begin at any folder.
pub(super) fn to_regex(glob: &str) -> Result<Regex, String> {
    let (anchor, body) = match glob.strip_prefix('/') {
        Some(rest) => ("^", rest),
        None => ("(?:^|/)", glob),
    };
    let pattern = format!("{anchor}{}$", translate(body)?);
    Regex::new(&pattern).map_err(|_| "the pattern is not valid".to_owned())
}

fn translate(glob: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut in_braces = false;
    let mut rest = glob.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' => {
                let mut stars = 1;
                while rest.next_if_eq(&'*').is_some() {
                    stars += 1;
                }
                out.push_str(match stars {
                    1 => "[^/]*",
                    2 => ".*",
                    _ => return Err("more than two stars in a row".to_owned()),
                });
            }
            '?' => out.push_str("[^/]"),
            '\\' => match rest.next() {
                Some(c) if !c.is_alphanumeric() => push_literal(&mut out, c),
                Some(_) => {
                    return Err("a backslash may only stand before a special character".to_owned());
                }
                None => return Err("a backslash at the end".to_owned()),
            },
            '[' => out.push_str(&class(&mut rest)?),
            ']' => return Err("a `]` without its `[`".to_owned()),
            '{' if in_braces => {
                return Err("braces within braces are not supported".to_owned());
            }
            '{' => {
                in_braces = true;
                out.push_str("(?:");
            }
            '}' if in_braces => {
                in_braces = false;
                out.push(')');
            }
            '}' => return Err("a `}` without its `{`".to_owned()),
            ',' if in_braces => out.push('|'),
            c => push_literal(&mut out, c),
        }
    }
    if in_braces {
        Err("a `{` without its `}`".to_owned())
    } else {
        Ok(out)
    }
}

const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// A set such as `[a-z]`, `[^0-9]` or `[[:digit:]]`, after its first bracket.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut out = "[".to_owned();
    let mut last = '[';
    while let Some(c) = rest.next() {
        match c {
            '[' if rest.next_if_eq(&':').is_some() => {
                let name: String = rest.by_ref().take_while(|&c| c != ':').collect();
                if !CLASSES.contains(&name.as_str()) || rest.next_if_eq(&']').is_none() {
                    return Err(format!("no set is named `[:{name}:]`"));
                }
                out.push_str(&format!("[:{name}:]"));
            }
            '[' => return Err("a `[` within a set".to_owned()),
            ']' if last == '[' || (last == '^' && out == "[^") => {
                return Err("an empty set, or a `]` in it".to_owned());
            }
            ']' => {
                out.push(']');
                return Ok(out);
            }
            '\\' => return Err("a backslash in a set".to_owned()),
            // Doubled, these have a meaning of their own here.
            '&' | '~' => out.extend(['\\', c]),
            '-' if last == '-' => return Err("two dashes in a row in a set".to_owned()),
            c => out.push(c),
        }
        // A named set is a member like any other.
        last = if c == '[' { ':' } else { c };
    }
    Err("a `[` without its `]`".to_owned())
}

fn push_literal(out: &mut String, c: char) {
    out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

/// The folders, each with a trailing `/`, in which a file pattern may match.
pub(super) fn folders_of(glob: &str) -> Vec<String> {
    if path_in_braces(glob) {
        return vec!["/**".to_owned()];
    }
    let mut glob = glob.to_owned();
    while glob.contains("//") {
        glob = glob.replace("//", "/");
    }
    let mut folders: Vec<String> = Vec::new();
    let mut rest = glob.as_str();
    loop {
        let slash = rest.rfind('/');
        let stars = rest.rfind("**");
        let (at, tail) = match (slash, stars) {
            (None, None) => break,
            (Some(slash), Some(stars)) if slash > stars => (slash, ""),
            (Some(slash), None) => (slash, ""),
            (_, Some(stars)) => (stars, "**"),
        };
        rest = &rest[..at];
        let folder = format!("{rest}{tail}/");
        if folders.last() != Some(&folder) {
            folders.push(folder);
        }
    }
    if folders.is_empty() {
        folders.push("/**".to_owned());
    }
    // The vault itself is always entered.
    folders.retain(|folder| folder != "/");
    folders
}

fn path_in_braces(glob: &str) -> bool {
    glob.split('{').skip(1).any(|part| {
        let inner = part.split('}').next().unwrap_or(part);
        inner.contains('/') || inner.contains("**")
    })
}

/// rclone's patterns for one line of a `.gitignore`: its files, and what is below its folders.
///
/// Between two slashes, `**` stands for any folders or none, and takes two patterns to say; anywhere
/// else than alone it is no more than one star.
pub(super) fn from_gitignore(line: &str) -> Result<Vec<String>, String> {
    const MOST_ANY_FOLDERS: usize = 4;
    let (line, folders_only) = match line.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let parts: Vec<&str> = line.strip_prefix('/').unwrap_or(line).split('/').collect();
    if parts.iter().all(|part| part.is_empty()) {
        return Err("it names nothing".to_owned());
    }
    let begins_anywhere = !line.contains('/') || parts[0] == ANY_FOLDERS;
    let first = parts
        .iter()
        .take_while(|part| **part == ANY_FOLDERS)
        .count();
    let parts = &parts[first.min(parts.len() - 1)..];
    let anchor = if begins_anywhere { "" } else { "/" };
    let mut patterns = vec![anchor.to_owned()];
    let mut doubled = 0;
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        match *part {
            ANY_FOLDERS if !is_last && parts[at + 1] == ANY_FOLDERS => {}
            ANY_FOLDERS if !is_last => {
                doubled += 1;
                if doubled > MOST_ANY_FOLDERS {
                    return Err(format!("more than {MOST_ANY_FOLDERS} times `**`"));
                }
                let with = patterns.iter().map(|start| format!("{start}**/"));
                let with: Vec<String> = with.collect();
                patterns.extend(with);
            }
            part => {
                let part = match part {
                    ANY_FOLDERS => part.to_owned(),
                    part => plain(part)?,
                };
                let end = if is_last { "" } else { "/" };
                patterns = patterns
                    .iter()
                    .map(|start| format!("{start}{part}{end}"))
                    .collect();
            }
        }
    }
    let is_all_below = parts.last() == Some(&ANY_FOLDERS);
    let below = patterns.iter().map(|body| format!("{body}/**"));
    Ok(match (folders_only, is_all_below) {
        (true, _) => below.collect(),
        (false, true) => patterns,
        (false, false) => below.chain(patterns.iter().cloned()).collect(),
    })
}

const ANY_FOLDERS: &str = "**";

/// One part of a path in the way of a `.gitignore`, which knows no braces.
fn plain(part: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = part.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' => {
                while rest.next_if_eq(&'*').is_some() {}
                out.push('*');
            }
            '{' | '}' => out.extend(['\\', c]),
            '\\' => match rest.next() {
                Some(c) if c.is_alphanumeric() => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => return Err("a backslash at the end".to_owned()),
            },
            '[' => {
                out.push('[');
                if rest.next_if_eq(&'!').is_some() {
                    out.push('^');
                }
                copy_class(&mut rest, &mut out);
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Copies a set as it is, with the bracket that ends it.
fn copy_class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut in_name = false;
    while let Some(c) = rest.next() {
        out.push(c);
        match c {
            '[' if rest.peek() == Some(&':') => in_name = true,
            ']' if in_name => in_name = false,
            ']' => return,
            _ => {}
        }
    }
}
