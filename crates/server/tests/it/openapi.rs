//! The document, the route table and the committed snapshots say the same.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::StatusCode;
use serde_json::Value;
use server::{Policy, openapi_document, openapi_markdown, route_table};

use crate::support::Server;

const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "options"];

/// Method and path of everything the document describes.
fn described(document: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            assert!(METHODS.contains(&method.as_str()), "{method} {path}");
            found.insert((method.to_uppercase(), path.clone()));
        }
    }
    found
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let document = openapi_document();
    let routed: BTreeSet<(String, String)> = route_table()
        .into_iter()
        .filter(|route| route.policy != Policy::Development)
        // OpenAPI 3.1 has no place for other methods.
        .filter(|route| METHODS.contains(&route.method.as_str().to_lowercase().as_str()))
        .map(|route| (route.method.to_string(), route.path.replace("{*", "{")))
        .collect();
    assert_eq!(described(&document), routed);
}

#[test]
fn every_operation_says_who_may_and_what_comes_back() {
    let document = openapi_document();
    let mut ids = BTreeSet::new();
    for route in route_table() {
        let method = route.method.as_str().to_lowercase();
        let operation = &document["paths"][route.path.replace("{*", "{")][&method];
        if operation.is_null() {
            continue;
        }
        let case = format!("{method} {}", route.path);
        let open = operation["security"].as_array().unwrap().is_empty();
        assert_eq!(open, route.policy == Policy::Public, "{case}");
        let responses = operation["responses"].as_object().unwrap();
        let succeeds = |status: &String| status.starts_with(['2', '3']) || status == "default";
        assert!(responses.keys().any(succeeds), "{case}");
        assert_eq!(responses.contains_key("401"), !open, "{case}");
        for (status, response) in responses {
            assert!(
                !response["description"].as_str().unwrap().is_empty(),
                "{case}"
            );
            if status.starts_with('4') || status == "500" {
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(
                    schema, "#/components/schemas/ApiErrorBody",
                    "{case} {status}"
                );
            }
        }
        for name in ["summary", "operationId"] {
            assert!(!operation[name].as_str().unwrap().is_empty(), "{case}");
        }
        assert!(
            ids.insert(operation["operationId"].to_string()),
            "{case} has the id of another"
        );
        for (index, _) in route.path.match_indices('{') {
            let name = route.path[index..].trim_start_matches(['{', '*']);
            let name = &name[..name.find('}').unwrap()];
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(
                parameters.iter().any(|found| found["name"] == name),
                "{case}"
            );
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                fields.values().for_each(|value| walk(value, document));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, document)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = openapi_document();
    walk(&document, &document);
}

#[test]
fn the_committed_documents_are_those_of_this_version() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let document = openapi_document();
    let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    for (file, expected, command) in [
        ("openapi.json", text, "bm-server openapi"),
        (
            "api.md",
            openapi_markdown(&document),
            "bm-server openapi --markdown",
        ),
    ] {
        let found = std::fs::read_to_string(docs.join(file)).unwrap_or_default();
        assert!(found == expected, "write it anew: {command} > docs/{file}");
    }
}

#[tokio::test]
async fn the_server_answers_with_the_document() {
    let server = Server::start().await;
    let answer = server.request("GET", "/openapi.json").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.json::<Value>().await.unwrap(), openapi_document());
}

/// Every address in what the page loads is its own or that of a document's format.
#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let server = Server::start().await;
    let get = async |path: &str| server.request("GET", path).send().await.unwrap();
    let page = get("/docs").await;
    assert_eq!(page.url().path(), "/docs/");
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("http"),
        "{policy}"
    );
    let html = page.text().await.unwrap();
    assert!(!html.contains("//"), "{html}");
    let mut loaded = 0;
    for part in html.split(['"', '\'']) {
        let name = part.trim_start_matches("./");
        if [".js", ".css", ".png"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            let file = get(&format!("/docs/{name}")).await;
            assert_eq!(file.status(), StatusCode::OK, "{name}");
            assert_eq!(file.headers()["x-content-type-options"], "nosniff");
            loaded += 1;
        }
    }
    assert!(loaded >= 5, "{html}");
    let start = get("/docs/swagger-initializer.js")
        .await
        .text()
        .await
        .unwrap();
    assert!(start.contains(r#""validatorUrl": "none""#), "{start}");
    assert!(start.contains("/openapi.json"), "{start}");
    for path in ["/docs/nothing.js", "/docs/..%2fCargo.toml"] {
        assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
