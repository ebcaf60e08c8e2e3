//! What scripts rely on: the shape of every JSON answer.

use serde_json::Value;
use testkit::{Server, scratch};

use crate::device::{ANA, Device};

fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn every_json_answer_has_its_shape() {
    let state = scratch();
    let server = Server::start(state.path()).await;
    let device = Device::new("laptop");
    let refused = device.run(&["bisync", "--json"]).await;
    let failure = ["code", "exitCode", "hint", "message", "ok", "subscribeUrl"];
    assert_eq!(fields(&refused.last_json()), failure);
    assert_eq!(refused.out.lines().count(), 1);

    let login = device.sign_in(&server).await;
    let lines: Vec<Value> = login
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{login:#?}");
    let code = [
        "expiresAtMs",
        "userCode",
        "verificationUrl",
        "verificationUrlComplete",
    ];
    assert_eq!(fields(&lines[0]), code);
    assert_eq!(fields(&lines[1]), failure);
    assert_eq!(lines[1]["exitCode"], 3);

    server.activate(ANA).await;
    let login = device.json(&["login"]).await;
    let signed_in = [
        "cloudMode",
        "email",
        "ok",
        "serverUrl",
        "subscription",
        "userId",
    ];
    assert_eq!(fields(&login), signed_in);
    assert_eq!(login["email"], ANA);

    device.write("a.md", "a\n");
    let report = ["exitCode", "folders", "ok", "problems"];
    let folder = [
        "bucket", "files", "folder", "halt", "id", "preview", "profile", "run", "waiting",
    ];
    let setup = device.json(&["setup", "--folder", device.folder()]).await;
    assert_eq!(fields(&setup), report);
    assert_eq!(fields(&setup["folders"][0]), folder);
    let preview = device.json(&["bisync", "--dry-run"]).await;
    assert_eq!(fields(&preview), report);
    let previewed = ["changeCount", "changes", "identical", "number"];
    assert_eq!(fields(&preview["folders"][0]["preview"]), previewed);
    let synced = device.json(&["bisync"]).await;
    assert_eq!(fields(&synced), report);
    let run = [
        "conflicts",
        "downloaded",
        "durationMs",
        "endedAtMs",
        "number",
        "removedHere",
        "removedInCloud",
        "requests",
        "result",
        "uploaded",
    ];
    assert_eq!(fields(&synced["folders"][0]["run"]), run);

    let conflicts = device.json(&["conflicts"]).await;
    assert_eq!(
        conflicts,
        serde_json::json!({ "ok": true, "openCount": 0, "conflicts": [] })
    );
    let status = device.json(&["status"]).await;
    assert_eq!(status["account"]["type"], "signedIn");
    assert_eq!(status["subscription"]["current"], true);
    assert_eq!(status["pairs"][0]["folder"], device.folder());
    assert_eq!(status["rclone"]["type"], "ready");
    assert_eq!(
        device.json(&["logout"]).await,
        serde_json::json!({ "ok": true })
    );
}

#[tokio::test]
async fn the_help_names_every_exit_code() {
    let device = Device::new("laptop");
    let said = device.ok(&["--help"]).await;
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "130 "] {
        assert!(
            said.out.contains(&format!("\n  {code}")),
            "{code}: {}",
            said.out
        );
    }
    assert!(said.out.contains("BM_CLOUD_SERVER"), "{}", said.out);
}
