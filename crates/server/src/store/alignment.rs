//! Who stands otherwise than the products that count now lead to.

use async_trait::async_trait;

use super::{Origin, StoreError};
use crate::polar::Products;

/// What an alignment changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aligned {
    /// People for whom it was decided otherwise.
    pub(crate) people: u64,
    /// Parked events that nobody has to look at.
    pub(crate) unparked: u64,
}

#[async_trait]
pub(crate) trait Alignment {
    /// Decides anew for everybody for whom it was decided by other products.
    async fn align_people(
        &self,
        products: &Products,
        origin: &Origin,
    ) -> Result<Aligned, StoreError>;
}
