//! What is in force, for people: every setting with its value and where that comes from.

use super::Layers;
use super::reader::Origin;

/// Settings whose values nobody is shown; a file that holds one may be named.
const SECRETS: [&str; 8] = [
    "database.url",
    "storage.secret_key",
    "polar.webhook_secret",
    "polar.webhook_secrets",
    "polar.api_token",
    "admin.workos_api_key",
    "signing.keys",
    "instances.fly.token",
];

/// Writes the settings as lines of `key = value`.
pub fn print(layers: &Layers) -> String {
    let mut text = String::new();
    for (key, leaf) in &layers.0 {
        let value = if is_secret(key) {
            "\"********\"".to_owned()
        } else {
            leaf.value.to_string()
        };
        let origin = match leaf.origin {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment => "environment",
        };
        let meaning = match (key.as_str(), value.as_str()) {
            ("polar.products", "[]") => ": every product opens an account",
            _ => "",
        };
        text.push_str(&format!("{key} = {value}  # {origin}{meaning}\n"));
    }
    text
}

fn is_secret(key: &str) -> bool {
    let named = SECRETS.iter().any(|secret| {
        key.strip_prefix(secret)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    // An unknown setting may be a secret with a wrong name.
    let looks_secret = ["secret", "token", "password", "api_key"]
        .iter()
        .any(|word| key.contains(word) && !key.starts_with("sign_in."));
    (named || looks_secret) && !key.ends_with("_file")
}
