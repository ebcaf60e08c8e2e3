//! Which addresses are passed on. Nothing is normalized: an address is taken as it is or refused.

use percent_encoding::percent_decode;

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathFault {
    #[error("it holds a control character or a space")]
    Control,
    #[error("it holds characters other than ASCII")]
    NotAscii,
    #[error("it holds a backslash")]
    Backslash,
    #[error("a percent sign is not followed by two hexadecimal digits")]
    BadEscape,
    #[error("it holds an encoded slash, backslash or control character")]
    HiddenSeparator,
    #[error("its escapes are not text")]
    NotText,
    #[error("it holds a dot segment")]
    DotSegment,
    #[error("it holds an empty segment")]
    EmptySegment,
}

/// Accepts a path whose segments mean the same to whoever decodes them never, once or twice.
///
/// Empty segments are refused but for the one behind a closing slash.
pub(crate) fn check_path(path: &str) -> Result<(), PathFault> {
    check_bytes(path)?;
    check_segments(path.as_bytes())?;
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if path != "/" && inner.split('/').any(str::is_empty) {
        return Err(PathFault::EmptySegment);
    }
    if !path.contains('%') {
        return Ok(());
    }
    check_escapes(path.as_bytes())?;
    let once: Vec<u8> = percent_decode(path.as_bytes()).collect();
    let twice: Vec<u8> = percent_decode(&once).collect();
    let slashes = count_slashes(path.as_bytes());
    for decoded in [&once, &twice] {
        check_decoded(decoded, slashes)?;
    }
    Ok(())
}

/// Accepts a query that no line-based reader can take for more than a query.
pub(crate) fn check_query(query: &str) -> Result<(), PathFault> {
    query.bytes().try_for_each(|byte| match byte {
        0..=b' ' | 0x7f => Err(PathFault::Control),
        0x80.. => Err(PathFault::NotAscii),
        _ => Ok(()),
    })
}

fn check_bytes(path: &str) -> Result<(), PathFault> {
    path.bytes().try_for_each(|byte| match byte {
        0..=b' ' | 0x7f => Err(PathFault::Control),
        b'\\' => Err(PathFault::Backslash),
        0x80.. => Err(PathFault::NotAscii),
        _ => Ok(()),
    })
}

fn check_escapes(path: &[u8]) -> Result<(), PathFault> {
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let digits = rest.get(at + 1..at + 3).ok_or(PathFault::BadEscape)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(PathFault::BadEscape);
        }
        rest = &rest[at + 3..];
    }
    Ok(())
}

fn check_decoded(decoded: &[u8], slashes: usize) -> Result<(), PathFault> {
    let hides = |byte: &u8| matches!(byte, 0..=0x1f | 0x7f | b'\\');
    if count_slashes(decoded) != slashes || decoded.iter().any(hides) {
        return Err(PathFault::HiddenSeparator);
    }
    if std::str::from_utf8(decoded).is_err() {
        return Err(PathFault::NotText);
    }
    check_segments(decoded)
}

fn check_segments(path: &[u8]) -> Result<(), PathFault> {
    // Some servers cut parameters off a segment before they look at it.
    let name = |segment: &[u8]| {
        let end = segment.iter().position(|byte| *byte == b';');
        matches!(&segment[..end.unwrap_or(segment.len())], b"." | b"..")
    };
    if path.split(|byte| *byte == b'/').any(name) {
        return Err(PathFault::DotSegment);
    }
    Ok(())
}

