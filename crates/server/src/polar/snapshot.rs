//! What Polar says of a subscription at one moment, and which of several sayings counts.
//!
//! The names of events are ignored: every delivery carries the whole subscription as it was, and
//! the one that was modified last is the truth, whatever order they come in.

use super::products::Products;

/// The payment provider's status words. Only `Active` opens anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Canceled,
    Unpaid,
    Paused,
    /// A word that this version does not know.
    Other(String),
}

impl Status {
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "incomplete" => Self::Incomplete,
            "incomplete_expired" => Self::IncompleteExpired,
            "trialing" => Self::Trialing,
            "active" => Self::Active,
            "past_due" => Self::PastDue,
            "canceled" | "cancelled" => Self::Canceled,
            "unpaid" => Self::Unpaid,
            "paused" => Self::Paused,
            other => Self::Other(other.to_owned()),
        }
    }

    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Other(word) => word,
        }
    }

    /// How much a subscription in this status tells about a person who has several.
    fn weight(&self) -> u8 {
        match self {
            Self::Active => 8,
            Self::PastDue => 7,
            Self::Trialing => 6,
            Self::Paused => 5,
            Self::Unpaid => 4,
            Self::Incomplete => 3,
            Self::Canceled => 2,
            Self::IncompleteExpired => 1,
            Self::Other(_) => 0,
        }
    }
}

/// One subscription as it was at one moment. Times are Unix milliseconds unless said otherwise.
///
/// The order of the fields is the order of time: of two snapshots of one subscription the
/// greater one is newer. A tie in `revision` falls to the delivery's own time, and then to
/// whatever differs, so that every replica prefers the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Snapshot {
    /// When Polar last modified it (`modified_at`, else `created_at`), in Unix microseconds.
    pub(crate) revision: i64,
    /// When the delivery was written, or when Polar's API was asked.
    pub(crate) told_at: i64,
    pub(crate) id: String,
    pub(crate) customer_id: String,
    pub(crate) status: Status,
    /// `None` if a version kept it that did not look at products; empty if Polar named none.
    pub(crate) product_id: Option<String>,
    /// The product's name.
    pub(crate) plan: Option<String>,
    pub(crate) current_period_start: Option<i64>,
    pub(crate) current_period_end: Option<i64>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) ends_at: Option<i64>,
    pub(crate) past_due_at: Option<i64>,
    pub(crate) pause_at_period_end: bool,
    pub(crate) resumes_at: Option<i64>,
}

/// What Polar says of a customer at one moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Customer {
    /// When Polar last modified it (`modified_at`, else `created_at`), in Unix microseconds.
    pub(crate) revision: i64,
    pub(crate) id: String,
    /// The person's subject at the identity provider, if the merchant has set it.
    pub(crate) external_id: Option<String>,
}

/// Picks the subscription that decides for a person, of those to `products`.
///
/// An active one with the latest end wins. That choice holds at every moment: while any active
/// subscription is inside its period, this one is. Without an active one the choice only
/// explains why there is no access.
pub(crate) fn best<'a>(
    all: impl IntoIterator<Item = &'a Snapshot>,
    products: &Products,
) -> Option<&'a Snapshot> {
    all.into_iter()
        .filter(|snapshot| products.include(snapshot))
        .max_by_key(|snapshot| {
            (
                snapshot.status.weight(),
                snapshot.current_period_end,
                snapshot.revision,
                &snapshot.id,
            )
        })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::products::tests::{FREE, PAID, only};
    use super::*;

    pub(crate) fn snapshot(id: &str, status: Status, end: Option<i64>) -> Snapshot {
        Snapshot {
            revision: 1,
            told_at: 0,
            id: id.to_owned(),
            customer_id: "c".to_owned(),
            status,
            product_id: Some(PAID.to_owned()),
            plan: Some("Pro".to_owned()),
            current_period_start: Some(0),
            current_period_end: end,
            trial_end: None,
            cancel_at_period_end: false,
            canceled_at: None,
            ends_at: None,
            past_due_at: None,
            pause_at_period_end: false,
            resumes_at: None,
        }
    }

    const WORDS: [&str; 10] = [
        "incomplete",
        "incomplete_expired",
        "trialing",
        "active",
        "past_due",
        "canceled",
        "cancelled",
        "unpaid",
        "paused",
        "ACTIVE",
    ];

    fn opens(snapshot: &Snapshot, now: i64) -> bool {
        snapshot.status == Status::Active
            && snapshot.current_period_end.is_some_and(|end| end >= now)
    }

    #[test]
    fn status_words_survive_and_cancelled_is_canceled() {
        for word in WORDS {
            let expected = if word == "cancelled" {
                "canceled"
            } else {
                word
            };
            assert_eq!(Status::from_word(word).word(), expected);
        }
        assert_eq!(Status::from_word("active"), Status::Active);
        assert_ne!(Status::from_word("ACTIVE"), Status::Active);
        assert_ne!(Status::from_word(" active"), Status::Active);
    }

    proptest! {
        #[test]
        fn the_best_is_current_exactly_while_any_is(
            all in proptest::collection::vec(
                (0..WORDS.len(), proptest::option::of(0i64..20), 0i64..5, 0..4usize), 0..6),
            now in 0i64..20,
            all_products: bool,
        ) {
            let all: Vec<Snapshot> = all
                .into_iter()
                .enumerate()
                .map(|(index, (word, end, revision, product))| Snapshot {
                    revision,
                    product_id: [Some(PAID), Some(FREE), Some(""), None][product].map(str::to_owned),
                    ..snapshot(&index.to_string(), Status::from_word(WORDS[word]), end)
                })
                .collect();
            let products = if all_products { Products::default() } else { only(PAID) };
            let counts = |one: &Snapshot| match one.product_id.as_deref() {
                Some(PAID) | None => true,
                Some(_) => all_products,
            };
            let any = all.iter().any(|one| counts(one) && opens(one, now));
            let found = best(&all, &products);
            prop_assert_eq!(found.is_some_and(|one| opens(one, now)), any);
            prop_assert_eq!(found.is_some(), all.iter().any(counts));
            prop_assert_eq!(found, best(all.iter().rev(), &products));
        }
    }
}
