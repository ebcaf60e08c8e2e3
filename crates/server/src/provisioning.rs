//! A tenant from nothing: claim it, make its bucket, record the bucket.
//!
//! Each step can be repeated, and each finds what an earlier attempt left. Whoever stops in
//! between leaves a tenant without a usable bucket, which the next call completes.

use uuid::Uuid;

use crate::buckets::Buckets;
use crate::error::ApiError;
use crate::store::{Origin, Profile, Store, StoreError, Tenant};

/// With 32 random bits to a name, a second collision in a row means something else is wrong.
const NAME_ATTEMPTS: usize = 4;

/// Makes sure that the profile's own tenant exists with its bucket.
pub(crate) async fn provision(
    store: &dyn Store,
    buckets: &dyn Buckets,
    profile: &Profile,
    origin: &Origin,
) -> Result<Tenant, ApiError> {
    let tenant = claim(store, profile, origin).await?;
    if tenant.bucket_name.is_some() {
        return Ok(tenant);
    }
    buckets.ensure_bucket(&tenant.reserved_bucket_name).await?;
    store.record_bucket(&tenant, origin).await?;
    tracing::info!(tenant.id = tenant.id, "tenant ready");
    Ok(tenant)
}

async fn claim(store: &dyn Store, profile: &Profile, origin: &Origin) -> Result<Tenant, ApiError> {
    let mut attempts = 1;
    loop {
        let id = Uuid::new_v4();
        let claimed = store
            .claim_tenant(profile, &id.to_string(), &bucket_name(id), origin)
            .await;
        match claimed {
            Err(StoreError::BucketNameTaken { .. }) if attempts < NAME_ATTEMPTS => attempts += 1,
            claimed => return Ok(claimed?),
        }
    }
}

/// Names a tenant's bucket after the first eight characters of its id.
///
/// Those are random only in a version 4 id: in a version 7 id they are the time, and tenants of
/// the same minute would get the same name.
fn bucket_name(tenant: Uuid) -> String {
    let id = tenant.simple().to_string();
    format!("basic-memory-{}", &id[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_after_its_tenant() {
        let tenant = Uuid::parse_str("434252dd-d83b-4b20-bf70-8a950ff875c4").unwrap();
        assert_eq!(bucket_name(tenant), "basic-memory-434252dd");
    }
}
