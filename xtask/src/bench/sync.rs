//! Our sync next to plain rclone and to what others offer, in one run against one server.

mod contest;
mod live;
mod memory;
mod neighbors;
mod proxy;
mod rows;
mod seat;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::bench::report::{self, Machine, Row};
use crate::demo::server::Server;
use crate::peers::{self, remove_folder};
use crate::repo::Repo;
use crate::run::{self, Show};

use self::contest::{Contestant, Row as Pass};
use self::live::{Edits, Idle, Live};

const SIZES: &[usize] = &[1_000, 10_000, 100_000];
const QUICK_SIZES: &[usize] = &[1_000, 10_000];
/// Notes that everybody else carries, too.
const NEIGHBORS: usize = 1_000;
/// How often the upstream command line looks in its watch mode.
const UPSTREAM_WATCH: Duration = Duration::from_secs(60);

/// Which build of our programs is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Build {
    Release,
    Dev,
}

#[derive(Debug)]
struct Plan {
    build: Build,
    sizes: Vec<usize>,
    edits: usize,
    idle: Duration,
    neighbors: bool,
}

#[derive(Serialize)]
struct About<'a> {
    build: Build,
    #[serde(flatten)]
    machine: Machine,
    rclone: &'a str,
    passes: &'a [Pass],
}

/// What one run found.
#[derive(Default)]
struct Found {
    passes: Vec<Pass>,
    rows: Vec<Row>,
    edits: Vec<(usize, Edits)>,
    idle: Option<Idle>,
}

impl Plan {
    fn parse(flags: &[&str]) -> Result<Self> {
        let mut plan = Self {
            build: Build::Release,
            sizes: SIZES.to_vec(),
            edits: 200,
            idle: Duration::from_secs(60),
            neighbors: true,
        };
        let mut rest = flags.iter();
        while let Some(flag) = rest.next() {
            match *flag {
                "--dev" => plan.build = Build::Dev,
                "--quick" => {
                    plan.sizes = QUICK_SIZES.to_vec();
                    plan.edits = 60;
                    plan.idle = Duration::from_secs(30);
                }
                "--no-neighbors" => plan.neighbors = false,
                "--files" => {
                    let list = rest
                        .next()
                        .context("--files wants numbers, such as 1000,10000")?;
                    plan.sizes = list
                        .split(',')
                        .map(|number| number.parse().with_context(|| format!("`{number}`")))
                        .collect::<Result<_>>()?;
                }
                other => bail!(
                    "bench sync does not know `{other}`; it takes --quick, --dev, \
                     --no-neighbors and --files LIST"
                ),
            }
        }
        Ok(plan)
    }
}

/// Measures our passes and single edits next to what others do.
pub(crate) fn run(repo: &Repo, flags: &[&str]) -> Result<ExitCode> {
    let plan = Plan::parse(flags)?;
    peers::install_for_bench(repo)?;
    build(repo, plan.build)?;
    let repo = &match plan.build {
        Build::Release => repo.with_release_binaries(),
        Build::Dev => repo.clone(),
    };
    let base = repo.made("bench/sync");
    remove_folder(&base)?;
    std::fs::create_dir_all(&base)?;
    let server = Server::start(repo, &base.join("server"), &base.join("bm-server.log"))?;

    let mut found = Found::default();
    for &files in &plan.sizes {
        size(repo, &server, &base, &plan, files, &mut found)?;
    }
    if plan.neighbors {
        found.rows.extend(neighbors(repo, &server, &base)?);
    }
    if let (Some((fewest, few)), Some((most, many))) = (found.edits.first(), found.edits.last()) {
        found.rows.push(rows::growth((*fewest, few), (*most, many)));
    }
    found
        .rows
        .extend(found.idle.into_iter().flat_map(rows::idle));
    let uploads = plan.sizes.iter().rev();
    let upload = uploads
        .filter(|files| **files <= 10_000)
        .find_map(|files| rows::first_upload(&found.passes, *files));
    found.rows.extend(upload);

    let version = run::require(
        &mut run::command(repo.root(), [repo.rclone().as_os_str(), "version".as_ref()]),
        Show::OnFailure,
    )?;
    let version = version.lines().next().unwrap_or_default();
    let about = About {
        build: plan.build,
        machine: Machine::read(),
        rclone: version,
        passes: &found.passes,
    };
    let judged = report::write(&repo.made("bench/sync.json"), &about, &found.rows)?;
    println!(
        "\n{version}, {:?} build of ours\n\n{}\n{judged}",
        plan.build,
        table::markdown(&found.passes)
    );
    Ok(ExitCode::SUCCESS)
}

fn size(
    repo: &Repo,
    server: &Server,
    base: &Path,
    plan: &Plan,
    files: usize,
    found: &mut Found,
) -> Result<()> {
    let mut seat = None;
    for contestant in [
        Contestant::PlainDefault,
        Contestant::PlainTuned,
        Contestant::Copy,
        Contestant::Ours,
    ] {
        println!("{files} notes, {} …", contestant.name());
        let measured = contest::measure(repo, server, base, contestant, files)?;
        found.passes.extend(measured.rows);
        seat = measured.seat;
        let memory = measured.rclone_mb;
        let memory = memory.map(|peak| rows::rclone_memory(peak, files));
        found.rows.extend(memory);
    }
    found.rows.extend(rows::passes(&found.passes, files));
    println!("{files} notes, single edits between two devices …");
    let seat = seat.context("our device was measured last")?;
    let live = Live::start(repo, server, base, seat, files)?;
    let edits = live.edits(plan.edits)?;
    found.rows.extend(rows::edits(&edits, files));
    found.edits.push((files, edits));
    found.idle = Some(live.idle(plan.idle)?);
    Ok(())
}

fn neighbors(repo: &Repo, server: &Server, base: &Path) -> Result<Vec<Row>> {
    neighbors::are_installed()?;
    println!("{NEIGHBORS} notes, single edits by others …");
    let row = |who, times: Vec<f64>| rows::neighbor(who, &times, NEIGHBORS);
    let looped = |count, pause| neighbors::bisync_loop(repo, server, base, NEIGHBORS, count, pause);
    Ok(vec![
        row("syncthing", neighbors::syncthing(base, NEIGHBORS, 20)?),
        row("unison", neighbors::unison(base, NEIGHBORS, 20)?),
        row("bisync-loop", looped(10, Duration::ZERO)?),
        row("upstream-watch", looped(3, UPSTREAM_WATCH)?),
    ])
}

fn build(repo: &Repo, build: Build) -> Result<()> {
    let words = ["cargo", "build", "--package", "cli", "--package", "server"];
    let release: &[&str] = match build {
        Build::Release => &["--release"],
        Build::Dev => &[],
    };
    let words = words.iter().chain(release);
    run::require(&mut run::command(repo.root(), words), Show::Live).map(drop)
}
