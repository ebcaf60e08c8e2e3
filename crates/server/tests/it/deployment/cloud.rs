//! `bm-server serve` on `PostgreSQL`, with other people's programs for everything around it: an
//! identity provider for devices, one for the web, a payment provider's signed deliveries, and
//! either the embedded store or AWS's dialect of IAM.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use testkit::{
    Child, OidcProvider, OidcSettings, Postgres, free_port, oidc_provider, postgres, program,
    scratch,
};
use time::format_description::well_known::Rfc3339;
use time::{Duration as Span, OffsetDateTime};

use super::{NotesInstance, SOON};

pub(crate) const SIGNING_KEY_ID: &str = "k1";
pub(crate) const SIGNING_KEY: [u8; 32] = [7; 32];
pub(crate) const ADMIN_ORGANIZATION: &str = "org_operators";
/// The web's provider signs for this `iss`, which is not where its keys are.
pub(crate) const WEB_ISSUER: &str = "https://api.workos.com/user_management/client_web";
pub(crate) const POLAR_SECRET: &str = "polar_whs_deliveries_of_a_test";

/// Where the buckets are.
#[derive(Clone, Debug, Default)]
pub(crate) enum StorageKind {
    #[default]
    Embedded,
    Aws {
        endpoint: String,
        iam: String,
        access_key: String,
        secret_key: String,
    },
}

#[derive(Clone)]
pub(crate) struct CloudOptions {
    pub(crate) storage: StorageKind,
    /// Where the server reaches `PostgreSQL`, if not directly.
    pub(crate) database_url: Option<String>,
    pub(crate) log: &'static str,
    pub(crate) postgres: Option<std::sync::Arc<Postgres>>,
}

impl Default for CloudOptions {
    fn default() -> Self {
        Self {
            storage: StorageKind::default(),
            database_url: None,
            log: "info",
            postgres: None,
        }
    }
}

pub(crate) struct Cloud {
    pub(crate) url: String,
    pub(crate) provider: OidcProvider,
    pub(crate) web: OidcProvider,
    pub(crate) instance: NotesInstance,
    /// Past any relay.
    pub(crate) database_url: String,
    pub(crate) folder: TempDir,
    child: Child,
    logs: String,
    _postgres: std::sync::Arc<Postgres>,
}

pub(crate) fn subject(email: &str) -> String {
    let name = email.split('@').next().unwrap();
    format!("user_{name}")
}

impl Cloud {
    pub(crate) async fn start(options: CloudOptions) -> Self {
        let database = match options.postgres.clone() {
            Some(database) => database,
            None => std::sync::Arc::new(postgres().await),
        };
        let web = OidcSettings {
            keys: vec!["web1".to_owned()],
            ..OidcSettings::default()
        };
        let (provider, web, instance) = tokio::join!(
            oidc_provider(OidcSettings::default()),
            oidc_provider(web),
            NotesInstance::start(),
        );
        let folder = scratch();
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let database_url = options.database_url.unwrap_or_else(|| database.url.clone());
        let mut config = format!(
            r#"
mode = "development"
public_url = "{url}"
[listen]
address = "127.0.0.1:{port}"
[state]
folder = "{state}"
[database]
kind = "postgres"
url = "{database_url}"
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
[[sign_in.issuers]]
kind = "user_management"
names = ["{WEB_ISSUER}"]
keys_url = "{web}/sso/jwks/client_web"
client_ids = ["client_web"]
[polar]
webhook_secret = "{POLAR_SECRET}"
[instances]
kind = "fixed"
address = "{instance}"
[signing]
current = "{SIGNING_KEY_ID}"
[signing.keys]
{SIGNING_KEY_ID} = "{key}"
[admin]
organization_id = "{ADMIN_ORGANIZATION}"
role = "admin"
[limits]
requests_per_minute = 100000
burst = 100000
credentials_per_hour = 1000
live_credentials = 1000
[log]
level = "{log}"
"#,
            state = folder.path().join("state").display(),
            issuer = provider.issuer,
            client = provider.client_id,
            keys = provider.jwks_uri,
            web = web.issuer,
            instance = instance.address,
            key = hex::encode(SIGNING_KEY),
            log = options.log,
        );
        match &options.storage {
            StorageKind::Embedded => {
                let port = free_port();
                let endpoint = format!("http://127.0.0.1:{port}");
                write!(
                    config,
                    "[storage]\naddress = \"127.0.0.1:{port}\"\nendpoint_url = \"{endpoint}\"\n"
                )
                .unwrap();
            }
            StorageKind::Aws {
                endpoint,
                iam,
                access_key,
                secret_key,
            } => write!(
                config,
                "[storage]\nkind = \"aws\"\nendpoint_url = \"{endpoint}\"\niam_url = \"{iam}\"\n\
                 region = \"us-east-1\"\naccess_key = \"{access_key}\"\nsecret_key = \"{secret_key}\"\n"
            )
            .unwrap(),
        }
        std::fs::write(folder.path().join("bm-server.toml"), config).unwrap();
        let child = serve(folder.path()).await;
        Self {
            url,
            provider,
            web,
            instance,
            database_url: database.url.clone(),
            folder,
            child,
            logs: String::new(),
            _postgres: database,
        }
    }

