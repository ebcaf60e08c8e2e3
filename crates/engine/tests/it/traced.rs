//! What a device does to the file system, as the kernel sees it: no call that could destroy a note,
//! and everything durable before it counts.

mod trace;

use std::path::Path;

use engine::view::ProfileName;
use testkit::{Program, Server, bin, program, wait_until};

use self::trace::{Call, Trace};
use super::device::{Home, LONG, write};
use super::storm::dressed;

const ANA: &str = "ana@example.org";

#[tokio::test(flavor = "multi_thread")]
async fn no_call_can_destroy_a_note_and_all_is_durable_before_it_counts() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let (laptop, desktop) = (Home::new("laptop"), Home::new("desktop"));
    for note in ["theirs.md", "mine.md", "both.md", "d/gone.md", "lane.md"] {
        laptop.save(note, "first\n");
    }
    let device = laptop.join(&server, ANA, ProfileName::Safe).await;
    device.settle().await;
    device.close().await;
    let other = desktop.join(&server, ANA, ProfileName::Safe).await;
    desktop.save("theirs.md", "second\n");
    desktop.save("both.md", "desktop\n");
    desktop.save("x/new.md", "new\n");
    desktop.delete("d/gone.md");
    other.settle().await;
    laptop.save("mine.md", "second\n");
    laptop.save("both.md", "laptop\n");

    let log = laptop.root().join("calls");
    let traced = program("strace")
        .args(["-D", "-f", "-y", "-q", "-s", "400", "--seccomp-bpf", "-o"])
        .arg(&log)
        .args(["-e", &format!("trace={}", trace::CALLS)])
        .arg(bin("bm-cloud"))
        .args(["bisync", "--watch", "--interval", "1h", "--json"]);
    let mut watching = dressed(traced, &laptop).spawn();
    // First a cycle, then the lane, both ways.
    wait_until(LONG, async || {
        other.run().await;
        let notes = laptop.notes();
        notes.len() == 6 && notes == desktop.notes()
    })
    .await;
    desktop.save("lane.md", "from the desktop\n");
    other.sync().await;
    wait_until(LONG, async || {
        laptop.read("lane.md") == desktop.read("lane.md")
    })
    .await;
    laptop.save("lane.md", "from the laptop\n");
    wait_until(LONG, async || {
        other.run().await;
        laptop.read("lane.md") == desktop.read("lane.md")
    })
    .await;
    watching.terminate();
    assert!(watching.exit(LONG).await.success(), "{}", watching.stderr());
    let pid = watching.pid().to_string();
    let is_end = |line: &str| line.split(' ').next() == Some(&pid) && line.contains(" +++ exited");
    wait_until(LONG, async || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.lines().any(is_end))
    })
    .await;
    other.close().await;

    let trace = Trace::read(&std::fs::read_to_string(&log).unwrap());
    let vault = laptop.vault();
    assert_eq!(destructive(&trace, &vault), Vec::<&Call>::new());
    assert_eq!(seen_by_rclone(&trace, &vault), Vec::<&Call>::new());
    let installed = check_order(&trace, &vault);
    eprintln!(
        "{} calls, {installed} versions installed",
        trace.calls.len()
    );
    assert!(installed >= 5, "{installed}");
}

