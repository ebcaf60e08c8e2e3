use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Clock;
use engine::view::AccountView;
use guard::{Bucket, BucketConfig, Credentials};
use sha2::Digest as _;
use tempfile::TempDir;
use testkit::{
    Child, Fate, HttpRelay, OidcProvider, OidcSettings, SeaweedFs, StoreProxy, bin, free_port,
    oidc_provider, program, python, seaweedfs, wait_until,
};
use url::form_urlencoded;

use super::super::device::{Device, LONG, write};

const USER: &str = "user_ana";

/// The server with its buckets in `SeaweedFS`, to which devices come through a proxy.
pub(crate) struct City {
    pub(crate) proxy: StoreProxy,
    pub(crate) url: String,
    provider: OidcProvider,
    weed: SeaweedFs,
    _iam: HttpRelay,
    server: Child,
    state: TempDir,
}

impl City {
    pub(crate) async fn build() -> Self {
        Self::build_with("").await
    }

    /// One whose server has more settings than devices need.
    pub(crate) async fn build_with(settings: &str) -> Self {
        let life = OidcSettings {
            access_token_life_s: 3600,
            ..OidcSettings::default()
        };
        let (weed, provider) = tokio::join!(seaweedfs(), oidc_provider(life));
        let proxy = StoreProxy::start(&weed.endpoint).await;
        let state = testkit::scratch();
        let iam = iam(&weed, state.path()).await;
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let config = format!(
            r#"
mode = "development"
public_url = "{url}"
[listen]
address = "127.0.0.1:{port}"
[state]
folder = "{state}"
[storage]
kind = "aws"
endpoint_url = "{store}"
admin_url = "{weed}"
iam_url = "{iam}"
region = "us-east-1"
access_key = "{access_key}"
secret_key = "{secret_key}"
[sign_in]
issuer = "{issuer}"
client_id = "{client}"
device_authorization_endpoint = "{issuer}/oauth2/device_authorization"
token_endpoint = "{issuer}/oauth2/token"
[[sign_in.issuers]]
kind = "connect"
names = ["{issuer}"]
keys_url = "{keys}"
audiences = ["{client}"]
client_ids = ["{client}"]
[limits]
requests_per_minute = 100000
burst = 100000
credentials_per_hour = 1000
live_credentials = 1000
[log]
level = "warn"
{settings}
"#,
            state = state.path().join("state").display(),
            store = proxy.url,
            weed = weed.endpoint,
            iam = iam.url,
            access_key = weed.access_key,
            secret_key = weed.secret_key,
            issuer = provider.issuer,
            client = provider.client_id,
            keys = provider.jwks_uri,
        );
        write(&state.path().join("bm-server.toml"), &config);
        let server = serve(state.path()).await;
        subscribe(&state.path().join("state/server.db"));
        Self {
            proxy,
            url,
            provider,
            weed,
            _iam: iam,
            server,
            state,
        }
    }

    /// What the server keeps on its machine.
    pub(crate) fn state(&self) -> PathBuf {
        self.state.path().join("state")
    }

    /// Kills the server (SIGKILL) and starts it again on its state.
    pub(crate) async fn kill_server(&mut self) {
        self.server.kill();
        self.server = serve(self.state.path()).await;
    }

    /// Ends the server as a person does.
    pub(crate) async fn close(&mut self) {
        self.server.terminate();
        let status = self.server.exit(LONG).await;
        assert!(status.success(), "{status}: {}", self.server.stderr());
    }

    /// Has the server believe a bucket's notifications that bear this token.
    pub(crate) fn accept_hooks(&self, tenant: &str, token: &str) {
        let hash = hex::encode(sha2::Sha256::digest(token));
        let database = database(&self.state().join("server.db"));
        let rows = database.execute(
            "insert into tenant_hook (tenant_id, token_hash, updated_at) values (?1, ?2, 0) \
             on conflict (tenant_id) do update set token_hash = excluded.token_hash",
            [tenant, &hash],
        );
        assert_eq!(rows, Ok(1));
    }

    /// A bucket past the proxy and past all devices.
    pub(crate) fn bucket(&self, name: &str) -> Bucket {
        let config = BucketConfig {
            endpoint: self.weed.endpoint.parse().unwrap(),
            region: "us-east-1".to_owned(),
            bucket: name.to_owned(),
            credentials: Credentials {
                access_key: self.weed.access_key.clone(),
                secret_key: self.weed.secret_key.clone().into(),
            },
        };
        let clock = Clock::system();
        Bucket::new(config, Arc::new(move || clock.now())).unwrap()
    }

