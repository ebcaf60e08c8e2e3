//! Deliveries as Polar's and the standard's own libraries sign and judge them, over real sockets.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use serde_json::{Value, json};
use server::{PolarSettings, Products};
use sha2::Sha256;
use testkit::Program;

use crate::support::Server;

/// As generated since 2026-09-08: the key is what follows the prefix, decoded.
const GENERATED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// As generated before, or chosen by a merchant: the key is the text itself.
const WRITTEN: &str = "polar_whs_0123456789abcdef-of-a-merchant";
const WHOLE: &str = include_str!("../judges/polar_subscription.json");
const SOON: Duration = Duration::from_secs(60);

async fn server() -> Server {
    let settings = PolarSettings {
        webhook_secrets: vec![GENERATED.into(), WRITTEN.into()],
        products: Products::default(),
        api: None,
    };
    Server::start_with_polar(settings).await
}

/// A delivery as it goes over the wire.
#[derive(Clone, Debug)]
struct Delivery {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl Delivery {
    async fn send(&self, server: &Server) -> StatusCode {
        let request = server
            .request("POST", "/api/webhooks/polar")
            .header("content-type", "application/json")
            .header("user-agent", "polar.sh webhooks")
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", &self.timestamp)
            .header("webhook-signature", &self.signature)
            .body(self.body.clone());
        request.send().await.unwrap().status()
    }

