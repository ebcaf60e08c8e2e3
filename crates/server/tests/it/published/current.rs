//! 0.24.1: projects in any folder, pushed and pulled over `WebDAV` or with rclone.

use testkit::BasicMemory;

use super::{ANA, Client, Tenant};

const WHICH: BasicMemory = BasicMemory::V0_24_1;

#[tokio::test]
async fn without_a_subscription_it_says_where_to_get_one() {
    let tenant = Tenant::nobody().await;
    let client = Client::new(WHICH, &tenant.server);
    let said = client.login(&tenant.server, ANA).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("Subscription Required"), "{said:?}");
    assert!(
        said.out.contains("https://basicmemory.com/subscribe"),
        "{said:?}"
    );
}

/// A client that is signed in, with a cloud project for its folder `notes`.
async fn with_research(tenant: &Tenant) -> Client {
    let client = Client::new(WHICH, &tenant.server);
    let said = client.login(&tenant.server, ANA).await;
    assert!(
        said.out.contains("Cloud authentication successful"),
        "{said:?}"
    );
    client.write("notes/hello.md", "one");
    let folder = client.path("notes").display().to_string();
    let add = [
        "project",
        "add",
        "research",
        "--cloud",
        "--local-path",
        &folder,
    ];
    client.done(&add).await;
    client
}

const PUSH: [&str; 4] = ["cloud", "push", "--name", "research"];
const PULL: [&str; 6] = [
    "cloud",
    "pull",
    "--name",
    "research",
    "--on-conflict",
    "keep-cloud",
];

#[tokio::test]
async fn it_pushes_and_pulls_an_organizations_project_without_a_key_to_the_bucket() {
    let tenant = Tenant::of(ANA, WHICH, &[]).await;
    let client = with_research(&tenant).await;
    client.write("notes/sub/a b#.md", "deep");
    let pushed = client.done(&PUSH).await;
    assert!(pushed.contains("Transferred 2 file(s)"), "{pushed}");
    tenant.note_ends("research/hello.md", "one").await;
    tenant.note_ends("research/sub/a%20b%23.md", "deep").await;

    tenant.note_is_indexed("research/hello.md").await;
    tenant.put_note("research/hello.md", "theirs").await;
    let refused = client.run(&PUSH).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.out.contains("hello.md"), "{refused:?}");
    tenant.note_ends("research/hello.md", "theirs").await;
    client.done(&PULL).await;
    let pulled = client.read("notes/hello.md");
    assert!(pulled.trim_end().ends_with("theirs"), "{pulled}");
    let (_, keys) = tenant.call("GET", "/tenant/mount/credentials").await;
    assert_eq!(keys, serde_json::json!([]));
}

#[tokio::test]
async fn it_pushes_and_pulls_a_personal_project_with_rclone() {
    let tenant = Tenant::of(ANA, WHICH, &["--workspace-type", "personal"]).await;
    let client = with_research(&tenant).await;
    let setup = client.done(&["cloud", "setup"]).await;
    assert!(setup.contains("setup completed successfully"), "{setup}");
    let pushed = client.done(&PUSH).await;
    assert!(pushed.contains("completed successfully"), "{pushed}");
    tenant.note_ends("research/hello.md", "one").await;

    // A project's folder is its prefix in the bucket, whatever folder the instance has.
    tenant.note_is_indexed("research/hello.md").await;
    tenant.put_note("research/theirs.md", "theirs").await;
    tenant.note_is_indexed("research/theirs.md").await;
    client.done(&PULL).await;
    for (note, text) in [("notes/hello.md", "one"), ("notes/theirs.md", "theirs")] {
        let pulled = client.read(note);
        assert!(pulled.trim_end().ends_with(text), "{note}: {pulled}");
    }
    let again = client.done(&PUSH).await;
    assert!(again.contains("completed successfully"), "{again}");
    let (_, keys) = tenant.call("GET", "/tenant/mount/credentials").await;
    assert_eq!(keys.as_array().map(Vec::len), Some(1), "{keys}");
}

