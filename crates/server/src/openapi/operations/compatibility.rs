//! What published clients of Basic Memory use beside storage and instance.

use serde_json::json;

use super::super::operation::{JSON, Operation};
use super::super::schemas::{Schemas, text};
use super::{NOTES, SIGN_IN};
use crate::api::{
    ApiKeysOut, NewApiKeyIn, NewApiKeyOut, NewSnapshotIn, RestoreIn, RestoredOut, SnapshotFilesOut,
    SnapshotOut, SnapshotsOut, WorkspacesOut,
};

/// `PROPFIND` is answered, too; `OpenAPI` has no place for it.
const NOTE_METHODS: [(&str, &str, [&str; 6]); 4] = [
    (
        "GET",
        "Fetch a note",
        [
            "note_root_get",
            "note_folder_get",
            "note_get",
            "note_proxied_root_get",
            "note_proxied_folder_get",
            "note_proxied_get",
        ],
    ),
    (
        "PUT",
        "Write a note",
        [
            "note_root_put",
            "note_folder_put",
            "note_put",
            "note_proxied_root_put",
            "note_proxied_folder_put",
            "note_proxied_put",
        ],
    ),
    (
        "DELETE",
        "Remove a note",
        [
            "note_root_delete",
            "note_folder_delete",
            "note_delete",
            "note_proxied_root_delete",
            "note_proxied_folder_delete",
            "note_proxied_delete",
        ],
    ),
    (
        "OPTIONS",
        "What can be done with notes",
        [
            "note_root_options",
            "note_folder_options",
            "note_options",
            "note_proxied_root_options",
            "note_proxied_folder_options",
            "note_proxied_options",
        ],
    ),
];
const NOTE_PATHS: [&str; 6] = [
    "/webdav/{project}",
    "/webdav/{project}/",
    "/webdav/{project}/{*path}",
    "/proxy/webdav/{project}",
    "/proxy/webdav/{project}/",
    "/proxy/webdav/{project}/{*path}",
];
const NOTES_SAY: &str = "WebDAV, as far as `bm` uses it: `PROPFIND` with `Depth: 0`, `1` or \
    `infinity` lists, too. The project goes by its name; its folder in the bucket is that name in \
    small letters with hyphens. `ETag` is the MD5 of the bytes where the note was written in one \
    piece; `If-Match` holds for `PUT` and `DELETE`. A note that is overwritten or removed stays among the versions, where the store has them.";

pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    let mut operations = workspaces(schemas);
    operations.extend(keys(schemas));
    operations.extend(notes());
    operations.extend(snapshots(schemas));
    operations.extend(shares());
    operations
}

fn workspaces(schemas: &mut Schemas) -> Vec<Operation> {
    [
        ("/workspaces", "workspaces"),
        ("/workspaces/", "workspaces_slash"),
    ]
    .map(|(path, id)| {
        Operation::new("GET", path, id, SIGN_IN, "The caller's workspaces")
            .says(
                "One, once there is a tenant. Requests may name it by its `tenant_id` in \
                     `X-Workspace-ID`; with another one they are refused. Needs no subscription.",
            )
            .answers(
                "200",
                "The workspaces.",
                JSON,
                schemas.of::<WorkspacesOut>(),
            )
    })
    .into()
}

fn keys(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::new(
            "POST",
            "/api/keys",
            "create_api_key",
            SIGN_IN,
            "Make a key for a program",
        )
        .says(
            "The program sends it as a bearer token and acts for the caller from then on, \
                 as far as the caller's subscription goes. The key is in this answer and nowhere \
                 else. Keys make no keys: 403 `forbidden` without a sign-in.",
        )
        .takes(JSON, &schemas.of::<NewApiKeyIn>())
        .answers("201", "The key.", JSON, schemas.of::<NewApiKeyOut>())
        .refuses(&[409]),
        Operation::new(
            "GET",
            "/api/keys",
            "list_api_keys",
            SIGN_IN,
            "The caller's keys",
        )
        .says("Live ones, oldest first, without what makes them keys.")
        .answers("200", "The keys.", JSON, schemas.of::<ApiKeysOut>()),
        Operation::new(
            "DELETE",
            "/api/keys/{id}",
            "revoke_api_key",
            SIGN_IN,
            "Revoke a key",
        )
        .says("Repeating it succeeds. Needs a sign-in, and no subscription.")
        .in_path("id", "The key's id, from the list.", &text())
        .answers_nothing("204", "The key opens nothing any more.")
        .refuses(&[403, 404]),
    ]
}

