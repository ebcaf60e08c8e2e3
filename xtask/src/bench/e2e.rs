//! One edit's way from a device's folder to a search at the tenant's Basic Memory.

mod layers;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::bench::report::{self, Goal, Machine, Row};
use crate::bench::samples::{median, percentile};
use crate::peers;
use crate::repo::Repo;
use crate::run::{self, Show};

/// From save to search, in milliseconds: what the seeds ask for.
const SEED_MS: f64 = 5_000.0;
/// The upstream command line looks this often.
const UPSTREAM_WATCH_MS: f64 = 60_000.0;
/// Each is found only after half a minute.
const MOUNT_EDITS: &str = "5";

#[derive(Debug)]
struct Plan {
    build: Build,
    sizes: Vec<String>,
    edits: String,
    generations: Vec<&'static str>,
    /// The layers one by one, and the mount.
    others: bool,
    /// Saves by each layer; those that nobody tells of are few.
    layers: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Build {
    Release,
    Dev,
}

#[derive(Serialize)]
struct About {
    build: Build,
    #[serde(flatten)]
    machine: Machine,
}

impl Plan {
    fn parse(flags: &[&str]) -> Result<Self> {
        let mut plan = Self {
            build: Build::Release,
            sizes: vec!["1000".to_owned(), "10000".to_owned()],
            edits: "50".to_owned(),
            generations: vec!["0.24", "0.15"],
            others: true,
            layers: "20",
        };
        let mut rest = flags.iter();
        while let Some(flag) = rest.next() {
            match *flag {
                "--dev" => plan.build = Build::Dev,
                "--quick" => {
                    plan.sizes = vec!["200".to_owned()];
                    plan.edits = "20".to_owned();
                    plan.generations = vec!["0.24"];
                    plan.layers = "5";
                }
                "--layers-only" => plan.sizes = Vec::new(),
                "--replica-only" => plan.others = false,
                "--files" => {
                    let list = rest.next().context("--files wants numbers, such as 1000")?;
                    plan.sizes = list.split(',').map(str::to_owned).collect();
                }
                other => bail!(
                    "bench e2e does not know `{other}`; it takes --quick, --dev, --layers-only, \
                     --replica-only and --files LIST"
                ),
            }
        }
        Ok(plan)
    }
}

/// Measures instances of both generations, through each driver that runs here.
pub(crate) fn run(repo: &Repo, flags: &[&str]) -> Result<ExitCode> {
    let plan = Plan::parse(flags)?;
    peers::install_all(repo)?;
    let mut words = vec![
        "cargo",
        "build",
        "--quiet",
        "-p",
        "tenant",
        "-p",
        "server",
        "--bins",
        "--example",
        "e2e",
    ];
    if plan.build == Build::Release {
        words.push("--release");
    }
    run::require(&mut run::command(repo.root(), words), Show::Live)?;
    std::fs::create_dir_all(repo.made("bench"))?;
    let mut rows = Vec::new();
    for size in &plan.sizes {
        for generation in &plan.generations {
            rows.extend(measure(
                repo,
                &plan,
                [size, &plan.edits, generation, "replica"],
            )?);
            keep(repo, &plan, &rows)?;
        }
    }
    if plan.others {
        println!("the layers, one by one …");
        rows.extend(layers::measure(repo, plan.build, plan.layers)?);
        keep(repo, &plan, &rows)?;
    }
    if let (true, Some(size)) = (plan.others, plan.sizes.first()) {
        for generation in &plan.generations {
            let words = [size, MOUNT_EDITS, generation, "mount"];
            rows.extend(measure(repo, &plan, words)?);
        }
    }
    let table = keep(repo, &plan, &rows)?;
    println!("\n{:?} build of ours\n\n{table}", plan.build);
    Ok(ExitCode::SUCCESS)
}

/// Writes what there is, so that a run that is cut off leaves it.
fn keep(repo: &Repo, plan: &Plan, rows: &[Row]) -> Result<String> {
    let about = About {
        build: plan.build,
        machine: Machine::read(),
    };
    report::write(&repo.made("bench/e2e.json"), &about, rows)
}

fn measure(repo: &Repo, plan: &Plan, words: [&str; 4]) -> Result<Vec<Row>> {
    let [size, _, generation, driver] = words;
    println!("{size} notes, Basic Memory {generation}, {driver} …");
    let mut command = vec![
        "cargo",
        "run",
        "--quiet",
        "-p",
        "tenant",
        "--example",
        "e2e",
    ];
    if plan.build == Build::Release {
        command.push("--release");
    }
    command.push("--");
    command.extend(words);
    let said = run::require(&mut run::command(repo.root(), command), Show::OnFailure)?;
    let line = said
        .lines()
        .last()
        .context("the measurement said nothing")?;
    let told = serde_json::from_str(line).with_context(|| format!("no measurement: {line}"))?;
    let rows = judged(&told, size, generation, driver)?;
    for row in &rows {
        println!("{}", row.line());
    }
    Ok(rows)
}

fn judged(told: &Value, size: &str, generation: &str, driver: &str) -> Result<Vec<Row>> {
    let of = |name: &str| format!("{name}, {size} notes, {generation}, {driver}");
    let samples = |name: &str| -> Result<Vec<f64>> {
        let listed = told[name].as_array().context("samples are a list")?;
        Ok(listed.iter().filter_map(Value::as_f64).collect())
    };
    let one = |name: &str| told[name].as_f64().context("a time is a number");
    let (visible, found) = (samples("visible")?, samples("found")?);
    // A mount is the way that `auto` does not take: it is shown and not judged.
    let goal = |row: Row, goal| {
        if driver == "replica" {
            row.goal(goal)
        } else {
            row
        }
    };
    Ok(vec![
        goal(
            Row::new(
                of("saved to readable by the instance, P50"),
                median(&visible),
                "ms",
            ),
            Goal::AtMost(500.0),
        ),
        goal(
            Row::new(
                of("saved to readable by the instance, P95"),
                percentile(&visible, 95),
                "ms",
            ),
            Goal::AtMost(1_500.0),
        ),
        goal(
            Row::new(of("saved to found by a search, P50"), median(&found), "ms")
                .peer("upstream's watch", UPSTREAM_WATCH_MS),
            Goal::AtMost(2_000.0),
        ),
        goal(
            Row::new(
                of("saved to found by a search, P95"),
                percentile(&found, 95),
                "ms",
            )
            .peer("the seeds' target", SEED_MS),
            Goal::AtMost(SEED_MS),
        ),
        goal(
            Row::new(of("start to answering"), one("listening")?, "ms"),
            Goal::AtMost(1_000.0),
        ),
        Row::new(of("start to the bucket as files"), one("files")?, "ms"),
        Row::new(
            of("start to healthy, Basic Memory's imports included"),
            one("ready")?,
            "ms",
        ),
        Row::new(of("start to everything indexed"), one("indexed")?, "ms"),
    ])
}
