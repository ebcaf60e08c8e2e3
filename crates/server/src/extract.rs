//! Bodies, paths and queries whose refusals have the API's one shape.

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::error::ApiError;

#[derive(FromRequest)]
#[from_request(via(Json), rejection(ApiError))]
pub(crate) struct JsonBody<T>(pub(crate) T);

#[derive(FromRequest)]
#[from_request(via(Form), rejection(ApiError))]
pub(crate) struct FormBody<T>(pub(crate) T);

#[derive(FromRequestParts)]
#[from_request(via(Path), rejection(ApiError))]
pub(crate) struct PathValue<T>(pub(crate) T);

/// An id of ours in the path. What has another form is not there.
pub(crate) struct IdValue(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for IdValue {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let PathValue(id) = PathValue::<String>::from_request_parts(parts, state).await?;
        let id = Uuid::parse_str(&id).map_err(|_| ApiError::NotFound)?;
        Ok(Self(id.to_string()))
    }
}

#[derive(FromRequestParts)]
#[from_request(via(Query), rejection(ApiError))]
pub(crate) struct QueryValues<T>(pub(crate) T);

fn refusal(status: StatusCode, text: String) -> ApiError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
        _ => ApiError::InvalidRequest(text),
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        refusal(rejection.status(), rejection.body_text())
    }
}

impl From<FormRejection> for ApiError {
    fn from(rejection: FormRejection) -> Self {
        // The text of this rejection can quote a field's value, and fields here hold codes.
        refusal(rejection.status(), "The form is not complete.".to_owned())
    }
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::NotFound
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        refusal(rejection.status(), rejection.body_text())
    }
}
