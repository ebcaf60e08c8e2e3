use std::fmt::Write as _;
use std::str::Chars;

/// Why a text is no Go string literal in double quotes that stands for Unicode text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    #[error("it is not enclosed in double quotes")]
    Unquoted,
    #[error("it has an unknown or incomplete escape")]
    BadEscape,
    #[error("it stands for bytes that are not Unicode text")]
    NotUnicode,
}

/// Quotes a name so that Go's `strconv.Unquote` gives it back, escaping what `strconv.Quote`
/// escapes in ASCII and, beyond, control characters.
#[must_use]
pub fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for character in name.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\0'..=' ' | '\x7f' if character != ' ' => {
                write!(quoted, "\\x{:02x}", u32::from(character)).ok();
            }
            control if control.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(control)).ok();
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

/// Gives the name that a Go string literal in double quotes stands for.
///
/// # Errors
/// See [`QuoteError`].
pub fn unquote(literal: &str) -> Result<String, QuoteError> {
    let inner = literal
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let mut characters = inner.ok_or(QuoteError::Unquoted)?.chars();
    let mut bytes = Vec::with_capacity(literal.len());
    while let Some(character) = characters.next() {
        match character {
            '\\' => escape(&mut characters, &mut bytes)?,
            '"' | '\n' => return Err(QuoteError::Unquoted),
            plain => push(&mut bytes, plain),
        }
    }
    String::from_utf8(bytes).map_err(|_| QuoteError::NotUnicode)
}

fn escape(characters: &mut Chars<'_>, bytes: &mut Vec<u8>) -> Result<(), QuoteError> {
    let kind = characters.next().ok_or(QuoteError::BadEscape)?;
    let byte = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => byte(number(characters, "", 2, 16)?)?,
        '0'..='7' => byte(number(characters, kind.encode_utf8(&mut [0; 4]), 2, 8)?)?,
        'u' | 'U' => {
            let digits = if kind == 'u' { 4 } else { 8 };
            let code = number(characters, "", digits, 16)?;
            push(bytes, char::from_u32(code).ok_or(QuoteError::BadEscape)?);
            return Ok(());
        }
        _ => return Err(QuoteError::BadEscape),
    };
    bytes.push(byte);
    Ok(())
}

fn number(
    characters: &mut Chars<'_>,
    first: &str,
    digits: usize,
    radix: u32,
) -> Result<u32, QuoteError> {
    let mut value = u32::from_str_radix(first, radix).unwrap_or(0);
    for _ in 0..digits {
        let digit = characters.next().and_then(|c| c.to_digit(radix));
        let digit = digit.ok_or(QuoteError::BadEscape)?;
        value = value.checked_mul(radix).ok_or(QuoteError::BadEscape)? + digit;
    }
    Ok(value)
}

fn byte(value: u32) -> Result<u8, QuoteError> {
    u8::try_from(value).map_err(|_| QuoteError::BadEscape)
}

fn push(bytes: &mut Vec<u8>, character: char) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_unquotes_awkward_names() {
        for (name, quoted) in [
            ("a b.md", r#""a b.md""#),
            ("ü/漢😀.md", r#""ü/漢😀.md""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("tab\tnl\ncr\r", r#""tab\tnl\ncr\r""#),
            ("\x01\x1f\x7f", r#""\x01\x1f\x7f""#),
            ("\x07\x08\x0b\x0c", r#""\a\b\v\f""#),
            ("\u{85}", r#""\u0085""#),
        ] {
            assert_eq!(quote(name), quoted);
            assert_eq!(unquote(quoted).as_deref(), Ok(name));
        }
    }

    #[test]
    fn understands_every_escape_of_go() {
        for (quoted, name) in [
            (r#""\u00fc\U0001f600""#, "ü😀"),
            (r#""\xc3\xbc""#, "ü"),
            (r#""\303\274\101""#, "üA"),
            (r#""\u200b""#, "\u{200b}"),
        ] {
            assert_eq!(unquote(quoted).as_deref(), Ok(name), "{quoted}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for (quoted, error) in [
            ("a", QuoteError::Unquoted),
            ("\"", QuoteError::Unquoted),
            ("\"a", QuoteError::Unquoted),
            (r#""a"b""#, QuoteError::Unquoted),
            (r#""\""#, QuoteError::BadEscape),
            (r#""\q""#, QuoteError::BadEscape),
            (r#""\'""#, QuoteError::BadEscape),
            (r#""\x4""#, QuoteError::BadEscape),
            (r#""\777""#, QuoteError::BadEscape),
            (r#""\ud800""#, QuoteError::BadEscape),
            (r#""\UFFFFFFFF""#, QuoteError::BadEscape),
            (r#""\xff""#, QuoteError::NotUnicode),
        ] {
            assert_eq!(unquote(quoted), Err(error), "{quoted}");
        }
    }
}
