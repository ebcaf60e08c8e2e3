//! What is said about the routes, in the order in which people read about them.

use serde_json::json;

use super::operation::{JSON, Operation};
use super::schemas::{Schemas, text};
use crate::api::{CredentialOut, Liveness, ParkedOut, Readiness};

mod compatibility;

const SIGN_IN: &str = "Sign-in and subscription";
const STORAGE: &str = "Storage";
const CHANGES: &str = "Change stream";
const INSTANCE: &str = "Instance";
const NOTES: &str = "Notes and snapshots";
const PROVIDERS: &str = "Providers";
const ADMINISTRATION: &str = "Administration";
const OPERATION: &str = "Operation";

/// Methods that are passed on to instances, as far as `OpenAPI` has a name for them.
const PASSED_ON: [(&str, [&str; 2]); 6] = [
    ("GET", ["proxy_root_get", "proxy_get"]),
    ("POST", ["proxy_root_post", "proxy_post"]),
    ("PUT", ["proxy_root_put", "proxy_put"]),
    ("PATCH", ["proxy_root_patch", "proxy_patch"]),
    ("DELETE", ["proxy_root_delete", "proxy_delete"]),
    ("OPTIONS", ["proxy_root_options", "proxy_options"]),
];

pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    let mut operations = account(schemas);
    operations.extend(storage(schemas));
    operations.extend(changes(schemas));
    operations.extend(instance(schemas));
    operations.extend(compatibility::all(schemas));
    operations.extend(providers(schemas));
    operations.extend(administration(schemas));
    operations.extend(operation(schemas));
    operations
}

fn account(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/.well-known/basic-memory-cloud",
            "sign_in_config",
            SIGN_IN,
            "Where and how to sign in",
        )
        .says("The endpoints are those of RFC 8628 (device authorization) and RFC 6749 (token).")
        .answers(
            "200",
            "The sign-in.",
            JSON,
            schemas.of::<wire::SignInConfig>(),
        ),
        Operation::new(
            "GET",
            "/subscription",
            "subscription",
            SIGN_IN,
            "What the caller has",
        )
        .says(
            "Needs no subscription, so that it can say that there is none. With `current` and `wait_s` \
             it answers once the subscription is no longer as the caller knows it: a client whose \
             subscription has lapsed learns of the renewal when it happens.",
        )
        .in_query(
            "current",
            "What the caller knows: the answer waits until it is otherwise.",
            &json!({"type": "boolean"}),
        )
        .in_query(
            "wait_s",
            "How long it waits at most, in seconds.",
            &json!({"type": "integer", "minimum": 0, "maximum": 15}),
        )
        .answers(
            "200",
            "The subscription.",
            JSON,
            schemas.of::<wire::SubscriptionOut>(),
        ),
    ]
}

fn storage(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::new(
            "POST",
            "/tenants/setup",
            "setup",
            STORAGE,
            "Get a bucket of one's own",
        )
        .says("Repeating it is safe, and answers the same.")
        .answers(
            "200",
            "The tenant is ready.",
            JSON,
            schemas.of::<wire::TenantSetup>(),
        )
        .answers(
            "202",
            "The tenant is being made; ask again.",
            JSON,
            schemas.of::<wire::TenantSetup>(),
        )
        .refuses(&[502])
        .refuses(&[409, 502]),
        Operation::new(
            "GET",
            "/tenant/mount/info",
            "mount_info",
            STORAGE,
            "The caller's bucket",
        )
        .answers("200", "The bucket.", JSON, schemas.of::<wire::MountInfo>()),
        Operation::new(
            "POST",
            "/tenant/mount/credentials",
            "create_credential",
            STORAGE,
            "Make a key to the bucket",
        )
        .says(
            "A new key each time; earlier ones stay. The body may be empty, or JSON with the `name` \
             that lists show. The secret is in this answer and nowhere else. 500 `credential_failed` if the object store did not make it.",
        )
        .answers(
            "200",
            "The key.",
            JSON,
            schemas.of::<wire::MountCredentials>(),
        )
        .refuses(&[409]),
        Operation::new(
            "GET",
            "/tenant/mount/credentials",
            "list_credentials",
            STORAGE,
            "The keys that open the bucket",
        )
        .says(
            "Live keys, oldest first, without their secrets; after them, if asked for, those that are \
             revoked while the object store may still have them.",
        )
        .in_query("include", "`revoked`: also those.", &json!({"type": "string", "enum": ["revoked"]}))
        .answers("200", "The keys.", JSON, schemas.list_of::<CredentialOut>()),
        Operation::new(
            "DELETE",
            "/tenant/mount/credentials/{id}",
            "revoke_credential",
            STORAGE,
            "Revoke a key",
        )
        .says("Repeating it succeeds. A key of another tenant is not there.")
        .in_path("id", "The key's id, from the list.", &text())
        .answers_nothing("204", "The key opens nothing any more.")
        .refuses(&[404]),
    ]
}

