use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Child, StoreProxy, bin, program};

const SOON: Duration = Duration::from_secs(30);
const FAR_AWAY: &str = "2099-01-01T00:00:00Z";
const LONG_AGO: &str = "2001-01-01T00:00:00Z";

/// A running `bm-server dev` with its state in a folder of the test.
///
/// Whoever gets a key from it reaches the store through a [`StoreProxy`], which fails the test if
/// anything unconditional comes by.
#[must_use]
pub struct Server {
    pub url: String,
    /// What clients are told: the proxy.
    pub s3_url: String,
    /// Past the proxy, for programs of others, which set no conditions.
    pub s3_endpoint: String,
    pub issuer: String,
    proxy: StoreProxy,
    state: PathBuf,
    flags: Vec<String>,
    child: Child,
    http: reqwest::Client,
}

fn without_instances<'a>(flags: &[&str]) -> &'a [&'a str] {
    if flags.contains(&"--instances") {
        &[]
    } else {
        &["--instances", "none"]
    }
}

#[derive(Deserialize)]
struct Ready {
    url: String,
    s3_endpoint: String,
    issuer: String,
}

impl Server {
    /// Starts the server on free ports and waits until it is ready. Its tenants have no instances
    /// unless the flags say so.
    ///
    /// # Panics
    /// If the binary is not built or the server does not come up.
    pub async fn start(state: &Path) -> Self {
        Self::start_with(state, &[]).await
    }

    /// The same, with more flags on its command line.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub async fn start_with(state: &Path, flags: &[&str]) -> Self {
        Self::behind(StoreProxy::start_first().await, state, flags).await
    }

    async fn behind(proxy: StoreProxy, state: &Path, flags: &[&str]) -> Self {
        let mut child = program(bin("bm-server"))
            .args(["dev", "--port", "0", "--s3-port", "0", "--state"])
            .arg(state)
            .args(["--s3-url", &proxy.url])
            .args(without_instances(flags))
            .args(flags)
            .spawn();
        let ready: Ready = serde_json::from_value(child.json_line(SOON).await)
            .expect("the ready line names url, s3_endpoint and issuer");
        proxy.lead_to(&ready.s3_endpoint);
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client is made");
        let Ready {
            url,
            s3_endpoint,
            issuer,
        } = ready;
        Self {
            url,
            s3_url: proxy.url.clone(),
            s3_endpoint,
            issuer,
            proxy,
            state: state.to_owned(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            child,
            http,
        }
    }

    /// Kills it (SIGKILL) and starts it again on the same state; the addresses stay.
    pub async fn restart(self) -> Self {
        let Self {
            proxy,
            state,
            flags,
            mut child,
            ..
        } = self;
        child.kill();
        drop(child);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Self::behind(proxy, &state, &flags).await
    }

    /// Kills it; the value stays for its addresses and log.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// What it logged up to now.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.stderr()
    }

    /// Consents to the device whose screen shows `user_code`, as the person with this address.
    pub async fn approve(&self, user_code: &str, email: &str) {
        let body = json!({ "user_code": user_code, "email": email });
        self.post("/idp/dev/approve", &body).await;
    }

    /// Refuses the device whose screen shows `user_code`.
    pub async fn deny(&self, user_code: &str) {
        self.post("/idp/dev/deny", &json!({ "user_code": user_code }))
            .await;
    }

    /// The subject that the development provider gives this person.
    pub async fn user_id(&self, email: &str) -> String {
        let mut url = reqwest::Url::parse(&self.url).expect("the ready line has a URL");
        url.set_path("/idp/dev/user");
        url.query_pairs_mut().append_pair("email", email);
        let answer = self.http.get(url).send().await.expect("the server answers");
        let text = answer.text().await.expect("the server answers");
        let user: Value = serde_json::from_str(&text).expect("the answer is JSON");
        user["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no id in {text}"))
            .to_owned()
    }

    /// Gives this person a subscription.
    pub async fn activate(&self, email: &str) {
        self.subscribe(email, "active", FAR_AWAY).await;
    }

    /// Lets this person's subscription run out.
    pub async fn expire(&self, email: &str) {
        self.subscribe(email, "active", LONG_AGO).await;
    }

    async fn subscribe(&self, email: &str, status: &str, end: &str) {
        let user = self.user_id(email).await;
        let body = json!({ "workos_user_id": user, "status": status, "current_period_end": end });
        self.post("/dev/subscriptions", &body).await;
    }

    async fn post(&self, path: &str, body: &Value) {
        let url = format!("{}{path}", self.url);
        let answer = self
            .http
            .post(url)
            .json(body)
            .send()
            .await
            .expect("the server answers");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{path} answered {status}: {text}");
    }
}
