//! The text of server-sent events (WHATWG HTML, section 9.2).

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

/// Frames written one after the other.
#[derive(Debug, Default)]
pub(crate) struct Frames(String);

impl Frames {
    /// Tells how long to wait before connecting again.
    pub(crate) fn retry(mut self, pause: Duration) -> Self {
        // Writing to a string cannot fail, here and below.
        let _ = write!(self.0, "retry: {}\n\n", pause.as_millis());
        self
    }

    /// A line that readers skip; it shows that the stream lives.
    pub(crate) fn beat(mut self) -> Self {
        self.0.push_str(": beat\n\n");
        self
    }

    /// An event that does not move the reader's position.
    pub(crate) fn aside(mut self, name: &str, data: &impl Serialize) -> Self {
        self.event(name, data);
        self
    }

    /// An event after which the reader's position is `id`.
    pub(crate) fn at(mut self, id: i64, name: &str, data: &impl Serialize) -> Self {
        let _ = writeln!(self.0, "id: {id}");
        self.event(name, data);
        self
    }

    fn event(&mut self, name: &str, data: &impl Serialize) {
        let data = serde_json::to_string(data).unwrap_or_default();
        let _ = write!(self.0, "event: {name}\ndata: {data}\n\n");
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use wire::StreamPosition;

    use super::*;

    #[test]
    fn frames_are_what_browsers_parse() {
        let seq = StreamPosition { seq: 7 };
        let text = Frames::default()
            .retry(Duration::from_millis(2_500))
            .at(7, "resync", &seq)
            .aside("end", &serde_json::json!({ "message": "two\nlines" }))
            .beat()
            .into_text();
        assert_eq!(
            text,
            "retry: 2500\n\nid: 7\nevent: resync\ndata: {\"seq\":7}\n\n\
             event: end\ndata: {\"message\":\"two\\nlines\"}\n\n: beat\n\n"
        );
    }
}