fn notes() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (method, summary, ids) in NOTE_METHODS {
        for (path, id) in NOTE_PATHS.into_iter().zip(ids) {
            let mut operation = Operation::new(method, path, id, NOTES, summary)
                .says(NOTES_SAY)
                .in_path("project", "The project's name.", &text());
            if path.contains("{*path}") {
                let what = "The note's path in the project; may hold slashes.";
                operation = operation.in_path("path", what, &text());
            }
            operation = match method {
                "GET" => operation
                    .answers("200", "The note.", "*/*", json!({}))
                    .answers(
                        "206",
                        "The part of it that was asked for.",
                        "*/*",
                        json!({}),
                    )
                    .answers_nothing("304", "It is what the caller has.")
                    .refuses(&[416]),
                "PUT" => operation
                    .answers_nothing("201", "It is there, and was not before.")
                    .answers_nothing("204", "It is there."),
                "DELETE" => operation.answers_nothing("204", "It is gone."),
                _ => operation.answers_nothing("204", "`Allow` says what."),
            };
            operations.push(operation.refuses(&[404, 412, 413]));
        }
    }
    operations
}

fn snapshots(schemas: &mut Schemas) -> Vec<Operation> {
    let id = "The snapshot's id, from the list.";
    vec![
        Operation::new(
            "POST",
            "/api/bucket-snapshots",
            "create_snapshot",
            NOTES,
            "Remember the bucket as it is",
        )
        .says(
            "Nothing is copied: a snapshot is a moment, and what was there then is among the \
             versions for as long as the store keeps them. 404 (`not_offered`) where it keeps none.",
        )
        .takes(JSON, &schemas.of::<NewSnapshotIn>())
        .answers("201", "The snapshot.", JSON, schemas.of::<SnapshotOut>())
        .refuses(&[404, 409]),
        Operation::new(
            "GET",
            "/api/bucket-snapshots",
            "list_snapshots",
            NOTES,
            "The bucket's snapshots",
        )
        .says("Newest first.")
        .answers("200", "The snapshots.", JSON, schemas.of::<SnapshotsOut>())
        .refuses(&[404]),
        Operation::new(
            "GET",
            "/api/bucket-snapshots/{id}",
            "show_snapshot",
            NOTES,
            "One snapshot",
        )
        .in_path("id", id, &text())
        .answers("200", "The snapshot.", JSON, schemas.of::<SnapshotOut>())
        .refuses(&[404]),
        Operation::new(
            "DELETE",
            "/api/bucket-snapshots/{id}",
            "delete_snapshot",
            NOTES,
            "Forget a snapshot",
        )
        .in_path("id", id, &text())
        .answers_nothing("204", "It is forgotten; the bucket is as it was.")
        .refuses(&[404]),
        Operation::new(
            "GET",
            "/api/bucket-snapshots/{id}/browse",
            "browse_snapshot",
            NOTES,
            "What was in the bucket",
        )
        .in_path("id", id, &text())
        .in_query("prefix", "What the keys start with.", &text())
        .answers("200", "The notes.", JSON, schemas.of::<SnapshotFilesOut>())
        .refuses(&[404]),
        Operation::new(
            "POST",
            "/api/bucket-snapshots/{id}/restore",
            "restore_snapshot",
            NOTES,
            "Bring notes back",
        )
        .says(
            "What is there now becomes a version; notes that were not there then stay. Repeating \
             it is safe.",
        )
        .in_path("id", id, &text())
        .takes(JSON, &schemas.of::<RestoreIn>())
        .answers(
            "200",
            "What was brought back.",
            JSON,
            schemas.of::<RestoredOut>(),
        )
        .refuses(&[404, 412]),
    ]
}

fn shares() -> Vec<Operation> {
    let summary = "Public links to notes";
    [
        ("GET", "/api/shares", "list_shares"),
        ("POST", "/api/shares", "create_share"),
        ("PATCH", "/api/shares/{token}", "update_share"),
        ("DELETE", "/api/shares/{token}", "delete_share"),
    ]
    .map(|(method, path, id)| {
        let operation = Operation::new(method, path, id, NOTES, summary)
            .says("Not offered: always refused.")
            .answers("default", "Nothing else is answered.", "*/*", json!({}))
            .refuses(&[404]);
        if path.contains("{token}") {
            operation.in_path("token", "A link's token.", &text())
        } else {
            operation
        }
    })
    .into()
}
