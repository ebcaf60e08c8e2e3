use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::{BucketKeys, InstanceKeys, KeyError};
use crate::buckets::IssuedKey;
use crate::credentials::Keys;
use crate::error::ApiError;
use crate::principal::TenantScope;
use crate::proxy::SigningKeys;
use crate::store::Origin;
use crate::store::tenants::TenantRecord;

impl InstanceKeys for SigningKeys {
    fn current(&self) -> &str {
        self.current()
    }

    fn key_file(&self, tenant_id: &str) -> SecretString {
        let lines = self.ids().filter_map(|id| {
            let key = self.derive(tenant_id, id)?;
            Some(format!("{id} {}\n", key.to_hex().expose_secret()))
        });
        lines.collect::<String>().into()
    }
}

#[async_trait]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of all other refusals only one can come from the making of a key"
)]
impl BucketKeys for Keys {
    async fn issue(&self, tenant: &TenantRecord, origin: &Origin) -> Result<IssuedKey, KeyError> {
        let scope = TenantScope::of_record(tenant);
        self.issue_to_instance(&scope, origin)
            .await
            .map_err(|error| match error {
                ApiError::CredentialFailed(error) => KeyError::Bucket(error),
                ApiError::Store(error) => KeyError::Store(error),
                // Of all others only this one can come from the making of a key.
                _ => KeyError::TenantGone,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_given_its_own_key_of_every_master() {
        let [old, new]: [SecretString; 2] = ["11", "22"].map(|digits| digits.repeat(32).into());
        let ring = SigningKeys::from_hex("new", [("old", &old), ("new", &new)]).unwrap();
        let text = |tenant: &str| ring.key_file(tenant).expose_secret().to_owned();
        let ids: Vec<String> = text("t")
            .lines()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(ids, ["new", "old"]);
        assert_ne!(text("t"), text("u"));
        assert!(!text("t").contains(&"11".repeat(32)));
    }
}
