//! A tenant's own names.

use uuid::Uuid;

use crate::store::{Origin, Profile, Store, StoreError, Tenant};

/// With 32 random bits to a name, a second collision in a row means something else is wrong.
const NAME_ATTEMPTS: usize = 4;

/// Gives the profile's own tenant, made and enqueued for provisioning if there is none.
pub(crate) async fn claim_tenant(
    store: &dyn Store,
    profile: &Profile,
    origin: &Origin,
) -> Result<Tenant, StoreError> {
    let mut attempts = 1;
    loop {
        let id = Uuid::new_v4();
        let claimed = store
            .claim_tenant(profile, &id.to_string(), &bucket_name(id), origin)
            .await;
        match claimed {
            Err(StoreError::BucketNameTaken { .. }) if attempts < NAME_ATTEMPTS => attempts += 1,
            claimed => return claimed,
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
