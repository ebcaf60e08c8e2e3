use secrecy::SecretString;

use super::InstanceKeys;
use crate::proxy::SigningKeys;

impl InstanceKeys for SigningKeys {
    fn current(&self) -> &str {
        self.current()
    }

    fn secret(&self, tenant_id: &str, key_id: &str) -> Option<SecretString> {
        self.derive(tenant_id, key_id).map(|key| key.to_hex())
    }
}
