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
pub(super) fn from_gitignore(line: &str) -> Vec<String> {
    let (line, folders_only) = match line.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let anchored = line.strip_prefix("**/").is_none() && line.contains('/');
    let body = line.strip_prefix("**/").unwrap_or(line);
    let body = body.strip_prefix('/').unwrap_or(body);
    let body = body
        .replace("[!", "[^")
        .replace('{', "\\{")
        .replace('}', "\\}");
    let body = if anchored { format!("/{body}") } else { body };
    if body.ends_with("/**") {
        return vec![body];
    }
    let below = format!("{body}/**");
    if folders_only {
        vec![below]
    } else {
        vec![body, below]
    }
}
