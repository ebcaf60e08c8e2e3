use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::{Child, python};

const SCRIPT: &str = "src/moto/serve.py";
const SOON: Duration = Duration::from_secs(60);

/// A running moto: S3 and IAM of AWS's dialect at one address, with policies enforced.
///
/// It lets `DeletePolicy` pass while the policy is attached, which AWS refuses.
#[must_use]
pub struct Moto {
    pub endpoint: String,
    /// Of a user that may do anything.
    pub access_key: String,
    pub secret_key: String,
    child: Child,
}

#[derive(Deserialize)]
struct Ready {
    endpoint: String,
    access_key: String,
    secret_key: String,
}

/// Starts moto with nothing in it but its admin.
///
/// # Panics
/// If it is not installed or does not come up.
pub async fn moto() -> Moto {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT);
    let none: [&str; 0] = [];
    let mut child = python(script, none).spawn();
    let ready: Ready =
        serde_json::from_value(child.json_line(SOON).await).expect("the script says where moto is");
    let Ready {
        endpoint,
        access_key,
        secret_key,
    } = ready;
    Moto {
        endpoint,
        access_key,
        secret_key,
        child,
    }
}

impl Moto {
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn moto_refuses_what_no_policy_allows() {
        let moto = moto().await;
        let folder = crate::scratch();
        let script = folder.path().join("ask.py");
        std::fs::write(&script, include_str!("moto/ask.py")).unwrap();
        let args = [&moto.endpoint, &moto.access_key, &moto.secret_key];
        let mut ask = python(&script, args).spawn();
        assert_eq!(ask.success(SOON).await, "allowed\nAccessDenied\n");
    }
}
