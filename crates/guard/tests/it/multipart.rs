use guard::RefusedReason;

use crate::cloud::{Cloud, Machine};
use crate::rclone::Rclone;

const CUT: [&str; 4] = ["--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M"];

fn large(folder: &std::path::Path, seed: u8) -> Vec<u8> {
    let body: Vec<u8> = (0..12u32 << 20).map(|n| (n >> 7) as u8 ^ seed).collect();
    std::fs::write(folder.join("large.bin"), &body).unwrap();
    body
}

async fn stored(cloud: &Cloud) -> Vec<u8> {
    let download = cloud.elsewhere.get("large.bin", None).await.unwrap();
    download.into_bytes(1 << 30).await.unwrap().to_vec()
}

#[tokio::test]
async fn rclone_uploads_and_replaces_in_parts() {
    let cloud = Cloud::start().await;
    let folder = testkit::scratch();
    let machine = Machine::new(cloud.bucket()).await;
    let rclone = Rclone::new(&machine.session);
    for seed in [0, 1] {
        let body = large(folder.path(), seed);
        rclone.copy_up(folder.path(), &CUT).await.assert_success();
        assert!(stored(&cloud).await == body);
        let outcome = machine.session.outcome();
        assert_eq!(outcome.uploaded["large.bin"].size, 12 << 20);
        assert!(outcome.uploaded["large.bin"].etag.ends_with("-3"));
    }
    rclone.copy_up(folder.path(), &CUT).await.assert_success();
    let completes = cloud.watcher.seen();
    let completes = completes
        .iter()
        .filter(|seen| seen.method == "POST" && seen.target.contains("uploadId"));
    assert_eq!(completes.count(), 2, "a third copy finds nothing to do");
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn a_lost_race_in_parts_leaves_the_first_writer() {
    let cloud = Cloud::start().await;
    let folder = testkit::scratch();
    large(folder.path(), 0);
    let machine = Machine::new(cloud.bucket()).await;
    cloud.write("large.bin", "theirs").await;
    let run = Rclone::new(&machine.session)
        .copy_up(folder.path(), &CUT)
        .await;
    run.assert_failure_with("StatusCode: 412");
    assert_eq!(cloud.read("large.bin").await.as_deref(), Some("theirs"));
    let refused = machine.session.outcome().refused;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].reason, RefusedReason::LostRace);
    cloud.watcher.assert_all_conditional();
}

#[tokio::test]
async fn a_lost_answer_to_the_last_step_is_adopted() {
    let cloud = Cloud::start().await;
    let folder = testkit::scratch();
    let body = large(folder.path(), 0);
    let machine = Machine::new(cloud.bucket()).await;
    cloud.watcher.lose_the_next_answer_to("POST uploadId");
    let run = Rclone::new(&machine.session)
        .copy_up(folder.path(), &CUT)
        .await;
    run.assert_success();
    assert!(stored(&cloud).await == body);
    assert_eq!(machine.session.outcome().refused, vec![]);
}

#[tokio::test]
async fn unfinished_uploads_go_with_their_session() {
    let cloud = Cloud::start().await;
    let folder = testkit::scratch();
    large(folder.path(), 0);
    let machine = Machine::new(cloud.bucket()).await;
    let slow = ["--bwlimit", "3M"]
        .into_iter()
        .chain(CUT)
        .collect::<Vec<_>>();
    let rclone = Rclone::new(&machine.session);
    let mut running = rclone.start_copy_up(folder.path(), &slow);
    testkit::wait_until(crate::cloud::SOON, || async {
        cloud
            .watcher
            .seen()
            .iter()
            .any(|seen| seen.target.contains("partNumber"))
    })
    .await;
    running.kill();
    drop(machine.session);
    testkit::wait_until(crate::cloud::SOON, || async {
        cloud
            .watcher
            .seen()
            .iter()
            .any(|seen| seen.method == "DELETE" && seen.status == 204)
    })
    .await;
}
