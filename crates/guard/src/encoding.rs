//! The spellings that S3 uses: percent-encoding, entity tags, dates, modification times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

const HTTP_DATE: &[BorrowedFormatItem<'static>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);
const LIST_DATE: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// What a `+` means where it is decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    Literal,
    Space,
}

/// Percent-encodes all but unreserved characters and the slash.
pub(crate) fn encode_path(text: &str) -> String {
    encode(text, b"/")
}

/// Percent-encodes all but unreserved characters.
pub(crate) fn encode_component(text: &str) -> String {
    encode(text, b"")
}

fn encode(text: &str, kept: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// Decodes percent-encoding; `None` for a broken escape or bytes that are no UTF-8.
pub(crate) fn decode(text: &str, plus: Plus) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if plus == Plus::Space => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

pub(crate) fn unquoted(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(etag)
}

pub(crate) fn unix_ms(at: SystemTime) -> i64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

fn offset_date_time(ms: i64) -> OffsetDateTime {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    OffsetDateTime::UNIX_EPOCH
        .checked_add(time::Duration::try_from(since).unwrap_or(time::Duration::ZERO))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn ms_of(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

pub(crate) fn http_date(ms: i64) -> String {
    offset_date_time(ms)
        .format(HTTP_DATE)
        .expect("the format names only parts that a date has")
}

pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    let parsed = PrimitiveDateTime::parse(text.trim(), HTTP_DATE).ok()?;
    Some(ms_of(parsed.assume_utc()))
}

pub(crate) fn list_date(ms: i64) -> String {
    offset_date_time(ms)
        .format(LIST_DATE)
        .expect("the format names only parts that a date has")
}

pub(crate) fn parse_list_date(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).ok().map(ms_of)
}

/// The text that [`encode_component`] made this of; `None` if it is none.
pub(crate) fn decode_component(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Reads rclone's `x-amz-meta-mtime`: Unix seconds with an optional fraction.
pub(crate) fn parse_mtime(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let whole: i64 = seconds.parse().ok()?;
    let mut digits = fraction.chars().chain("000".chars());
    let mut ms = 0;
    for _ in 0..3 {
        ms = ms * 10 + i64::from(digits.next()?.to_digit(10)?);
    }
    let signed = if seconds.starts_with('-') { -ms } else { ms };
    whole.checked_mul(1000)?.checked_add(signed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_component_is_read_as_it_was_written() {
        for text in ["laptop", "Anas Büro-PC 100%", "机"] {
            assert_eq!(
                decode_component(&encode_component(text)).as_deref(),
                Some(text)
            );
        }
        for text in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode_component(text), None, "{text}");
        }
    }

    #[test]
    fn modification_times_are_read_to_the_millisecond() {
        assert_eq!(parse_mtime("1700000000.123456789"), Some(1_700_000_000_123));
        assert_eq!(parse_mtime("1700000000"), Some(1_700_000_000_000));
        assert_eq!(parse_mtime("1700000000.5"), Some(1_700_000_000_500));
        assert_eq!(parse_mtime("-1.25"), Some(-1250));
        assert_eq!(parse_mtime("soon"), None);
    }

    #[test]
    fn dates_survive_both_spellings() {
        let ms = 1_795_299_196_000;
        assert_eq!(parse_http_date(&http_date(ms)), Some(ms));
        assert_eq!(parse_list_date(&list_date(ms + 7)), Some(ms + 7));
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn broken_escapes_are_refused() {
        assert_eq!(decode("a%2", Plus::Literal), None);
        assert_eq!(decode("a%zz", Plus::Literal), None);
        assert_eq!(decode("%ff", Plus::Literal), None);
        assert_eq!(decode("a+b%2B", Plus::Space).as_deref(), Some("a b+"));
    }

    proptest! {
        #[test]
        fn every_key_survives_encoding(key in any::<String>()) {
            prop_assert_eq!(decode(&encode_path(&key), Plus::Literal), Some(key.clone()));
            prop_assert_eq!(decode(&encode_component(&key), Plus::Space), Some(key));
        }
    }
}
