//! The document as a text for people.

use serde_json::Value;

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "options", "head"];
const HEAD: &str = "\
# API

Made from the OpenAPI document (`docs/openapi.json`; a running server has it at `/openapi.json`, \
and as a page at `/docs/`) by `bm-server openapi --markdown`.
";

/// Writes the document as Markdown.
pub fn markdown(document: &Value) -> String {
    let mut text = HEAD.to_owned();
    push(&mut text, &["", said(&document["info"], "description"), ""]);
    for tag in tags(document) {
        push(&mut text, &[&format!("## {tag}"), ""]);
        for (path, method, operation) in operations(document) {
            if operation["tags"][0] == *tag {
                write_operation(&mut text, path, method, operation);
            }
        }
    }
    push(&mut text, &["## Bodies", ""]);
    for (name, schema) in members(&document["components"]["schemas"]) {
        push(&mut text, &[&format!("### {name}"), ""]);
        write_schema(&mut text, schema);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn push(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}

fn said<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, &'static str, &Value)> {
    members(&document["paths"]).flat_map(|(path, item)| {
        METHODS
            .into_iter()
            .filter_map(move |method| Some((path, method, item.get(method)?)))
    })
}

/// Tags in the order of their first operation.
fn tags(document: &Value) -> Vec<&str> {
    let mut tags: Vec<&str> = Vec::new();
    for (_, _, operation) in operations(document) {
        if let Some(tag) = operation["tags"][0].as_str()
            && !tags.contains(&tag)
        {
            tags.push(tag);
        }
    }
    tags
}

fn write_operation(text: &mut String, path: &str, method: &str, operation: &Value) {
    let method = method.to_ascii_uppercase();
    let title = format!("### `{method} {path}`: {}", said(operation, "summary"));
    push(text, &[&title, "", said(operation, "description"), ""]);
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (name, place) = (said(parameter, "name"), said(parameter, "in"));
        let line = format!("- `{name}` ({place}): {}", said(parameter, "description"));
        push(text, &[&line]);
    }
    for (content_type, content) in members(&operation["requestBody"]["content"]) {
        let line = format!("- body ({content_type}): {}", kind(&content["schema"]));
        push(text, &[&line]);
    }
    for (status, response) in members(&operation["responses"]) {
        let bodies: Vec<String> = members(&response["content"])
            .map(|(_, content)| kind(&content["schema"]))
            .filter(|kind| !kind.is_empty())
            .collect();
        let mut line = format!("- {status}: {}", said(response, "description"));
        if !bodies.is_empty() && !bodies.iter().any(|body| body.contains("ApiErrorBody")) {
            line = format!("{line} {}", bodies.join(", "));
        }
        push(text, &[&line]);
    }
    push(text, &[""]);
}

/// Names a schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name);
        return format!("[{name}](#{})", name.to_ascii_lowercase());
    }
    if let Some(any) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let kinds: Vec<String> = any.iter().map(kind).collect();
        return kinds.join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return words.join(", ").replace('"', "");
    }
    let name = match &schema["type"] {
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        Value::String(name) => name.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    };
    match (name.as_str(), schema["format"].as_str()) {
        ("array", _) => format!("list of {}", kind(&schema["items"])),
        (_, Some(format)) => format!("{name} ({format})"),
        (_, None) => name,
    }
}

fn write_schema(text: &mut String, schema: &Value) {
    if !said(schema, "description").is_empty() {
        push(text, &[said(schema, "description"), ""]);
    }
    if schema["properties"].is_null() {
        push(text, &[&kind(schema), ""]);
        return;
    }
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    push(text, &["| field | | |", "| --- | --- | --- |"]);
    for (name, field) in members(&schema["properties"]) {
        let needed = if required.contains(&name.as_str()) {
            ""
        } else {
            ", may be absent"
        };
        let description = said(field, "description").replace('\n', " ");
        let line = format!("| `{name}` | {}{needed} | {description} |", kind(field));
        push(text, &[&line]);
    }
    push(text, &[""]);
}
