//! Fly as far as it is documented, with faults on demand and a watch on its limits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(super) const TOKEN: &str = "FlyV1 token-of-a-test";
pub(super) const ORGANIZATION: &str = "acme";

/// How one call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// 429, and nothing is done.
    Throttled,
    /// 409, and nothing is done.
    Conflict,
    /// 412, and nothing is done: the machine is on its way to another state.
    OnItsWay,
    /// 422 that quotes what it was sent, and nothing is done.
    Quoted,
    /// 500, and nothing is done.
    FailedBefore,
    /// All is done, then 500.
    FailedAfter,
    /// All is done, and the connection is cut.
    Cut,
    /// All is done, and the answer is somebody else's page.
    WrongBody,
}

/// Where a call stops for good, counted over all calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    Never,
    Before(usize),
    After(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct App {
    pub(super) organization: String,
    pub(super) network: String,
    pub(super) addresses: Vec<Value>,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) version: i64,
    pub(super) machines: BTreeMap<String, Machine>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) region: String,
    pub(super) config: Value,
    pub(super) secrets_version: i64,
    pub(super) cordoned: bool,
    lease: Option<String>,
    made: usize,
    /// How often its configuration was replaced.
    updates: usize,
}

impl Machine {
    /// Of its present configuration.
    pub(super) fn instance_id(&self) -> String {
        format!("01-{}", self.updates)
    }
}

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) apps: BTreeMap<String, App>,
    pub(super) calls: Vec<String>,
    /// Regions without room.
    pub(super) full: Vec<&'static str>,
    /// How often a wait is not over in time.
    pub(super) slow: usize,
    /// A lease that is in somebody's way has ended when they come again.
    pub(super) short_leases: bool,
    /// What waits named.
    pub(super) waited_for: Vec<String>,
    faults: HashMap<&'static str, Vec<Fault>>,
    halt: Option<Halt>,
    made: usize,
    times: HashMap<(String, String), Vec<Instant>>,
}

#[derive(Clone, Default)]
pub(super) struct MockFly {
    ledger: Arc<Mutex<Ledger>>,
    halted: Arc<Notify>,
}

impl MockFly {
    pub(super) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.ledger.lock().unwrap())
    }

    /// Makes the next calls of the operation go wrong, one after the other.
    pub(super) fn fail(&self, operation: &'static str, faults: &[Fault]) {
        self.look(|ledger| {
            let waiting = ledger.faults.entry(operation).or_default();
            waiting.extend_from_slice(faults);
        });
    }

    /// Makes the call of this number, from now on, stop for good.
    pub(super) fn halt(&self, halt: Halt) {
        self.look(|ledger| {
            ledger.calls.clear();
            ledger.halt = Some(halt);
        });
    }

    /// Returns when a call has stopped for good.
    pub(super) async fn halted(&self) {
        self.halted.notified().await;
    }

    pub(super) fn calls_of(&self, operation: &str) -> usize {
        self.look(|ledger| {
            ledger
                .calls
                .iter()
                .filter(|call| *call == operation)
                .count()
        })
    }
}

/// The name of a call, and the object that its limit counts for.
fn name(method: &Method, words: &[&str]) -> (String, String) {
    let (name, on) = match (method.as_str(), words) {
        ("GET", ["apps"]) => ("list apps", ""),
        ("POST", ["apps"]) => ("make app", ""),
        ("GET", ["apps", app]) => ("get app", *app),
        ("DELETE", ["apps", app]) => ("delete app", *app),
        ("GET", ["apps", app, "ip_assignments"]) => ("list addresses", *app),
        ("POST", ["apps", app, "ip_assignments"]) => ("make address", *app),
        ("POST", ["apps", app, "secrets"]) => ("set secrets", *app),
        ("GET", ["apps", app, "machines"]) => ("list machines", *app),
        ("POST", ["apps", app, "machines"]) => ("make machine", *app),
        ("GET", ["apps", _, "machines", id]) => ("get machine", *id),
        ("POST", ["apps", _, "machines", id]) => ("update machine", *id),
        ("DELETE", ["apps", _, "machines", id]) => ("delete machine", *id),
        ("POST", ["apps", _, "machines", id, "lease"]) => ("lease", *id),
        ("DELETE", ["apps", _, "machines", id, "lease"]) => ("give lease back", *id),
        ("GET" | "POST", ["apps", _, "machines", id, verb]) => (*verb, *id),
        other => panic!("no such call: {other:?}"),
    };
    (name.to_owned(), on.to_owned())
}