#[tokio::test]
async fn it_works_with_projects_and_notes_through_the_proxy() {
    let tenant = Tenant::of(ANA, WHICH, &[]).await;
    let client = with_research(&tenant).await;
    let listed = client.done(&["project", "list", "--cloud"]).await;
    assert!(listed.contains("research"), "{listed}");
    let to_research = ["--project", "research", "--cloud"];
    let write = ["tool", "write-note", "--title", "Walnut", "--folder"];
    let more = ["trees", "--content", "A walnut tree."];
    client
        .done(&[&write[..], &more[..], &to_research[..]].concat())
        .await;
    tenant
        .note_ends("research/trees/Walnut.md", "A walnut tree.")
        .await;
    let read = ["tool", "read-note", "trees/walnut", "--plain"];
    let told = client.done(&[&read[..], &to_research[..]].concat()).await;
    assert!(told.contains("A walnut tree."), "{told}");
    // A note from another device is found, too.
    tenant
        .put_note("research/other.md", "Hazelnut shrubs.")
        .await;
    tenant.note_is_indexed("research/other.md").await;
    let search = ["tool", "search-notes", "hazelnut", "--json"];
    let found = client.done(&[&search[..], &to_research[..]].concat()).await;
    assert!(found.contains("other"), "{found}");
}

#[tokio::test]
async fn it_takes_snapshots_with_a_programs_key_and_brings_notes_back() {
    let tenant = Tenant::of(ANA, WHICH, &[]).await;
    let client = Client::new(WHICH, &tenant.server);
    client.use_key(&tenant.new_api_key().await);
    let status = client.done(&["cloud", "status"]).await;
    assert!(status.contains("Cloud connected"), "{status}");
    tenant.put_note("main/a.md", "then").await;
    tenant.note_is_indexed("main/a.md").await;
    client
        .done(&["cloud", "snapshot", "create", "before"])
        .await;
    tenant.put_note("main/a.md", "now").await;
    tenant.note_is_indexed("main/a.md").await;
    let (_, listed) = tenant.call("GET", "/api/bucket-snapshots").await;
    let id = listed["snapshots"][0]["id"].as_str().unwrap();
    let browsed = client.done(&["cloud", "snapshot", "browse", id]).await;
    assert!(browsed.contains("main/a.md"), "{browsed}");
    let restore = ["cloud", "restore", "main/a.md", "--snapshot", id, "--force"];
    let restored = client.done(&restore).await;
    assert!(restored.contains("restored 1 file"), "{restored}");
    tenant.note_ends("main/a.md", "then").await;
    let shares = client.run(&["cloud", "share", "list"]).await;
    assert!(!format!("{shares:?}").contains("Traceback"), "{shares:?}");
}

#[tokio::test]
async fn its_tools_write_and_find_a_note_and_hear_why_they_may_not() {
    let tenant = Tenant::of(ANA, WHICH, &[]).await;
    let client = Client::new(WHICH, &tenant.server);
    client.use_key(&tenant.new_api_key().await);
    let note = serde_json::json!({
        "title": "Walnut", "directory": "trees", "content": "A walnut tree.", "project": "main",
    });
    let search = serde_json::json!({ "query": "walnut", "project": "main" });
    let calls = serde_json::json!([["write_note", note], ["search_notes", search]]);
    let cloud = [
        ("BASIC_MEMORY_FORCE_CLOUD", "true"),
        ("BASIC_MEMORY_EXPLICIT_ROUTING", "true"),
    ];
    let answers = client.mcp(&calls, &cloud).await;
    assert!(answers[0].contains("trees/walnut"), "{answers:?}");
    assert!(answers[1].contains("trees/walnut"), "{answers:?}");
    tenant
        .note_ends("main/trees/Walnut.md", "A walnut tree.")
        .await;

    tenant.server.expire(ANA).await;
    let calls = serde_json::json!([["search_notes", search]]);
    let answers = client.mcp(&calls, &cloud).await;
    assert!(answers[0].contains("Access denied"), "{answers:?}");
    assert!(answers[0].contains("\"isError\": true"), "{answers:?}");
}