    /// Kills the server (SIGKILL); everything around it stays.
    pub(crate) fn kill(&mut self) {
        self.child.kill();
        self.logs.push_str(&self.child.stderr());
        self.logs.push_str(&self.child.stdout());
    }

    /// Starts the server again after [`Cloud::kill`], on the same state and address.
    pub(crate) async fn start_again(&mut self) {
        self.child = serve(self.folder.path()).await;
    }

    /// All that any of its processes wrote.
    pub(crate) fn log(&self) -> String {
        format!(
            "{}{}{}",
            self.logs,
            self.child.stdout(),
            self.child.stderr()
        )
    }

    /// A session token of the web application.
    pub(crate) async fn web_token(&self, email: &str, more: &Value) -> String {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": WEB_ISSUER,
            "sub": subject(email),
            "sid": "session_1",
            "jti": uuid::Uuid::new_v4().to_string(),
            "iat": now,
            "exp": now + 300,
        });
        let added = more.as_object().unwrap().clone();
        claims.as_object_mut().unwrap().extend(added);
        self.web.sign(&json!({ "typ": "JWT" }), &claims).await
    }

    /// Has the payment provider tell of an active subscription.
    pub(crate) async fn subscribe(&self, email: &str) {
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        let payload = subscription(email, "active");
        let answer = deliver(self.url.clone(), id, payload).await;
        assert_eq!(answer.unwrap(), StatusCode::ACCEPTED);
        let sql = format!(
            "select count(*) from subscriptions where workos_user_id = '{}' and status = 'active'",
            subject(email)
        );
        let database = super::Database::Postgres(self.database_url.clone());
        testkit::wait_until(SOON, async || database.number(&sql).await == 1).await;
    }
}

/// What the payment provider would say of this person's only subscription now.
pub(crate) fn subscription(email: &str, status: &str) -> Value {
    let user = subject(email);
    let now = OffsetDateTime::now_utc();
    let text = |time: OffsetDateTime| time.format(&Rfc3339).unwrap();
    let long_ago = text(now - Span::days(3));
    json!({
        "type": "subscription.updated",
        "timestamp": text(now),
        "data": {
            "id": format!("sub_{user}"),
            "created_at": long_ago,
            "modified_at": text(now),
            "amount": 1000,
            "currency": "usd",
            "recurring_interval": "month",
            "status": status,
            "current_period_start": long_ago,
            "current_period_end": text(now + Span::days(27)),
            "cancel_at_period_end": false,
            "canceled_at": null,
            "started_at": long_ago,
            "ends_at": null,
            "ended_at": null,
            "customer_id": format!("cus_{user}"),
            "product_id": "product_1",
            "metadata": {},
            "customer": {
                "id": format!("cus_{user}"),
                "created_at": long_ago,
                "modified_at": null,
                "external_id": user,
                "email": email,
            },
            "product": { "id": "product_1", "name": "Cloud" },
            "prices": [],
            "meters": [],
        },
    })
}

/// Delivers a payload as the payment provider does.
pub(crate) async fn deliver(
    url: String,
    id: String,
    payload: Value,
) -> Result<StatusCode, reqwest::Error> {
    let body = payload.to_string();
    let timestamp = OffsetDateTime::now_utc().unix_timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(POLAR_SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(format!("{url}/api/webhooks/polar"))
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", format!("v1,{signature}"))
        .header("content-type", "application/json")
        .body(body);
    Ok(request.send().await?.status())
}

async fn serve(folder: &Path) -> Child {
    let mut child = program(env!("CARGO_BIN_EXE_bm-server"))
        .args(["serve", "--config"])
        .arg(folder.join("bm-server.toml"))
        .spawn();
    child.json_line(SOON).await;
    child
}
