//! The seven end-to-end tests of SPEC-13, on both deployments, by the real command line, device
//! flow, payment provider's deliveries and tenant instance.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::deployment::cloud::ADMIN_ORGANIZATION;
use crate::deployment::{Deployment, Device};

const ANA: &str = "ana@example.org";
const BEN: &str = "ben@example.org";
const OPERATOR: &str = "operator@example.org";
const REFUSAL: &str = r#"{"error":"subscription_required","message":"Active subscription required for CLI access","subscribe_url":"https://basicmemory.com/subscribe"}"#;
const TOLD: &str = "\
✗ Subscription Required
Active subscription required for CLI access
Subscribe at: https://basicmemory.com/subscribe
Once you have an active subscription, run bm-cloud login again.
";

/// What the seed lists, with what an active member hears.
const MATRIX: [(&str, &str, u16); 7] = [
    ("GET", "/proxy/health", 200),
    ("GET", "/proxy/main/health", 200),
    ("POST", "/proxy/main/search", 200),
    ("GET", "/proxy/projects/projects", 200),
    ("GET", "/tenant/mount/info", 200),
    ("POST", "/tenant/mount/credentials", 200),
    ("GET", "/tenant/mount/credentials", 200),
];

/// Makes a test on each deployment of each function.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod dev {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Deployment::dev(&[]).await).await;
            })+
        }

        mod cloud {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Deployment::cloud().await).await;
            })+
        }
    };
}

on_both!(
    somebody_without_a_subscription_is_told_where_to_get_one,
    somebody_with_a_subscription_can_do_everything,
    an_expired_subscription_ends_access_and_a_renewed_one_gives_it_back,
    every_endpoint_asks_for_the_subscription,
    the_refusal_is_this_json_and_no_other,
    nobody_reaches_an_instance_past_the_proxy,
);

/// Test 1.
async fn somebody_without_a_subscription_is_told_where_to_get_one(cloud: Deployment) {
    let device = Device::new();
    let login = device.login(&cloud, ANA).await;
    assert_eq!(login.code, Some(3), "{login:#?}");
    assert!(login.err.contains("✓ Signed in"), "{login:#?}");
    assert!(login.err.ends_with(TOLD), "{login:#?}");
    assert!(!login.err.contains("panicked"), "{login:#?}");
    let status = device.run(&["status"]).await;
    assert!(
        status.out.starts_with("Mode: Local (disabled)\n"),
        "{status:#?}"
    );
    let setup = device.set_up().await;
    assert_eq!((setup.code, setup.err.as_str()), (Some(3), TOLD));
    let token = cloud.sign_in(ANA).await;
    let (code, body) = cloud.call(&token, "GET", "/proxy/health").await;
    assert_eq!(
        (code, body.to_string().as_str()),
        (StatusCode::FORBIDDEN, REFUSAL)
    );
    assert_eq!(cloud.subscriptions(ANA).await, 0);
}

/// Test 2.
async fn somebody_with_a_subscription_can_do_everything(cloud: Deployment) {
    cloud.subscribe(ANA).await;
    let device = Device::new();
    let login = device.login(&cloud, ANA).await;
    assert_eq!(login.code, Some(0), "{login:#?}");
    let status = device.run(&["status"]).await;
    assert!(
        status.out.starts_with("Mode: Cloud (enabled)\n"),
        "{status:#?}"
    );
    device.write("Test Note.md", "Testing subscription validation\n");
    let setup = device.set_up().await;
    assert_eq!(setup.code, Some(0), "{setup:#?}");
    let pass = device.run(&["bisync"]).await;
    assert_eq!(pass.code, Some(0), "{pass:#?}");
    assert!(pass.out.starts_with("Up to date · 1 note"), "{pass:#?}");

    let token = cloud.sign_in(ANA).await;
    cloud.set_up(&token).await;
    let (code, health) = cloud.call(&token, "GET", "/proxy/main/health").await;
    assert_eq!((code, &health["status"]), (StatusCode::OK, &json!("ok")));
    let (code, projects) = cloud.call(&token, "GET", "/proxy/projects/projects").await;
    assert_eq!(
        (code, &projects["default_project"]),
        (StatusCode::OK, &json!("main"))
    );
    let note = json!({ "title": "Test Note", "folder": "main", "content": "By an agent" });
    let request = cloud.request("POST", "/proxy/main/knowledge/entities");
    let answer = request
        .bearer_auth(&token)
        .json(&note)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(cloud.instance().notes(), [note]);
}

