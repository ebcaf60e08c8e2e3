//! A tenant's machine as Fly describes it, and as we want it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::FlySettings;
use crate::instances::InstanceSpec;

/// Unique in an app, which makes the second of two calls for a machine fail.
pub(super) const NAME: &str = "instance";
/// The largest machine that Fly suspends, in MiB.
pub(super) const SUSPENDED_MIB: u32 = 2048;
const PORT: u16 = 8080;
/// The metadata under which a machine's configuration is recognized.
const DIGEST: &str = "bm_spec";

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Machine {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    pub(super) state: MachineState,
    #[serde(default)]
    pub(super) region: String,
    #[serde(default)]
    pub(super) created_at: String,
    /// Of its present configuration; another one when it is updated.
    #[serde(default)]
    pub(super) instance_id: Option<String>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    checks: Option<Vec<Check>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Config {
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Check {
    status: String,
}

/// What a machine is doing, as far as it concerns us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) enum MachineState {
    Started,
    Asleep,
    /// On its way from one to another.
    Between,
    Destroyed,
}

impl From<String> for MachineState {
    fn from(word: String) -> Self {
        match word.as_str() {
            "started" => Self::Started,
            "stopped" | "suspended" => Self::Asleep,
            "destroyed" | "destroying" => Self::Destroyed,
            // The set is open.
            _ => Self::Between,
        }
    }
}

impl Machine {
    /// Digest of the configuration that it was given last.
    pub(super) fn digest(&self) -> Option<&String> {
        self.config.as_ref()?.metadata.as_ref()?.get(DIGEST)
    }

    /// Whether it runs and passes its checks, of which it has one.
    pub(super) fn is_well(&self) -> bool {
        let checks = self.checks.as_deref().unwrap_or_default();
        self.state == MachineState::Started
            && !checks.is_empty()
            && checks.iter().all(|check| check.status == "passing")
    }
}

/// The whole configuration of a tenant's machine.
pub(super) fn config(settings: &FlySettings, spec: &InstanceSpec) -> Value {
    let mut config = bare_config(settings, spec);
    config["metadata"][DIGEST] = json!(digest(settings, spec));
    config
}

/// Digest of everything that a machine is made from, its secrets by their version.
pub(super) fn digest(settings: &FlySettings, spec: &InstanceSpec) -> String {
    let text = format!(
        "{}\n{}\n{:?}",
        bare_config(settings, spec),
        spec.key_id,
        spec.secrets_version
    );
    hex::encode(Sha256::digest(text))
}

fn bare_config(settings: &FlySettings, spec: &InstanceSpec) -> Value {
    let autostop = match settings.memory_mib <= SUSPENDED_MIB {
        true => "suspend",
        false => "stop",
    };
    json!({
        "image": settings.image,
        "env": {
            "BM_TENANT_ID": spec.tenant_id,
            "BM_TENANT_LISTEN": format!("0.0.0.0:{PORT}"),
            "BM_TENANT_S3_ENDPOINT": spec.s3_endpoint,
            "BM_TENANT_S3_REGION": spec.s3_region,
            "BM_TENANT_S3_BUCKET": spec.bucket,
        },
        "guest": {
            "cpu_kind": "shared",
            "cpus": settings.cpus,
            "memory_mb": settings.memory_mib,
        },
        "restart": { "policy": "on-failure", "max_retries": 10 },
        "metadata": { "tenant_id": spec.tenant_id },
        "services": [{
            "protocol": "tcp",
            "internal_port": PORT,
            "ports": [{ "port": 80, "handlers": ["http"] }],
            "autostop": autostop,
            "autostart": true,
            "min_machines_running": 0,
        }],
        // Not within the service, where Fly would keep requests from a machine that is not well: it
        // is the tenant's only one and says itself what is the matter.
        "checks": {
            "health": {
                "type": "http",
                "port": PORT,
                "method": "GET",
                "path": "/health",
                "interval": "15s",
                "timeout": "5s",
                "grace_period": "10s",
            },
        },
        "stop_config": { "signal": "SIGTERM", "timeout": "15s" },
    })
}

/// Whether a refusal means that another region may have room. Fly has no code for it.
pub(super) fn has_no_room(status: u16, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    status >= 400
        && ["insufficient", "could not reserve", "no capacity"]
            .iter()
            .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_an_open_set() {
        for (word, expected) in [
            ("started", MachineState::Started),
            ("suspended", MachineState::Asleep),
            ("stopped", MachineState::Asleep),
            ("suspending", MachineState::Between),
            ("created", MachineState::Between),
            ("brand-new", MachineState::Between),
            ("destroyed", MachineState::Destroyed),
        ] {
            assert_eq!(MachineState::from(word.to_owned()), expected, "{word}");
        }
    }

    #[test]
    fn a_lack_of_room_is_known_by_its_words() {
        assert!(has_no_room(412, "aborted: insufficient memory available"));
        assert!(has_no_room(422, "Could not reserve resource for machine"));
        assert!(!has_no_room(422, "invalid config.image"));
        assert!(!has_no_room(200, "insufficient"));
    }
}