    fn case(&self, secret: &str) -> Value {
        json!({
            "secret": secret,
            "body": self.body,
            "headers": {
                "webhook-id": self.id,
                "webhook-timestamp": self.timestamp,
                "webhook-signature": self.signature,
            },
        })
    }
}

fn now_s() -> i64 {
    server::system_clock()() / 1000
}

fn body_for(subject: &str, status: &str) -> String {
    let mut whole: Value = serde_json::from_str(WHOLE).unwrap();
    let data = &mut whole["data"];
    data["status"] = json!(status);
    data["current_period_end"] = json!("2099-01-01T00:00:00Z");
    data["id"] = json!(format!("sub_{subject}"));
    data["customer_id"] = json!(format!("cus_{subject}"));
    data["customer"]["id"] = json!(format!("cus_{subject}"));
    data["customer"]["external_id"] = json!(subject);
    data["customer"]["name"] = json!("Ana Ünïcødé \u{1f600}");
    whole.to_string()
}

async fn ask(program: Program, cases: &[Value]) -> Vec<Value> {
    let input = serde_json::to_vec(cases).unwrap();
    let answer = program.input(input).spawn().success(SOON).await;
    let answers: Vec<Value> = serde_json::from_str(&answer).unwrap();
    assert_eq!(answers.len(), cases.len());
    answers
}

fn sign(key: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn what_the_libraries_sign_is_taken_with_both_kinds_of_key() {
    let server = server().await;
    for (name, signer) in [
        ("node", testkit::node("polar.mjs", ["sign"])),
        ("python", testkit::python("polar.py", [] as [&str; 0])),
    ] {
        let mut cases = Vec::new();
        for (secret, derivation) in [
            (GENERATED, "decoded"),
            (GENERATED, "written"),
            (WRITTEN, "written"),
        ] {
            for (skew, status) in [(0, "active"), (-240, "past_due"), (240, "canceled")] {
                let email = format!("{name}{}@example.org", cases.len());
                let token = server.sign_in(&email).await.access;
                let subject = server.user_id(&email).await;
                cases.push((
                    json!({
                        "secret": secret,
                        "derivation": derivation,
                        "id": format!("{name}-{}", cases.len()),
                        "timestamp": now_s() + skew,
                        "body": body_for(&subject, status),
                    }),
                    token,
                    status,
                ));
            }
        }
        let asked: Vec<Value> = cases.iter().map(|(case, _, _)| case.clone()).collect();
        let signatures = ask(signer, &asked).await;
        for ((case, token, status), signature) in cases.into_iter().zip(signatures) {
            let delivery = Delivery {
                id: case["id"].as_str().unwrap().to_owned(),
                timestamp: case["timestamp"].to_string(),
                signature: signature.as_str().unwrap().to_owned(),
                body: case["body"].as_str().unwrap().to_owned(),
            };
            let denied = server.call(&token, "GET", "/proxy/health").await.0;
            assert_eq!(denied, StatusCode::FORBIDDEN);
            assert_eq!(
                delivery.send(&server).await,
                StatusCode::ACCEPTED,
                "{delivery:?}"
            );
            let (_, told) = server.call(&token, "GET", "/subscription").await;
            assert_eq!(told["status"], status);
            assert_eq!(told["current"], status == "active");
            let now = server.call(&token, "GET", "/proxy/health").await.0;
            assert_eq!(now == StatusCode::OK, status == "active");
        }
    }
}

/// What Polar's library says and what we say of one delivery.
struct Verdict {
    case: &'static str,
    delivery: Delivery,
    /// Why we refuse what the library takes, where we do.
    stricter: Option<&'static str>,
}

fn verdicts() -> Vec<Verdict> {
    let now = now_s();
    let decoded = STANDARD
        .decode(GENERATED.strip_prefix("whsec_").unwrap())
        .unwrap();
    let body = body_for("user_judged", "active");
    let make = |id: &str, timestamp: &str, key: &[u8]| Delivery {
        id: id.to_owned(),
        timestamp: timestamp.to_owned(),
        signature: sign(key, id, timestamp, &body),
        body: body.clone(),
    };
    let good = make("e-1", &now.to_string(), &decoded);
    let mut verdicts = Vec::new();
    let mut add = |case, delivery, stricter| {
        verdicts.push(Verdict {
            case,
            delivery,
            stricter,
        });
    };
    add("decoded key", good.clone(), None);
    add(
        "written key",
        make("e-2", &now.to_string(), GENERATED.as_bytes()),
        None,
    );
    add(
        "key without its prefix",
        make("e-3", &now.to_string(), &GENERATED.as_bytes()[6..]),
        None,
    );
    for (case, signature) in [
        ("several", format!("v1,AAAA {} v2,x", good.signature)),
        ("another version", good.signature.replace("v1,", "v2,")),
        ("no version", good.signature.replace("v1,", "")),
        ("empty", String::new()),
        ("half", good.signature[..20].to_owned()),
        ("comma for space", format!("v1,AAAA,{}", good.signature)),
    ] {
        add(
            case,
            Delivery {
                signature,
                ..good.clone()
            },
            None,
        );
    }
    add(
        "unpadded",
        Delivery {
            signature: good.signature.trim_end_matches('=').to_owned(),
            ..good.clone()
        },
        Some("base64 is written in one way"),
    );
    add(
        "changed body",
        Delivery {
            body: body.replace("user_judged", "user_another"),
            ..good.clone()
        },
        None,
    );
    add(
        "changed id",
        Delivery {
            id: "e-9".to_owned(),
            ..good
        },
        None,
    );
    for (case, offset) in [
        ("old", -420),
        ("rather old", -240),
        ("new", 420),
        ("rather new", 240),
    ] {
        add(
            case,
            make(
                case.replace(' ', "-").as_str(),
                &(now + offset).to_string(),
                &decoded,
            ),
            None,
        );
    }
    add("no time", make("e-4", "soon", &decoded), None);
    let leading_zero = format!("0{now}");
    let mut padded = make("e-5", &now.to_string(), &decoded);
    padded.timestamp = leading_zero;
    add(
        "leading zero",
        padded,
        Some("a time is plain digits, signed as it is sent"),
    );
    let mut fraction = make("e-6", &now.to_string(), &decoded);
    fraction.timestamp = format!("{now}.5");
    add(
        "fraction",
        fraction,
        Some("a time is plain digits, signed as it is sent"),
    );
    add(
        "dotted id",
        make("e.7", &now.to_string(), &decoded),
        Some("a dot would make two readings of one signed text possible"),
    );
    verdicts
}

#[tokio::test]
async fn the_providers_library_and_this_server_judge_alike() {
    let verdicts = verdicts();
    let cases: Vec<Value> = verdicts
        .iter()
        .map(|verdict| verdict.delivery.case(GENERATED))
        .collect();
    let judged = ask(testkit::node("polar.mjs", ["validate"]), &cases).await;
    let server = server().await;
    let mut agreed = 0;
    for (verdict, judged) in verdicts.iter().zip(judged) {
        let ours = verdict.delivery.send(&server).await;
        let theirs = judged["current"] == "ok";
        match verdict.stricter {
            Some(reason) => {
                assert!(theirs, "{}: not only ours: {judged}", verdict.case);
                assert_eq!(ours, StatusCode::UNAUTHORIZED, "{}: {reason}", verdict.case);
            }
            None => {
                assert_eq!(
                    ours == StatusCode::ACCEPTED,
                    theirs,
                    "{}: {ours} {judged}",
                    verdict.case
                );
                agreed += 1;
            }
        }
    }
    assert_eq!(agreed, 16);
}

#[tokio::test]
async fn our_payloads_have_the_shape_that_the_providers_library_knows() {
    let mut cases = Vec::new();
    for status in [
        "incomplete",
        "incomplete_expired",
        "trialing",
        "active",
        "past_due",
        "canceled",
        "unpaid",
        "paused",
    ] {
        let mut whole: Value = serde_json::from_str(&body_for("user_1", status)).unwrap();
        for kind in [
            "subscription.created",
            "subscription.active",
            "subscription.updated",
            "subscription.canceled",
            "subscription.uncanceled",
            "subscription.past_due",
            "subscription.revoked",
        ] {
            whole["type"] = json!(kind);
            let (body, timestamp) = (whole.to_string(), now_s().to_string());
            let delivery = Delivery {
                id: "e-1".to_owned(),
                signature: sign(WRITTEN.as_bytes(), "e-1", &timestamp, &body),
                timestamp,
                body,
            };
            cases.push(delivery.case(WRITTEN));
        }
    }
    let mut broken = cases[0].clone();
    let mut whole: Value = serde_json::from_str(broken["body"].as_str().unwrap()).unwrap();
    whole["data"].as_object_mut().unwrap().remove("customer_id");
    let body = whole.to_string();
    let timestamp = now_s().to_string();
    broken["headers"]["webhook-timestamp"] = json!(timestamp);
    broken["headers"]["webhook-signature"] =
        json!(sign(WRITTEN.as_bytes(), "e-1", &timestamp, &body));
    broken["body"] = json!(body);
    cases.push(broken);

    let mut judged = ask(testkit::node("polar.mjs", ["validate"]), &cases).await;
    let broken = judged.pop().unwrap();
    assert_ne!(broken["legacy"], "ok", "the judge looks at the shape");
    for (case, judged) in cases.iter().zip(judged) {
        let expected = json!({ "current": "ok", "legacy": "ok" });
        assert_eq!(judged, expected, "{}", case["body"]);
    }
}
