use secrecy::SecretString;

use super::super::reader::Reader;
use super::super::settings::Polar;
use crate::polar::{Products, check_secret};

const ONE: &str = "polar.webhook_secret";
const RING: &str = "polar.webhook_secrets";
const PRODUCTS: &str = "polar.products";

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Polar> {
    let webhook_secrets = webhook_secrets(reader);
    let products = products(reader);
    let api_token = reader.secret("polar.api_token");
    let api_url = reader.url("polar.api_url");
    Some(Polar {
        webhook_secrets,
        products: products?,
        api_url: api_url?,
        api_token,
    })
}

fn products(reader: &mut Reader<'_>) -> Option<Products> {
    let ids = reader.list(PRODUCTS)?;
    // A list that was to name something must not end as one that names nothing.
    if ids.is_empty() && reader.is_text(PRODUCTS) {
        reader.problem(
            PRODUCTS,
            "names no product",
            "name at least one, or write [] into the file for every product",
        );
        return None;
    }
    match Products::of(ids.iter().map(String::as_str)) {
        Ok(products) => Some(products),
        Err(error) => {
            let remedy = "copy the product's id from Polar; it is written like \
                          c3f9a1de-0a67-4a0e-9a52-2f3c4a5b6c7d";
            reader.problem(PRODUCTS, &error.to_string(), remedy);
            None
        }
    }
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
