use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Child, node, scratch};

const SOON: Duration = Duration::from_secs(60);

/// A running oidc-provider in `AuthKit`'s place: device flow with PKCE, JWT access tokens, rotating
/// refresh tokens, all below `/oauth2`.
#[must_use]
pub struct OidcProvider {
    pub issuer: String,
    pub jwks_uri: String,
    pub client_id: String,
    settings: Settings,
    child: Child,
    http: reqwest::Client,
    folder: TempDir,
}

/// What a provider is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub client_id: String,
    /// What its access tokens are for.
    pub audience: String,
    /// The keys it publishes, by id; the first one signs. A restart keeps those it had.
    pub keys: Vec<String>,
    /// The pace that a device must keep.
    pub interval_s: u32,
    pub access_token_life_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: "client_judged".to_owned(),
            audience: "client_judged".to_owned(),
            keys: vec!["k1".to_owned()],
            interval_s: 0,
            access_token_life_s: 300,
        }
    }
}

#[derive(Deserialize)]
struct Ready {
    issuer: String,
    jwks_uri: String,
}

/// Starts oidc-provider on a free port.
///
/// # Panics
/// If it is not installed or does not come up.
pub async fn oidc_provider(settings: Settings) -> OidcProvider {
    start(settings, 0, scratch()).await
}

async fn start(settings: Settings, port: u16, folder: TempDir) -> OidcProvider {
    let argument = json!({
        "port": port,
        "client_id": settings.client_id,
        "audience": settings.audience,
        "keys_file": folder.path().join("keys.json"),
        "keys": settings.keys,
        "interval_s": settings.interval_s,
        "access_token_life_s": settings.access_token_life_s,
    });
    let mut child = node("oidc_provider.mjs", [argument.to_string()]).spawn();
    let ready: Ready = serde_json::from_value(child.json_line(SOON).await)
        .expect("the script says where the provider is");
    OidcProvider {
        issuer: ready.issuer,
        jwks_uri: ready.jwks_uri,
        client_id: settings.client_id.clone(),
        settings,
        child,
        http: reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client is made"),
        folder,
    }
}

impl OidcProvider {
    /// Consents to the device whose screen shows `user_code`, as the person with this subject.
    pub async fn approve(&self, user_code: &str, user: &str) {
        let query = [("user_code", user_code), ("user", user)];
        self.decide("approve", &query).await;
    }

    /// Refuses the device whose screen shows `user_code`.
    pub async fn deny(&self, user_code: &str) {
        self.decide("deny", &[("user_code", user_code)]).await;
    }

    async fn decide(&self, decision: &str, query: &[(&str, &str)]) {
        let mut url = self.url(&format!("/__test/{decision}"));
        url.query_pairs_mut().extend_pairs(query);
        let answer = self.http.get(url).send().await;
        let answer = answer.expect("the provider answers");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{decision} answered {status}: {text}");
    }

    /// Signs what no honest provider would: any claims under any header, with its first key.
    pub async fn sign(&self, header: &Value, claims: &Value) -> String {
        let request = self.http.post(self.url("/__test/sign"));
        let body = json!({ "header": header, "claims": claims });
        let answer = request.json(&body).send().await;
        let answer = answer.expect("the provider answers").json::<Value>().await;
        let token = answer.expect("the answer is JSON");
        token["token"]
            .as_str()
            .unwrap_or_else(|| panic!("no token in {token}"))
            .to_owned()
    }

    /// Ends it and starts it again at the same address with these keys, the first one signing.
    /// It forgets sessions and refresh tokens.
    pub async fn restart_with_keys(mut self, keys: &[&str]) -> Self {
        let port = self.url("/").port().expect("the issuer names its port");
        self.child.kill();
        let settings = Settings {
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            ..self.settings
        };
        start(settings, port, self.folder).await
    }

    fn url(&self, path: &str) -> reqwest::Url {
        let mut url = reqwest::Url::parse(&self.issuer).expect("the issuer is a URL");
        url.set_path(path);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn key_ids(provider: &OidcProvider) -> Vec<String> {
        let answer = provider.http.get(&provider.jwks_uri).send().await.unwrap();
        let keys: Value = answer.json().await.unwrap();
        let keys = keys["keys"].as_array().unwrap().clone();
        keys.iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    #[tokio::test]
    async fn the_provider_rotates_its_keys_by_a_restart() {
        let provider = oidc_provider(Settings::default()).await;
        let issuer = provider.issuer.clone();
        assert_eq!(key_ids(&provider).await, ["k1"]);
        let provider = provider.restart_with_keys(&["k2", "k1"]).await;
        assert_eq!(provider.issuer, issuer);
        assert_eq!(key_ids(&provider).await, ["k2", "k1"]);
        let token = provider.sign(&json!({}), &json!({ "sub": "a" })).await;
        assert_eq!(token.split('.').count(), 3);
    }
}
