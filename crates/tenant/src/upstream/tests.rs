use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

const LATE: Duration = Duration::from_secs(60);

/// Says who it is, and does nothing; a test answers in its place.
const STAND_IN: &str = "#!/bin/sh\necho $$ >> \"$HOME/pids\"\nexec sleep 600\n";

fn pids(home: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(home.join("pids")).unwrap_or_default();
    text.lines()
        .filter_map(|line| Pid::from_raw(line.parse().ok()?))
        .collect()
}

async fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LATE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Answers everything, until it is dropped: then nobody listens.
fn answer(socket: &Path) -> tokio_util::task::AbortOnDropHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let well = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                stream.write_all(well).await.ok();
            }
        }
    }))
}

#[tokio::test]
async fn one_that_is_silent_for_long_is_ended_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path().join("env");
    fs::create_dir_all(environment.join("bin")).unwrap();
    let python = environment.join("bin/python");
    fs::write(&python, STAND_IN).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let home = folder.path().join("home");
    let spec = UpstreamSpec {
        environment,
        generation: Generation::V0_24,
        data: folder.path().join("data"),
        home: home.clone(),
        run: folder.path().to_owned(),
        pace: Pace {
            look_every: Duration::from_millis(100),
            answers_within: Duration::from_secs(1),
            silent_for: Duration::from_secs(3),
            grace: Duration::from_millis(200),
        },
    };
    let socket = spec.socket();
    let upstream = Upstream::start(spec, std::future::ready(())).unwrap();
    let mut state = upstream.state();
    until(|| pids(&home).len() == 1).await;
    let answers = answer(&socket);
    let ready = |state: &UpstreamState| *state == UpstreamState::Ready;
    tokio::time::timeout(LATE, state.wait_for(ready))
        .await
        .unwrap()
        .unwrap();

    // It hears no signal but the last, and nobody answers any more.
    let first = pids(&home)[0];
    kill_process(first, Signal::STOP).unwrap();
    drop(answers);
    until(|| pids(&home).len() == 2).await;
    assert!(test_kill_process(first).is_err(), "the silent one is gone");
    let _answers = answer(&socket);
    tokio::time::timeout(LATE, state.wait_for(ready))
        .await
        .unwrap()
        .unwrap();
    upstream.stop().await;
    assert!(test_kill_process(pids(&home)[1]).is_err());
}