async fn answer(State(mock): State<MockFly>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(parts.headers[header::AUTHORIZATION], bearer.as_str());
    let path = parts.uri.path().strip_prefix("/v1/").unwrap().to_owned();
    let words: Vec<&str> = path.split('/').collect();
    let (operation, on) = name(&parts.method, &words);
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let (fault, halt) = mock.look(|ledger| {
        let number = ledger.calls.len();
        ledger.calls.push(operation.clone());
        ledger.keep_to_the_limit(&operation, &on);
        let waiting = ledger.faults.get_mut(operation.as_str());
        let fault = waiting.and_then(|waiting| (!waiting.is_empty()).then(|| waiting.remove(0)));
        let halt = ledger.halt.unwrap_or(Halt::Never);
        let halt = match halt {
            Halt::Before(at) | Halt::After(at) if at == number => halt,
            Halt::Before(_) | Halt::After(_) | Halt::Never => Halt::Never,
        };
        (fault, halt)
    });
    let act = || mock.look(|ledger| ledger.act(&operation, &words, &query, &body, &parts.headers));
    if let Halt::Before(_) = halt {
        mock.halted.notify_one();
        return std::future::pending().await;
    }
    let answer = match fault {
        None => act(),
        Some(Fault::Throttled) => refusal(StatusCode::TOO_MANY_REQUESTS, "rate limited"),
        Some(Fault::Conflict) => refusal(StatusCode::CONFLICT, "try again"),
        Some(Fault::OnItsWay) => {
            let text = "failed_precondition: machine still suspending";
            refusal(StatusCode::PRECONDITION_FAILED, text)
        }
        Some(Fault::Quoted) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &body.to_string()),
        Some(Fault::FailedBefore) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "oops"),
        Some(Fault::FailedAfter) => {
            drop(act());
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "oops")
        }
        Some(Fault::Cut) => {
            drop(act());
            let cut =
                futures::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("cut")) });
            Response::new(Body::from_stream(cut))
        }
        Some(Fault::WrongBody) => {
            drop(act());
            "<html>a captive portal</html>".into_response()
        }
    };
    if let Halt::After(_) = halt {
        mock.halted.notify_one();
        return std::future::pending().await;
    }
    answer
}

