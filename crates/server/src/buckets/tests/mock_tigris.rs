//! Tigris as far as it is documented: IAM and buckets at one address, with faults on demand.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

const ADMIN: &str = "tid_admin";

/// How one call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// 429 with `Retry-After`, and nothing is done.
    Throttled,
    /// 500, and nothing is done.
    FailedBefore,
    /// All is done, then 500.
    FailedAfter,
    /// All is done, and the answer never comes.
    Silent,
    /// All is done, and the answer is somebody else's page.
    WrongBody,
    /// All is done, and the answer is cut off.
    CutBody,
}

#[derive(Default)]
pub(super) struct Ledger {
    /// Documents by name.
    pub(super) policies: BTreeMap<String, String>,
    /// Names of attached policies by access key.
    pub(super) keys: BTreeMap<String, BTreeSet<String>>,
    pub(super) buckets: BTreeMap<String, Vec<String>>,
    pub(super) calls: Vec<String>,
    faults: HashMap<&'static str, Vec<Fault>>,
    made: usize,
    /// Given out as secrets, first to last, before others are made.
    pub(super) secrets: Vec<String>,
}

#[derive(Clone, Default)]
pub(super) struct MockTigris {
    ledger: Arc<Mutex<Ledger>>,
}

impl MockTigris {
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

    /// Access keys that may use the bucket, each with what it may do.
    pub(super) fn who_may(&self, action: &str, bucket: &str) -> Vec<String> {
        let resource = format!("\"arn:aws:s3:::{bucket}/*\"");
        self.look(|ledger| {
            let allows = |name: &String| {
                ledger.policies.get(name).is_some_and(|text| {
                    text.contains(&format!("\"{action}\"")) && text.contains(&resource)
                })
            };
            let keys = ledger.keys.iter();
            keys.filter(|(_, attached)| attached.iter().any(allows))
                .map(|(key, _)| key.clone())
                .collect()
        })
    }
}

async fn answer(State(mock): State<MockTigris>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let authorization = parts.headers[header::AUTHORIZATION].to_str().unwrap();
    let signed = format!("AWS4-HMAC-SHA256 Credential={ADMIN}/");
    assert!(authorization.starts_with(&signed), "{authorization}");
    let path = parts.uri.path().trim_start_matches('/').to_owned();
    let fields: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let operation = match (path.is_empty(), fields.get("Action")) {
        (true, Some(action)) => {
            assert!(authorization.contains("/auto/iam/aws4_request"));
            action.clone()
        }
        _ => {
            assert!(authorization.contains("/auto/s3/aws4_request"));
            format!("{} bucket", parts.method)
        }
    };
    let fault = mock.look(|ledger| {
        ledger.calls.push(operation.clone());
        let waiting = ledger.faults.get_mut(operation.as_str())?;
        (!waiting.is_empty()).then(|| waiting.remove(0))
    });
    let answer = || match path.is_empty() {
        true => mock.look(|ledger| iam(ledger, &operation, &fields)),
        false => mock.look(|ledger| bucket(ledger, &parts, &path, &body)),
    };
    match fault {
        None => answer(),
        Some(Fault::Throttled) => {
            let refusal = error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests");
            ([(header::RETRY_AFTER, "0")], refusal).into_response()
        }
        Some(Fault::FailedBefore) => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        Some(Fault::FailedAfter) => {
            drop(answer());
            error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
        }
        Some(Fault::Silent) => {
            drop(answer());
            std::future::pending().await
        }
        Some(Fault::WrongBody) => {
            drop(answer());
            "<html><body>Welcome to the hotel</body></html>".into_response()
        }
        Some(Fault::CutBody) => {
            drop(answer());
            "<CreateAccessKeyResponse><CreateAccessKeyResult><AccessKey><AccessKeyId>tid_x"
                .into_response()
        }
    }
}

fn error(status: StatusCode, code: &str) -> Response {
    let text = format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
    (status, text).into_response()
}

fn result(action: &str, content: &str) -> Response {
    format!(
        "<?xml version=\"1.0\"?><{action}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
         <{action}Result>{content}</{action}Result></{action}Response>"
    )
    .into_response()
}

fn arn(name: &str) -> String {
    format!("arn:aws:iam::org_1:policy/{name}")
}

