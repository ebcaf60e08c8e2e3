//! The proof that what a listing leaves out is gone: stores have been seen to list less than they
//! hold, and a note is moved away here only for an object that is not there.

use futures::{StreamExt, TryStreamExt, stream};

use super::verify::Verified;
use super::{CycleFailure, CycleInput};

/// Objects that are asked for at the same time.
const AT_ONCE: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Each deletion in the cloud that is left in the plan is one.
    Whole,
    /// Some were none, and the plan is another now.
    Revised,
}

/// Asks for each object that the plan takes for deleted, and takes in those that are there.
///
/// # Errors
/// The bucket gives no answer for one of them.
pub(super) async fn prove(
    input: &CycleInput,
    verified: &mut Verified,
) -> Result<Proof, CycleFailure> {
    let missing = verified.plan.deleted_in_cloud();
    let found: Vec<_> = stream::iter(missing)
        .map(|path| async move { input.bucket.head(&path).await })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|found| std::future::ready(Ok(found)))
        .try_collect()
        .await?;
    if found.is_empty() {
        return Ok(Proof::Whole);
    }
    for object in found {
        verified.plan.found_in_cloud(&object, &verified.baseline);
        verified.cloud.insert(object.key.clone(), object);
    }
    Ok(Proof::Revised)
}
