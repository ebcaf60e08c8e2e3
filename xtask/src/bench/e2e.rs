//! One edit's way from a device's folder to a search at the tenant's Basic Memory.

mod course;
mod layers;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use self::course::{Case, Course};
use crate::bench::report::{self, Machine, Row};
use crate::peers;
use crate::repo::Repo;
use crate::run::{self, Show};

/// From save to search, in milliseconds: what the seeds ask for.
const SEED_MS: f64 = 5_000.0;
/// The kernel believes what it was told of a file for a second: a mount is slower by that.
const MOUNT: (u32, u32) = (200, 20);

#[derive(Debug)]
struct Plan {
    build: Build,
    sizes: Vec<u32>,
    edits: u32,
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
            sizes: vec![1_000, 10_000],
            edits: 50,
            generations: vec!["0.24", "0.15"],
            others: true,
            layers: "10",
        };
        let mut rest = flags.iter();
        while let Some(flag) = rest.next() {
            match *flag {
                "--dev" => plan.build = Build::Dev,
                "--quick" => {
                    plan.sizes = vec![200];
                    plan.edits = 20;
                    plan.generations = vec!["0.24"];
                    plan.layers = "5";
                }
                "--layers-only" => plan.sizes = Vec::new(),
                "--replica-only" => plan.others = false,
                "--files" => {
                    let wants = "--files wants numbers, such as 1000";
                    let list = rest.next().context(wants)?.split(',');
                    plan.sizes = list
                        .map(|notes| notes.parse().context(wants))
                        .collect::<Result<_>>()?;
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
    let replica = |notes: &u32| Case::of(&plan.generations, (*notes, plan.edits), "replica");
    // What is quickly told comes first.
    let (first, rest) = match plan.sizes.split_first() {
        Some((first, rest)) => (Some(first), rest),
        None => (None, &[][..]),
    };
    if let Some(size) = first {
        measure(repo, &plan, &replica(size), &mut rows)?;
    }
    if plan.others {
        println!("the layers, one by one …");
        for row in layers::measure(repo, plan.build, plan.layers)? {
            println!("{}", row.line());
            rows.push(row);
        }
        keep(repo, &plan, &rows)?;
        if first.is_some() {
            let cases = Case::of(&plan.generations, MOUNT, "mount");
            measure(repo, &plan, &cases, &mut rows)?;
        }
    }
    for size in rest {
        measure(repo, &plan, &replica(size), &mut rows)?;
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

/// Instances index beside each other, and are measured one after the other.
fn measure(repo: &Repo, plan: &Plan, cases: &[Case], rows: &mut Vec<Row>) -> Result<()> {
    let binaries = match plan.build {
        Build::Release => repo.with_release_binaries(),
        Build::Dev => repo.clone(),
    };
    let mut tell = |told: Vec<Row>| -> Result<()> {
        for row in told {
            println!("{}", row.line());
            rows.push(row);
        }
        keep(repo, plan, rows).map(drop)
    };
    let mut courses = Vec::new();
    for case in cases {
        println!("{case} …");
        let (course, told) = Course::start(repo, &binaries.binary("examples/e2e"), case)?;
        tell(told)?;
        courses.push(course);
    }
    for course in &courses {
        tell(course.indexed()?)?;
    }
    for course in courses {
        tell(course.measured()?)?;
    }
    Ok(())
}