fn changes(schemas: &mut Schemas) -> Vec<Operation> {
    // What the stream carries is described, too, though no body refers to it.
    schemas.of::<wire::ChangeEvent>();
    schemas.of::<wire::StreamPosition>();
    let device = json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" });
    let number = json!({ "type": "integer", "format": "int64", "minimum": 0 });
    vec![
        Operation::new(
            "POST",
            "/tenant/changes",
            "report_changes",
            CHANGES,
            "Tell what was changed in the bucket",
        )
        .says("To be sent once the bucket has the change. Reporting a change again makes no second event.")
        .takes(JSON, &schemas.of::<wire::ChangesIn>())
        .answers("200", "The changes have numbers.", JSON, schemas.of::<wire::ChangesOut>()),
        Operation::new(
            "GET",
            "/tenant/events",
            "follow_changes",
            CHANGES,
            "Follow what is changed in the bucket",
        )
        .says(
            "Server-sent events: `change` carries a `ChangeEvent`, `ready` and `resync` a \
             `StreamPosition`. An event is a hint; ETags decide. The stream ends when access \
             does. docs/change-stream.md has the protocol.",
        )
        .in_query("after", "Begins after this number; `Last-Event-ID` wins over it.", &number)
        .in_query("device", "Ends the stream that this device had before.", &device)
        .in_header("Last-Event-ID", "The number of the last event that arrived.", &text())
        .answers("200", "The stream.", "text/event-stream", text()),
    ]
}

fn instance(schemas: &mut Schemas) -> Vec<Operation> {
    let mut operations = vec![
        Operation::new(
            "GET",
            "/proxy/health",
            "proxy_health",
            INSTANCE,
            "Whether the caller may use the cloud",
        )
        .says("Answered by the server itself; wakes no instance and is never rate-limited.")
        .answers("200", "Yes.", JSON, schemas.of::<wire::Health>()),
    ];
    let says = "Passed on to the caller's own instance, and answered by it; bodies are streamed \
                both ways. The method `QUERY` is passed on, too.";
    for (method, [root, below]) in PASSED_ON {
        let whatever = "Whatever the instance answers.";
        operations.push(
            Operation::new(method, "/proxy/", root, INSTANCE, "Ask the instance")
                .says(says)
                .answers("default", whatever, "*/*", json!({}))
                .refuses(&[413, 502, 503, 504]),
        );
        operations.push(
            Operation::new(
                method,
                "/proxy/{*path}",
                below,
                INSTANCE,
                "Ask the instance",
            )
            .says(says)
            .in_path(
                "path",
                "The path on the instance; may hold slashes.",
                &text(),
            )
            .answers("default", whatever, "*/*", json!({}))
            .refuses(&[413, 502, 503, 504]),
        );
    }
    operations
}

fn providers(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::new(
            "POST",
            "/api/webhooks/polar",
            "polar_webhook",
            PROVIDERS,
            "Take a delivery of the payment provider",
        )
        .says("A repeated delivery is answered alike and changes nothing.")
        .takes(JSON, &json!({ "type": "object" }))
        .answers_nothing("202", "It is kept, and will be acted on.")
        .refuses(&[404, 413]),
        Operation::new(
            "GET",
            "/admin/inbox/parked",
            "parked_events",
            PROVIDERS,
            "Deliveries about subscriptions of whom nobody knows",
        )
        .says("Oldest first, at most 200. They wait until their customer has an external id.")
        .answers("200", "The events.", JSON, schemas.of::<ParkedOut>()),
        Operation::new(
            "POST",
            "/webhooks/tigris/{tenant_id}",
            "tigris_webhook",
            PROVIDERS,
            "Take the object store's word of changes in a bucket",
        )
        .says("A hint only: order, repetition and unknown names do not matter.")
        .in_path("tenant_id", "The tenant whose bucket it is.", &text())
        .takes(JSON, &json!({ "type": "object" }))
        .answers_nothing("200", "It is taken.")
        .refuses(&[403]),
    ]
}

