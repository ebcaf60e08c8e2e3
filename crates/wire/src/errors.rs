use serde::{Deserialize, Serialize};

/// The code of the answer that a person without a current subscription gets.
pub const SUBSCRIPTION_REQUIRED: &str = "subscription_required";

/// The body of every refusal.
///
/// Refusals for lack of a subscription carry `subscribe_url` and no `detail`; all others carry
/// `detail`, which repeats `message`. Clients also meet the same object nested under `detail`,
/// which [`ApiErrorBody::parse`] accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ApiErrorBody {
    pub error: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribe_url: Option<String>,
}

impl ApiErrorBody {
    /// Reads a refusal in its flat or nested form; `None` if `body` is neither.
    pub fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Nested {
            detail: ApiErrorBody,
        }
        serde_json::from_slice::<Nested>(body)
            .map(|nested| nested.detail)
            .or_else(|_| serde_json::from_slice(body))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAT: &str = r#"{"error":"subscription_required","message":"Active subscription required for CLI access","subscribe_url":"https://basicmemory.com/subscribe"}"#;

    #[test]
    fn writes_the_subscription_refusal_to_the_letter() {
        let body = ApiErrorBody {
            error: SUBSCRIPTION_REQUIRED.to_owned(),
            message: "Active subscription required for CLI access".to_owned(),
            detail: None,
            subscribe_url: Some("https://basicmemory.com/subscribe".to_owned()),
        };
        assert_eq!(serde_json::to_string(&body).unwrap(), FLAT);
    }

    #[test]
    fn reads_the_flat_and_the_nested_form_alike() {
        let flat = ApiErrorBody::parse(FLAT.as_bytes());
        let nested = ApiErrorBody::parse(format!(r#"{{"detail":{FLAT}}}"#).as_bytes());
        assert!(flat.is_some());
        assert_eq!(flat, nested);
        assert_eq!(ApiErrorBody::parse(b"<html>"), None);
    }
}
