//! Questions to Polar's API, asked of a stand-in that answers badly on request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::payload::{NEXT_END, Said, THIS_END};
use super::{NOW_MS, World};
use crate::error::chain;
use crate::polar::client::{PolarApiError, PolarClient};
use crate::polar::retry::RetryPolicy;
use crate::polar::{Facts, PolarApiSettings, PolarError};
use crate::store::tests::{Fixture, on_both};

on_both!(
    a_renewal_that_nobody_told_of_is_found_when_the_period_ends,
    one_that_cannot_be_looked_up_keeps_no_others_waiting,
    a_sweep_learns_what_was_missed_and_drops_what_is_gone,
    a_person_set_at_polar_is_found_for_what_was_parked,
);

const TOKEN: &str = "polar_oat_secret_of_the_tests";
const SOON: Duration = Duration::from_secs(20);

/// How the stand-in answers a request badly.
#[derive(Clone, Debug)]
enum Fault {
    Status(u16),
    RateLimited(Option<&'static str>),
    /// The connection ends in the middle of the answer.
    Cut,
    Hang,
    Body(String),
    Redirect,
}

#[derive(Clone, Default)]
pub(super) struct Mock(Arc<Mutex<MockState>>);

#[derive(Default)]
struct MockState {
    subscriptions: Vec<Value>,
    faults: VecDeque<Fault>,
    asked: Vec<String>,
    page_size: usize,
    /// The id that Polar cannot answer about.
    broken: Option<&'static str>,
}

impl Mock {
    pub(super) async fn start(self) -> reqwest::Url {
        let router = Router::new()
            .route("/v1/subscriptions/", get(list))
            .route("/v1/subscriptions/{id}", get(one))
            .with_state(self);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url.parse().unwrap()
    }

    pub(super) fn holds(&self, said: &[Said]) {
        self.0.lock().unwrap().subscriptions = said.iter().map(Said::data).collect();
    }

    fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().faults = faults.into_iter().collect();
    }

    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }

    /// Notes the request; an answer other than the right one, if one is due.
    async fn fault(&self, asked: String, headers: &HeaderMap) -> Option<Response<Body>> {
        let authorized = headers
            .get("authorization")
            .is_some_and(|value| value == &format!("Bearer {TOKEN}"));
        let fault = {
            let mut state = self.0.lock().unwrap();
            state.asked.push(asked);
            state.faults.pop_front()
        };
        let answer = |status: u16| Response::builder().status(status);
        if !authorized {
            return Some(answer(401).body(Body::empty()).unwrap());
        }
        Some(match fault? {
            Fault::Status(status) => answer(status).body(Body::from("odd")).unwrap(),
            Fault::RateLimited(None) => answer(429).body(Body::empty()).unwrap(),
            Fault::RateLimited(Some(after)) => {
                let answer = answer(429).header("retry-after", after);
                answer.body(Body::empty()).unwrap()
            }
            Fault::Cut => {
                let pieces = futures::stream::iter([
                    Ok("{\"id\":".to_owned()),
                    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
                ]);
                answer(200).body(Body::from_stream(pieces)).unwrap()
            }
            Fault::Hang => std::future::pending().await,
            Fault::Body(body) => answer(200).body(Body::from(body)).unwrap(),
            Fault::Redirect => {
                let answer = answer(302).header("location", "/v1/subscriptions/elsewhere");
                answer.body(Body::empty()).unwrap()
            }
        })
    }
}

fn found(value: &Value) -> Response<Body> {
    Response::new(Body::from(value.to_string()))
}

async fn one(
    State(mock): State<Mock>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if let Some(fault) = mock.fault(format!("one {id}"), &headers).await {
        return fault;
    }
    let state = mock.0.lock().unwrap();
    if state.broken == Some(id.as_str()) {
        let mut answer = found(&json!({ "error": "InternalServerError" }));
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return answer;
    }
    let known = state.subscriptions.iter().find(|known| known["id"] == id);
    known.map_or_else(
        || {
            let mut answer = found(&json!({ "error": "ResourceNotFound" }));
            *answer.status_mut() = StatusCode::NOT_FOUND;
            answer
        },
        found,
    )
}

async fn list(
    State(mock): State<Mock>,
    Query(query): Query<std::collections::HashMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    let page: usize = query["page"].parse().unwrap();
    if let Some(fault) = mock.fault(format!("page {page}"), &headers).await {
        return fault;
    }
    assert_eq!(query["status"], "active");
    assert_eq!(query["sorting"], "current_period_end");
    assert_eq!(query["limit"], "100");
    assert!(headers.contains_key("polar-version"));
    let state = mock.0.lock().unwrap();
    let active: Vec<&Value> = state
        .subscriptions
        .iter()
        .filter(|known| known["status"] == "active")
        .collect();
    let size = state.page_size.max(1);
    let pages = active.len().div_ceil(size);
    let items: Vec<&&Value> = active.iter().skip((page - 1) * size).take(size).collect();
    found(&json!({
        "items": items,
        "pagination": { "total_count": active.len(), "max_page": pages },
    }))
}