fn refusal(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

impl Ledger {
    /// Nobody may call faster than is documented, but for a little noise in the timing.
    fn keep_to_the_limit(&mut self, operation: &str, on: &str) {
        let most = if operation == "get machine" {
            5 + 10
        } else {
            1 + 3
        };
        let now = Instant::now();
        let key = (operation.to_owned(), on.to_owned());
        let times = self.times.entry(key).or_default();
        times.retain(|at| now - *at < Duration::from_millis(950));
        times.push(now);
        assert!(times.len() <= most, "{operation} on {on} too often");
    }

    fn act(
        &mut self,
        operation: &str,
        words: &[&str],
        query: &str,
        body: &Value,
        headers: &HeaderMap,
    ) -> Response {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match operation {
            "list apps" => {
                assert_eq!(query, format!("org_slug={ORGANIZATION}"));
                let ours = self
                    .apps
                    .iter()
                    .filter(|(_, app)| app.organization == ORGANIZATION);
                let apps: Vec<Value> = ours.map(|(name, _)| json!({ "name": name })).collect();
                return Json(json!({ "total_apps": apps.len(), "apps": apps })).into_response();
            }
            "make app" => {
                if self.apps.contains_key(&text("app_name")) {
                    return refusal(
                        StatusCode::UNPROCESSABLE_ENTITY,
                        "Name has already been taken",
                    );
                }
                let app = App {
                    organization: text("org_slug"),
                    network: text("network"),
                    ..App::default()
                };
                self.apps.insert(text("app_name"), app);
                return (StatusCode::CREATED, Json(json!({ "id": "a" }))).into_response();
            }
            _ => {}
        }
        let name = words[1].to_owned();
        let Some(app) = self.apps.get_mut(&name) else {
            return refusal(StatusCode::NOT_FOUND, "app not found");
        };
        if app.organization != ORGANIZATION {
            return refusal(StatusCode::FORBIDDEN, "unauthorized");
        }
        match operation {
            "get app" => Json(json!({
                "name": name, "organization": { "slug": app.organization },
            }))
            .into_response(),
            "delete app" => {
                self.apps.remove(&name);
                StatusCode::ACCEPTED.into_response()
            }
            "list addresses" => Json(json!({ "ips": app.addresses })).into_response(),
            "make address" => {
                app.addresses.push(body.clone());
                Json(json!({ "ip": "fdaa::1" })).into_response()
            }
            "set secrets" => {
                let values = body["values"].as_object().unwrap();
                app.secrets = values
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                    .collect();
                app.version += 1;
                Json(json!({ "secrets": [], "version": app.version })).into_response()
            }
            "list machines" => {
                let wanted = query.strip_prefix("metadata.tenant_id=");
                let fits = |machine: &&Value| {
                    wanted.is_none_or(|id| machine["config"]["metadata"]["tenant_id"] == id)
                };
                let all: Vec<Value> = app.machines.iter().map(shown).collect();
                Json(all.iter().filter(fits).collect::<Vec<_>>()).into_response()
            }
            "make machine" => {
                let (machine_name, region) = (text("name"), text("region"));
                if app
                    .machines
                    .values()
                    .any(|machine| machine.name == machine_name)
                {
                    return refusal(
                        StatusCode::CONFLICT,
                        "already_exists: unique machine name violation",
                    );
                }
                if self.full.contains(&region.as_str()) {
                    return refusal(
                        StatusCode::PRECONDITION_FAILED,
                        "aborted: could not reserve resource for machine: insufficient memory available",
                    );
                }
                self.made += 1;
                let machine = Machine {
                    name: machine_name,
                    state: "started".to_owned(),
                    region,
                    config: body["config"].clone(),
                    secrets_version: body["min_secrets_version"].as_i64().unwrap(),
                    made: self.made,
                    ..Machine::default()
                };
                let id = format!("m{}", self.made);
                let answer = shown((&id, &machine));
                app.machines.insert(id, machine);
                Json(answer).into_response()
            }
            "wait" => self.wait(words, query),
            _ => self.act_on_machine(operation, words, body, headers),
        }
    }

    fn wait(&mut self, words: &[&str], query: &str) -> Response {
        let app = &self.apps[words[1]];
        let Some(machine) = app.machines.get(words[3]) else {
            return refusal(StatusCode::NOT_FOUND, "machine not found");
        };
        let named = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("instance_id="));
        let named = named.map(str::to_owned);
        let is_other = named
            .as_ref()
            .is_some_and(|id| *id != machine.instance_id());
        let is_late = self.slow > 0 || machine.state != "started";
        self.slow = self.slow.saturating_sub(1);
        self.waited_for.extend(named);
        match (is_other, is_late) {
            (true, _) => refusal(StatusCode::NOT_FOUND, "no such version"),
            (false, true) => refusal(StatusCode::REQUEST_TIMEOUT, "deadline_exceeded"),
            (false, false) => Json(json!({ "ok": true })).into_response(),
        }
    }

    fn act_on_machine(
        &mut self,
        operation: &str,
        words: &[&str],
        body: &Value,
        headers: &HeaderMap,
    ) -> Response {
        let app = self.apps.get_mut(words[1]).unwrap();
        let id = words[3].to_owned();
        let Some(machine) = app.machines.get_mut(&id) else {
            return refusal(StatusCode::NOT_FOUND, "machine not found");
        };
        let nonce = headers.get("fly-machine-lease-nonce");
        let nonce = nonce.map(|nonce| nonce.to_str().unwrap().to_owned());
        match operation {
            "get machine" => return Json(shown((&id, machine))).into_response(),
            "lease" => {
                if machine.lease.is_some() {
                    machine.lease = machine.lease.take().filter(|_| !self.short_leases);
                    return refusal(StatusCode::CONFLICT, "lease currently held by somebody");
                }
                machine.lease = Some(format!("nonce-{id}"));
                let data = json!({ "nonce": machine.lease });
                return Json(json!({ "status": "success", "data": data })).into_response();
            }
            "give lease back" => {
                assert!(nonce.is_some(), "no lease");
                if nonce != machine.lease {
                    return refusal(StatusCode::NOT_FOUND, "lease not found");
                }
                machine.lease = None;
            }
            "update machine" => {
                assert!(nonce.is_some() && nonce == machine.lease, "no lease");
                machine.config = body["config"].clone();
                machine.updates += 1;
                machine.secrets_version = body["min_secrets_version"].as_i64().unwrap();
                machine.state = "started".to_owned();
                return Json(shown((&id, machine))).into_response();
            }
            "delete machine" => {
                app.machines.remove(&id);
            }
            "start" => machine.state = "started".to_owned(),
            "stop" => machine.state = "stopped".to_owned(),
            "suspend" => machine.state = "suspended".to_owned(),
            "cordon" => machine.cordoned = true,
            "uncordon" => machine.cordoned = false,
            other => panic!("no such call: {other}"),
        }
        Json(json!({ "ok": true })).into_response()
    }

    /// As if the time of all leases were over.
    pub(super) fn end_leases(&mut self) {
        let machines = self
            .apps
            .values_mut()
            .flat_map(|app| app.machines.values_mut());
        machines.for_each(|machine| machine.lease = None);
    }
}

fn shown((id, machine): (&String, &Machine)) -> Value {
    json!({
        "id": id,
        "name": machine.name,
        "state": machine.state,
        "region": machine.region,
        "instance_id": machine.instance_id(),
        "created_at": format!("2026-11-01T00:00:{:02}Z", machine.made),
        "config": machine.config,
        "checks": [{ "name": "health", "status": "passing" }],
    })
}