    /// A token as somebody's agent has it.
    pub(crate) async fn token(&self) -> String {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let claims = serde_json::json!({
            "iss": self.provider.issuer,
            "aud": self.provider.client_id,
            "sub": USER,
            "sid": "app_consent_agent",
            "jti": "agent",
            "iat": now,
            "exp": now + 3600,
        });
        let header = serde_json::json!({ "typ": "JWT" });
        self.provider.sign(&header, &claims).await
    }

    pub(crate) async fn sign_in(&self, device: &Device) {
        let approve = async |code: String| self.provider.approve(&code, USER).await;
        device.sign_in_at(&self.url, approve).await;
        let is_in = |view: &engine::View| {
            matches!(
                view.account,
                AccountView::SignedIn {
                    cloud_mode: true,
                    ..
                }
            )
        };
        device.until(is_in).await;
    }

    /// Has the store keep old versions (`Enabled`) or not (`Suspended`).
    pub(crate) async fn version(&self, bucket: &str, state: &str) {
        let mut child = program(testkit::rclone())
            .args(["backend", "versioning", "--config", ""])
            .arg(self.remote(bucket))
            .arg(state)
            .spawn();
        child.success(LONG).await;
    }

    /// The bucket as rclone reaches it past the proxy.
    fn remote(&self, bucket: &str) -> String {
        format!(
            ":s3,provider=Other,force_path_style=true,no_check_bucket=true,region=us-east-1,\
             endpoint='{}',access_key_id={},secret_access_key={}:{bucket}",
            self.weed.endpoint, self.weed.access_key, self.weed.secret_key
        )
    }

    /// What rclone itself says of a folder and the bucket, reading every byte of both.
    pub(crate) async fn rclone_agrees(&self, folder: &Path, bucket: &str) {
        let mut child = program(testkit::rclone())
            .args(["check", "--download", "--config", "", "--combined", "-"])
            // The marker, and what a program left of its trial of the store when it was killed.
            .args(["--exclude", "/.basic-memory-*"])
            .arg(folder)
            .arg(self.remote(bucket))
            .spawn();
        let mut ended = None;
        wait_until(LONG, async || {
            ended = child.ended();
            ended.is_some()
        })
        .await;
        let (said, errors) = (child.stdout(), child.stderr());
        assert!(ended.unwrap().success(), "{said}\n{errors}");
        assert!(said.lines().all(|line| line.starts_with("= ")), "{said}");
    }
}

async fn serve(folder: &Path) -> Child {
    let mut server = program(bin("bm-server"))
        .args(["serve", "--config"])
        .arg(folder.join("bm-server.toml"))
        .spawn();
    server.json_line(LONG).await;
    server
}

/// The store's inline policies know some actions under no name, its managed ones know them all:
/// what the server asks for as the former is given as the latter.
async fn iam(weed: &SeaweedFs, scratch: &Path) -> HttpRelay {
    let script = scratch.join("grant.py");
    write(&script, include_str!("grant.py"));
    let admin = [&weed.endpoint, &weed.access_key, &weed.secret_key].map(String::clone);
    let relay = HttpRelay::start(&weed.endpoint).await;
    relay.decide(move |seen| {
        let fields: HashMap<_, _> = form_urlencoded::parse(seen.body.as_bytes()).collect();
        if fields
            .get("Action")
            .is_none_or(|action| action != "PutUserPolicy")
        {
            return Fate::Pass;
        }
        let mut grant = python(&script, &admin)
            .arg(&*fields["UserName"])
            .arg(&*fields["PolicyDocument"])
            .spawn();
        let ended = loop {
            match grant.ended() {
                Some(ended) => break ended,
                None => std::thread::yield_now(),
            }
        };
        assert!(ended.success(), "{}", grant.stderr());
        Fate::Answer {
            status: 200,
            headers: vec![("content-type", "text/xml".to_owned())],
            body: "<PutUserPolicyResponse></PutUserPolicyResponse>".to_owned(),
        }
    });
    relay
}

fn database(file: &Path) -> rusqlite::Connection {
    assert!(fs::exists(file).unwrap(), "{}", file.display());
    let database = rusqlite::Connection::open(file).unwrap();
    database.busy_timeout(LONG).unwrap();
    database
}

/// What the payment provider would tell.
fn subscribe(file: &Path) {
    let database = database(file);
    let rows = [
        "insert into user_profile (id, workos_user_id, created_at, updated_at) \
         values ('0199b1e4-7d9e-7c44-8f4b-2f9a64c0d001', ?1, 0, 0)",
        "insert into subscriptions \
         (workos_user_id, status, current_period_end, created_at, updated_at) \
         values (?1, 'active', 4070908800000, 0, 0)",
    ]
    .map(|insert| database.execute(insert, [USER]).unwrap());
    assert_eq!(rows, [1, 1]);
}