pub(super) fn settings(url: reqwest::Url) -> PolarApiSettings {
    PolarApiSettings {
        retry: RetryPolicy {
            attempts: 3,
            first_wait: Duration::from_millis(2),
            longest_wait: Duration::from_secs(1),
        },
        timeout: Duration::from_millis(300),
        pace: Duration::ZERO,
        ..PolarApiSettings::new(url, TOKEN.into())
    }
}

async fn client(mock: &Mock) -> PolarClient {
    PolarClient::new(settings(mock.clone().start().await), Arc::new(|| 0.5)).unwrap()
}

fn status_of(found: &Option<Facts>) -> Option<&str> {
    let snapshot = found.as_ref()?.snapshot.as_ref()?;
    Some(snapshot.status.word())
}

#[tokio::test]
async fn passing_faults_are_outlived() {
    let mock = Mock::default();
    mock.holds(&[Said::new("", "active", 1)]);
    let client = client(&mock).await;
    for faults in [
        vec![],
        vec![Fault::Status(500), Fault::Status(503)],
        vec![Fault::RateLimited(None), Fault::RateLimited(Some("0"))],
        vec![Fault::Hang, Fault::Cut],
        vec![Fault::Body("<html>".to_owned()), Fault::Body(String::new())],
    ] {
        let times = faults.len() + 1;
        mock.fails(faults.clone());
        let found = client.find_subscription("sub_1", NOW_MS).await;
        assert_eq!(status_of(&found.unwrap()), Some("active"), "{faults:?}");
        assert_eq!(mock.asked().len(), times, "{faults:?}");
    }
}

#[tokio::test]
async fn lasting_faults_are_told_apart_and_not_repeated() {
    let mock = Mock::default();
    mock.holds(&[Said::new("", "active", 1)]);
    let client = client(&mock).await;
    let other = Said::new("", "active", 1).of("-other").data().to_string();
    for (faults, times, expected) in [
        (
            vec![Fault::Status(401)],
            1,
            "Polar's API answered 401 Unauthorized",
        ),
        (
            vec![Fault::Status(422)],
            1,
            "Polar's API answered 422 Unprocessable Entity",
        ),
        (vec![Fault::Redirect], 1, "Polar's API answered 302 Found"),
        (
            vec![Fault::RateLimited(Some("3600"))],
            1,
            "Polar's API allows no more requests now",
        ),
        (
            vec![Fault::Body("{\"detail\":\"odd\"}".to_owned())],
            1,
            "Polar's API answered with a subscription that cannot be read",
        ),
        (
            vec![Fault::Body(other)],
            1,
            "Polar's API answered about another subscription",
        ),
        (
            vec![Fault::Status(500); 3],
            3,
            "Polar's API answered 500 Internal Server Error",
        ),
        (vec![Fault::Hang; 3], 3, "Polar's API cannot be reached"),
    ] {
        mock.fails(faults.clone());
        let error = client.find_subscription("sub_1", NOW_MS).await.unwrap_err();
        assert_eq!(error.to_string(), expected, "{faults:?}");
        assert_eq!(mock.asked().len(), times, "{faults:?}");
        let whole = format!("{} {error:?}", chain(&error));
        assert!(!whole.contains(TOKEN), "{whole}");
    }
    let unknown = client.find_subscription("sub_9", NOW_MS).await.unwrap();
    assert_eq!(unknown, None);
    let endless = vec![Fault::Body(" ".repeat(9 * 1024 * 1024))];
    mock.fails(endless);
    let error = client.find_subscription("sub_1", NOW_MS).await.unwrap_err();
    assert!(matches!(error, PolarApiError::TooLarge), "{error}");
}

#[tokio::test]
async fn an_id_cannot_lead_elsewhere_and_the_address_must_be_safe() {
    let mock = Mock::default();
    let client = client(&mock).await;
    for id in ["a/b", "../customers", "a?b=c", "a#b"] {
        let found = client.find_subscription(id, NOW_MS).await;
        assert!(
            matches!(
                found,
                Ok(None) | Err(PolarApiError::Status(StatusCode::NOT_FOUND))
            ),
            "{id}: {found:?}"
        );
        assert!(
            mock.asked()
                .iter()
                .all(|asked| *asked == format!("one {id}"))
        );
    }
    for url in ["http://api.polar.sh", "ftp://127.0.0.2/"] {
        let refused = PolarClient::new(settings(url.parse().unwrap()), Arc::new(|| 0.5));
        assert!(matches!(refused, Err(PolarError::NotHttps(_))), "{url}");
    }
}

