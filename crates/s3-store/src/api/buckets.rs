use s3s::dto::{
    Bucket, BucketVersioningStatus, CreateBucketInput, CreateBucketOutput,
    GetBucketVersioningOutput, ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3Request, S3Response, s3_error};

use super::{Answer, Api, timestamp};
use crate::gate::scope;

/// The gate let the request through, so the bucket is the key's own; clients take this answer as success.
pub(super) fn create(_: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
    Err(s3_error!(BucketAlreadyOwnedByYou))
}

pub(super) fn versioning() -> S3Response<GetBucketVersioningOutput> {
    let status = BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED);
    S3Response::new(GetBucketVersioningOutput {
        status: Some(status),
        ..GetBucketVersioningOutput::default()
    })
}

impl Api {
    pub(super) async fn do_list_buckets(
        &self,
        mut req: S3Request<ListBucketsInput>,
    ) -> Answer<ListBucketsOutput> {
        let scope = scope(&mut req)?;
        let name = scope.bucket.clone();
        let created = self
            .run(move |store| store.bucket_created_ms(&name))
            .await?;
        let wanted = req.input.prefix.as_deref().unwrap_or_default();
        let buckets = created
            .filter(|_| scope.bucket.starts_with(wanted))
            .map(|created| Bucket {
                name: Some(scope.bucket.clone()),
                creation_date: Some(timestamp(created)),
                ..Bucket::default()
            })
            .into_iter()
            .collect();
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            ..ListBucketsOutput::default()
        }))
    }
}
