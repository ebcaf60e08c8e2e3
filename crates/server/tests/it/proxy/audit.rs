//! What the audit tells of denials.

use reqwest::StatusCode;
use sqlx::{Connection, SqliteConnection};

use super::instance::Instance;
use super::{ANA, member_with_instance};
use crate::support::{FAR_AWAY, Server};

async fn denials(server: &Server) -> Vec<(String, String)> {
    let file = server.folder.path().join("server.db");
    let mut database = SqliteConnection::connect(&format!("sqlite:{}", file.display()))
        .await
        .unwrap();
    sqlx::query_as("select actor, target from audit where action = 'access.deny' order by at, id")
        .fetch_all(&mut database)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_denial_is_in_the_audit_once_however_often_it_is_repeated() {
    let instance = Instance::always_ok();
    let (server, token) = member_with_instance(&instance.address.to_string()).await;
    assert_eq!(denials(&server).await, []);
    let ana = server.user_id(ANA).await;
    let ask = async |token: &str, path: &str| {
        let request = server.request("GET", path).bearer_auth(token);
        request.send().await.unwrap().status()
    };
    for _ in 0..5 {
        assert_eq!(ask("garbage", "/proxy/a").await, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(&token, "/proxy/a%2fb").await, StatusCode::BAD_REQUEST);
        assert_eq!(ask(&token, "/proxy/a").await, StatusCode::OK);
    }
    server.subscribe(ANA, "canceled", FAR_AWAY).await;
    for path in ["/proxy/a", "/proxy/health", "/tenant/mount/info"] {
        assert_eq!(ask(&token, path).await, StatusCode::FORBIDDEN);
    }
    let expected = [
        ("nobody", "unauthenticated"),
        (&ana, "invalid_request"),
        (&ana, "subscription_required"),
    ];
    let expected = expected.map(|(actor, code)| (actor.to_owned(), code.to_owned()));
    assert_eq!(denials(&server).await, expected);
}