/// Runs the background task until `done`.
pub(super) async fn run_until(world: &World, done: impl AsyncFnMut() -> bool) {
    let cancel = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&world.polar).run(cancel.clone()));
    testkit::wait_until(SOON, done).await;
    cancel.cancel();
    task.await.unwrap();
}

async fn world(fixture: Fixture, mock: &Mock) -> World {
    let url = mock.clone().start().await;
    World::over(fixture, Some(settings(url)))
}

async fn a_renewal_that_nobody_told_of_is_found_when_the_period_ends(fixture: Fixture) {
    let mock = Mock::default();
    let world = world(fixture, &mock).await;
    let active = Said::new("subscription.active", "active", 1);
    let ended = active.clone().of("-ended");
    world.deliver("e1", &active.body()).await;
    world.deliver("e2", &ended.body()).await;
    world.put_clock(THIS_END + 1);
    assert_eq!(world.access("user_1").await, ("active".to_owned(), false));

    mock.holds(&[
        Said::new("", "active", 2).until(NEXT_END),
        Said::new("", "canceled", 2).of("-ended"),
    ]);
    mock.fails([Fault::Status(500), Fault::RateLimited(Some("0"))]);
    run_until(&world, async || {
        world.access("user_1").await.1 && world.access("user_1-ended").await.0 == "canceled"
    })
    .await;
    assert_eq!(
        world.access("user_1-ended").await,
        ("canceled".to_owned(), false)
    );
    let again = world.fixture.store.claim_due_checks(NEXT_END - 1, 0, 9);
    assert_eq!(again.await.unwrap(), ["sub_1"]);
}

async fn one_that_cannot_be_looked_up_keeps_no_others_waiting(fixture: Fixture) {
    let mock = Mock::default();
    let world = world(fixture, &mock).await;
    for (delivery, suffix) in [("e1", "-broken"), ("e2", "-renewed")] {
        let said = Said::new("subscription.active", "active", 1).of(suffix);
        world.deliver(delivery, &said.body()).await;
    }
    let renewed = Said::new("", "active", 2).of("-renewed").until(NEXT_END);
    mock.holds(&[renewed]);
    mock.0.lock().unwrap().broken = Some("sub_1-broken");
    let api = world.polar.api.as_ref().unwrap();
    let minute = 60_000;
    for minutes in 0..2 {
        world.put_clock(THIS_END + 1 + minutes * minute);
        let checked = world.polar.check_due(api).await;
        assert_eq!(checked.is_err(), minutes == 0, "{minutes}");
    }
    assert!(world.access("user_1-renewed").await.1);
    assert!(!world.access("user_1-broken").await.1);
}

async fn a_sweep_learns_what_was_missed_and_drops_what_is_gone(fixture: Fixture) {
    let mock = Mock::default();
    let world = world(fixture, &mock).await;
    for (delivery, suffix) in [("e1", "-kept"), ("e2", "-gone")] {
        let said = Said::new("subscription.active", "active", 1).of(suffix);
        world.deliver(delivery, &said.body()).await;
    }
    let of = |status, version, suffix: &str| Said::new("", status, version).of(suffix);
    mock.holds(&[
        of("active", 1, "-kept"),
        of("canceled", 2, "-gone"),
        of("active", 1, "-missed"),
        of("active", 1, "-also-missed"),
    ]);
    mock.0.lock().unwrap().page_size = 2;
    mock.fails([Fault::Status(502)]);
    run_until(&world, async || {
        world.access("user_1-gone").await.0 == "canceled"
            && world.access("user_1-missed").await.1
            && world.access("user_1-also-missed").await.1
    })
    .await;
    assert_eq!(
        world.access("user_1-kept").await,
        ("active".to_owned(), true)
    );
    let mut asked = mock.asked();
    asked.dedup();
    assert_eq!(asked, ["page 1", "page 2", "one sub_1-gone"]);
    let known = world.fixture.count("polar_subscription").await;
    assert_eq!(known, 4);
}

async fn a_person_set_at_polar_is_found_for_what_was_parked(fixture: Fixture) {
    let mock = Mock::default();
    let world = world(fixture, &mock).await;
    let mut said = Said::new("subscription.active", "active", 1);
    said.external_id = None;
    world.deliver("e1", &said.body()).await;
    assert_eq!(world.access("user_1").await, ("none".to_owned(), false));

    let mut known = Said::new("", "active", 1).data();
    known["customer"]["modified_at"] = super::payload::time(NOW_MS);
    mock.0.lock().unwrap().subscriptions = vec![known];
    world.put_clock(NOW_MS + 3_600_000);
    run_until(&world, async || world.access("user_1").await.1).await;
    let parked = world.fixture.store.list_parked_events(10).await.unwrap();
    assert_eq!(parked, []);
}
