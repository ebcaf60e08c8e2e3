//! The four ways by which an instance hears of a save, each alone and all together.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::{Build, SEED_MS};
use crate::bench::report::{Goal, Row};
use crate::bench::samples::{median, percentile};
use crate::repo::Repo;
use crate::run::{self, Show};

const TEST: &str = "tenancy::layers::each_of_the_four_layers_alone_makes_a_save_findable";
/// An instance looks at everything this often.
const PERIOD_MS: f64 = 30_000.0;

/// The whole way: a real server, a store that tells nobody by itself, an instance with Basic Memory.
pub(super) fn measure(repo: &Repo, build: Build, edits: &str) -> Result<Vec<Row>> {
    let report = repo.made("bench/layers.json");
    if let Some(folder) = report.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut words = vec!["cargo", "test", "--quiet", "-p", "engine", "--test", "it"];
    if build == Build::Release {
        words.push("--release");
    }
    words.extend(["--", "--exact", TEST]);
    let mut command = run::command(repo.root(), words);
    command
        .env("LAYERS_EDITS", edits)
        .env("LAYERS_REPORT", &report);
    run::require(&mut command, Show::OnFailure)?;
    let text = std::fs::read_to_string(&report).context("the layers were not measured")?;
    let times: BTreeMap<String, Vec<f64>> =
        serde_json::from_str(&text).context("times are lists of numbers")?;
    let mut rows = Vec::new();
    for (layer, name, worst) in [
        ("client", "the client's notification alone", SEED_MS),
        ("webhook", "the bucket's webhook alone", SEED_MS),
        ("api", "POST /sync alone", SEED_MS),
        ("all", "all of them", SEED_MS),
        (
            "periodic",
            "nobody: the instance looks every 30 s",
            PERIOD_MS + SEED_MS,
        ),
    ] {
        let times = times
            .get(layer)
            .with_context(|| format!("{layer} was not measured"))?;
        let of = |what: &str| format!("saved to found by a search, told by {name}, {what}");
        rows.push(Row::new(of("P50"), median(times), "ms"));
        let slowest = Row::new(of("slowest"), percentile(times, 100), "ms");
        rows.push(slowest.goal(Goal::AtMost(worst)));
    }
    Ok(rows)
}
