use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::repo::Repo;
use crate::run::{self, Outcome, Show};
use crate::stamp::Stamp;
use crate::tally::{self, Succeeded, Tally};
use crate::{bindings, peers, tidy};

/// Installs, builds and tests everything; the last line is the count.
pub(crate) fn test(repo: &Repo) -> ExitCode {
    let mut stages = Stages::new(repo);
    stages.tests();
    stages.finish()
}

/// The checks that compile everything once more, then all of [`test`].
pub(crate) fn ci(repo: &Repo) -> ExitCode {
    let mut stages = Stages::new(repo);
    stages.install();
    stages.build_ui();
    stages.check(
        "clippy",
        "cargo clippy --workspace --all-targets --quiet -- -D warnings",
    );
    stages.documentation();
    stages.pictures();
    stages.run("bindings", |repo| {
        bindings::check(repo).map(|()| Tally::PASS)
    });
    stages.tests();
    stages.finish()
}

/// Builds the window's assets, unless they are there and nothing they come from changed.
pub(crate) fn build_ui(repo: &Repo) -> Result<Built> {
    let ui = repo.at("ui");
    let stamp = Stamp::of(
        repo,
        "ui-build",
        std::slice::from_ref(&ui),
        &["node_modules", "dist"],
    )?;
    if stamp.is_current() && ui.join("dist/index.html").is_file() {
        return Ok(Built::Before);
    }
    run::require(
        &mut run::command(&ui, ["npm", "run", "build"]),
        Show::OnFailure,
    )?;
    stamp.keep()?;
    Ok(Built::Now)
}

/// Whether something had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Built {
    Now,
    Before,
}

/// Runs stages one after the other; a failed one never hides those after it.
struct Stages<'a> {
    repo: &'a Repo,
    total: Tally,
    lines: Vec<String>,
}

impl<'a> Stages<'a> {
    fn new(repo: &'a Repo) -> Self {
        Self {
            repo,
            total: Tally::default(),
            lines: Vec::new(),
        }
    }

    fn install(&mut self) {
        self.prepare("peers", peers::install_all);
    }

    fn build_ui(&mut self) {
        self.prepare("window assets", |repo| build_ui(repo).map(drop));
    }

    fn tests(&mut self) {
        self.install();
        self.build_ui();
        self.check("fmt", "cargo fmt --all --check");
        self.run("tidy", tidy::stage);
        // All targets, so that tests find the programs in the form that is tested.
        self.prepare("build", |repo| {
            let words = ["cargo", "build", "--workspace", "--all-targets"];
            run::require(&mut run::command(repo.root(), words), Show::Live).map(drop)
        });
        self.run("rust tests", rust_tests);
        self.run("doc tests", |repo| {
            let line = "cargo test --workspace --doc --quiet";
            Ok(counted(&show_failure(repo, line)?, tally::libtest))
        });
        self.run("window tests", |repo| {
            let mut command = run::command(&repo.at("ui"), ["npm", "test"]);
            let outcome = run::capture(command.env("CI", "true"), Show::Live)?;
            Ok(counted(&outcome, tally::vitest))
        });
        self.run("window types", |repo| {
            let mut command = run::command(&repo.at("ui"), ["npm", "run", "check"]);
            run::require(&mut command, Show::OnFailure).map(|_| Tally::PASS)
        });
    }

    fn documentation(&mut self) {
        self.run("documentation", |repo| {
            let words = ["cargo", "doc", "--workspace", "--no-deps", "--quiet"];
            let mut command = run::command(repo.root(), words);
            command.env("RUSTDOCFLAGS", "-D warnings");
            run::require(&mut command, Show::OnFailure).map(|_| Tally::PASS)
        });
    }

    /// Looks at every state of the window in a real browser, and compares it with what was accepted.
    fn pictures(&mut self) {
        self.run("window pictures", |repo| {
            let mut command = run::command(&repo.at("ui"), ["npm", "run", "screenshots"]);
            run::require(&mut command, Show::OnFailure).map(|_| Tally::PASS)
        });
    }

    /// A stage that is one check: it passes or fails as a whole.
    fn check(&mut self, name: &str, line: &str) {
        self.run(name, |repo| {
            let mut command = run::command(repo.root(), line.split(' '));
            run::require(&mut command, Show::OnFailure).map(|_| Tally::PASS)
        });
    }

    /// A stage that counts only if it fails.
    fn prepare(&mut self, name: &str, work: impl FnOnce(&Repo) -> Result<()>) {
        self.run(name, |repo| work(repo).map(|()| Tally::default()));
    }

    fn run(&mut self, name: &str, work: impl FnOnce(&Repo) -> Result<Tally>) {
        println!("==> {name}");
        let start = Instant::now();
        let tally = work(self.repo).unwrap_or_else(|error| {
            println!("{error:#}");
            Tally::FAIL
        });
        let seconds = start.elapsed().as_secs_f64();
        let line = match tally {
            Tally {
                passed: 0,
                failed: 0,
            } => format!("{name}: done in {seconds:.1} s"),
            Tally { passed, failed: 0 } => format!("{name}: {passed} ok in {seconds:.1} s"),
            Tally { passed, failed } => {
                format!("{name}: {failed} FAILED, {passed} ok in {seconds:.1} s")
            }
        };
        self.lines.push(line);
        self.total += tally;
    }

    fn finish(self) -> ExitCode {
        println!("==> summary");
        for line in &self.lines {
            println!("{line}");
        }
        println!("{} passed, {} failed", self.total.passed, self.total.failed);
        if self.total.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn rust_tests(repo: &Repo) -> Result<Tally> {
    let has_nextest = run::exists("cargo-nextest");
    let words: &[&str] = if has_nextest {
        &["cargo", "nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        &[
            "cargo",
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
        ]
    };
    let mut command = run::command(repo.root(), words);
    command
        .env("RCLONE_BIN", repo.rclone())
        .env("INSTA_UPDATE", "no")
        // The tests that ts-rs makes write files: not over the committed ones.
        .env("TS_RS_EXPORT_DIR", repo.made("bindings"));
    let outcome = run::capture(&mut command, Show::Live)?;
    Ok(counted(
        &outcome,
        if has_nextest {
            tally::nextest
        } else {
            tally::libtest
        },
    ))
}

fn show_failure(repo: &Repo, line: &str) -> Result<Outcome> {
    let mut command = run::command(repo.root(), line.split(' '));
    let outcome = run::capture(&mut command, Show::OnFailure)?;
    if !outcome.status.success() {
        println!("{}", outcome.output);
    }
    Ok(outcome)
}

fn counted(outcome: &Outcome, read: fn(&str) -> Tally) -> Tally {
    let succeeded = if outcome.status.success() {
        Succeeded::Yes
    } else {
        Succeeded::No
    };
    read(&outcome.output).or_failed(succeeded)
}
