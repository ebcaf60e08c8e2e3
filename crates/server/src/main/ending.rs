//! How a command ends that could not do its work: words for a person, a code for a program.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

/// The work could not be done; another try may help.
const FAILED: u8 = 1;
/// The command line, as the parser of arguments has it, or the configuration is wrong: every
/// further try ends the same.
const MISCONFIGURED: u8 = 2;

const NO_SERVICE: &str = "see whether that service runs, and whether its address is right";

const WAYS_OUT: &[(io::ErrorKind, &str)] = &[
    (
        io::ErrorKind::AddrInUse,
        "stop what listens there, or choose another port",
    ),
    (
        io::ErrorKind::AddrNotAvailable,
        "choose an address of this machine",
    ),
    (
        io::ErrorKind::PermissionDenied,
        "run it as the user that the place belongs to",
    ),
    (io::ErrorKind::ConnectionRefused, NO_SERVICE),
    (io::ErrorKind::TimedOut, NO_SERVICE),
    (io::ErrorKind::StorageFull, "make room on the disk"),
    (io::ErrorKind::QuotaExceeded, "make room on the disk"),
    (
        io::ErrorKind::ReadOnlyFilesystem,
        "choose a place that can be written to",
    ),
];

/// What is wrong was given to the command; nothing was tried.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Misconfigured {
    what: String,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Misconfigured {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            cause: None,
        }
    }

    pub(crate) fn caused_by(
        what: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            what: what.into(),
            cause: Some(cause.into()),
        }
    }
}

/// Says why the command ended, and gives the code it ends with.
pub(crate) fn end(error: &anyhow::Error) -> ExitCode {
    let said = words(error.as_ref());
    // Nobody is left to hear that this could not be written either.
    drop(writeln!(io::stderr(), "{said}"));
    ExitCode::from(if error.is::<Misconfigured>() {
        MISCONFIGURED
    } else {
        FAILED
    })
}

/// The error and its causes, each once, and what can be done about it where that is known.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut said = format!("error: {error}");
    let mut hint = None;
    let mut cause = Some(error);
    while let Some(next) = cause {
        let text = next.to_string();
        // Many errors repeat the words of their cause.
        if !said.contains(&text) {
            said.push_str("\n  because: ");
            said.push_str(&text);
        }
        hint = hint.or_else(|| next.downcast_ref().and_then(way_out));
        cause = next.source();
    }
    match hint {
        Some(hint) if !said.contains("hint: ") => format!("{said}\nhint: {hint}"),
        Some(_) | None => said,
    }
}

fn way_out(error: &io::Error) -> Option<&'static str> {
    let known = WAYS_OUT.iter().find(|(kind, _)| *kind == error.kind());
    known.map(|(_, way)| *way)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_named_once_and_the_way_out_comes_last() {
        let cause = io::Error::from(io::ErrorKind::AddrInUse);
        let error = Err::<(), _>(cause)
            .context("port 1 is not free: address in use")
            .context("could not start")
            .unwrap_err();
        assert_eq!(
            words(error.as_ref()),
            "error: could not start\n  because: port 1 is not free: address in use\n\
             hint: stop what listens there, or choose another port"
        );
    }

    #[test]
    fn a_hint_that_was_given_is_the_only_one() {
        let cause = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Misconfigured::caused_by("no file\nhint: name one", cause);
        let said = words(&error);
        assert!(said.ends_with("because: permission denied"), "{said}");
        assert_eq!(said.matches("hint:").count(), 1);
    }
}
