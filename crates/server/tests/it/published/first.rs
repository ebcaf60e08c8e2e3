//! 0.15.2: the generation of the seeds. One folder for everything, kept equal by rclone.

use testkit::BasicMemory;

use super::{ANA, Client, Tenant};

const WHICH: BasicMemory = BasicMemory::V0_15_2;
const FOLDER: &str = "basic-memory-cloud-sync";

#[tokio::test]
async fn without_a_subscription_it_says_where_to_get_one_and_stays_local() {
    let tenant = Tenant::nobody().await;
    let client = Client::new(WHICH, &tenant.server);
    let said = client.login(&tenant.server, ANA).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    for expected in [
        "Subscription Required",
        "https://basicmemory.com/subscribe",
        "bm cloud login again",
    ] {
        assert!(said.out.contains(expected), "{said:?}");
    }
    assert!(!format!("{said:?}").contains("Traceback"), "{said:?}");
    let status = client.done(&["cloud", "status"]).await;
    assert!(status.contains("Local (disabled)"), "{status}");
}

#[tokio::test]
async fn it_signs_in_sets_up_and_syncs_both_ways() {
    let tenant = Tenant::of(ANA, WHICH, &[]).await;
    tenant.put_note("main/theirs.md", "# Theirs\n").await;
    let client = Client::new(WHICH, &tenant.server);
    let said = client.login(&tenant.server, ANA).await;
    assert!(said.out.contains("Cloud mode enabled"), "{said:?}");
    let status = client.done(&["cloud", "status"]).await;
    assert!(status.contains("Cloud instance is healthy"), "{status}");
    let setup = client.done(&["cloud", "setup"]).await;
    assert!(setup.contains("setup completed successfully"), "{setup}");
    assert_eq!(
        client.read(&format!("{FOLDER}/main/theirs.md")),
        "# Theirs\n"
    );
    client.write(&format!("{FOLDER}/research/ours.md"), "# Ours\n");
    let synced = client.done(&["sync"]).await;
    assert!(synced.contains("research"), "{synced}");
    tenant.note_ends("research/ours.md", "# Ours").await;
}

#[tokio::test]
async fn it_works_with_projects_and_notes_through_the_proxy() {
    let tenant = Tenant::of(ANA, WHICH, &[]).await;
    let client = Client::new(WHICH, &tenant.server);
    client.login(&tenant.server, ANA).await;
    client.done(&["project", "add", "research"]).await;
    let projects = client.done(&["project", "list"]).await;
    assert!(projects.contains("research"), "{projects}");
    client.write("plain.md", "# Plain\n");
    let file = client.path("plain.md").display().to_string();
    let upload = ["cloud", "upload", &file, "--project", "research"];
    let uploaded = client.done(&upload).await;
    assert!(uploaded.contains("1 file"), "{uploaded}");
    tenant.note_ends("research/plain.md", "# Plain").await;
}

#[tokio::test]
async fn its_tools_write_and_find_a_note_and_hear_why_they_may_not() {
    let tenant = Tenant::of(ANA, WHICH, &[]).await;
    let client = Client::new(WHICH, &tenant.server);
    client.login(&tenant.server, ANA).await;
    let write = [
        "tool",
        "write-note",
        "--title",
        "Walnut",
        "--folder",
        "trees",
    ];
    let more = ["--content", "A walnut tree.", "--project", "main"];
    let written = client.done(&[&write[..], &more[..]].concat()).await;
    assert!(written.contains("trees/Walnut.md"), "{written}");
    let search = ["tool", "search-notes", "walnut", "--project", "main"];
    let found = client.done(&search).await;
    assert!(found.contains("trees/walnut"), "{found}");
    tenant
        .note_ends("main/trees/Walnut.md", "A walnut tree.")
        .await;

    tenant.server.expire(ANA).await;
    let refused = format!("{:?}", client.run(&search).await);
    assert!(!refused.contains("trees/walnut"), "{refused}");
    assert!(
        refused.contains("403") || refused.contains("permission"),
        "{refused}"
    );
}
