//! Tokens of an identity provider that is not ours: oidc-provider, in `AuthKit`'s place.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;
use testkit::{Child, OidcProvider, OidcSettings, oidc_provider, program};

use crate::support::{ADMIN, CHALLENGE, DEVICE_GRANT, Server, VERIFIER, read, text};

const SOON: Duration = Duration::from_secs(30);
const AUDIENCE: &str = "client_judged";

/// A configured server that trusts the provider.
struct Configured {
    url: String,
    http: Client,
    folder: TempDir,
    _child: Child,
}

impl Configured {
    async fn trusting(provider: &OidcProvider) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bm-server.toml");
        let OidcProvider {
            issuer, jwks_uri, ..
        } = provider;
        let config = format!(
            r#"
mode = "development"
public_url = "http://localhost"
[listen]
address = "127.0.0.1:0"
hosts = ["127.0.0.1"]
[storage]
address = "127.0.0.1:0"
endpoint_url = "http://127.0.0.1:9000"
[sign_in]
issuer = "{issuer}"
client_id = "{AUDIENCE}"
device_authorization_endpoint = "{issuer}/oauth2/device_authorization"
token_endpoint = "{issuer}/oauth2/token"
[[sign_in.issuers]]
kind = "connect"
names = ["{issuer}"]
keys_url = "{jwks_uri}"
audiences = ["{AUDIENCE}"]
"#
        );
        std::fs::write(&file, config).unwrap();
        let mut child = program(env!("CARGO_BIN_EXE_bm-server"))
            .args(["serve", "--config"])
            .arg(&file)
            .env("BM_SERVER__STATE__FOLDER", folder.path().join("state"))
            .spawn();
        let ready = child.json_line(SOON).await;
        Self {
            url: format!("http://{}", ready["address"].as_str().unwrap()),
            http: Client::builder().no_proxy().build().unwrap(),
            folder,
            _child: child,
        }
    }

    async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        let request = self.http.get(format!("{}{path}", self.url));
        read(request.bearer_auth(token).send().await.unwrap()).await
    }

    async fn status(&self, token: &str) -> u16 {
        self.get("/subscription", token).await.0.as_u16()
    }

    /// Walks the device flow as a client does, from this server's own word on where to sign in.
    async fn sign_in(&self, provider: &OidcProvider, user: &str) -> Value {
        let about = format!("{}/.well-known/basic-memory-cloud", self.url);
        let (_, about) = read(self.http.get(about).send().await.unwrap()).await;
        let client_id = text(&about, "client_id");
        let device = text(&about, "device_authorization_endpoint");
        let (status, began) = self
            .post(
                &device,
                &[
                    ("client_id", &client_id),
                    ("scope", "openid profile email offline_access"),
                    ("code_challenge", CHALLENGE),
                    ("code_challenge_method", "S256"),
                ],
            )
            .await;
        assert_eq!(status, StatusCode::OK, "{began}");
        let device_code = text(&began, "device_code");
        let token_endpoint = text(&about, "token_endpoint");
        let poll = [
            ("client_id", client_id.as_str()),
            ("grant_type", DEVICE_GRANT),
            ("device_code", &device_code),
            ("code_verifier", VERIFIER),
        ];
        let (_, pending) = self.post(&token_endpoint, &poll).await;
        assert_eq!(pending["error"], "authorization_pending", "{pending}");
        provider.approve(&text(&began, "user_code"), user).await;
        let (status, tokens) = self.post(&token_endpoint, &poll).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        tokens
    }

    async fn post(&self, url: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let body: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self
            .http
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        read(request.send().await.unwrap()).await
    }

    async fn impersonations(&self) -> Vec<(String, String)> {
        let file = self.folder.path().join("state/server.db");
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        sqlx::query("select actor, target from audit where action = 'impersonation.use'")
            .fetch_all(&pool)
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get("actor"), row.get("target")))
            .collect()
    }
}

/// What an honest token of the provider says, for a minute from now.
fn claims(provider: &OidcProvider) -> Value {
    let now = server::system_clock()() / 1000;
    json!({
        "iss": provider.issuer, "aud": AUDIENCE, "sub": "user_signed", "sid": "app_consent_1",
        "jti": "token_1", "iat": now, "exp": now + 60,
    })
}

