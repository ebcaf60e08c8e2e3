//! The rclone configuration file of a person: read and edited as text.
//!
//! Only the lines that have to change do; all others, with their comments, order and line ends,
//! stay as they are, byte for byte. Pure.

mod edit;

use secrecy::{ExposeSecret, SecretString};
use wire::MountCredentials;

pub(crate) use edit::{Remote, is_encrypted, remotes, with_section, with_value};

/// What the remote of a tenant is called, as the seed has it.
pub(crate) fn remote_name(tenant_id: &str) -> String {
    format!("basic-memory-{tenant_id}")
}

/// The text with the remote in it: added at the end, or its values replaced where they stand.
pub(crate) fn with_remote(text: &str, name: &str, key: &MountCredentials) -> SecretString {
    let values = [
        ("type", "s3"),
        ("provider", "Other"),
        ("access_key_id", &key.access_key),
        ("secret_access_key", &key.secret_key),
        ("endpoint", &key.endpoint_url),
        ("region", &key.region),
        ("force_path_style", "true"),
    ];
    let comment = format!("The notes are in {name}:{}", key.bucket_name);
    values.iter().fold(
        SecretString::from(with_section(text, name, &comment)),
        |text, (option, value)| {
            SecretString::from(with_value(text.expose_secret(), name, option, value))
        },
    )
}
