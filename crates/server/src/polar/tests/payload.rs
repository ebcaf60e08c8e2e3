//! Whole payloads, made from the one that Polar's own libraries accept.

use serde_json::{Value, json};

use super::super::products::tests::PAID;
use super::NOW_MS;
use crate::clock::rfc3339;

const WHOLE: &str = include_str!("../../../tests/judges/polar_subscription.json");
const DAY_MS: i64 = 24 * 3600 * 1000;
/// The period that is running now, and the one after it.
pub(crate) const THIS_END: i64 = NOW_MS + 10 * DAY_MS;
pub(crate) const NEXT_END: i64 = NOW_MS + 40 * DAY_MS;

/// What Polar says of one subscription at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) kind: &'static str,
    pub(crate) subscription: String,
    pub(crate) customer: String,
    pub(crate) external_id: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) product: &'static str,
    pub(crate) end: i64,
    pub(crate) cancel_at_period_end: bool,
    /// The how-manieth change of the subscription this is.
    pub(crate) version: i64,
}

pub(crate) fn time(unix_ms: i64) -> Value {
    json!(rfc3339(unix_ms).unwrap())
}

impl Said {
    pub(crate) fn new(kind: &'static str, status: &'static str, version: i64) -> Self {
        Self {
            kind,
            subscription: "sub_1".to_owned(),
            customer: "cus_1".to_owned(),
            external_id: Some("user_1".to_owned()),
            status,
            product: PAID,
            end: THIS_END,
            cancel_at_period_end: false,
            version,
        }
    }

    pub(crate) fn of_product(mut self, product: &'static str) -> Self {
        self.product = product;
        self
    }

    pub(crate) fn until(mut self, end: i64) -> Self {
        self.end = end;
        self
    }

    pub(crate) fn canceling(mut self) -> Self {
        self.cancel_at_period_end = true;
        self
    }

    /// The same of other people and things, whose names end in `suffix`.
    pub(crate) fn of(mut self, suffix: &str) -> Self {
        self.subscription = format!("{}{suffix}", self.subscription);
        self.customer = format!("{}{suffix}", self.customer);
        self.external_id = self.external_id.map(|id| format!("{id}{suffix}"));
        self
    }

    fn modified_at(&self) -> i64 {
        NOW_MS - DAY_MS + self.version * 1_000
    }

    /// The subscription alone, as Polar's API answers with it.
    pub(crate) fn data(&self) -> Value {
        let mut whole: Value = serde_json::from_str(WHOLE).unwrap();
        let mut data = whole["data"].take();
        data["id"] = json!(self.subscription);
        data["status"] = json!(self.status);
        data["product_id"] = json!(self.product);
        data["product"]["id"] = json!(self.product);
        data["created_at"] = time(NOW_MS - 30 * DAY_MS);
        data["modified_at"] = time(self.modified_at());
        data["current_period_start"] = time(self.end - 30 * DAY_MS);
        data["current_period_end"] = time(self.end);
        data["cancel_at_period_end"] = json!(self.cancel_at_period_end);
        data["customer_id"] = json!(self.customer);
        data["customer"]["created_at"] = time(NOW_MS - 40 * DAY_MS);
        data["customer"]["id"] = json!(self.customer);
        data["customer"]["external_id"] = json!(self.external_id);
        data
    }

    /// A delivery's body, from when somebody has changed the customer.
    pub(crate) fn body_with_customer_changed_at(&self, unix_ms: i64) -> String {
        let mut data = self.data();
        data["customer"]["modified_at"] = time(unix_ms);
        json!({ "type": self.kind, "timestamp": time(unix_ms), "data": data }).to_string()
    }

    /// A delivery's body. Orders carry the customer and name the subscription.
    pub(crate) fn body(&self) -> String {
        let data = self.data();
        let data = if self.kind.starts_with("order.") {
            json!({
                "id": "order_1",
                "status": self.status,
                "billing_reason": "subscription_cycle",
                "subscription_id": self.subscription,
                "customer": data["customer"],
            })
        } else {
            data
        };
        json!({ "type": self.kind, "timestamp": time(self.modified_at()), "data": data })
            .to_string()
    }
}
