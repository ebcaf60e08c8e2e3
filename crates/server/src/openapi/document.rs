//! Joins the route table with what is said about each route.

use serde_json::{Map, Value, json};

use super::operation::{Answer, JSON, Operation};
use super::schemas::Schemas;
use crate::principal::Policy;
use crate::routes::Route;

const DESCRIPTION: &str = "\
Tenants, their storage keys, their change stream and the way to their instances.

Every refusal has one body: `error` is a stable code to match on, `message` and `detail` are for \
people. Every answer carries `X-Request-Id`; name it when asking for help. Times are RFC 3339 in \
UTC.";

pub(super) fn build(
    table: &[Route],
    describe: impl FnOnce(&mut Schemas) -> Vec<Operation>,
) -> Value {
    let mut schemas = Schemas::default();
    let operations = describe(&mut schemas);
    let refusal = schemas.of::<wire::ApiErrorBody>();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let route = table.iter().find(|route| {
            route.path == operation.path && route.method.as_str() == operation.method
        });
        let Some(route) = route else {
            continue;
        };
        let item = paths
            .entry(written(operation.path))
            .or_insert_with(|| json!({}));
        item[operation.method.to_ascii_lowercase()] = one(&operation, route.policy, &refusal);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Basic Memory cloud",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas.into_components(),
            "securitySchemes": security_schemes(),
        },
    })
}

/// A path of the route table as `OpenAPI` writes it.
pub(super) fn written(path: &str) -> String {
    path.replace("{*", "{")
}

fn one(operation: &Operation, policy: Policy, refusal: &Value) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for status in refusals(operation, policy) {
        responses.insert(status.to_string(), refused(status, refusal));
    }
    for answer in &operation.answers {
        responses.insert(answer.status.to_owned(), answered(answer));
    }
    let mut written = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": format!("{}\n\n{}", operation.description, policy_text(policy)).trim(),
        "security": security(policy),
        "responses": responses,
    });
    if !operation.parameters.is_empty() {
        written["parameters"] = Value::Array(operation.parameters.clone());
    }
    if let Some(body) = &operation.body {
        written["requestBody"] = body.clone();
    }
    written
}

fn refusals(operation: &Operation, policy: Policy) -> Vec<u16> {
    let mut statuses = vec![400, 408, 500];
    statuses.extend_from_slice(match policy {
        Policy::Public | Policy::Development => &[],
        Policy::Member => &[401, 429, 503],
        Policy::ActiveMember => &[401, 403, 429, 503],
        Policy::Admin => &[401, 403, 429, 502, 503],
        Policy::PolarDelivery | Policy::TenantWebhook => &[401],
    });
    if operation.body.is_some() {
        statuses.push(413);
    }
    statuses.extend_from_slice(&operation.refusals);
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn refused(status: u16, schema: &Value) -> Value {
    let description = match status {
        400 => "The request makes no sense (`invalid_request`).",
        401 => "No token, or one that is not accepted (`unauthenticated`).",
        403 => "Not for this caller: `subscription_required`, `no_tenant` or `forbidden`.",
        404 => "There is nothing here (`not_found`), or it is not offered (`not_offered`).",
        408 => "The request took too long to arrive (`invalid_request`).",
        409 => "It does not fit what is there (`conflict`).",
        412 => "What is there is not what it was to be (`precondition_failed`).",
        413 => "The body is larger than this address takes (`too_large`).",
        416 => "The note is shorter than that (`invalid_request`).",
        429 => "Too many requests (`rate_limited`); `Retry-After` says when to come again.",
        502 => "What is behind the server failed (`upstream_failed`).",
        503 => "It is not ready yet (`starting`); `Retry-After` says when to come again.",
        504 => "What is behind the server took too long (`upstream_failed`).",
        _ => "The server failed (`internal`).",
    };
    let mut written = json!({
        "description": description,
        "content": { JSON: { "schema": schema } },
    });
    let header = match status {
        401 => Some("WWW-Authenticate"),
        429 | 503 => Some("Retry-After"),
        _ => None,
    };
    if let Some(header) = header {
        let schema = json!({ "type": "string" });
        written["headers"] = json!({ header: { "schema": schema } });
    }
    written
}

fn answered(answer: &Answer) -> Value {
    let mut written = json!({ "description": answer.description });
    if let Some((content_type, schema)) = &answer.content {
        written["content"] = json!({ *content_type: { "schema": schema } });
    }
    written
}

fn security(policy: Policy) -> Value {
    match policy {
        Policy::Public | Policy::Development => json!([]),
        Policy::Member | Policy::ActiveMember | Policy::Admin => json!([{ "bearer": [] }]),
        Policy::PolarDelivery => json!([{ "webhookSignature": [] }]),
        Policy::TenantWebhook => json!([{ "tenantWebhook": [] }]),
    }
}

pub(super) fn policy_text(policy: Policy) -> &'static str {
    match policy {
        Policy::Public => "For anybody.",
        Policy::Development => "For anybody, in development deployments.",
        Policy::Member => "For people who are signed in.",
        Policy::ActiveMember => {
            "For people who are signed in and have a subscription that is current now."
        }
        Policy::Admin => "For administrators; no subscription is asked for.",
        Policy::TenantWebhook => "For the object store, with the token of this tenant's bucket.",
        Policy::PolarDelivery => "For the payment provider, by its signature on the body.",
    }
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token of an accepted issuer; \
                `/.well-known/basic-memory-cloud` says where to sign in. Where no administrator \
                is asked for, a key of `/api/keys` will do, too.",
        },
        "tenantWebhook": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token that the bucket's notifications were set up with.",
        },
        "webhookSignature": {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "Standard Webhooks: a signature over `webhook-id`, \
                `webhook-timestamp` and the body.",
        },
    })
}
