//! One instance beside one device, from its start to the last edit.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::SEED_MS;
use crate::bench::report::{Goal, Row};
use crate::bench::samples::{median, percentile};
use crate::child::{Companion, Input, tied};
use crate::repo::Repo;

/// The upstream command line looks this often; it is not run here.
const UPSTREAM_WATCH_MS: f64 = 60_000.0;
/// From the start until `/health` says that the files are there, which is without Basic Memory.
const STARTED_MS: f64 = 1_000.0;
const STARTS_WITHIN: Duration = Duration::from_secs(300);
/// Basic Memory needs a tenth of a second for a note on a quiet machine.
const INDEXES_ONE: Duration = Duration::from_millis(500);
const FINDS_WITHIN: Duration = Duration::from_secs(120);

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Case {
    notes: u32,
    edits: u32,
    generation: &'static str,
    driver: &'static str,
}

impl Case {
    pub(super) fn of(
        generations: &[&'static str],
        (notes, edits): (u32, u32),
        driver: &'static str,
    ) -> Vec<Self> {
        let case = |generation: &&'static str| Self {
            notes,
            edits,
            generation,
            driver,
        };
        generations.iter().map(case).collect()
    }

    fn row(&self, what: &str, value: f64) -> Row {
        Row::new(format!("{what}, {self}"), value, "ms")
    }

    /// A mount is the way that `auto` does not take: it is shown and not judged.
    fn judged(&self, row: Row, goal: f64) -> Row {
        match self.driver {
            "replica" => row.goal(Goal::AtMost(goal)),
            _ => row,
        }
    }

    /// What a start says of itself. Listening is no health, so it is shown and not judged.
    fn started(&self, which: Which, told: &Value) -> Result<Vec<Row>> {
        let row = |what: &str, name: &str| {
            let what = format!("{which} {what}");
            Ok::<_, anyhow::Error>(self.row(&what, one(told, name)?))
        };
        let files = row("start to /health ok for the files", "files")?;
        let ready = row("start to healthy, Basic Memory's imports included", "ready")?;
        Ok(vec![
            row("start to listening", "listening")?,
            self.judged(files, STARTED_MS),
            ready.peer("the seeds' target", SEED_MS),
        ])
    }
}

/// The first start fetches every note; a later one finds them on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    First,
    Later,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Later => "later",
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            notes,
            generation,
            driver,
            ..
        } = self;
        write!(f, "{notes} notes, {generation}, {driver}")
    }
}

/// One that runs.
pub(super) struct Course {
    case: Case,
    companion: Companion,
    turn: PathBuf,
}

impl Course {
    /// Waits until the instance is healthy.
    pub(super) fn start(repo: &Repo, program: &Path, case: &Case) -> Result<(Self, Vec<Row>)> {
        let of = |what: &str| {
            let name = format!("e2e-{}-{}-{}", case.notes, case.generation, case.driver);
            repo.made("bench").join(format!("{name}.{what}"))
        };
        let turn = of("turn");
        if turn.exists() {
            std::fs::remove_file(&turn)?;
        }
        let mut command = tied(program);
        command
            .args([case.notes.to_string(), case.edits.to_string()])
            .args([case.generation, case.driver])
            .arg(&turn);
        let name = format!("the measurement of {case}");
        let companion = Companion::start(&name, &mut command, Input::Nothing, &of("log"))?;
        let course = Self {
            case: case.clone(),
            companion,
            turn,
        };
        let told = course.told(STARTS_WITHIN + Duration::from_millis(20) * case.notes)?;
        let rows = case.started(Which::First, &told)?;
        Ok((course, rows))
    }

    /// Waits until every note is indexed.
    pub(super) fn indexed(&self) -> Result<Vec<Row>> {
        let case = &self.case;
        let told = self.told(STARTS_WITHIN + INDEXES_ONE * case.notes)?;
        let mut rows = Vec::new();
        let meanwhile = samples(&told, "meanwhile")?;
        if !meanwhile.is_empty() {
            let what = "saved to found by a search while the first walk goes on";
            rows.push(case.row(&format!("{what}, P50"), median(&meanwhile)));
            let slowest = percentile(&meanwhile, 100);
            rows.push(case.row(&format!("{what}, slowest"), slowest));
        }
        rows.push(case.row("start to everything indexed", one(&told, "indexed")?));
        Ok(rows)
    }

    /// Lets it go on to the edits, and waits for its end.
    pub(super) fn measured(self) -> Result<Vec<Row>> {
        let case = &self.case;
        std::fs::write(&self.turn, "")?;
        let told = self.told(FINDS_WITHIN * case.edits)?;
        let (status, _) = self.companion.finish(FINDS_WITHIN)?;
        if !status.success() {
            bail!("the measurement of {case} failed ({status})");
        }
        std::fs::remove_file(&self.turn)?;
        let (visible, found) = (samples(&told, "visible")?, samples(&told, "found")?);
        let on_disk = samples(&told, "on_disk")?;
        let arrived = "saved to a file of the instance";
        let read = "saved to readable by the instance";
        let hit = "saved to found by a search";
        let mut rows = vec![
            case.row(&format!("{arrived}, P50"), median(&on_disk)),
            case.row(&format!("{arrived}, P95"), percentile(&on_disk, 95)),
            case.judged(case.row(&format!("{read}, P50"), median(&visible)), 500.0),
            case.judged(
                case.row(&format!("{read}, P95"), percentile(&visible, 95)),
                1_500.0,
            ),
            case.judged(
                case.row(&format!("{hit}, P50"), median(&found))
                    .peer("upstream's watch interval, not run", UPSTREAM_WATCH_MS),
                2_000.0,
            ),
            case.judged(
                case.row(&format!("{hit}, P95"), percentile(&found, 95))
                    .peer("the seeds' target", SEED_MS),
                SEED_MS,
            ),
        ];
        rows.extend(case.started(Which::Later, &told["again"])?);
        Ok(rows)
    }

    fn told(&self, deadline: Duration) -> Result<Value> {
        let line = self.companion.line(deadline)?;
        serde_json::from_str(&line).with_context(|| format!("no measurement: {line}"))
    }
}

fn one(told: &Value, name: &str) -> Result<f64> {
    told[name].as_f64().context("a time is a number")
}

fn samples(told: &Value, name: &str) -> Result<Vec<f64>> {
    let listed = told[name].as_array().context("samples are a list")?;
    Ok(listed.iter().filter_map(Value::as_f64).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_start_is_judged_by_its_files_and_a_miss_is_told() {
        let told = |files| json!({ "listening": 20.0, "files": files, "ready": 7_300.0 });
        let lines = |driver, files| {
            let case = &Case::of(&["0.24"], (1_000, 50), driver)[0];
            let rows = case.started(Which::First, &told(files)).unwrap();
            rows.iter().map(Row::line).collect::<Vec<_>>()
        };
        let [listening, files, ready] = &lines("replica", 1_800.0)[..] else {
            panic!("three rows");
        };
        assert!(listening.ends_with("|  | not judged here |"), "{listening}");
        assert!(files.ends_with("| 1000.00 | no |"), "{files}");
        assert!(ready.contains("the seeds' target: 5000.00"), "{ready}");
        assert!(lines("replica", 900.0)[1].ends_with("| 1000.00 | yes |"));
        assert!(lines("mount", 900.0)[1].ends_with("| not judged here |"));
    }
}