/// Tests 3 and 4.
async fn an_expired_subscription_ends_access_and_a_renewed_one_gives_it_back(cloud: Deployment) {
    cloud.subscribe(ANA).await;
    let device = Device::new();
    assert_eq!(device.login(&cloud, ANA).await.code, Some(0));
    let token = cloud.sign_in(ANA).await;
    let health = async || cloud.call(&token, "GET", "/proxy/health").await.0;
    assert_eq!(health().await, StatusCode::OK);

    cloud.expire_in_database(ANA).await;
    assert_eq!(
        health().await,
        StatusCode::FORBIDDEN,
        "the token is as good as before"
    );
    let status = device.run(&["status"]).await;
    assert_eq!((status.code, status.err.as_str()), (Some(3), TOLD));
    assert_eq!(device.run(&["logout"]).await.code, Some(0));
    let login = device.login(&cloud, ANA).await;
    assert_eq!(login.code, Some(3), "{login:#?}");
    assert!(login.err.ends_with(TOLD), "{login:#?}");

    cloud.renew_in_database(ANA).await;
    assert_eq!(health().await, StatusCode::OK, "at once");
    let login = device.login(&cloud, ANA).await;
    assert_eq!(login.code, Some(0), "{login:#?}");
    let status = device.run(&["status"]).await;
    assert!(
        status.out.starts_with("Mode: Cloud (enabled)\n"),
        "{status:#?}"
    );
}

/// Test 5.
async fn every_endpoint_asks_for_the_subscription(cloud: Deployment) {
    cloud.subscribe(BEN).await;
    let without = cloud.sign_in(ANA).await;
    let with = cloud.sign_in(BEN).await;
    cloud.set_up(&with).await;
    for (method, path, expected) in MATRIX {
        let (code, body) = cloud.call(&without, method, path).await;
        assert_eq!(code, StatusCode::FORBIDDEN, "{method} {path}: {body}");
        assert_eq!(body.to_string(), REFUSAL, "{method} {path}");
        let (code, body) = cloud.call(&with, method, path).await;
        assert_eq!(code.as_u16(), expected, "{method} {path}: {body}");
        let (code, _) = cloud.call("none", method, path).await;
        assert_eq!(code, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

/// Test 6.
async fn the_refusal_is_this_json_and_no_other(cloud: Deployment) {
    let token = cloud.sign_in(ANA).await;
    let request = cloud.request("GET", "/proxy/health").bearer_auth(&token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await.unwrap(), REFUSAL);
}

#[tokio::test]
async fn an_operator_of_a_dev_server_needs_no_subscription() {
    an_operator_needs_no_subscription(Deployment::dev(&[OPERATOR]).await).await;
}

#[tokio::test]
async fn an_operator_of_the_cloud_needs_no_subscription() {
    an_operator_needs_no_subscription(Deployment::cloud().await).await;
}

/// Test 7.
async fn an_operator_needs_no_subscription(cloud: Deployment) {
    let admin = match &cloud {
        Deployment::Dev(_) => cloud.sign_in(OPERATOR).await,
        Deployment::Cloud(running) => {
            let more = json!({ "org_id": ADMIN_ORGANIZATION, "role": "admin" });
            running.web_token(OPERATOR, &more).await
        }
    };
    let (code, body) = cloud.call(&admin, "GET", "/proxy/health").await;
    assert_eq!(
        (code, body.to_string().as_str()),
        (StatusCode::FORBIDDEN, REFUSAL)
    );
    let (code, list) = cloud.call(&admin, "GET", "/tenants").await;
    assert_eq!(code, StatusCode::OK, "{list}");
    let user = cloud.subject(BEN).await;
    let request = cloud.request("POST", "/tenants").bearer_auth(&admin);
    let request = request.json(&json!({ "workos_user_id": user }));
    let (code, made) = crate::support::read(request.send().await.unwrap()).await;
    assert!(code.is_success(), "{code}: {made}");
    let (_, list) = cloud.call(&admin, "GET", "/tenants").await;
    assert!(list.to_string().contains(&user), "{list}");

    cloud.subscribe(BEN).await;
    let member = cloud.sign_in(BEN).await;
    let (code, body) = cloud.call(&member, "GET", "/tenants").await;
    assert_eq!(
        (code, &body["error"]),
        (StatusCode::FORBIDDEN, &json!("forbidden"))
    );
}

/// Flow 7: the proxy's signature is the only way in.
async fn nobody_reaches_an_instance_past_the_proxy(cloud: Deployment) {
    cloud.subscribe(ANA).await;
    let token = cloud.sign_in(ANA).await;
    cloud.set_up(&token).await;
    let (code, _) = cloud.call(&token, "GET", "/proxy/main/health").await;
    assert_eq!(code, StatusCode::OK);
    let direct = reqwest::Client::builder().no_proxy().build().unwrap();
    let direct = direct.get(format!("{}/main/health", cloud.instance().address));
    let answer = direct.bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], "forbidden");
}
