//! 0.24.1: projects in any folder, pushed and pulled over `WebDAV` or with rclone.

use testkit::BasicMemory;

use super::{ANA, Client, Tenant};

const WHICH: BasicMemory = BasicMemory::V0_24_1;

#[tokio::test]
async fn without_a_subscription_it_says_where_to_get_one() {
    let tenant = Tenant::nobody(&[]).await;
    let client = Client::new(WHICH, &tenant.server);
    let said = client.login(&tenant.server, ANA).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("Subscription Required"), "{said:?}");
    assert!(
        said.out.contains("https://basicmemory.com/subscribe"),
        "{said:?}"
    );
}

#[tokio::test]
async fn it_pushes_and_pulls_an_organizations_project_without_a_key_to_the_bucket() {
    let mut tenant = Tenant::nobody(&[]).await;
    tenant.come_to_be(ANA, WHICH).await;
    let client = Client::new(WHICH, &tenant.server);
    let said = client.login(&tenant.server, ANA).await;
    assert!(
        said.out.contains("Cloud authentication successful"),
        "{said:?}"
    );
    client.write("notes/hello.md", "one");
    client.write("notes/sub/a b#.md", "deep");
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
    let push = ["cloud", "push", "--name", "research"];
    let pushed = client.done(&push).await;
    assert!(pushed.contains("Transferred 2 file(s)"), "{pushed}");
    assert_eq!(
        tenant.note("research/hello.md").await.as_deref(),
        Some("one")
    );
    assert_eq!(
        tenant.note("research/sub/a%20b%23.md").await.as_deref(),
        Some("deep")
    );

    tenant.put_note("research/hello.md", "theirs").await;
    let refused = client.run(&push).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.out.contains("hello.md"), "{refused:?}");
    assert_eq!(
        tenant.note("research/hello.md").await.as_deref(),
        Some("theirs")
    );
    let pull = [
        "cloud",
        "pull",
        "--name",
        "research",
        "--on-conflict",
        "keep-cloud",
    ];
    client.done(&pull).await;
    assert_eq!(client.read("notes/hello.md"), "theirs");
    let (_, keys) = tenant.call("GET", "/tenant/mount/credentials").await;
    assert_eq!(keys, serde_json::json!([]));
}

#[tokio::test]
async fn it_takes_snapshots_with_a_programs_key_and_brings_notes_back() {
    let mut tenant = Tenant::nobody(&[]).await;
    tenant.come_to_be(ANA, WHICH).await;
    let client = Client::new(WHICH, &tenant.server);
    client.use_key(&tenant.new_api_key().await);
    let status = client.done(&["cloud", "status"]).await;
    assert!(status.contains("Cloud connected"), "{status}");
    tenant.put_note("main/a.md", "then").await;
    client
        .done(&["cloud", "snapshot", "create", "before"])
        .await;
    tenant.put_note("main/a.md", "now").await;
    let (_, listed) = tenant.call("GET", "/api/bucket-snapshots").await;
    let id = listed["snapshots"][0]["id"].as_str().unwrap();
    let browsed = client.done(&["cloud", "snapshot", "browse", id]).await;
    assert!(browsed.contains("main/a.md"), "{browsed}");
    let restore = ["cloud", "restore", "main/a.md", "--snapshot", id, "--force"];
    let restored = client.done(&restore).await;
    assert!(restored.contains("restored 1 file"), "{restored}");
    assert_eq!(tenant.note("main/a.md").await.as_deref(), Some("then"));
    let shares = client.run(&["cloud", "share", "list"]).await;
    assert!(!format!("{shares:?}").contains("Traceback"), "{shares:?}");
}

#[tokio::test]
async fn its_tools_write_and_find_a_note_and_hear_why_they_may_not() {
    let mut tenant = Tenant::nobody(&[]).await;
    tenant.come_to_be(ANA, WHICH).await;
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

    tenant.server.expire(ANA).await;
    let calls = serde_json::json!([["search_notes", search]]);
    let answers = client.mcp(&calls, &cloud).await;
    assert!(answers[0].contains("Access denied"), "{answers:?}");
    assert!(answers[0].contains("\"isError\": true"), "{answers:?}");
}
