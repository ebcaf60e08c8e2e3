use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// Whether a program's output is shown while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Live,
    OnFailure,
}

/// What a program printed (both streams, in order) and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
}

/// Starts a command line given as words, in `folder`.
pub(crate) fn command<I, S>(folder: &Path, words: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut words = words.into_iter();
    let program = words.next().expect("a command line has at least one word");
    let mut command = Command::new(program.as_ref());
    command.args(words).current_dir(folder).stdin(Stdio::null());
    // Cargo tells us about our own package: a cargo that we start must not take it for its own, and
    // its packages are not to be built anew because somebody else asks for them.
    let ours = std::env::vars_os().map(|(name, _)| name);
    let is_ours = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"CARGO_PKG_") || name.starts_with(b"CARGO_MANIFEST_")
    };
    for name in ours.filter(is_ours) {
        command.env_remove(name);
    }
    command
}

/// Runs to the end, reading both streams through one pipe so that their order is kept.
pub(crate) fn capture(command: &mut Command, show: Show) -> Result<Outcome> {
    let name = command.get_program().to_string_lossy().into_owned();
    let (reader, writer) = std::io::pipe().context("could not make a pipe")?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("could not start `{name}`"))?;
    // The command still holds the pipe's writing ends; without this the reader never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut output = String::new();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader);
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if show == Show::Live {
            print!("{text}");
            std::io::stdout().flush()?;
        }
        output.push_str(&text);
        line.clear();
    }
    Ok(Outcome {
        status: child.wait()?,
        output,
    })
}

/// Runs to the end and fails with the program's output if it fails.
pub(crate) fn require(command: &mut Command, show: Show) -> Result<String> {
    let words = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    let outcome = capture(command, show)?;
    if outcome.status.success() {
        return Ok(outcome.output);
    }
    match show {
        Show::Live => bail!("`{words}` failed ({})", outcome.status),
        Show::OnFailure => bail!("`{words}` failed ({})\n{}", outcome.status, outcome.output),
    }
}

/// Whether a program can be started at all.
pub(crate) fn exists(program: &str) -> bool {
    find(program).is_some()
}

/// Where a program is.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
