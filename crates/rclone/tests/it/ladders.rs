//! Other programs that install rclone, played by scripts with the real rclone behind them.

use std::fs;
use std::path::Path;

use rclone::{FindError, InstallError, Machine, Rights, Version, Way, candidates, climb, ladder};

use crate::finding::{fake, script};

/// A machine that has nothing but these tools.
async fn machine(tools: &Path) -> Machine {
    Machine::look(Some(tools.as_os_str())).await
}

#[tokio::test]
async fn a_chosen_way_runs_as_it_was_shown_and_its_rclone_is_looked_at() {
    let scratch = testkit::scratch();
    let tools = scratch.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let told = scratch.path().join("told");
    script(
        &tools.join("snap"),
        &format!(
            "echo \"$@\" >> '{}'\ncp '{}' '{}'",
            told.display(),
            testkit::rclone().display(),
            tools.join("rclone").display()
        ),
    );
    script(&tools.join("sudo"), "shift\nexec \"$@\"");
    let rungs = ladder(&machine(&tools).await);
    let snap = rungs.iter().find(|rung| rung.way == Way::Snap).unwrap();
    assert_eq!(snap.rights, Rights::Administrator);
    let search = candidates(None, Path::new("/nonexistent"), Some(tools.as_os_str()));
    let binary = climb(snap, &search).await.unwrap();
    assert_eq!(binary.path, tools.join("rclone"));
    assert!(binary.version >= rclone::FLOOR);
    assert_eq!(fs::read_to_string(told).unwrap(), "install rclone\n");
}

#[tokio::test]
async fn an_old_package_is_not_offered_and_a_tool_that_gives_one_is_refused() {
    let scratch = testkit::scratch();
    let tools = scratch.path().join("tools");
    fs::create_dir(&tools).unwrap();
    script(
        &tools.join("apt-cache"),
        "echo '  Candidate: 1.60.1+dfsg-2'",
    );
    script(&tools.join("apt-get"), "exit 0");
    script(&tools.join("sudo"), "shift\nexec \"$@\"");
    assert_eq!(ladder(&machine(&tools).await), []);
    script(&tools.join("snap"), "exit 0");
    fake(&tools.join("rclone"), Version(1, 60, 1));
    let rungs = ladder(&machine(&tools).await);
    let search = candidates(None, Path::new("/nonexistent"), Some(tools.as_os_str()));
    let refused = climb(&rungs[0], &search).await;
    let Err(InstallError::Unfit(FindError::TooOld { found, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(found, Version(1, 60, 1));
}

#[tokio::test]
async fn what_a_tool_says_against_it_is_told() {
    let scratch = testkit::scratch();
    let tools = scratch.path().join("tools");
    fs::create_dir(&tools).unwrap();
    script(
        &tools.join("snap"),
        "echo 'error: cannot reach the store' >&2; exit 1",
    );
    script(&tools.join("sudo"), "shift\nexec \"$@\"");
    let rungs = ladder(&machine(&tools).await);
    let error = climb(&rungs[0], &[]).await.unwrap_err();
    assert_eq!(error.code(), "tool_failed");
    assert!(
        error.to_string().contains("cannot reach the store"),
        "{error}"
    );
}
