//! Follows the framing of HTTP/1.1 requests just far enough to see a head that tells its body's
//! length twice.
//!
//! Such a request (RFC 9112, 6.1) is how one server is made to see two requests where the next
//! one sees one. The HTTP library drops one of the two headers before anybody can look.

/// Longest header name that matters here.
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";
const CONTENT_LENGTH: &[u8] = b"content-length";
/// More of a line than is needed to tell a name and a length.
const KEPT: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before or inside the first line of a head.
    #[default]
    RequestLine,
    Headers,
    Body {
        left: u64,
    },
    ChunkSize,
    Chunk {
        left: u64,
    },
    ChunkEnd,
    Trailers,
    /// The framing is broken; the HTTP library refuses what follows.
    Lost,
}

/// Where in a connection's requests the bytes seen so far end.
#[derive(Debug, Default)]
pub(super) struct Framing {
    place: Place,
    line: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
    ambiguous: bool,
}

impl Framing {
    /// Whether a head so far had both `Content-Length` and `Transfer-Encoding`.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.ambiguous {
            bytes = match &mut self.place {
                Place::Lost => return,
                Place::Body { left } | Place::Chunk { left } => {
                    let taken = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.place = match self.place {
                            Place::Chunk { .. } => Place::ChunkEnd,
                            Place::RequestLine
                            | Place::Headers
                            | Place::Body { .. }
                            | Place::ChunkSize
                            | Place::ChunkEnd
                            | Place::Trailers
                            | Place::Lost => Place::RequestLine,
                        };
                    }
                    &bytes[taken..]
                }
                Place::RequestLine
                | Place::Headers
                | Place::ChunkSize
                | Place::ChunkEnd
                | Place::Trailers => self.take_line(bytes),
            };
        }
    }

    fn take_line<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let (part, rest) = match end {
            Some(end) => (&bytes[..end], &bytes[end + 1..]),
            None => (bytes, &[][..]),
        };
        let room = KEPT.saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
        if end.is_some() {
            let mut line = std::mem::take(&mut self.line);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.place = self.after_line(&line);
            line.clear();
            self.line = line;
        }
        rest
    }

    fn after_line(&mut self, line: &[u8]) -> Place {
        match self.place {
            Place::RequestLine if line.is_empty() => Place::RequestLine,
            Place::RequestLine => {
                self.length = None;
                self.chunked = false;
                Place::Headers
            }
            Place::Headers if line.is_empty() => self.after_head(),
            Place::Headers => {
                self.note_header(line);
                Place::Headers
            }
            Place::ChunkSize => match chunk_size(line) {
                Some(0) => Place::Trailers,
                Some(left) => Place::Chunk { left },
                None => Place::Lost,
            },
            Place::ChunkEnd if line.is_empty() => Place::ChunkSize,
            Place::Trailers if line.is_empty() => Place::RequestLine,
            Place::Trailers => Place::Trailers,
            Place::ChunkEnd | Place::Body { .. } | Place::Chunk { .. } | Place::Lost => Place::Lost,
        }
    }

    fn note_header(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(TRANSFER_ENCODING) {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(CONTENT_LENGTH) {
            let value = std::str::from_utf8(value.trim_ascii()).ok();
            // One that is no number is refused by the HTTP library; here it only has to count.
            self.length = Some(value.and_then(|value| value.parse().ok()).unwrap_or(0));
        }
        self.ambiguous = self.chunked && self.length.is_some();
    }

    fn after_head(&self) -> Place {
        match (self.chunked, self.length) {
            (true, _) => Place::ChunkSize,
            (false, None | Some(0)) => Place::RequestLine,
            (false, Some(left)) => Place::Body { left },
        }
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
    let text = std::str::from_utf8(digits).ok()?;
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ambiguous(text: &str) -> bool {
        let mut framing = Framing::default();
        framing.feed(text.as_bytes());
        framing.is_ambiguous()
    }

    const PLAIN: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &str =
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n";
    const BOTH: &str =
        "POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";

    #[test]
    fn a_head_with_both_lengths_is_seen_wherever_it_stands() {
        let reversed = "GET / HTTP/1.1\nTRANSFER-ENCODING:chunked\nContent-LENGTH: 0\n\n";
        for before in [
            "",
            "\r\n",
            PLAIN,
            CHUNKED,
            &format!("{CHUNKED}{PLAIN}{PLAIN}"),
        ] {
            assert!(!ambiguous(before), "{before}");
            assert!(ambiguous(&format!("{before}{BOTH}")), "{before}");
            assert!(ambiguous(&format!("{before}{reversed}")), "{before}");
        }
    }

    #[test]
    fn a_body_that_looks_like_a_head_is_a_body() {
        let length = BOTH.len();
        assert!(!ambiguous(&format!(
            "POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{BOTH}{PLAIN}"
        )));
        assert!(!ambiguous(&format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{BOTH}\r\n0\r\n\r\n{PLAIN}"
        )));
    }

    #[test]
    fn long_names_and_values_do_not_confuse_it() {
        let long = "x".repeat(5000);
        let head = format!("GET /{long} HTTP/1.1\r\n{long}: {long}\r\n\r\n");
        assert!(!ambiguous(&head));
        assert!(ambiguous(&format!("{head}{BOTH}")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(
            parts in prop::collection::vec(prop::sample::select(vec![PLAIN, CHUNKED, BOTH]), 1..5),
            cuts in prop::collection::vec(1_usize..40, 1..80),
        ) {
            let text = parts.concat();
            let mut framing = Framing::default();
            let (mut rest, mut cuts) = (text.as_bytes(), cuts.iter().cycle());
            while !rest.is_empty() {
                let at = cuts.next().copied().unwrap_or(1).min(rest.len());
                framing.feed(&rest[..at]);
                rest = &rest[at..];
            }
            prop_assert_eq!(framing.is_ambiguous(), parts.contains(&BOTH));
        }
    }
}
