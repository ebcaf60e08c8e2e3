use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::{
    Address, Awake, InstanceError, InstanceSpec, Instances, ListedInstance, Readiness,
    SecretDelivery, WantedState, as_recorded,
};
use crate::store::Instance;

/// How long a connection to the instance may take before it counts as not there yet.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// The address of a fixed instance is not `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an instance's address: http://HOST:PORT")]
pub struct BadAddress(String);

/// One instance that somebody else runs and that serves every tenant: self-hosting, and tests.
pub(crate) struct FixedInstances {
    address: String,
    host: String,
    port: u16,
}

impl FixedInstances {
    pub(crate) fn new(address: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(address.to_owned());
        let url = Url::parse(address).map_err(|_| bad())?;
        let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        match (url.scheme(), url.host(), url.port_or_known_default()) {
            ("http", Some(host), Some(port)) if bare => Ok(Self {
                address: address.trim_end_matches('/').to_owned(),
                host: host.to_string().trim_matches(['[', ']']).to_owned(),
                port,
            }),
            _ => Err(bad()),
        }
    }
}

#[async_trait]
impl Instances for FixedInstances {
    fn secret_delivery(&self) -> SecretDelivery {
        SecretDelivery::ByOperator
    }

    async fn ensure_app(&self, _: &str) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn ensure_secrets(
        &self,
        _: &str,
        _: &BTreeMap<&'static str, SecretString>,
    ) -> Result<Option<i64>, InstanceError> {
        Ok(None)
    }

    async fn ensure_instance(&self, _: &InstanceSpec) -> Result<Option<Address>, InstanceError> {
        Ok(Some(Address(self.address.clone())))
    }

    async fn wait_ready(&self, _: &str) -> Result<Readiness, InstanceError> {
        let connected = timeout(
            CONNECT_DEADLINE,
            TcpStream::connect((self.host.as_str(), self.port)),
        );
        Ok(match connected.await {
            Ok(Ok(_)) => Readiness::Ready,
            Ok(Err(_)) | Err(_) => Readiness::Starting,
        })
    }

    async fn set_state(&self, _: &str, _: WantedState) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn destroy(&self, _: &str) -> Result<(), InstanceError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ListedInstance>, InstanceError> {
        Ok(Vec::new())
    }

    async fn wake(&self, _: &str, known: &Instance) -> Result<Awake, InstanceError> {
        let address = as_recorded(known).ok_or(InstanceError::Asleep)?;
        Ok(Awake::always(&address.0))
    }

    async fn awake(&self, _: &str, known: &Instance) -> Result<Option<Address>, InstanceError> {
        Ok(as_recorded(known))
    }

    fn all_awake(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_is_plain_http_and_a_host_only() {
        for good in [
            "http://127.0.0.1:8000",
            "http://[::1]:8000/",
            "http://app.internal",
        ] {
            assert!(FixedInstances::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:80",
            "https://a:1",
            "http://a/b",
            "http://u@a",
            "http://a?b",
        ] {
            assert!(FixedInstances::new(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn it_is_ready_while_something_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let instances = FixedInstances::new(&address).unwrap();
        assert_eq!(instances.wait_ready("t").await.unwrap(), Readiness::Ready);
        drop(listener);
        assert_eq!(
            instances.wait_ready("t").await.unwrap(),
            Readiness::Starting
        );
    }
}
