//! The project's own commands, started as `cargo xtask NAME`: install the test peers, run every
//! test, check the house rules, show the product at work, and measure it.
//!
//! It starts the real programs and reads what they print. It must not link any of our crates, so
//! that it builds in seconds and judges the binaries from outside; it must not need anything but
//! Rust, Node and a Debian machine; and it ends only processes that it started.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command line tool for developers: it prints, reads its environment and starts programs"
)]

mod bench;
mod bindings;
mod child;
mod demo;
mod dist;
mod http;
mod peers;
mod repo;
mod run;
mod stages;
mod stamp;
mod tally;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::repo::Repo;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo [--headless]            see the product work, step by step, on this machine
  test                         run everything; ends with `N passed, N failed`
  ci                           test, and the slower checks before it
  peers                        install what tests and demo need, say what was installed
  tidy                         check the house rules
  bindings [--check]           write (or compare) the TypeScript types of the engine
  dist [--debug | --built] [--appimage]
                               packages of tray app and command line, unpacked and tried
  bench sync [--files N,N] [--dev]
                               cost of a pass next to plain rclone bisync
  bench server [--quick]       the server next to the seeds' stack and nginx
  bench tray [--dev | --built | --neighbors]
                               start and memory of the tray app next to a bare Tauri tray
";

fn main() -> ExitCode {
    match dispatch() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let repo = Repo::find()?;
    match words.as_slice() {
        ["demo", flags @ ..] => demo::run(&repo, &demo::Options::parse(flags)?),
        ["test"] => Ok(stages::test(&repo)),
        ["ci"] => Ok(stages::ci(&repo)),
        ["peers"] => peers::install_all(&repo).map(|()| ExitCode::SUCCESS),
        ["tidy"] => tidy::run(&repo),
        ["bindings"] => bindings::write(&repo).map(|()| ExitCode::SUCCESS),
        ["bindings", "--check"] => bindings::check(&repo).map(|()| ExitCode::SUCCESS),
        ["dist", flags @ ..] => dist::run(&repo, flags),
        ["bench", flags @ ..] => bench::run(&repo, flags),
        [] | ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("unknown command `{}`\n\n{USAGE}", words.join(" ")),
    }
}
