//! Whole deployments made of real processes, and the people who use them.

pub(crate) mod cloud;
mod database;
mod device;
mod instance;

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::cloud::{Cloud, CloudOptions, StorageKind};
pub(crate) use self::database::Database;
pub(crate) use self::device::{Device, Said};
pub(crate) use self::instance::NotesInstance;
use crate::support::{CHALLENGE, DEVICE_GRANT, VERIFIER, read, text};

pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const FAR_AWAY_MS: i64 = 4_070_908_800_000;
pub(crate) const LONG_AGO_MS: i64 = 978_307_200_000;

/// `bm-server dev`: everything in one process and one folder.
pub(crate) struct Dev {
    server: testkit::Server,
    instance: NotesInstance,
    state: TempDir,
}

/// What a test of a whole deployment may do with it, whichever it is.
pub(crate) enum Deployment {
    Dev(Box<Dev>),
    Cloud(Box<Cloud>),
}

impl Deployment {
    pub(crate) async fn dev(admins: &[&str]) -> Self {
        let state = testkit::scratch();
        let flags: Vec<&str> = admins.iter().flat_map(|email| ["--admin", email]).collect();
        let server = testkit::Server::start_with(state.path(), &flags).await;
        let instance = NotesInstance::start().await;
        Self::Dev(Box::new(Dev {
            server,
            instance,
            state,
        }))
    }

    pub(crate) async fn cloud() -> Self {
        let options = CloudOptions::default();
        Self::Cloud(Box::new(Cloud::start(options).await))
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Dev(dev) => &dev.server.url,
            Self::Cloud(cloud) => &cloud.url,
        }
    }

    pub(crate) fn instance(&self) -> &NotesInstance {
        match self {
            Self::Dev(dev) => &dev.instance,
            Self::Cloud(cloud) => &cloud.instance,
        }
    }

    pub(crate) fn database(&self) -> Database {
        match self {
            Self::Dev(dev) => Database::Sqlite(dev.state.path().join("server.db")),
            Self::Cloud(cloud) => Database::Postgres(cloud.database_url.clone()),
        }
    }

    /// The person's subject in tokens and in the database.
    pub(crate) async fn subject(&self, email: &str) -> String {
        match self {
            Self::Dev(dev) => dev.server.user_id(email).await,
            Self::Cloud(_) => cloud::subject(email),
        }
    }

    pub(crate) async fn approve(&self, user_code: &str, email: &str) {
        match self {
            Self::Dev(dev) => dev.server.approve(user_code, email).await,
            Self::Cloud(cloud) => {
                cloud
                    .provider
                    .approve(user_code, &cloud::subject(email))
                    .await
            }
        }
    }

    /// Buys a subscription, as people do where there is somebody to pay: the provider tells.
    pub(crate) async fn subscribe(&self, email: &str) {
        match self {
            Self::Dev(dev) => dev.server.activate(email).await,
            Self::Cloud(cloud) => cloud.subscribe(email).await,
        }
    }

    /// Ends a subscription behind everybody's back, as the seed's test does.
    pub(crate) async fn expire_in_database(&self, email: &str) {
        self.change_in_database(email, "cancelled", LONG_AGO_MS)
            .await;
    }

    pub(crate) async fn renew_in_database(&self, email: &str) {
        self.change_in_database(email, "active", FAR_AWAY_MS).await;
    }

    async fn change_in_database(&self, email: &str, status: &str, end_ms: i64) {
        let user = self.subject(email).await;
        let sql = format!(
            "update subscriptions set status = '{status}', current_period_end = {end_ms} \
             where workos_user_id = '{user}'"
        );
        assert_eq!(self.database().execute(&sql).await, 1, "{sql}");
    }

    pub(crate) async fn subscriptions(&self, email: &str) -> i64 {
        let user = self.subject(email).await;
        let sql = format!("select count(*) from subscriptions where workos_user_id = '{user}'");
        self.database().number(&sql).await
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        client.request(method, format!("{}{path}", self.url()))
    }

    pub(crate) async fn call(&self, token: &str, method: &str, path: &str) -> (StatusCode, Value) {
        let request = self.request(method, path).bearer_auth(token);
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn sign_in(&self, email: &str) -> String {
        sign_in(self.url(), async |code| self.approve(&code, email).await).await
    }

    /// Sets the person's tenant up and puts the instance behind it.
    pub(crate) async fn set_up(&self, token: &str) -> String {
        let setup = testkit::wait_for(SOON, async || {
            let (status, body) = self.call(token, "POST", "/tenants/setup").await;
            assert!(status.is_success(), "{status}: {body}");
            (body["status"] == "ready").then_some(body)
        });
        let tenant = text(&setup.await, "tenant_id");
        match self {
            Self::Dev(dev) => {
                let sql = format!(
                    "insert into tenant_instance \
                     (tenant_id, address, key_id, state, created_at, updated_at) \
                     values ('{tenant}', '{}', 'dev-1', 'ready', 0, 0)",
                    dev.instance.address
                );
                assert_eq!(self.database().execute(&sql).await, 1);
                let master = std::fs::read(dev.state.path().join("keys/instance.secret")).unwrap();
                dev.instance.belong_to(&tenant, &master, "dev-1").await;
            }
            Self::Cloud(cloud) => {
                cloud
                    .instance
                    .belong_to(&tenant, &cloud::SIGNING_KEY, cloud::SIGNING_KEY_ID)
                    .await;
            }
        }
        tenant
    }
}

/// Signs in as clients do: by what the server says of its sign-in, with the device flow.
pub(crate) async fn sign_in(url: &str, approve: impl AsyncFn(String)) -> String {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{url}/.well-known/basic-memory-cloud"));
    let (_, about) = read(request.send().await.unwrap()).await;
    let client_id = text(&about, "client_id");
    let form = [
        ("client_id", client_id.as_str()),
        ("scope", "openid profile email offline_access"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let endpoint = text(&about, "device_authorization_endpoint");
    let begun = post_form(&endpoint, &form).await;
    approve(text(&begun, "user_code")).await;
    let device_code = text(&begun, "device_code");
    let form = [
        ("client_id", client_id.as_str()),
        ("grant_type", DEVICE_GRANT),
        ("device_code", device_code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    let tokens = post_form(&text(&about, "token_endpoint"), &form).await;
    text(&tokens, "access_token")
}

async fn post_form(url: &str, form: &[(&str, &str)]) -> Value {
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}
