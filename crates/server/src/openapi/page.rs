//! The page over the document. Everything it is made of comes from here, and it may load nothing
//! from elsewhere.

use std::sync::{Arc, OnceLock};

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use crate::error::ApiError;
use crate::extract::PathValue;
use crate::principal::Public;
use crate::routes::Routes;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
const FRAMES: HeaderName = HeaderName::from_static("x-frame-options");

fn config() -> Arc<Config<'static>> {
    static CONFIG: OnceLock<Arc<Config<'static>>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        // By default the page asks a validator elsewhere about the document.
        Arc::new(Config::new(["/openapi.json"]).validator_url("none"))
    });
    Arc::clone(config)
}

async fn beginning(_: Public) -> Redirect {
    Redirect::permanent("/docs/")
}

async fn index(_: Public) -> Response {
    file("index.html")
}

async fn named(_: Public, PathValue(name): PathValue<String>) -> Response {
    file(&name)
}

fn file(name: &str) -> Response {
    match utoipa_swagger_ui::serve(name, config()) {
        Ok(Some(found)) => {
            let kind = HeaderValue::from_str(&found.content_type)
                .unwrap_or(HeaderValue::from_static("application/octet-stream"));
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (FRAMES, HeaderValue::from_static("DENY")),
            ];
            (StatusCode::OK, headers, found.bytes.into_owned()).into_response()
        }
        Ok(None) => ApiError::NotFound.into_response(),
        Err(error) => {
            tracing::error!(%error, "a file of the page could not be made");
            ApiError::NotFound.into_response()
        }
    }
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/docs", beginning)
        .get("/docs/", index)
        .get("/docs/{*file}", named)
}
