use secrecy::SecretString;

use super::super::reader::Reader;
use super::super::settings::Polar;
use crate::polar::check_secret;

const ONE: &str = "polar.webhook_secret";
const RING: &str = "polar.webhook_secrets";

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Polar> {
    let webhook_secrets = webhook_secrets(reader);
    let api_token = reader.secret("polar.api_token");
    let api_url = reader.url("polar.api_url");
    Some(Polar {
        webhook_secrets,
        api_url: api_url?,
        api_token,
    })
}

/// All that deliveries may be signed with: while a secret is changed, the old one and the new one.
fn webhook_secrets(reader: &mut Reader<'_>) -> Vec<SecretString> {
    let mut names: Vec<String> = reader
        .names_below(RING)
        .iter()
        .map(|name| name.strip_suffix("_file").unwrap_or(name).to_owned())
        .collect();
    names.dedup();
    let keys = names.iter().map(|name| format!("{RING}.{name}"));
    std::iter::once(ONE.to_owned())
        .chain(keys)
        .filter_map(|key| {
            let secret = reader.secret(&key)?;
            if let Err(error) = check_secret(&secret) {
                reader.problem(
                    &key,
                    &error.to_string(),
                    "copy the secret as Polar shows it",
                );
                return None;
            }
            Some(secret)
        })
        .collect()
}
