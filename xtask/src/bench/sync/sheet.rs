use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::bench::report::{self, Machine, Row};
use crate::bench::sync::Build;
use crate::bench::sync::contest::Row as Pass;

/// What was found so far: printed row by row, and on disk after each, so that whoever is
/// interrupted keeps what was measured.
pub(super) struct Sheet {
    file: PathBuf,
    build: Build,
    rclone: String,
    passes: Vec<Pass>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct About<'a> {
    build: Build,
    #[serde(flatten)]
    machine: Machine,
    rclone: &'a str,
    finished: Finished,
    passes: &'a [Pass],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Finished {
    No,
    Yes,
}

impl Sheet {
    pub(super) fn new(file: PathBuf, build: Build, rclone: String) -> Self {
        Self {
            file,
            build,
            rclone,
            passes: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub(super) fn passes(&self) -> &[Pass] {
        &self.passes
    }

    pub(super) fn take_passes(&mut self, passes: Vec<Pass>) -> Result<()> {
        for pass in &passes {
            println!(
                "  {}, {} notes, {}, {}: {} ms",
                pass.store, pass.files, pass.who, pass.pass, pass.median_ms
            );
        }
        self.passes.extend(passes);
        self.write(Finished::No).map(drop)
    }

    /// Takes rows in; one of the same name is of fewer notes, and goes.
    pub(super) fn take(&mut self, rows: Vec<Row>) -> Result<()> {
        for row in &rows {
            println!("{}", row.line());
            self.rows.retain(|before| before.name() != row.name());
        }
        self.rows.extend(rows);
        self.write(Finished::No).map(drop)
    }

    /// Writes everything, and gives it as a Markdown table.
    pub(super) fn write(&self, finished: Finished) -> Result<String> {
        let about = About {
            build: self.build,
            machine: Machine::read(),
            rclone: &self.rclone,
            finished,
            passes: &self.passes,
        };
        report::write(&self.file, &about, &self.rows)
    }

    pub(super) fn rclone(&self) -> &str {
        &self.rclone
    }
}
