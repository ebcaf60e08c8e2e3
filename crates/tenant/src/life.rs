//! An instance from start to end: files, then Basic Memory on them, then requests; and back.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::files::{self, Files, FilesSpec};
use crate::generation::{Generation, generation_of, installed_version};
use crate::index::{self, Round};
use crate::instance::{Instance, UnixSeconds, UpstreamSeen, router};
use crate::nonces::Nonces;
use crate::signature::{KeyRing, Window};
use crate::upstream::{Pace, Upstream, UpstreamSpec};
use crate::{FilesError, LifeError};

/// Answers that are under way are given this long.
const DRAIN: Duration = Duration::from_secs(2);
/// What was saved is given this long to reach the bucket; the rest of the ten seconds that
/// platforms allow is for Basic Memory to end.
const STORE_WITHIN: Duration = Duration::from_secs(3);
const ARRIVALS: usize = 64;

/// Everything that an instance takes from its surroundings.
pub struct InstanceSpec {
    pub tenant: String,
    pub keys: KeyRing,
    pub window: Window,
    pub now: UnixSeconds,
    /// The bucket as files; an instance without one only turns strangers away.
    pub files: Option<FilesSpec>,
    pub basic_memory: Option<BasicMemorySpec>,
}

/// The Basic Memory to run.
#[derive(Clone, Debug)]
pub struct BasicMemorySpec {
    /// The Python environment that has it.
    pub environment: PathBuf,
    /// Where `None`, that of the installed version.
    pub generation: Option<Generation>,
    /// Its own home.
    pub home: PathBuf,
    /// A folder for its socket, of this instance alone.
    pub run: PathBuf,
}

/// Serves until `stop`, then leaves nothing behind.
///
/// # Errors
/// [`LifeError`], when the files cannot be made readable or nothing can be served.
pub async fn serve(
    spec: InstanceSpec,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), LifeError> {
    let (tell, arrived) = mpsc::channel(ARRIVALS);
    let data = spec.files.as_ref().map(|files| files.folder.clone());
    let files = match spec.files {
        Some(files) => Some(files::start(files, tell.clone()).await?),
        None => None,
    };
    let started = match (spec.basic_memory, &files, data) {
        (Some(wanted), Some(files), Some(data)) => {
            match start_upstream(wanted, files, &data, arrived) {
                Ok(started) => Some(started),
                Err(error) => {
                    files.stop(STORE_WITHIN).await;
                    return Err(error);
                }
            }
        }
        (Some(_) | None, _, _) => {
            // Nobody indexes; what arrives needs no more than to be taken.
            tokio::spawn(forget(arrived));
            None
        }
    };
    let (upstream, seen) = match started {
        Some((upstream, seen)) => (Some(upstream), Some(seen)),
        None => (None, None),
    };
    let instance = Instance {
        tenant: spec.tenant,
        keys: spec.keys,
        window: spec.window,
        now: spec.now,
        nonces: Mutex::new(Nonces::default()),
        files: files.clone(),
        upstream: seen,
    };
    let served = serve_until(router(instance), listener, files.as_deref(), &stop).await;
    if let Some(upstream) = upstream {
        upstream.stop().await;
    }
    if let Some(files) = files {
        files.stop(STORE_WITHIN).await;
    }
    served
}

fn start_upstream(
    wanted: BasicMemorySpec,
    files: &Arc<dyn Files>,
    data: &Path,
    arrived: mpsc::Receiver<engine::Arrived>,
) -> Result<(Upstream, UpstreamSeen), LifeError> {
    let version = installed_version(&wanted.environment);
    let generation = wanted
        .generation
        .or_else(|| version.as_deref().and_then(generation_of))
        .ok_or_else(|| LifeError::NoBasicMemory(wanted.environment.clone()))?;
    let spec = UpstreamSpec {
        environment: wanted.environment,
        generation,
        data: data.to_owned(),
        home: wanted.home,
        run: wanted.run,
        pace: Pace::default(),
    };
    let readable = Arc::clone(files);
    let home = spec.home.clone();
    let upstream = Upstream::start(spec, async move { readable.ready().await })?;
    let round = Round::new(
        upstream.caller(),
        generation,
        data.to_owned(),
        &home,
        files.turn(),
    );
    let (index, _) = index::start(round, upstream.state(), arrived);
    let seen = UpstreamSeen {
        caller: upstream.caller(),
        state: upstream.state(),
        index,
        version,
        generation: generation.name(),
        data: data.to_owned(),
    };
    Ok((upstream, seen))
}

async fn serve_until(
    routes: axum::Router,
    listener: TcpListener,
    files: Option<&dyn Files>,
    stop: &CancellationToken,
) -> Result<(), LifeError> {
    let ending = CancellationToken::new();
    let ended = ending.clone();
    let server = axum::serve(listener, routes)
        .with_graceful_shutdown(async move { ended.cancelled().await });
    let server = tokio::spawn(async move { server.await });
    let failed = async {
        match files {
            Some(files) => files.failed().await,
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        () = stop.cancelled() => Ok(()),
        reason = failed => Err(LifeError::Files(FilesError::Unreadable(reason))),
    };
    ending.cancel();
    match timeout(DRAIN, server).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the listener failed"),
        Ok(Err(error)) => tracing::warn!(%error, "serving ended unexpectedly"),
        Err(_) => tracing::info!("answers under way are cut off"),
    }
    result
}

async fn forget(mut arrived: mpsc::Receiver<engine::Arrived>) {
    while let Some(what) = arrived.recv().await {
        tracing::debug!(?what, "arrived");
    }
}
