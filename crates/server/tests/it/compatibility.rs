//! What published clients of Basic Memory ask of the server beside storage and instance.

mod keys;
mod notes;
mod snapshots;

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{FAR_AWAY, Server, read, text};

const ANA: &str = "ana@example.org";
const BEN: &str = "ben@example.org";

#[tokio::test]
async fn a_person_has_one_workspace_and_hears_whether_it_is_paid_for() {
    let server = Server::start().await;
    let token = server.sign_in(ANA).await.access;
    let (status, none) = server.call(&token, "GET", "/workspaces/").await;
    assert_eq!(status, StatusCode::OK);
    let empty = json!({ "workspaces": [], "count": 0, "default_workspace_id": null,
        "current_workspace_id": null });
    assert_eq!(none, empty);

    let token = server.ready_member(ANA).await;
    let (_, info) = server.call(&token, "GET", "/tenant/mount/info").await;
    let tenant = text(&info, "tenant_id");
    let expected = json!({
        "workspaces": [{
            "tenant_id": tenant, "workspace_type": "organization", "slug": "notes",
            "name": "Notes", "role": "owner", "is_default": true, "organization_id": null,
            "has_active_subscription": true,
        }],
        "count": 1, "default_workspace_id": tenant, "current_workspace_id": tenant,
    });
    for path in ["/workspaces/", "/workspaces", "//workspaces/"] {
        let (status, body) = server.call(&token, "GET", path).await;
        assert_eq!((status, &body), (StatusCode::OK, &expected), "{path}");
    }
    server.subscribe(ANA, "canceled", FAR_AWAY).await;
    let (_, lapsed) = server.call(&token, "GET", "/workspaces/").await;
    assert_eq!(lapsed["workspaces"][0]["has_active_subscription"], false);
}

#[tokio::test]
async fn a_request_for_another_workspace_reaches_nothing() {
    let server = Server::start().await;
    let (ana, ben) = (
        server.ready_member(ANA).await,
        server.ready_member(BEN).await,
    );
    let (_, info) = server.call(&ben, "GET", "/tenant/mount/info").await;
    let bens = text(&info, "tenant_id");
    let ask = async |token: &str, method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = server.request(method, path).bearer_auth(token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send().await.unwrap()).await
    };
    for (method, path) in [
        ("GET", "/tenant/mount/info"),
        ("POST", "/tenant/mount/credentials"),
        ("PUT", "/webdav/main/a.md"),
        ("PROPFIND", "/webdav/main"),
        ("GET", "/proxy/v2/projects/"),
        ("GET", "/api/bucket-snapshots"),
    ] {
        let id = [("X-Workspace-ID", bens.as_str())];
        let (status, body) = ask(&ana, method, path, &id).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
        assert_eq!(body["error"], "forbidden", "{method} {path}");
        assert_eq!(body["detail"], body["message"], "{method} {path}");
        let half = [("X-Basic-Memory-Workspace-Slug", "notes")];
        let (status, _) = ask(&ana, method, path, &half).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{method} {path}");
    }
    let own = [
        ("X-Workspace-ID", bens.as_str()),
        ("X-Basic-Memory-Workspace-Slug", "notes"),
        ("X-Basic-Memory-Workspace-Type", "organization"),
    ];
    let (status, _) = ask(&ben, "GET", "/tenant/mount/info", &own).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn links_to_notes_are_refused_in_words() {
    let server = Server::start().await;
    let token = server.ready_member(ANA).await;
    for (method, path) in [("GET", "/api/shares"), ("DELETE", "/api/shares/abc")] {
        let (status, body) = server.call(&token, method, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(body["error"], "not_offered");
        assert!(text(&body, "detail").contains("public links"), "{body}");
    }
}
