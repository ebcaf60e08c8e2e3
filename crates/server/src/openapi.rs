//! The API described by itself: an `OpenAPI` 3.1 document, a page over it, and a text of it.
//!
//! What a route asks of its caller is taken from the route table, so the document cannot promise
//! another policy than the one that is enforced. The sign-in provider and the helpers of
//! development deployments are left out: they are no part of the product's API.

mod document;
mod markdown;
mod operation;
mod operations;
mod page;
mod schemas;

use std::sync::OnceLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::principal::Public;
use crate::routes::Routes;

pub use markdown::markdown;

/// The document.
pub fn document() -> Value {
    document::build(&crate::api::route_table(), operations::all)
}

async fn answer(_: Public) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], text.as_str()).into_response()
}

pub(crate) fn routes() -> Routes {
    Routes::default()
        .get("/openapi.json", answer)
        .and(page::routes())
}
