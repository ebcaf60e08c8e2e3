//! What a delivery says, as far as it matters here. Unknown types and fields are passed over.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::snapshot::{Customer, Snapshot, Status};

const LONGEST_ID: usize = 128;
const LONGEST_PLAN: usize = 256;

/// Why a signed delivery cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    #[error("it is not a JSON object with a type")]
    Envelope(#[source] serde_json::Error),
    #[error("its data lacks what a {kind} event has")]
    Data {
        kind: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("its {field} is not a time of RFC 3339")]
    Time { field: &'static str },
    #[error("its {field} is empty, longer than {LONGEST_ID} bytes, or not plain text")]
    Id { field: &'static str },
}

/// What is known after reading one delivery, or one answer of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) customer: Option<Customer>,
    pub(crate) snapshot: Option<Snapshot>,
    /// A subscription that changed without being told here.
    pub(crate) changed_subscription: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    timestamp: Option<String>,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct SubscriptionData {
    id: String,
    created_at: String,
    modified_at: Option<String>,
    status: String,
    current_period_start: Option<String>,
    current_period_end: Option<String>,
    trial_end: Option<String>,
    #[serde(default)]
    cancel_at_period_end: bool,
    canceled_at: Option<String>,
    ends_at: Option<String>,
    past_due_at: Option<String>,
    #[serde(default)]
    pause_at_period_end: bool,
    resumes_at: Option<String>,
    customer_id: String,
    product_id: Option<String>,
    customer: Option<CustomerData>,
    product: Option<ProductData>,
}

#[derive(Deserialize)]
struct ProductData {
    name: Option<String>,
}

#[derive(Deserialize)]
struct CustomerData {
    id: String,
    created_at: String,
    modified_at: Option<String>,
    /// Left out, it says nothing; null, it says that there is none.
    #[serde(default, deserialize_with = "present")]
    external_id: Option<Option<String>>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

#[derive(Deserialize)]
struct OrderData {
    subscription_id: Option<String>,
    customer: Option<CustomerData>,
}

/// The type of a delivery, for logs; `None` if it has none.
pub(crate) fn kind(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    let kind: Kind = serde_json::from_slice(body).ok()?;
    Some(plain(&kind.kind, LONGEST_ID))
}

/// Databases do not take every character that JSON does.
fn plain(text: &str, most: usize) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(most)
        .collect()
}

/// Reads a delivery's body.
pub(crate) fn read(body: &[u8]) -> Result<Facts, EventError> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(EventError::Envelope)?;
    let family = envelope.kind.split('.').next().unwrap_or_default();
    match family {
        "subscription" => {
            let told_at = match &envelope.timestamp {
                Some(text) => micros("timestamp", text)? / 1000,
                None => 0,
            };
            subscription(envelope.data, told_at)
        }
        "order" => {
            let order: OrderData = data("order", envelope.data)?;
            Ok(Facts {
                customer: order.customer.map(customer).transpose()?.flatten(),
                snapshot: None,
                changed_subscription: order
                    .subscription_id
                    .map(|id| bounded("subscription_id", id))
                    .transpose()?,
            })
        }
        "customer" => {
            let found: CustomerData = data("customer", envelope.data)?;
            Ok(Facts {
                customer: customer(found)?,
                ..Facts::default()
            })
        }
        _ => Ok(Facts::default()),
    }
}

/// Reads a subscription as deliveries and the API write it.
pub(crate) fn subscription(value: Value, told_at: i64) -> Result<Facts, EventError> {
    let found: SubscriptionData = data("subscription", value)?;
    let revision = revision(&found.created_at, found.modified_at.as_deref())?;
    let snapshot = Snapshot {
        revision,
        told_at,
        id: bounded("id", found.id)?,
        customer_id: bounded("customer_id", found.customer_id)?,
        status: Status::from_word(&bounded("status", found.status)?),
        product_id: Some(plain(&found.product_id.unwrap_or_default(), LONGEST_ID)),
        plan: found
            .product
            .and_then(|product| product.name)
            .map(|name| plain(&name, LONGEST_PLAN)),
        current_period_start: moment("current_period_start", found.current_period_start)?,
        current_period_end: moment("current_period_end", found.current_period_end)?,
        trial_end: moment("trial_end", found.trial_end)?,
        cancel_at_period_end: found.cancel_at_period_end,
        canceled_at: moment("canceled_at", found.canceled_at)?,
        ends_at: moment("ends_at", found.ends_at)?,
        past_due_at: moment("past_due_at", found.past_due_at)?,
        pause_at_period_end: found.pause_at_period_end,
        resumes_at: moment("resumes_at", found.resumes_at)?,
    };
    let customer = match found.customer {
        // Another customer's mapping says nothing about whose subscription this is.
        Some(found) if found.id == snapshot.customer_id => customer(found)?,
        Some(_) | None => None,
    };
    Ok(Facts {
        customer,
        snapshot: Some(snapshot),
        changed_subscription: None,
    })
}

fn customer(found: CustomerData) -> Result<Option<Customer>, EventError> {
    let Some(external_id) = found.external_id else {
        return Ok(None);
    };
    Ok(Some(Customer {
        revision: revision(&found.created_at, found.modified_at.as_deref())?,
        id: bounded("customer id", found.id)?,
        external_id: external_id
            .filter(|id| !id.is_empty())
            .map(|id| bounded("external_id", id))
            .transpose()?,
    }))
}

fn data<T: for<'de> Deserialize<'de>>(kind: &'static str, value: Value) -> Result<T, EventError> {
    T::deserialize(value).map_err(|source| EventError::Data { kind, source })
}

fn bounded(field: &'static str, text: String) -> Result<String, EventError> {
    if text.is_empty() || text.len() > LONGEST_ID || text.contains(char::is_control) {
        return Err(EventError::Id { field });
    }
    Ok(text)
}

fn revision(created_at: &str, modified_at: Option<&str>) -> Result<i64, EventError> {
    match modified_at {
        Some(text) => micros("modified_at", text),
        None => micros("created_at", created_at),
    }
}

fn moment(field: &'static str, text: Option<String>) -> Result<Option<i64>, EventError> {
    text.map(|text| Ok(micros(field, &text)?.div_euclid(1000)))
        .transpose()
}

fn micros(field: &'static str, text: &str) -> Result<i64, EventError> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| EventError::Time { field })?;
    i64::try_from(moment.unix_timestamp_nanos().div_euclid(1000))
        .map_err(|_| EventError::Time { field })
}

#[cfg(test)]
mod tests;
