//! The companion server next to the seeds' stack, and its bare way through next to nginx.
//!
//! Everything is measured in one run, in turns, on one core per server; ratios count, not
//! absolutes.

mod contenders;
mod idle;
mod load;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::bench::report::{self, Goal, Machine, Row};
use crate::bench::samples::median;
use crate::peers::{self, remove_folder};
use crate::repo::Repo;
use crate::run::{self, Show};

use self::contenders::Contender;
use self::load::{Load, Sample};
use self::world::{Core, World};

const CROWD: u32 = 32;
const IDLE_STREAMS: usize = 1_000;

/// How long and how often each contender is measured.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rounds: usize,
    round: Duration,
}

impl Pace {
    fn parse(flags: &[&str]) -> Result<Self> {
        match flags {
            [] => Ok(Self {
                rounds: 5,
                round: Duration::from_secs(10),
            }),
            ["--quick"] => Ok(Self {
                rounds: 3,
                round: Duration::from_secs(3),
            }),
            [other, ..] => bail!("bench server does not know `{other}`"),
        }
    }
}

pub(crate) fn run(repo: &Repo, flags: &[&str]) -> Result<ExitCode> {
    let pace = Pace::parse(flags)?;
    peers::install_all(repo)?;
    build(repo)?;
    let repo = &repo.with_release_binaries();
    let base = repo.made("bench/server");
    remove_folder(&base)?;
    std::fs::create_dir_all(&base)?;

    let world = World::start(repo, &base)?;
    let ours = Contender::server(&world, "bm-server", Core::Measured)?;
    let seeds = Contender::seeds_stack(&world)?;
    let bare = Contender::bare(&world)?;
    let nginx = Contender::nginx(&world)?;
    let direct = Contender::direct(&world);

    let crowd = in_turns(&world, pace, CROWD, &[&ours, &seeds, &bare, &nginx])?;
    let alone = in_turns(&world, pace, 1, &[&ours, &seeds, &nginx, &direct])?;
    let [full, python, bare_load, nginx_load] = &crowd[..] else {
        bail!("four contenders give four results");
    };
    let [ours_alone, python_alone, _, direct_alone] = &alone[..] else {
        bail!("four contenders give four results");
    };
    let mut rows = vec![
        Row::ratio(
            "full_path_vs_python",
            full.per_second,
            "FastAPI + SQLAlchemy + asyncpg",
            python.per_second,
        )
        .goal(Goal::RatioAtLeast(20.0)),
        Row::ratio(
            "bare_vs_nginx",
            bare_load.per_second,
            "nginx proxy_pass",
            nginx_load.per_second,
        )
        .goal(Goal::RatioAtLeast(0.7)),
        Row::new(
            "added_p50_ms",
            ours_alone.p50_ms - direct_alone.p50_ms,
            "ms",
        )
        .peer(
            "the seeds' stack",
            python_alone.p50_ms - direct_alone.p50_ms,
        )
        .goal(Goal::AtMost(1.0)),
    ];
    drop((seeds, bare, nginx));
    rows.push(idle::measure(&world, &ours, IDLE_STREAMS)?);
    rows.push(two_replicas(&world, pace, &ours)?);

    let shown = report::write(&repo.made("bench/server.json"), &Machine::read(), &rows)?;
    println!("\n{}", load::loads(&[("c=32", &crowd), ("c=1", &alone)]));
    println!("{shown}");
    Ok(ExitCode::SUCCESS)
}

fn build(repo: &Repo) -> Result<()> {
    let product = [
        "cargo",
        "build",
        "--release",
        "--package",
        "server",
        "--bin",
        "bm-server",
    ];
    let bare = [
        "cargo",
        "build",
        "--release",
        "--package",
        "server",
        "--example",
        "bare_proxy",
        "--features",
        "bench",
    ];
    // Both are made of one library; the product's must not have what is made to be measured.
    for words in [&bare[..], &product[..]] {
        run::require(&mut run::command(repo.root(), words), Show::Live)?;
    }
    Ok(())
}

/// Measures each in every round, so that what the machine does meanwhile falls on all of them.
fn in_turns(
    world: &World,
    pace: Pace,
    connections: u32,
    contenders: &[&Contender],
) -> Result<Vec<Sample>> {
    let load = Load {
        connections,
        duration: pace.round,
    };
    let mut samples = vec![Vec::new(); contenders.len()];
    for contender in contenders {
        load.warm_up(world, contender)?;
    }
    for round in 1..=pace.rounds {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            let sample = load.run(world, contender)?;
            println!(
                "round {round}, {connections} at once, {}: {:.0} req/s, P50 {:.2} ms",
                sample.who, sample.per_second, sample.p50_ms
            );
            samples.push(sample);
        }
    }
    Ok(samples
        .iter()
        .map(|samples| Sample::median(samples))
        .collect())
}

/// One replica and two on one database, each with half of the load.
fn two_replicas(world: &World, pace: Pace, first: &Contender) -> Result<Row> {
    let second = Contender::server(world, "bm-server-2", Core::Other)?;
    let load = Load {
        connections: CROWD / 2,
        duration: pace.round,
    };
    load.warm_up(world, &second)?;
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..pace.rounds {
        one.push(load.run_beside(world, [first, first])?);
        two.push(load.run_beside(world, [first, &second])?);
    }
    let row = Row::ratio("two_replicas", median(&two), "one replica", median(&one));
    // Replicas, database, client and instance share what there is.
    Ok(if world.cores() >= 4 {
        row.goal(Goal::RatioAtLeast(1.6))
    } else {
        row
    })
}
