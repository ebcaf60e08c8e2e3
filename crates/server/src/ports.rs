//! Which ports the server listens on, and that they stay the same from start to start.

use std::fs;
use std::io;
use std::path::Path;

use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::server::PortChoice;
use crate::state_folder::write_whole;

/// Below the range from which systems take ports for outgoing connections, so that a port chosen
/// once is still free at the next start.
const CHOSEN_FROM: std::ops::Range<u16> = 9_000..30_000;
const ATTEMPTS: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error("port {port} is not free; choose another one or stop what uses it")]
    Taken {
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error("no free port was found")]
    NoneFree,
    #[error("the chosen ports could not be remembered")]
    NotRemembered(#[source] io::Error),
}

/// The ports of earlier starts. A damaged file is as good as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RememberedPorts {
    api: Option<u16>,
    s3: Option<u16>,
}

pub(crate) struct Listeners {
    pub(crate) api: TcpListener,
    pub(crate) api_port: u16,
    pub(crate) s3: TcpListener,
    pub(crate) s3_port: u16,
}

/// Takes the ports and writes them to `file` for the next start.
pub(crate) async fn bind(
    file: &Path,
    api: PortChoice,
    s3: PortChoice,
) -> Result<Listeners, PortError> {
    let remembered: RememberedPorts = fs::read(file)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let (api, api_port) = bind_one(api, remembered.api).await?;
    let (s3, s3_port) = bind_one(s3, remembered.s3).await?;
    let chosen = RememberedPorts {
        api: Some(api_port),
        s3: Some(s3_port),
    };
    if chosen != remembered {
        let text = serde_json::to_vec(&chosen).map_err(|e| PortError::NotRemembered(e.into()))?;
        write_whole(file, &text).map_err(PortError::NotRemembered)?;
    }
    Ok(Listeners {
        api,
        api_port,
        s3,
        s3_port,
    })
}

async fn bind_one(
    choice: PortChoice,
    remembered: Option<u16>,
) -> Result<(TcpListener, u16), PortError> {
    let wanted = match (choice, remembered) {
        (PortChoice::Fixed(port), _) => Some(port),
        (PortChoice::Remembered { .. } | PortChoice::Any, Some(port)) => Some(port),
        (PortChoice::Remembered { at_first }, None) => Some(at_first),
        (PortChoice::Any, None) => None,
    };
    if let Some(port) = wanted {
        let listener = listen(port)
            .await
            .map_err(|source| PortError::Taken { port, source })?;
        return Ok((listener, port));
    }
    for _ in 0..ATTEMPTS {
        let port = rand::rng().random_range(CHOSEN_FROM);
        if let Ok(listener) = listen(port).await {
            return Ok((listener, port));
        }
    }
    Err(PortError::NoneFree)
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await
}
