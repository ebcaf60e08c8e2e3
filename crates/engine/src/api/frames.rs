//! The text of server-sent events, as it arrives (WHATWG HTML, section 9.2). Pure.

/// A line or an event longer than this is nobody's.
const LONGEST: usize = 64 * 1024;

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Empty if the event has none.
    pub(crate) name: String,
    pub(crate) data: String,
    /// The position after this event, where it moves it.
    pub(crate) id: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Frames {
    line: Vec<u8>,
    frame: Frame,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than any of ours")]
pub(crate) struct FrameTooLarge;

impl Frames {
    /// Takes in bytes and gives the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, FrameTooLarge> {
        let mut whole = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.frame.data.len() > LONGEST {
                    return Err(FrameTooLarge);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                let mut frame = std::mem::take(&mut self.frame);
                if frame.data.ends_with('\n') {
                    frame.data.pop();
                    whole.push(frame);
                }
            } else {
                self.field(line);
            }
        }
        Ok(whole)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.frame.name),
            "data" => {
                self.frame.data.push_str(value);
                self.frame.data.push('\n');
            }
            "id" => self.frame.id = Some(value.to_owned()),
            // Comments, `retry`, and what later versions add.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "retry: 2500\n\n: beat\n\nid: 7\nevent: change\ndata: {\"a\":\ndata: 1}\n\n\
                        event: ready\r\ndata:{}\r\n\r\ndata: last, cut off\n";

    fn expected() -> Vec<Frame> {
        let frame = |name: &str, data: &str, id: Option<&str>| Frame {
            name: name.to_owned(),
            data: data.to_owned(),
            id: id.map(str::to_owned),
        };
        vec![
            frame("change", "{\"a\":\n1}", Some("7")),
            frame("ready", "{}", None),
        ]
    }

    proptest! {
        #[test]
        fn events_are_the_same_however_the_bytes_arrive(cuts in prop::collection::vec(1_usize..9, 1..99)) {
            let mut frames = Frames::default();
            let mut rest = TEXT.as_bytes();
            let mut found = Vec::new();
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                found.extend(frames.push(now).unwrap());
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, expected());
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut frames = Frames::default();
        let line = [b'x'; 1024];
        let refused = (0..100).find_map(|_| frames.push(&line).err());
        assert_eq!(refused, Some(FrameTooLarge));
    }
}
