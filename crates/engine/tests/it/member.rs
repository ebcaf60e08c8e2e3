//! The person in other places than our devices: the server's pages, a plain S3 client.

use std::collections::BTreeMap;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use testkit::Server;
use url::form_urlencoded;

use super::device::LONG;

const CLIENT: &str = "client_basic_memory_dev";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A sign-in that belongs to no device of the test.
pub(crate) struct Member {
    http: Client,
    url: String,
    token: String,
}

impl Member {
    pub(crate) async fn sign_in(server: &Server, email: &str) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        let mut member = Self {
            http,
            url: server.url.clone(),
            token: String::new(),
        };
        let form = [("client_id", CLIENT)];
        let begun = member
            .post_form("/idp/oauth2/device_authorization", &form)
            .await;
        server
            .approve(begun["user_code"].as_str().unwrap(), email)
            .await;
        let device_code = begun["device_code"].as_str().unwrap();
        let form = [
            ("grant_type", DEVICE_GRANT),
            ("client_id", CLIENT),
            ("device_code", device_code),
        ];
        let tokens = member.post_form("/idp/oauth2/token", &form).await;
        member.token = tokens["access_token"].as_str().unwrap().to_owned();
        member
    }

    /// What the keys to the bucket are called.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let keys = self.call(Method::GET, "/tenant/mount/credentials").await;
        let name = |key: &Value| key["description"].to_string();
        keys.as_array().unwrap().iter().map(name).collect()
    }

    /// Takes every key to the bucket away from whoever has one.
    pub(crate) async fn revoke_all_keys(&self) {
        let keys = self.call(Method::GET, "/tenant/mount/credentials").await;
        let keys = keys.as_array().unwrap();
        assert!(!keys.is_empty(), "there is a key to revoke");
        for key in keys {
            let id = key["id"].as_str().unwrap();
            self.call(Method::DELETE, &format!("/tenant/mount/credentials/{id}"))
                .await;
        }
    }

    /// What any S3 client sees in the bucket: every object with its MD5.
    pub(crate) async fn bucket(&self) -> BTreeMap<String, String> {
        let key = self.call(Method::POST, "/tenant/mount/credentials").await;
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        let mut listing = testkit::program(testkit::rclone())
            .args([
                "lsf",
                "-R",
                "--files-only",
                "--format",
                "hp",
                "--hash",
                "md5",
            ])
            .args(["--separator", " "])
            .arg(format!("cloud:{}", text("bucket_name")))
            .env("RCLONE_CONFIG", "")
            .env("RCLONE_CONFIG_CLOUD_TYPE", "s3")
            .env("RCLONE_CONFIG_CLOUD_PROVIDER", "Other")
            .env("RCLONE_CONFIG_CLOUD_ENDPOINT", text("endpoint_url"))
            .env("RCLONE_CONFIG_CLOUD_REGION", text("region"))
            .env("RCLONE_CONFIG_CLOUD_ACCESS_KEY_ID", text("access_key"))
            .env("RCLONE_CONFIG_CLOUD_SECRET_ACCESS_KEY", text("secret_key"))
            .spawn();
        let status = listing.exit(LONG).await;
        assert!(status.success(), "{}", listing.stderr());
        let split = |line: &str| {
            line.split_once(' ')
                .map(|(md5, path)| (path.into(), md5.into()))
        };
        listing.stdout().lines().filter_map(split).collect()
    }

    /// A client for the bucket, with a key of its own.
    pub(crate) async fn client(&self) -> guard::Bucket {
        let key = self.call(Method::POST, "/tenant/mount/credentials").await;
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        let config = guard::BucketConfig {
            endpoint: text("endpoint_url").parse().unwrap(),
            region: text("region"),
            bucket: text("bucket_name"),
            credentials: guard::Credentials {
                access_key: text("access_key"),
                secret_key: text("secret_key").into(),
            },
        };
        let clock = engine::Clock::system();
        guard::Bucket::new(config, std::sync::Arc::new(move || clock.now())).unwrap()
    }

    /// Reports changes to the server, as whoever writes to the bucket does.
    pub(crate) async fn tell(&self, changes: &Value) {
        let url = format!("{}/tenant/changes", self.url);
        let request = self
            .http
            .post(url)
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .body(serde_json::json!({ "changes": changes }).to_string());
        read(request).await;
    }

    async fn call(&self, method: Method, path: &str) -> Value {
        let request = self.http.request(method, format!("{}{path}", self.url));
        read(request.bearer_auth(&self.token)).await
    }

    async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/x-www-form-urlencoded");
        read(request.body(body)).await
    }
}

/// The body of a success; null if it has none.
async fn read(request: RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}
