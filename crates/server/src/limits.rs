//! How many requests one person, or one address without a valid token, may make.
//!
//! Each replica counts for itself. Callers seen lately are remembered, up to a bound; whoever is
//! forgotten starts anew, and those who ask most are forgotten last.

mod address;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::sync::Cache;

use crate::app::App;
use crate::error::ApiError;

pub(crate) use address::Network;

/// Clients ask it to learn how they stand, whatever they asked before.
const UNLIMITED: &str = "/proxy/health";
/// What can be asked over and over without a token: user codes can be guessed there.
const SIGN_IN: &str = "/idp/";
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);

/// How much is let through, and whose word about addresses is taken.
#[derive(Clone, Debug)]
pub(crate) struct LimitSettings {
    pub(crate) requests_per_minute: NonZeroU32,
    /// How many may come at once after a pause.
    pub(crate) burst: NonZeroU32,
    /// How many callers are remembered.
    pub(crate) remembered: u64,
    /// Proxies in front of this server, whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<Network>,
}

impl Default for LimitSettings {
    /// For one person at their own machine: enough for anything but a program that runs wild.
    fn default() -> Self {
        Self {
            requests_per_minute: NonZeroU32::MIN.saturating_add(5999),
            burst: NonZeroU32::MIN.saturating_add(999),
            remembered: 10_000,
            trusted_proxies: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    Subject(String),
    Address(IpAddr),
}

type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Counts callers' requests.
pub(crate) struct Limits<C: Clock = DefaultClock> {
    quota: Quota,
    clock: C,
    seen: Cache<Caller, Arc<Limiter<C>>>,
    trusted_proxies: Vec<Network>,
}

impl Limits {
    pub(crate) fn new(settings: LimitSettings) -> Self {
        Self::with_clock(settings, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C>
where
    Limiter<C>: Send + Sync + 'static,
{
    fn with_clock(settings: LimitSettings, clock: C) -> Self {
        let seen = Cache::builder()
            .max_capacity(settings.remembered)
            .time_to_idle(FORGOTTEN_AFTER)
            .build();
        Self {
            quota: Quota::per_minute(settings.requests_per_minute).allow_burst(settings.burst),
            clock,
            seen,
            trusted_proxies: settings.trusted_proxies,
        }
    }

    /// Counts a request of somebody with a valid token.
    pub(crate) fn admit_subject(&self, subject: &str, path: &str) -> Result<(), ApiError> {
        match path {
            UNLIMITED => Ok(()),
            _ => self.admit(Caller::Subject(subject.to_owned())),
        }
    }

    /// Counts a request of somebody without one.
    pub(crate) fn admit_stranger(&self, parts: &Parts) -> Result<(), ApiError> {
        self.admit_address(&parts.headers, &parts.extensions)
    }

    fn admit_address(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<(), ApiError> {
        // Requests that came through no socket are a test's.
        let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() else {
            return Ok(());
        };
        let forwarded = address::forwarded_for(headers);
        let client = address::client(peer.ip(), &forwarded, &self.trusted_proxies);
        self.admit(Caller::Address(address::subscriber(client)))
    }

    fn admit(&self, caller: Caller) -> Result<(), ApiError> {
        let limiter = self.seen.get_with(caller, || {
            Arc::new(RateLimiter::direct_with_clock(
                self.quota,
                self.clock.clone(),
            ))
        });
        limiter.check().map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            ApiError::RateLimited {
                retry_after_s: u64::try_from(seconds).unwrap_or(u64::MAX),
            }
        })
    }
}

/// Counts requests that anybody can make, by their address.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(SIGN_IN)
        && let Err(refused) = app
            .limits
            .admit_address(request.headers(), request.extensions())
    {
        return refused.into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limits(clock: &FakeRelativeClock) -> Limits<FakeRelativeClock> {
        let number = |number| NonZeroU32::new(number).unwrap();
        let settings = LimitSettings {
            requests_per_minute: number(60),
            burst: number(3),
            remembered: 100,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        };
        Limits::with_clock(settings, clock.clone())
    }

    fn request(peer: &str, forwarded: &[&str]) -> Parts {
        let mut request = axum::http::Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let peer: SocketAddr = peer.parse().unwrap();
        parts.extensions.insert(ConnectInfo(peer));
        parts
    }

    fn wait(admitted: Result<(), ApiError>) -> Option<u64> {
        match admitted {
            Ok(()) => None,
            Err(ApiError::RateLimited { retry_after_s }) => Some(retry_after_s),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_person_is_told_how_long_to_wait_and_others_are_not_held_up() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        let ask = |subject| wait(limits.admit_subject(subject, "/tenant/mount/info"));
        let asked: Vec<_> = (0..4).map(|_| ask("ana")).collect();
        assert_eq!(asked, [None, None, None, Some(1)]);
        assert_eq!(ask("ben"), None);
        assert_eq!(wait(limits.admit_subject("ana", UNLIMITED)), None);
        clock.advance(Duration::from_secs(1));
        assert_eq!([ask("ana"), ask("ana")], [None, Some(1)]);
    }

    #[test]
    fn strangers_are_told_apart_by_addresses_that_a_trusted_proxy_vouches_for() {
        let limits = limits(&FakeRelativeClock::default());
        let ask = |peer, forwarded: &[&str]| {
            wait(limits.admit_stranger(&request(peer, forwarded))).is_none()
        };
        for _ in 0..3 {
            assert!(ask("10.0.0.1:1", &["203.0.113.7"]));
        }
        assert!(!ask("10.0.0.2:1", &["203.0.113.7"]));
        assert!(!ask("10.0.0.2:1", &["198.51.100.1, 203.0.113.7"]));
        assert!(ask("10.0.0.2:1", &["203.0.113.8"]));
        assert!(!ask("203.0.113.7:1", &["198.51.100.1"]));
    }

    #[test]
    fn callers_beyond_the_bound_are_forgotten() {
        let limits = limits(&FakeRelativeClock::default());
        for n in 0..10_000 {
            limits.admit_subject(&format!("user_{n}"), "/").unwrap();
        }
        limits.seen.run_pending_tasks();
        assert!(limits.seen.entry_count() <= 100);
    }
}
