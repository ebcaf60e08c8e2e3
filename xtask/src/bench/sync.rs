//! Our sync next to plain rclone and to what others offer, in one run against one server.

mod contest;
mod course;
mod listing;
mod live;
mod memory;
mod neighbors;
mod proxy;
mod rows;
pub(crate) mod seat;
mod sheet;
mod sides;
mod store;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::bench::report::Row;
use crate::demo::server::Server;
use crate::peers::{self, remove_folder};
use crate::repo::Repo;
use crate::run::{self, Show};

use self::contest::Contestant;
use self::course::Course;
use self::live::{Edits, Live};
use self::neighbors::Loop;
use self::sheet::{Finished, Sheet};
use self::store::{SeaweedFs, Store};

const SIZES: &[usize] = &[1_000, 10_000, 100_000];
const QUICK_SIZES: &[usize] = &[1_000, 10_000];
/// From so many notes on, a first sync of plain bisync takes longer than everything else together.
const MANY: usize = 20_000;
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

/// Which stores are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stores {
    Both,
    Embedded,
    SeaweedFs,
}

#[derive(Debug)]
struct Plan {
    build: Build,
    stores: Stores,
    sizes: Vec<usize>,
    edits: usize,
    idle: Duration,
    neighbors: bool,
}

impl Plan {
    fn parse(flags: &[&str]) -> Result<Self> {
        let mut plan = Self {
            build: Build::Release,
            stores: Stores::Both,
            sizes: SIZES.to_vec(),
            edits: 50,
            idle: Duration::from_secs(30),
            neighbors: true,
        };
        let mut rest = flags.iter();
        while let Some(flag) = rest.next() {
            match *flag {
                "--dev" => plan.build = Build::Dev,
                "--quick" => plan.sizes = QUICK_SIZES.to_vec(),
                "--no-neighbors" => plan.neighbors = false,
                "--store" => {
                    plan.stores = match rest.next().copied() {
                        Some("embedded") => Stores::Embedded,
                        Some("seaweedfs") => Stores::SeaweedFs,
                        Some("both") => Stores::Both,
                        Some(_) | None => bail!("--store wants embedded, seaweedfs or both"),
                    };
                }
                "--files" => {
                    let list = rest
                        .next()
                        .context("--files wants numbers, such as 1000,10000")?;
                    plan.sizes = list
                        .split(',')
                        .map(|number| number.parse().with_context(|| format!("`{number}`")))
                        .collect::<Result<_>>()?;
                    plan.sizes.sort_unstable();
                }
                other => bail!(
                    "bench sync does not know `{other}`; it takes --quick, --dev, \
                     --no-neighbors, --store NAME and --files LIST"
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
    let flags = ["--instances", "none"];
    let log = base.join("bm-server.log");
    let server = Server::start(repo, &base.join("server"), &log, &flags)?;
    let version = run::require(
        &mut run::command(repo.root(), [repo.rclone().as_os_str(), "version".as_ref()]),
        Show::OnFailure,
    )?;
    let version = version.lines().next().unwrap_or_default().to_owned();
    let mut sheet = Sheet::new(repo.made("bench/sync.json"), plan.build, version);
    let at = |store: Store| Course {
        repo,
        server: &server,
        base: &base,
        store,
    };
    let embedded = at(Store::Embedded);
    let mut grown = Vec::new();
    // What takes longest comes last.
    let (few, many): (Vec<usize>, _) = plan.sizes.iter().partition(|files| **files <= MANY);
    for (sizes, neighbors_too) in [(few, plan.neighbors), (many, false)] {
        if plan.stores != Stores::SeaweedFs {
            for files in &sizes {
                grown.push(size(&embedded, &plan, *files, &mut sheet)?);
            }
        }
        if plan.stores != Stores::Embedded && !sizes.is_empty() {
            let seaweedfs = at(Store::SeaweedFs(SeaweedFs::start(repo, &base)?));
            for files in &sizes {
                size(&seaweedfs, &plan, *files, &mut sheet)?;
            }
        }
        if neighbors_too {
            sheet.take(neighbors(repo, &server, &base)?)?;
        }
    }
    if let [(fewest, few), .., (most, many)] = &grown[..] {
        sheet.take(vec![rows::growth((*fewest, few), (*most, many))])?;
    }
    let judged = sheet.write(Finished::Yes)?;
    println!(
        "\n{}, {:?} build of ours\n\n{}\n{judged}",
        sheet.rclone(),
        plan.build,
        table::markdown(sheet.passes())
    );
    Ok(ExitCode::SUCCESS)
}

/// All that is measured among so many notes in one store.
fn size(
    course: &Course<'_>,
    plan: &Plan,
    files: usize,
    sheet: &mut Sheet,
) -> Result<(usize, Edits)> {
    let suffix = course.store.suffix();
    let mut contestants = vec![Contestant::Ours];
    if files <= MANY {
        contestants.push(Contestant::PlainDefault);
    }
    if files <= MANY && Some(&files) == plan.sizes.first() {
        contestants.push(Contestant::PlainTuned);
    }
    let mut seat = None;
    for contestant in contestants {
        println!(
            "{}, {files} notes, {} …",
            course.store.name(),
            contestant.name()
        );
        let measured = contest::measure(course, contestant, files)?;
        sheet.take_passes(measured.rows)?;
        if let Some(peaks) = measured.peaks.filter(|_| suffix.is_empty()) {
            sheet.take(rows::memory("first_upload", peaks, files))?;
        }
        seat = seat.or(measured.seat);
    }
    if files <= MANY {
        println!("{}, {files} notes, first uploads …", course.store.name());
        sheet.take_passes(contest::first_uploads(course, files)?)?;
    }
    println!("{}, {files} notes, first downloads …", course.store.name());
    let (downloads, peaks) = contest::first_downloads(course, files)?;
    sheet.take_passes(downloads)?;
    if suffix.is_empty() {
        sheet.take(rows::memory("first_download", peaks, files))?;
    }
    judge(course, files, sheet)?;
    println!("{files} notes, single edits between two devices …");
    let seat = seat.context("our device was measured")?;
    let live = Live::start(course, seat, files)?;
    let edits = live.edits(plan.edits)?;
    sheet.take(rows::edits(&edits, files, suffix))?;
    if suffix.is_empty() && Some(&files) == plan.sizes.last() {
        sheet.take(rows::idle(live.idle(plan.idle)?))?;
    }
    let seat = live.end();
    if files > MANY {
        println!("{files} notes, {} …", Contestant::PlainDefault.name());
        sheet.take_passes(contest::plain_over_ours(course, seat, files)?)?;
        judge(course, files, sheet)?;
    }
    Ok((files, edits))
}

fn judge(course: &Course<'_>, files: usize, sheet: &mut Sheet) -> Result<()> {
    let suffix = course.store.suffix();
    let passes: Vec<_> = sheet
        .passes()
        .iter()
        .filter(|pass| pass.store == course.store.name())
        .cloned()
        .collect();
    sheet.take(rows::passes(&passes, files, suffix))?;
    sheet.take(rows::first_upload(&passes, files, suffix))?;
    let download = rows::first_download(&passes, files, suffix);
    sheet.take(download.into_iter().collect())
}

fn neighbors(repo: &Repo, server: &Server, base: &Path) -> Result<Vec<Row>> {
    neighbors::are_installed()?;
    println!("{NEIGHBORS} notes, single edits by others …");
    let row = |who, times: Vec<f64>| rows::neighbor(who, &times, NEIGHBORS);
    let looped = |pause| Loop::prepare(repo, server, base, NEIGHBORS, pause);
    let (quick, slow) = (looped(Duration::ZERO)?, looped(UPSTREAM_WATCH)?);
    std::thread::scope(|scope| {
        // It sleeps nearly all of the time.
        let upstream = scope.spawn(move || slow.edits(1));
        let syncthing = neighbors::syncthing(base, NEIGHBORS, 15)?;
        let unison = neighbors::unison(base, NEIGHBORS, 15)?;
        let quick = quick.edits(8)?;
        let upstream = upstream
            .join()
            .map_err(|_| anyhow::anyhow!("the loop of the upstream command line broke"))??;
        Ok(vec![
            row("syncthing", syncthing),
            row("unison", unison),
            row("bisync-loop", quick),
            row("upstream-watch", upstream),
        ])
    })
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
