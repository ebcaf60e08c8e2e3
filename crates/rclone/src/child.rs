//! Another program as a child, supervised the way rclone is.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::supervisor::{self, Environment, Exit, Recipe};

/// A program to run to its end. It gets nothing of our environment but what is named here.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub variables: Vec<(OsString, OsString)>,
    /// The folder it works in.
    pub folder: PathBuf,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildEnd {
    Code(i32),
    Signal(i32),
}

impl std::fmt::Display for ChildEnd {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}

/// Runs a program to its end, giving each line it writes to `on_line`. It leads a process group of
/// its own and dies with this process or with the future.
///
/// Once `cancel` is cancelled the group is asked to end, and killed after `grace`.
///
/// # Errors
/// If it cannot be started.
pub async fn run_child(
    spec: &ChildSpec,
    cancel: &CancellationToken,
    grace: Duration,
    mut on_line: impl FnMut(String),
) -> io::Result<ChildEnd> {
    let recipe = Recipe {
        program: &spec.program,
        args: spec.args.clone(),
        environment: Environment::Given {
            variables: spec.variables.clone(),
            folder: spec.folder.clone(),
        },
        config: None,
    };
    let ended = supervisor::run(recipe, cancel, grace, |_, line| on_line(line)).await?;
    Ok(match ended.exit {
        Exit::Code(code) => ChildEnd::Code(code),
        Exit::Signal(signal) => ChildEnd::Signal(signal),
    })
}
