use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use server::{DevConfig, DevServer, PolarSettings, PortChoice, WorkspaceKind};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

pub(crate) const CLIENT: &str = "client_basic_memory_dev";
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Whoever signs in with this address is an administrator.
pub(crate) const ADMIN: &str = "admin@example.org";
pub(crate) const FAR_AWAY: &str = "2099-01-01T00:00:00Z";

/// A server in this process, whose clock stands still unless the test puts it forward.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) s3: String,
    pub(crate) http: Client,
    pub(crate) folder: Arc<TempDir>,
    now_ms: Arc<AtomicI64>,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), server::ServerError>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

pub(crate) fn config(state: &Path, now_ms: Arc<AtomicI64>) -> DevConfig {
    DevConfig {
        state: state.to_owned(),
        port: PortChoice::Any,
        s3_port: PortChoice::Any,
        s3_url: None,
        access_token_life: Duration::from_secs(3600),
        admins: vec![ADMIN.to_owned()],
        subscribe_url: "https://basicmemory.com/subscribe".to_owned(),
        manage_url: None,
        workspace_kind: WorkspaceKind::Organization,
        polar: None,
        instances: server::DevInstances::None,
        clock: Arc::new(move || now_ms.load(Ordering::SeqCst)),
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap())).await
    }

    pub(crate) async fn start_in(folder: Arc<TempDir>) -> Self {
        Self::start_with(folder, None).await
    }

    pub(crate) async fn start_with_polar(polar: PolarSettings) -> Self {
        Self::start_with(Arc::new(tempfile::tempdir().unwrap()), Some(polar)).await
    }

    async fn start_with(folder: Arc<TempDir>, polar: Option<PolarSettings>) -> Self {
        let now_ms = Arc::new(AtomicI64::new(server::system_clock()()));
        let config = DevConfig {
            polar,
            ..config(folder.path(), now_ms.clone())
        };
        let server = DevServer::open(config).await.unwrap();
        let announcement = server.announcement().clone();
        let cancel = CancellationToken::new();
        Self {
            url: announcement.url,
            s3: announcement.s3_endpoint,
            http: Client::builder().no_proxy().build().unwrap(),
            folder,
            now_ms,
            task: tokio::spawn(server.run(cancel.clone())),
            cancel,
        }
    }

    /// Stops it as a signal does, and starts it again on the same state.
    pub(crate) async fn restart(self) -> Self {
        let folder = self.folder.clone();
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
        Self::start_in(folder).await
    }

    /// Stops it as a signal does.
    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) fn put_clock_forward(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap();
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request with a token; the status and the body, which is null if it is not JSON.
    pub(crate) async fn call(&self, token: &str, method: &str, path: &str) -> (StatusCode, Value) {
        read(
            self.request(method, path)
                .bearer_auth(token)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        read(self.form(path, form).send().await.unwrap()).await
    }

    pub(crate) fn form(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let body: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.request("POST", path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(self.request("POST", path).json(body).send().await.unwrap()).await
    }

    /// Starts a device flow with PKCE; the device code and the user code.
    pub(crate) async fn begin(&self) -> (String, String) {
        let form = [
            ("client_id", CLIENT),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("scope", "openid profile email offline_access"),
        ];
        let (status, body) = self
            .post_form("/idp/oauth2/device_authorization", &form)
            .await;
        assert_eq!(status, StatusCode::OK, "{body}");
        (text(&body, "device_code"), text(&body, "user_code"))
    }

    pub(crate) async fn poll(&self, device_code: &str, verifier: &str) -> (StatusCode, Value) {
        let form = [
            ("client_id", CLIENT),
            ("grant_type", DEVICE_GRANT),
            ("device_code", device_code),
            ("code_verifier", verifier),
        ];
        self.post_form("/idp/oauth2/token", &form).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        let form = [
            ("client_id", CLIENT),
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
        ];
        self.post_form("/idp/oauth2/token", &form).await
    }

    pub(crate) async fn approve(&self, user_code: &str, email: &str) -> (StatusCode, Value) {
        self.post_json(
            "/idp/dev/approve",
            &json!({ "user_code": user_code, "email": email }),
        )
        .await
    }

    pub(crate) async fn sign_in(&self, email: &str) -> Tokens {
        let (device_code, user_code) = self.begin().await;
        assert_eq!(self.approve(&user_code, email).await.0, StatusCode::OK);
        let (status, body) = self.poll(&device_code, VERIFIER).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        tokens(&body)
    }

    pub(crate) async fn user_id(&self, email: &str) -> String {
        let path = format!("/idp/dev/user?email={email}");
        text(
            &read(self.request("GET", &path).send().await.unwrap())
                .await
                .1,
            "id",
        )
    }

    pub(crate) async fn subscribe(&self, email: &str, status: &str, end: &str) {
        let body = json!({
            "workos_user_id": self.user_id(email).await,
            "status": status,
            "current_period_end": end,
        });
        assert_eq!(
            self.post_json("/dev/subscriptions", &body).await.0,
            StatusCode::OK
        );
    }

    /// Somebody signed in, subscribed and set up; the access token.
    pub(crate) async fn ready_member(&self, email: &str) -> String {
        let token = self.sign_in(email).await.access;
        self.subscribe(email, "active", FAR_AWAY).await;
        assert_eq!(
            self.call(&token, "POST", "/tenants/setup").await.0,
            StatusCode::OK
        );
        token
    }
}

pub(crate) async fn read(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    let bytes = answer.bytes().await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

pub(crate) fn text(body: &Value, field: &str) -> String {
    body[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {body}"))
        .to_owned()
}

pub(crate) fn tokens(body: &Value) -> Tokens {
    Tokens {
        access: text(body, "access_token"),
        refresh: text(body, "refresh_token"),
    }
}