fn iam(ledger: &mut Ledger, action: &str, fields: &HashMap<String, String>) -> Response {
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let absent = || error(StatusCode::NOT_FOUND, "NoSuchEntity");
    let arn_given = field("PolicyArn");
    let policy = arn_given.rsplit('/').next().unwrap_or_default().to_owned();
    match action {
        "CreatePolicy" => {
            let (name, text) = (field("PolicyName"), field("PolicyDocument"));
            if ledger.policies.contains_key(&name) {
                return error(StatusCode::CONFLICT, "EntityAlreadyExists");
            }
            ledger.policies.insert(name.clone(), text);
            let arn = arn(&name);
            result(action, &format!("<Policy><Arn>{arn}</Arn></Policy>"))
        }
        "ListPolicies" => {
            let after = field("Marker");
            let mut rest = ledger.policies.keys().filter(|name| **name > after);
            let page: Vec<&String> = rest.by_ref().take(2).collect();
            let members: String = page
                .iter()
                .map(|name| {
                    let arn = arn(name);
                    format!("<member><PolicyName>{name}</PolicyName><Arn>{arn}</Arn></member>")
                })
                .collect();
            let more = match (rest.next(), page.last()) {
                (Some(_), Some(last)) => {
                    format!("<IsTruncated>true</IsTruncated><Marker>{last}</Marker>")
                }
                _ => "<IsTruncated>false</IsTruncated>".to_owned(),
            };
            result(action, &format!("<Policies>{members}</Policies>{more}"))
        }
        "ListEntitiesForPolicy" => {
            if !ledger.policies.contains_key(&policy) {
                return absent();
            }
            let attached = ledger.keys.iter().filter(|key| key.1.contains(&policy));
            let members: String = attached
                .map(|(key, _)| format!("<member><UserName>{key}</UserName></member>"))
                .collect();
            result(action, &format!("<PolicyUsers>{members}</PolicyUsers>"))
        }
        "DeletePolicy" => {
            if ledger.keys.values().any(|names| names.contains(&policy)) {
                return error(StatusCode::CONFLICT, "DeleteConflict");
            }
            match ledger.policies.remove(&policy) {
                Some(_) => result(action, ""),
                None => absent(),
            }
        }
        "CreateAccessKey" => {
            assert!(!fields.contains_key("UserName"));
            ledger.made += 1;
            let id = format!("tid_{}", ledger.made);
            let secret = match ledger.secrets.is_empty() {
                true => format!("tsec_{}+/", ledger.made),
                false => ledger.secrets.remove(0),
            };
            ledger.keys.insert(id.clone(), BTreeSet::new());
            let key = format!(
                "<AccessKey><UserName>{id}</UserName><AccessKeyId>{id}</AccessKeyId>\
                 <SecretAccessKey>{secret}</SecretAccessKey></AccessKey>"
            );
            result(action, &key)
        }
        "DeleteAccessKey" => match ledger.keys.remove(&field("AccessKeyId")) {
            Some(_) => result(action, ""),
            None => absent(),
        },
        "ListAccessKeys" => {
            let members: String = ledger
                .keys
                .keys()
                .map(|id| {
                    format!(
                        "<member><AccessKeyId>{id}</AccessKeyId>\
                         <CreateDate>2026-11-22T00:00:30Z</CreateDate></member>"
                    )
                })
                .collect();
            let list = format!("<AccessKeyMetadata>{members}</AccessKeyMetadata>");
            result(action, &list)
        }
        "ListUserPolicies" => match ledger.keys.get(&field("UserName")) {
            None => absent(),
            Some(names) => {
                let members: String = names
                    .iter()
                    .map(|name| format!("<member>{name}</member>"))
                    .collect();
                result(action, &format!("<PolicyNames>{members}</PolicyNames>"))
            }
        },
        "AttachUserPolicy" => {
            let known = ledger.policies.contains_key(&policy);
            match ledger.keys.get_mut(&field("UserName")) {
                Some(names) if known => {
                    names.insert(policy);
                    result(action, "")
                }
                _ => absent(),
            }
        }
        "DetachUserPolicy" => {
            let attached = ledger.keys.get_mut(&field("UserName"));
            match attached.is_some_and(|names| names.remove(&policy)) {
                true => result(action, ""),
                false => absent(),
            }
        }
        other => panic!("Tigris has no {other}"),
    }
}

fn bucket(
    ledger: &mut Ledger,
    parts: &axum::http::request::Parts,
    path: &str,
    body: &[u8],
) -> Response {
    let query = parts.uri.query().unwrap_or_default();
    match (&parts.method, query) {
        (&Method::PUT, "") => {
            if path.starts_with("taken") {
                return error(StatusCode::CONFLICT, "BucketAlreadyExists");
            }
            assert_eq!(parts.headers["x-tigris-enable-snapshot"], "true");
            assert!(body.is_empty());
            if ledger.buckets.contains_key(path) {
                return error(StatusCode::CONFLICT, "BucketAlreadyOwnedByYou");
            }
            ledger.buckets.insert(path.to_owned(), Vec::new());
            StatusCode::OK.into_response()
        }
        (&Method::PATCH, "") => {
            let text = String::from_utf8(body.to_vec()).unwrap();
            match ledger.buckets.get_mut(path) {
                Some(settings) => {
                    settings.push(text);
                    StatusCode::OK.into_response()
                }
                None => error(StatusCode::NOT_FOUND, "NoSuchBucket"),
            }
        }
        other => panic!("nobody asks {other:?} of {path}"),
    }
}