fn administration(schemas: &mut Schemas) -> Vec<Operation> {
    let id = json!({ "type": "string", "format": "uuid" });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 });
    vec![
        Operation::new(
            "POST",
            "/tenants",
            "create_tenant",
            ADMINISTRATION,
            "Make somebody's tenant",
        )
        .says("Makes the person's profile, too, if they never signed in. Repeating it is safe.")
        .takes(JSON, &schemas.of::<wire::TenantIn>())
        .answers(
            "200",
            "The person had a tenant.",
            JSON,
            schemas.of::<wire::TenantOut>(),
        )
        .answers(
            "201",
            "The tenant is made, or being made.",
            JSON,
            schemas.of::<wire::TenantOut>(),
        ),
        Operation::new(
            "GET",
            "/tenants",
            "list_tenants",
            ADMINISTRATION,
            "All tenants, in pages",
        )
        .in_query("after", "Begins behind this tenant's id.", &id)
        .in_query("limit", "The most tenants on the page.", &limit)
        .answers("200", "The page.", JSON, schemas.of::<wire::TenantPage>()),
        Operation::new(
            "GET",
            "/tenants/{id}",
            "show_tenant",
            ADMINISTRATION,
            "A tenant, and all that was done for it",
        )
        .in_path("id", "The tenant's id.", &text())
        .answers(
            "200",
            "The tenant.",
            JSON,
            schemas.of::<wire::TenantDetail>(),
        )
        .refuses(&[404]),
        Operation::new(
            "DELETE",
            "/tenants/{id}",
            "delete_tenant",
            ADMINISTRATION,
            "Remove a tenant",
        )
        .says(
            "Access ends at once; keys and instance go as soon as their providers answer, the \
             bucket after a while. Repeating it is safe.",
        )
        .in_path("id", "The tenant's id.", &text())
        .answers(
            "202",
            "It is being removed.",
            JSON,
            schemas.of::<wire::TenantOut>(),
        )
        .refuses(&[404]),
        Operation::new(
            "POST",
            "/tenants/{id}/provision",
            "provision_tenant",
            ADMINISTRATION,
            "Provision a tenant again",
        )
        .says("Makes what is missing; what is there stays. 409 if the tenant is being removed.")
        .in_path("id", "The tenant's id.", &text())
        .answers(
            "202",
            "It is under way.",
            JSON,
            schemas.of::<wire::TenantOut>(),
        )
        .refuses(&[404, 409]),
    ]
}

fn operation(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::new(
            "GET",
            "/healthz",
            "liveness",
            OPERATION,
            "The process serves",
        )
        .answers("200", "It does.", JSON, schemas.of::<Liveness>()),
        Operation::new(
            "GET",
            "/readyz",
            "readiness",
            OPERATION,
            "Whether requests should come here",
        )
        .answers("200", "They should.", JSON, schemas.of::<Readiness>())
        .answers(
            "503",
            "They should not: something is missing, or the server is about to stop.",
            JSON,
            schemas.of::<Readiness>(),
        ),
        Operation::new(
            "GET",
            "/openapi.json",
            "openapi",
            OPERATION,
            "This document",
        )
        .answers("200", "The document.", JSON, json!({ "type": "object" })),
        Operation::new("GET", "/docs", "docs", OPERATION, "This document as a page")
            .answers_nothing("308", "The page is one slash further."),
        Operation::new(
            "GET",
            "/docs/",
            "docs_page",
            OPERATION,
            "This document as a page",
        )
        .answers("200", "The page.", "text/html", text()),
        Operation::new(
            "GET",
            "/docs/{*file}",
            "docs_file",
            OPERATION,
            "What the page is made of",
        )
        .in_path("file", "The file's name.", &text())
        .answers("200", "The file.", "*/*", json!({}))
        .refuses(&[404]),
    ]
}
