//! The only place that writes to the terminal. Data goes to standard output, the rest to standard
//! error. A reader that went away (`bm-cloud status | head -1`) is no failure.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::arguments::Format;
use crate::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Color,
}

#[derive(Clone, Copy, Debug)]
enum Tone {
    Good,
    Bad,
    Strong,
    Faint,
}

/// Standard output and standard error of one command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    errors: Paint,
    screen: Screen,
}

/// Whether a person sees standard error as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    Terminal,
    File,
}

impl Output {
    /// `colors` is what the environment allows on a terminal.
    pub(crate) fn new(format: Format, colors: Paint) -> Self {
        let (errors, screen) = if io::stderr().is_terminal() {
            (colors, Screen::Terminal)
        } else {
            (Paint::Plain, Screen::File)
        };
        Self {
            format,
            errors,
            screen,
        }
    }

    /// Whether standard error takes colors.
    pub(crate) fn paint(&self) -> Paint {
        self.errors
    }

    pub(crate) fn screen(&self) -> Screen {
        self.screen
    }

    /// Words that were asked for; with JSON there are none.
    pub(crate) fn data(&self, text: &str) {
        if self.format == Format::Words {
            line(io::stdout().lock(), text);
        }
    }

    /// One JSON value on one line, where JSON was asked for.
    pub(crate) fn json(&self, value: &impl Serialize) {
        if self.format == Format::Json {
            let text = serde_json::to_string(value).expect("our own types are JSON");
            line(io::stdout().lock(), &text);
        }
    }

    /// Says something by the way.
    #[expect(
        clippy::unused_self,
        reason = "who may write is who was given the output"
    )]
    pub(crate) fn say(&self, text: &str) {
        line(io::stderr().lock(), text);
    }

    pub(crate) fn good(&self, text: &str) {
        self.say(&format!("{} {text}", self.painted(Tone::Good, "✓")));
    }

    pub(crate) fn bad(&self, text: &str) {
        self.say(&format!("{} {text}", self.painted(Tone::Bad, "✗")));
    }

    /// Something to read from a distance, such as a code.
    pub(crate) fn strong(&self, text: &str) -> String {
        self.painted(Tone::Strong, text)
    }

    pub(crate) fn warn(&self, text: &str) {
        self.say(&format!("{} {text}", self.painted(Tone::Bad, "!")));
    }

    pub(crate) fn hint(&self, text: &str) {
        self.say(&format!("{} {text}", self.painted(Tone::Faint, "hint:")));
    }

    /// Tells why a command failed, in words.
    pub(crate) fn failure(&self, failure: &Failure) {
        let mut lines = failure.lines().into_iter();
        if let Some(heading) = lines.next() {
            self.bad(&heading);
        }
        for text in lines {
            match text.strip_prefix("hint: ") {
                Some(hint) => self.hint(hint),
                None => self.say(&text),
            }
        }
    }

    fn painted(&self, tone: Tone, text: &str) -> String {
        let code = match (self.errors, tone) {
            (Paint::Plain, _) => return text.to_owned(),
            (Paint::Color, Tone::Good) => "32",
            (Paint::Color, Tone::Bad) => "31",
            (Paint::Color, Tone::Strong) => "1",
            (Paint::Color, Tone::Faint) => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

fn line(mut stream: impl Write, text: &str) {
    let written = stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.write_all(b"\n"))
        .and_then(|()| stream.flush());
    if let Err(error) = written {
        tracing::debug!(%error, "nobody reads this any more");
    }
}