fn count_slashes(path: &[u8]) -> usize {
    path.iter().filter(|byte| **byte == b'/').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_ordinary_addresses() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/v2/projects/",
            "/main/resource/notes/a.md",
            "/main/resource/notes/%C3%A4%20b.md",
            "/a/...",
            "/a/.hidden",
            "/a/b..c",
            "/a/..b",
            "/100%25",
            "/100%25%20of",
            "/a;b=c/d",
            "/a:b@c,d+e!$&'()*",
            "/%E2%82%AC",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn refuses_every_way_to_say_another_path() {
        use PathFault as F;
        for (path, fault) in [
            ("/..", F::DotSegment),
            ("/.", F::DotSegment),
            ("/a/../b", F::DotSegment),
            ("/a/./b", F::DotSegment),
            ("/a/..;/b", F::DotSegment),
            ("/a/..;x=y/b", F::DotSegment),
            ("/%2e%2e/a", F::DotSegment),
            ("/%2E./a", F::DotSegment),
            ("/.%2e", F::DotSegment),
            ("/%252e%252e/a", F::DotSegment),
            ("/%2e%252e/a", F::DotSegment),
            ("/..%3b/a", F::DotSegment),
            ("/%25%32%65%25%32%65", F::DotSegment),
            ("/a%2fb", F::HiddenSeparator),
            ("/a%2Fb", F::HiddenSeparator),
            ("/a%252fb", F::HiddenSeparator),
            ("/a%5cb", F::HiddenSeparator),
            ("/a%255Cb", F::HiddenSeparator),
            ("/..%2f", F::HiddenSeparator),
            ("/a%00", F::HiddenSeparator),
            ("/a%0a", F::HiddenSeparator),
            ("/a%0d%0aX:%20y", F::HiddenSeparator),
            ("/a%2500", F::HiddenSeparator),
            ("/a%7f", F::HiddenSeparator),
            ("/a\\b", F::Backslash),
            ("/a b", F::Control),
            ("/a\tb", F::Control),
            ("/ä", F::NotAscii),
            ("/%c0%ae%c0%ae/a", F::NotText),
            ("/%c0%afa", F::NotText),
            ("/%ff", F::NotText),
            ("/%25ff", F::NotText),
            ("/a%", F::BadEscape),
            ("/a%2", F::BadEscape),
            ("/a%zz", F::BadEscape),
            ("/a%u0041", F::BadEscape),
            ("//", F::EmptySegment),
            ("//a", F::EmptySegment),
            ("/a//b", F::EmptySegment),
            ("/a//", F::EmptySegment),
        ] {
            assert_eq!(check_path(path), Err(fault), "{path}");
        }
    }

    #[test]
    fn a_query_may_hold_all_but_what_ends_a_line() {
        assert_eq!(check_query("q=..%2f%0a&r=\\'\"[]{}|"), Ok(()));
        assert_eq!(check_query("q=a b"), Err(PathFault::Control));
        assert_eq!(check_query("q=\u{7f}"), Err(PathFault::Control));
        assert_eq!(check_query("q=ä"), Err(PathFault::NotAscii));
    }

    /// What a server might make of a path: split at both slashes, with and without parameters.
    fn readings(path: &[u8]) -> Vec<Vec<u8>> {
        let cut = |segment: &[u8]| segment.split(|b| *b == b';').next().unwrap_or(b"").to_vec();
        path.split(|b| *b == b'/' || *b == b'\\')
            .flat_map(|segment| [segment.to_vec(), cut(segment)])
            .collect()
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => "[a-z0-9._~-]{1,4}",
            2 => Just("/".to_owned()),
            1 => Just(".".to_owned()),
            1 => Just("%2e".to_owned()),
            1 => Just("%252E".to_owned()),
            1 => Just("%2f".to_owned()),
            1 => Just("%25".to_owned()),
            1 => Just("%5C".to_owned()),
            1 => Just(";".to_owned()),
            1 => "%[0-9a-fA-F]{2}",
            1 => "[ -~]",
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|parts| format!("/{}", parts.concat()))
    }

    proptest! {
        #[test]
        fn an_accepted_path_climbs_nowhere_however_often_it_is_decoded(path in pieces()) {
            if check_path(&path).is_ok() {
                let once: Vec<u8> = percent_decode(path.as_bytes()).collect();
                let twice: Vec<u8> = percent_decode(&once).collect();
                let depth = path.split('/').count();
                for reading in [path.as_bytes(), &once, &twice] {
                    let text = std::str::from_utf8(reading).unwrap();
                    prop_assert_eq!(text.split('/').count(), depth);
                    prop_assert!(!text.contains(['\0', '\r', '\n', '\\']));
                    for segment in readings(reading) {
                        prop_assert!(segment != b"." && segment != b"..", "{}", text);
                    }
                }
            }
        }

        #[test]
        fn any_text_is_judged_without_a_panic(path in "\\PC*", bytes in any::<Vec<u8>>()) {
            let verdict = check_path(&path);
            prop_assert!(verdict.is_err() || path.is_ascii());
            let text = String::from_utf8_lossy(&bytes);
            prop_assert!(check_path(&text).is_err() || text.is_ascii());
        }

        #[test]
        fn a_climb_anywhere_is_refused(
            before in "(/[a-z]{1,3}){0,3}",
            climb in prop_oneof![
                Just(".."), Just("%2e%2e"), Just(".%2E"), Just("%252e."), Just("..%5c"), Just("..;a"),
            ],
            after in "(/[a-z]{1,3}){0,3}",
        ) {
            let path = format!("{before}/{climb}{after}");
            prop_assert!(check_path(&path).is_err());
        }
    }
}