/// B4: after a power cut a note is empty whose bytes nobody made durable, and the next run takes
/// that for an edit.
#[tokio::test]
async fn b4_plain_bisync_puts_notes_in_place_that_a_power_cut_empties() {
    let home = testkit::scratch();
    let [notes, bucket, log] = ["notes", "bucket", "calls"].map(|name| home.path().join(name));
    for folder in [&notes, &bucket] {
        std::fs::create_dir(folder).unwrap();
    }
    for note in ["n.md", "other.md"] {
        write(&bucket.join(note), "first\n");
    }
    let rclone = testkit::rclone();
    let bisync = async |program: Program, more: &[&str]| {
        let words = ["bisync", "--config", "", "--workdir", "work"];
        let program = program.args(words).arg(&notes).arg(&bucket).args(more);
        let mut run = program.dir(home.path()).spawn();
        assert!(run.exit(LONG).await.success(), "{}", run.stderr());
    };
    bisync(program(&rclone), &["--resync"]).await;
    write(&bucket.join("n.md"), "second\n");
    let traced = program("strace")
        .args(["-f", "-y", "-q", "-s", "400", "--seccomp-bpf", "-o"])
        .arg(&log)
        .args(["-e", &format!("trace={}", trace::CALLS)])
        .arg(&rclone);
    bisync(traced, &[]).await;

    let trace = Trace::read(&std::fs::read_to_string(&log).unwrap());
    let note = notes.join("n.md");
    let replaced = |call: &&Call| call.name.starts_with("rename") && call.paths.contains(&note);
    assert_eq!(trace.calls.iter().filter(replaced).count(), 1);
    let durable: Vec<&Call> = trace.calls.iter().filter(|call| call.is_sync()).collect();
    assert_eq!(durable, Vec::<&Call>::new());
}

/// Calls on vault paths other than exchanges, renames that replace nothing, links, reads, and
/// making and removing folders.
fn destructive<'t>(trace: &'t Trace, vault: &Path) -> Vec<&'t Call> {
    let is_bad = |call: &&Call| match call.name.as_str() {
        "unlink" | "truncate" | "ftruncate" | "rename" | "renameat" | "creat" => true,
        "unlinkat" => !call.says("AT_REMOVEDIR"),
        "renameat2" => !call.says("RENAME_EXCHANGE") && !call.says("RENAME_NOREPLACE"),
        "open" | "openat" => ["O_WRONLY", "O_RDWR", "O_TRUNC", "O_CREAT"]
            .iter()
            .any(|flag| call.says(flag)),
        _ => false,
    };
    let calls = trace.calls.iter();
    calls
        .filter(|call| call.touches(vault))
        .filter(is_bad)
        .collect()
}

fn seen_by_rclone<'t>(trace: &'t Trace, vault: &Path) -> Vec<&'t Call> {
    let theirs: Vec<&Call> = trace.calls.iter().filter(|call| call.by_rclone).collect();
    assert!(!theirs.is_empty(), "rclone ran");
    theirs
        .into_iter()
        .filter(|call| call.touches(vault))
        .collect()
}

/// Around every version that was put into the vault; how many there were.
fn check_order(trace: &Trace, vault: &Path) -> usize {
    let calls = &trace.calls;
    let mut installed = 0;
    for (at, call) in calls.iter().enumerate() {
        let Some((stage, id, folder)) = installs(call, vault) else {
            continue;
        };
        installed += 1;
        let before = |path: &Path| calls[..at].iter().rposition(|call| call.syncs(path));
        let after = |path: &Path| Some(at + calls[at..].iter().position(|call| call.syncs(path))?);
        before(&stage.join(format!("{id}.part"))).expect("the new version is durable first");
        let there = after(folder).expect("the folder is durable");
        if call.says("RENAME_EXCHANGE") {
            let intent = before(&stage.join(format!("{id}.json"))).expect("the intent is durable");
            let named = before(stage).expect("the intent's name is durable");
            assert!(intent < named, "{call:?}");
        }
        let published = calls[at..]
            .iter()
            .position(|call| call.syncs_file_named("state.db-wal"));
        let published = at + published.expect("the baseline is published");
        assert!(
            there < published,
            "published before it was durable: {call:?}"
        );
    }
    installed
}

/// The stage, the change's id and the vault's folder, if this puts a staged version in place.
fn installs<'c>(call: &'c Call, vault: &Path) -> Option<(&'c Path, String, &'c Path)> {
    if call.name != "renameat2" {
        return None;
    }
    let [from, to] = &call.paths[..] else {
        return None;
    };
    let (id, _) = from.file_name()?.to_str()?.split_once('.')?;
    let into_vault = to.starts_with(vault) && !from.starts_with(vault);
    into_vault.then_some((from.parent()?, id.to_owned(), to.parent()?))
}
