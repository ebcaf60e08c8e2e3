//! Schemathesis holds the running server against its own `OpenAPI` document, as a member who
//! is an administrator, too.

use std::time::Duration;

use serde_json::json;
use testkit::{python, python_program};

use crate::deployment::Deployment;
use crate::deployment::cloud::ADMIN_ORGANIZATION;

const ANA: &str = "ana@example.org";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance";
const PATIENCE: Duration = Duration::from_secs(170);

#[tokio::test]
async fn the_server_keeps_what_its_document_promises() {
    let cloud = Deployment::cloud().await;
    let Deployment::Cloud(running) = &cloud else {
        unreachable!("it is the cloud");
    };
    cloud.subscribe(ANA).await;
    let role = json!({ "org_id": ADMIN_ORGANIZATION, "role": "admin" });
    let token = running.web_token(ANA, &role).await;
    cloud.set_up(&token).await;
    let folder = testkit::scratch();
    let mut judge = python_program("schemathesis")
        .args(["run", &format!("{}/openapi.json", cloud.url())])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", CHECKS])
        // It never ends by itself, and has a judge of its own.
        .args(["--exclude-path-regex", "/tenant/events"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "12", "--seed", "13", "--max-time", "45"])
        .args(["--request-timeout", "20", "--generation-database", "none"])
        .arg("--no-color")
        .dir(folder.path())
        .spawn();
    let ended = judge.exit(PATIENCE).await;
    assert!(ended.success(), "{}\n{}", judge.stdout(), judge.stderr());
}

#[tokio::test]
async fn every_frame_of_the_change_stream_is_what_the_document_promises() {
    let cloud = Deployment::cloud().await;
    cloud.subscribe(ANA).await;
    let token = cloud.sign_in(ANA).await;
    cloud.set_up(&token).await;
    let mut judge = python("stream.py", [cloud.url(), &token]).spawn();
    let ended = judge.exit(PATIENCE).await;
    assert!(ended.success(), "{}\n{}", judge.stdout(), judge.stderr());
    let judged: serde_json::Value = serde_json::from_str(judge.stdout().trim()).unwrap();
    assert!(judged["judged"].as_u64() >= Some(4), "{judged}");
}
