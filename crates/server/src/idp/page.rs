//! The page on which a person consents to a device's request.
//!
//! No script. A form works only in the browser that got it: its token belongs to a cookie that
//! other sites can neither read nor cause to be sent.

mod html;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::ledger::Consent;
use super::opaque::random_token;
use super::{IdentityProvider, person};
use crate::error::ApiError;
use crate::extract::{FormBody, QueryValues};
use crate::principal::Development;
use crate::routes::Routes;
use html::{Form, Outcome, Trouble};

const STYLE: &str = include_str!("page/style.css");
const COOKIE: &str = "bm_consent";
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; \
     base-uri 'none'",
);

#[derive(Deserialize)]
struct DeviceQuery {
    user_code: Option<String>,
}

#[derive(Deserialize)]
struct ConsentForm {
    #[serde(default)]
    form_token: String,
    #[serde(default)]
    user_code: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    decision: String,
}

async fn show(
    Development { provider, .. }: Development,
    headers: HeaderMap,
    QueryValues(query): QueryValues<DeviceQuery>,
) -> Response {
    let form = Form {
        user_code: query.user_code.unwrap_or_default(),
        ..Form::default()
    };
    form_page(&provider, &headers, StatusCode::OK, form)
}

async fn answer(
    Development { provider, .. }: Development,
    headers: HeaderMap,
    FormBody(sent): FormBody<ConsentForm>,
) -> Result<Response, ApiError> {
    let again = |status, trouble| {
        let form = Form {
            user_code: sent.user_code.clone(),
            email: sent.email.clone(),
            trouble: Some(trouble),
            ..Form::default()
        };
        Ok(form_page(&provider, &headers, status, form))
    };
    let ours = browser(&headers)
        .is_some_and(|browser| provider.opaque.form_token_fits(browser, &sent.form_token));
    if !ours || !same_origin(&headers) {
        return again(StatusCode::FORBIDDEN, Trouble::Stale);
    }
    let email;
    let (consent, outcome) = match sent.decision.as_str() {
        "approve" => {
            let Some(found) = person::normalize_email(&sent.email) else {
                return again(StatusCode::BAD_REQUEST, Trouble::Email);
            };
            email = found;
            (
                Consent::Approve { email: &email },
                Outcome::Approved { email: &email },
            )
        }
        "deny" => (Consent::Deny, Outcome::Denied),
        _ => return again(StatusCode::BAD_REQUEST, Trouble::Stale),
    };
    match provider.consent(&sent.user_code, &consent).await {
        Ok(()) => Ok(page(StatusCode::OK, html::outcome(&outcome))),
        Err(ApiError::NotFound) => again(StatusCode::BAD_REQUEST, Trouble::Code),
        Err(ApiError::RateLimited { retry_after_s }) => {
            let mut response = again(
                StatusCode::TOO_MANY_REQUESTS,
                Trouble::TooMany { retry_after_s },
            )?;
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

async fn style(_: Development) -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

fn form_page(
    provider: &IdentityProvider,
    headers: &HeaderMap,
    status: StatusCode,
    mut form: Form,
) -> Response {
    let browser = browser(headers).map_or_else(|| random_token("b_"), str::to_owned);
    form.form_token = provider.opaque.form_token(&browser);
    let mut response = page(status, html::form(&form));
    let cookie =
        format!("{COOKIE}={browser}; HttpOnly; SameSite=Strict; Path=/idp/device; Max-Age=1800");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn page(status: StatusCode, html: String) -> Response {
    (
        status,
        [(header::CONTENT_SECURITY_POLICY, POLICY)],
        Html(html),
    )
        .into_response()
}

/// The name this browser got from us, if it has the form of one.
fn browser(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            *name == COOKIE && value.len() <= 64 && value.bytes().all(plain)
        })
        .map(|(_, value)| value)
}

/// Whether the form came from our own page, where the browser says where it came from.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    origin.as_bytes() == format!("http://{host}").as_bytes()
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/idp/device", show)
        .post("/idp/device", answer)
        .get("/idp/device.css", style)
}
