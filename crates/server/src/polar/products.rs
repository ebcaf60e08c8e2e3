//! Which products open an account.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::snapshot::Snapshot;

/// The products whose subscriptions open an account; by default all that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Products(BTreeSet<String>);

/// Why a product's id cannot be one of Polar's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id:?} is not the id of a product")]
pub struct ProductError {
    pub id: String,
}

impl Products {
    /// Takes ids as Polar shows them. None at all stand for every product.
    pub fn of<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<Self, ProductError> {
        let ids = ids.into_iter().map(|id| match Uuid::try_parse(id) {
            Ok(parsed) => Ok(parsed.to_string()),
            Err(_) => Err(ProductError { id: id.to_owned() }),
        });
        Ok(Self(ids.collect::<Result<_, _>>()?))
    }

    /// Whether it does not matter which product was bought.
    pub(crate) fn are_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a subscription is of a product that opens an account. What it opens is for its
    /// status and its period to say.
    ///
    /// One that was kept before products were looked at counts until Polar says what it is of:
    /// whoever has paid is not locked out by an upgrade of the server.
    pub(crate) fn include(&self, snapshot: &Snapshot) -> bool {
        match &snapshot.product_id {
            Some(id) => self.are_all() || self.0.contains(id),
            None => true,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::snapshot::Status;
    use super::super::snapshot::tests::snapshot;
    use super::*;

    pub(crate) const PAID: &str = "c3f9a1de-0a67-4a0e-9a52-2f3c4a5b6c7d";
    pub(crate) const FREE: &str = "5b1f7c80-9d5e-4a0c-8a55-0d7e6f1a2b3c";

    pub(crate) fn only(id: &str) -> Products {
        Products::of([id]).unwrap()
    }

    #[test]
    fn the_named_products_open_and_without_any_named_all_do() {
        let of = |product: Option<&str>| Snapshot {
            product_id: product.map(str::to_owned),
            ..snapshot("s", Status::Active, None)
        };
        let paid = only(PAID);
        assert!(!paid.are_all() && Products::default().are_all());
        for (product, by_list) in [
            (Some(PAID), true),
            (Some(FREE), false),
            (Some(""), false),
            (None, true),
        ] {
            assert_eq!(paid.include(&of(product)), by_list, "{product:?}");
            assert!(Products::default().include(&of(product)), "{product:?}");
        }
    }

    #[test]
    fn an_id_is_taken_however_it_is_written_and_a_name_is_not() {
        assert_eq!(only(&PAID.to_uppercase()), only(PAID));
        for wrong in ["", "Basic Memory Cloud", "prod_1"] {
            let error = Products::of([PAID, wrong]).unwrap_err();
            assert_eq!(error.id, wrong);
        }
    }
}
