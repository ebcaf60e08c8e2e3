use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

const KEY: &str = "sk_test_key";

/// One answer of the mock directory.
enum Answer {
    Body(Value),
    Text(&'static str),
    Status(u16),
    RetryAfter(&'static str),
    Redirect,
    Huge,
    Never,
}

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

struct Mock {
    script: Script,
    directory: WorkosDirectory,
    task: JoinHandle<()>,
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(script): State<Script>, uri: Uri, headers: HeaderMap) -> Response {
    let key = headers["authorization"].to_str().unwrap().to_owned();
    script.asked.lock().unwrap().push((uri.to_string(), key));
    let next = script.answers.lock().unwrap().pop_front();
    match next.expect("one more request than the script has answers for") {
        Answer::Body(body) => axum::Json(body).into_response(),
        Answer::Text(text) => text.into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::RetryAfter(value) => (
            StatusCode::TOO_MANY_REQUESTS,
            [(header::RETRY_AFTER, value)],
        )
            .into_response(),
        Answer::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
        Answer::Huge => "x".repeat(MAX_BYTES + 1).into_response(),
        Answer::Never => std::future::pending().await,
    }
}

impl Mock {
    async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Script::default();
        script.answers.lock().unwrap().extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(script.clone());
        Self {
            script,
            directory: WorkosDirectory::new(&Url::parse(&base).unwrap(), KEY.into()).unwrap(),
            task: tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }),
        }
    }

    async fn roles(&self) -> Result<Vec<String>, MembershipError> {
        self.directory.roles("user_1", "org_1").await
    }

    fn asked(&self) -> usize {
        self.script.asked.lock().unwrap().len()
    }
}

/// The documented form of an answer with one membership.
fn membership(user: &str, organization: &str, status: &str, role: &str) -> Value {
    json!({
        "object": "organization_membership",
        "id": "om_01E4ZCR3C56J083X43JQXF3JK5",
        "user_id": user,
        "organization_id": organization,
        "organization_name": "Administrators",
        "role": { "slug": role },
        "roles": [{ "slug": role }],
        "status": status,
        "directory_managed": false,
        "custom_attributes": {},
        "created_at": "2026-01-15T12:00:00.000Z",
        "updated_at": "2026-01-15T12:00:00.000Z",
    })
}

fn list(memberships: &[Value]) -> Answer {
    Answer::Body(json!({
        "object": "list",
        "data": memberships,
        "list_metadata": { "before": null, "after": null },
    }))
}

#[tokio::test]
async fn the_roles_of_an_active_member_are_read() {
    let mock = Mock::answering([
        list(&[membership("user_1", "org_1", "active", "admin")]),
        list(&[]),
    ])
    .await;
    assert_eq!(mock.roles().await.unwrap(), ["admin", "admin"]);
    assert_eq!(mock.roles().await.unwrap(), Vec::<String>::new());
    let asked = mock.script.asked.lock().unwrap().clone();
    assert_eq!(
        asked[0],
        (
            "/user_management/organization_memberships\
             ?user_id=user_1&organization_id=org_1&statuses=active&limit=10"
                .to_owned(),
            format!("Bearer {KEY}")
        )
    );
}

#[tokio::test]
async fn a_filter_the_directory_passes_over_gives_nobody_a_role() {
    let mock = Mock::answering([list(&[
        membership("user_2", "org_1", "active", "admin"),
        membership("user_1", "org_2", "active", "admin"),
        membership("user_1", "org_1", "inactive", "admin"),
        membership("user_1", "org_1", "pending", "admin"),
    ])])
    .await;
    assert_eq!(mock.roles().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_fault_of_a_moment_is_asked_over_once() {
    let good = || list(&[membership("user_1", "org_1", "active", "admin")]);
    let mock = Mock::answering([Answer::Status(500), good()]).await;
    assert!(mock.roles().await.is_ok());
    let mock = Mock::answering([Answer::Status(503), Answer::Status(500)]).await;
    assert!(matches!(
        mock.roles().await,
        Err(MembershipError::Status(500))
    ));
    assert_eq!(mock.asked(), 2);
}

#[tokio::test]
async fn faults_that_last_are_told_apart_and_not_repeated() {
    use MembershipError as E;
    type Fits = fn(&MembershipError) -> bool;
    let cases: [(Answer, Fits); 9] = [
        (Answer::RetryAfter("7"), |e| {
            matches!(e, E::Busy { retry_after_s: 7 })
        }),
        (Answer::RetryAfter("0"), |e| {
            matches!(e, E::Busy { retry_after_s: 1 })
        }),
        (Answer::RetryAfter("soon"), |e| {
            matches!(e, E::Busy { retry_after_s: 10 })
        }),
        (Answer::Status(401), |e| matches!(e, E::KeyRefused)),
        (Answer::Status(404), |e| matches!(e, E::Status(404))),
        (Answer::Redirect, |e| matches!(e, E::Status(302))),
        (Answer::Text("<html>"), |e| matches!(e, E::Malformed)),
        (
            Answer::Body(json!({ "data": [{ "user_id": "user_1" }] })),
            |e| matches!(e, E::Malformed),
        ),
        (Answer::Huge, |e| matches!(e, E::Malformed)),
    ];
    for (answer, fits) in cases {
        let mock = Mock::answering([answer]).await;
        let error = mock.roles().await.unwrap_err();
        assert!(fits(&error), "{error:?}");
        assert!(!format!("{error:?}").contains(KEY));
        assert_eq!(mock.asked(), 1);
    }
}

#[tokio::test]
async fn a_directory_that_never_answers_is_given_up() {
    let mock = Mock::answering([Answer::Never]).await;
    let error = mock.roles().await.unwrap_err();
    assert!(
        matches!(&error, MembershipError::Unreachable(cause) if cause.is_timeout()),
        "{error:?}"
    );
    assert_eq!(mock.asked(), 1);
}

#[tokio::test]
async fn a_directory_that_is_not_there_gives_nobody_a_role() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let directory = WorkosDirectory::new(&Url::parse(&base).unwrap(), KEY.into()).unwrap();
    let error = directory.roles("user_1", "org_1").await.unwrap_err();
    assert!(
        matches!(error, MembershipError::Unreachable(_)),
        "{error:?}"
    );
}