#[tokio::test]
async fn a_device_signs_in_at_the_provider_and_is_known_here() {
    let provider = oidc_provider(OidcSettings::default()).await;
    let server = Configured::trusting(&provider).await;
    let tokens = server.sign_in(&provider, "user_ana").await;
    let access = text(&tokens, "access_token");
    let (status, body) = server.get("/subscription", &access).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["account"]["id"], "user_ana");
    assert_eq!(body["status"], "none");
    let (status, body) = server.get("/proxy/health", &access).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::FORBIDDEN, &json!("subscription_required"))
    );
    assert_eq!(server.get("/readyz", "").await.1["keys"], "ok");

    let id_token = text(&tokens, "id_token");
    assert_eq!(server.status(&id_token).await, 401, "an ID token");
    let refresh = text(&tokens, "refresh_token");
    assert_eq!(server.status(&refresh).await, 401, "a refresh token");
    let (status, again) = server
        .post(
            &format!("{}/oauth2/token", provider.issuer),
            &[
                ("client_id", AUDIENCE),
                ("grant_type", "refresh_token"),
                ("refresh_token", &refresh),
            ],
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{again}");
    assert_ne!(text(&again, "refresh_token"), refresh);
    assert_eq!(server.status(&text(&again, "access_token")).await, 200);
}

#[tokio::test]
async fn keys_rotate_and_the_provider_may_be_away() {
    let keys = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let provider = oidc_provider(OidcSettings {
        keys: keys(&["k1", "k2"]),
        ..OidcSettings::default()
    })
    .await;
    let server = Configured::trusting(&provider).await;
    let first = provider.sign(&json!({}), &claims(&provider)).await;
    assert_eq!(server.status(&first).await, 200);
    let provider = provider.restart_with_keys(&["k2", "k3"]).await;
    let second = provider.sign(&json!({}), &claims(&provider)).await;
    assert_eq!(server.status(&second).await, 200);
    let third = provider
        .sign(&json!({ "kid": "k9" }), &claims(&provider))
        .await;
    assert_eq!(server.status(&third).await, 401);
    drop(provider);
    assert_eq!(server.status(&second).await, 200, "stale keys serve on");
}

#[tokio::test]
async fn the_providers_own_key_does_not_make_a_wrong_token_right() {
    let provider = oidc_provider(OidcSettings::default()).await;
    let server = Configured::trusting(&provider).await;
    let now = server::system_clock()() / 1000;
    assert_eq!(
        server
            .status(&provider.sign(&json!({}), &claims(&provider)).await)
            .await,
        200
    );
    for (header, changes) in [
        (json!({}), json!({ "aud": "client_other" })),
        (json!({}), json!({ "sub": AUDIENCE })),
        (json!({}), json!({ "sid": null })),
        (json!({}), json!({ "jti": null })),
        (json!({}), json!({ "nonce": "n" })),
        (json!({}), json!({ "exp": now - 60 })),
        (json!({}), json!({ "exp": (now + 60) * 1000 })),
        (json!({}), json!({ "iss": format!("{}/", provider.issuer) })),
        (json!({ "typ": "logout+jwt" }), json!({})),
        (json!({ "cty": "JWT" }), json!({})),
    ] {
        let mut wrong = claims(&provider);
        for (name, value) in changes.as_object().unwrap() {
            wrong[name] = value.clone();
        }
        let token = provider.sign(&header, &wrong).await;
        assert_eq!(server.status(&token).await, 401, "{header} {changes}");
    }
}

#[tokio::test]
async fn whoever_acts_in_anothers_name_is_written_down_each_time() {
    let provider = oidc_provider(OidcSettings::default()).await;
    let server = Configured::trusting(&provider).await;
    let mut claims = claims(&provider);
    claims["act"] = json!({ "sub": "support@example.org" });
    let token = provider.sign(&json!({}), &claims).await;
    for _ in 0..2 {
        assert_eq!(server.status(&token).await, 200);
    }
    let seen = (
        "support@example.org as user_signed".to_owned(),
        "user_signed".to_owned(),
    );
    assert_eq!(server.impersonations().await, [seen.clone(), seen]);
}

#[tokio::test]
async fn administrators_need_their_role_and_no_subscription() {
    let server = Server::start().await;
    let admin = server.sign_in(ADMIN).await.access;
    let ana = server.ready_member("ana@example.org").await;
    let (status, page) = server.call(&admin, "GET", "/tenants").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let request = server.request("GET", "/tenants").bearer_auth(&ana);
    let answer = request.send().await.unwrap();
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains(r#"error="insufficient_scope""#),
        "{challenge}"
    );
    let (status, body) = read(answer).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::FORBIDDEN, &json!("forbidden"))
    );
    let answer = server.request("GET", "/tenants").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert_eq!(challenge, r#"Bearer realm="basic-memory""#);
}
