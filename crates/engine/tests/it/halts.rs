//! A halt is still there after a restart, and its ways out work.

mod causes;

use engine::view::{HaltAction, ProfileName, RunResult, Status};
use engine::{Reply, Request};
use testkit::Server;

use super::device::{Home, is_running, last_number};

const ANA: &str = "ana@example.org";

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_survives_a_restart_and_its_ways_out_work() {
    let state = testkit::scratch();
    let server = Server::start(state.path()).await;
    server.activate(ANA).await;
    let home = Home::new("laptop");
    for number in 0..10 {
        home.save(&format!("n{number}.md"), &format!("{number}\n"));
    }
    let device = home.join(&server, ANA, ProfileName::Safe).await;
    let before = home.notes();
    for number in 0..4 {
        home.delete(&format!("n{number}.md"));
    }
    home.save("new.md", "new\n");
    let run = device.run().await;
    let code = "TooManyDeletes".to_owned();
    assert_eq!(run.result, RunResult::Halted { code });
    assert_eq!(run.uploaded, 1, "the rest goes on");
    let told = device.view();
    device.close().await;

    let device = home.open().await;
    let view = device.view();
    assert_eq!(view.pairs[0].halt, told.pairs[0].halt);
    assert_eq!(view.pairs[0].last_run, told.pairs[0].last_run);
    assert_eq!((view.pairs[0].waiting, view.status), (4, Status::Attention));
    let halt = view.pairs[0].halt.clone().unwrap();
    assert_eq!(halt.evidence, ["n0.md", "n1.md", "n2.md", "n3.md"]);
    assert_eq!(halt.actions, [HaltAction::Restore, HaltAction::Confirm]);

    let pair = view.pairs[0].id.clone();
    let reply = device.ask(Request::RestoreHalted { pair }).await;
    let Reply::Run { number } = reply else {
        panic!("{reply:?}")
    };
    assert!(number > run.number, "numbers go on after a restart");
    let view = device
        .until(|view| last_number(view) >= number && !is_running(view))
        .await;
    assert_eq!(view.pairs[0].halt, None);
    let mut now = home.notes();
    now.remove("new.md");
    assert_eq!(now, before);

    // Deleted for good.
    for number in 0..4 {
        home.delete(&format!("n{number}.md"));
    }
    device.run().await;
    let pair = view.pairs[0].id.clone();
    device
        .ask(Request::ConfirmHalt { pair: pair.clone() })
        .await;
    device
        .until(|view| view.pairs[0].halt.is_none() && !is_running(view))
        .await;
    assert_eq!(home.notes().len(), 7);
    home.delete("n4.md");
    device.sync().await;
    let refused = device.try_ask(Request::RestoreHalted { pair }).await;
    assert_eq!(refused.unwrap_err().code, "nothing_to_restore");
}
