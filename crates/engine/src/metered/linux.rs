use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use zbus::connection;
use zbus::names::UniqueName;
use zbus::proxy::PropertyChanged;

use super::Cost;

const SERVICE: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";

/// Before a bus that is not there is asked again.
const AGAIN: Duration = Duration::from_secs(60);

/// Nobody listens any more.
struct Gone;

/// Follows the bus at `address`, the system's if there is none, until nobody listens.
pub(super) async fn follow(address: Option<String>, tell: mpsc::Sender<Cost>) {
    loop {
        match on_bus(address.as_deref(), &tell).await {
            Ok(Gone) => return,
            Err(error) => tracing::debug!(%error, "nobody tells what the connection costs"),
        }
        if tell.send(Cost::Free).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn on_bus(address: Option<&str>, tell: &mpsc::Sender<Cost>) -> zbus::Result<Gone> {
    let bus = match address {
        Some(address) => connection::Builder::address(address)?,
        None => connection::Builder::system()?,
    };
    let bus = bus.build().await?;
    let manager = zbus::Proxy::new(&bus, SERVICE, PATH, SERVICE).await?;
    let mut owners = manager.receive_owner_changed().await?;
    let mut levels = manager.receive_property_changed::<u32>("Metered").await;
    loop {
        let cost = tokio::select! {
            Some(level) = levels.next() => cost_of(&level).await,
            owner = owners.next() => match owner {
                Some(owner) => {
                    let owner: Option<UniqueName<'_>> = owner;
                    if owner.is_some() {
                        continue;
                    }
                    Cost::Free
                }
                None => return Err(zbus::Error::Failure("the bus is gone".to_owned())),
            },
        };
        if tell.send(cost).await.is_err() {
            return Ok(Gone);
        }
    }
}

/// `NMMetered`: 1 and 3 are yes and a guess of yes; 0, 2 and 4 unknown, no and a guess of no.
async fn cost_of(level: &PropertyChanged<'_, u32>) -> Cost {
    match level.get().await {
        Ok(1 | 3) => Cost::Metered,
        Ok(_) | Err(_) => Cost::Free,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt, BufReader};
    use zbus::interface;

    use super::*;

    /// A bus of the test's own; it ends with the test.
    struct Bus {
        address: String,
        _daemon: tokio::process::Child,
    }

    impl Bus {
        async fn start() -> Self {
            #[expect(clippy::disallowed_methods, reason = "a peer of this test alone")]
            let mut daemon = tokio::process::Command::new("dbus-daemon")
                .args(["--session", "--nofork", "--print-address=1"])
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
            Self {
                address: lines.next_line().await.unwrap().unwrap(),
                _daemon: daemon,
            }
        }
    }

    struct NetworkManager(u32);

    #[interface(name = "org.freedesktop.NetworkManager")]
    impl NetworkManager {
        #[zbus(property)]
        fn metered(&self) -> u32 {
            self.0
        }
    }

    async fn next(told: &mut mpsc::Receiver<Cost>) -> Cost {
        tokio::time::timeout(Duration::from_secs(20), told.recv())
            .await
            .unwrap()
            .unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_cost_is_told_as_it_changes_and_free_when_nobody_tells_it() {
        let bus = Bus::start().await;
        let manager = connection::Builder::address(bus.address.as_str())
            .unwrap()
            .serve_at(PATH, NetworkManager(1))
            .unwrap()
            .name(SERVICE)
            .unwrap()
            .build()
            .await
            .unwrap();
        let (tell, mut told) = mpsc::channel(8);
        let following = tokio::spawn(follow(Some(bus.address.clone()), tell));
        assert_eq!(next(&mut told).await, Cost::Metered);
        let served = manager
            .object_server()
            .interface::<_, NetworkManager>(PATH)
            .await
            .unwrap();
        for (level, cost) in [
            (2, Cost::Free),
            (3, Cost::Metered),
            (0, Cost::Free),
            (1, Cost::Metered),
        ] {
            let mut manager = served.get_mut().await;
            manager.0 = level;
            manager
                .metered_changed(served.signal_emitter())
                .await
                .unwrap();
            drop(manager);
            assert_eq!(next(&mut told).await, cost, "{level}");
        }
        manager.close().await.unwrap();
        assert_eq!(next(&mut told).await, Cost::Free);
        drop(told);
        following.abort();
    }

    #[tokio::test]
    async fn without_a_bus_the_connection_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("unix:path={}/nobody", folder.path().display());
        let (tell, mut told) = mpsc::channel(8);
        let following = tokio::spawn(follow(Some(address), tell));
        assert_eq!(next(&mut told).await, Cost::Free);
        following.abort();
    }
}
