use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition,
    Error, MetadataDirective, ObjectIdentifier, PutObjectInput, PutObjectOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::{Answer, Api, etag, timestamp};
use crate::attributes::Attributes;
use crate::change::ChangeKind;
use crate::condition::{ReadCondition, WriteCondition};
use crate::error::Refusal;
use crate::gate::scope;
use crate::keys::Scope;
use crate::objects::{CopyFrom, Deleted, NewVersion, version_id};
use crate::receive::{Promise, receive};
use crate::store::{Batch, Store};

impl Api {
    pub(super) async fn do_put_object(
        &self,
        mut req: S3Request<PutObjectInput>,
    ) -> Answer<PutObjectOutput> {
        let scope = scope(&mut req)?;
        let announced = announced_trailers(&req.headers);
        let trailers = req.trailing_headers.take();
        let mut input = req.input;
        if input.write_offset_bytes.is_some() {
            return Err(s3_error!(NotImplemented, "x-amz-write-offset-bytes"));
        }
        let condition = WriteCondition::new(input.if_match.take(), input.if_none_match.take())?;
        let attributes = Attributes::from(&mut input);
        let promise = Promise::of_object(&mut input, trailers)?;
        let blobs = self.store.blobs().clone();
        let mut received = receive(blobs, input.body.take(), promise, &announced).await?;
        let checksum = std::mem::take(&mut received.checksum);
        let committed = self
            .run(move |store| {
                let staged = received.seal()?;
                let blob = staged.id().to_owned();
                let new = NewVersion {
                    key: &input.key,
                    blob: &blob,
                    size: received.size,
                    etag: &received.etag,
                    attributes: &attributes.to_json(),
                    kind: ChangeKind::Put,
                };
                store.put_object(&scope, &new, staged, &condition)
            })
            .await?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(etag(&committed.etag)),
            version_id: Some(committed.version_id()),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    pub(super) async fn do_copy_object(
        &self,
        mut req: S3Request<CopyObjectInput>,
    ) -> Answer<CopyObjectOutput> {
        let scope = scope(&mut req)?;
        let condition = WriteCondition::from_headers(&req.headers)?;
        let mut input = req.input;
        let from = copy_from(&mut input, &scope)?;
        let attributes = match input
            .metadata_directive
            .as_ref()
            .map(MetadataDirective::as_str)
        {
            None | Some(MetadataDirective::COPY) => None,
            Some(MetadataDirective::REPLACE) => Some(Attributes::from(&mut input)),
            Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
        };
        let key = input.key;
        let (committed, source) = self
            .run(move |store| {
                store.copy_object(&scope, &from, &key, attributes.as_ref(), &condition)
            })
            .await?;
        let result = CopyObjectResult {
            e_tag: Some(etag(&committed.etag)),
            last_modified: Some(timestamp(committed.modified_ms)),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: Some(source.id()),
            version_id: Some(committed.version_id()),
            ..CopyObjectOutput::default()
        }))
    }

    pub(super) async fn do_delete_object(
        &self,
        mut req: S3Request<DeleteObjectInput>,
    ) -> Answer<DeleteObjectOutput> {
        let scope = scope(&mut req)?;
        let input = req.input;
        if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
            return Err(s3_error!(
                NotImplemented,
                "only If-Match conditions on deletes"
            ));
        }
        let condition = WriteCondition::new(input.if_match, None)?;
        let order = Order::new(input.key, input.version_id, condition)?;
        let version = order.version.clone();
        let deleted = self
            .run(move |store| store.commit(&scope, |batch| order.carry_out(batch)))
            .await?;
        let (delete_marker, made) = outcome(&deleted);
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker,
            version_id: made.or(version),
            request_charged: None,
        }))
    }

    pub(super) async fn do_delete_objects(
        &self,
        mut req: S3Request<DeleteObjectsInput>,
    ) -> Answer<DeleteObjectsOutput> {
        let scope = scope(&mut req)?;
        let quiet = req.input.delete.quiet.unwrap_or(false);
        let objects = req.input.delete.objects;
        if objects.len() > 1000 {
            return Err(s3_error!(MalformedXML, "at most 1000 keys per request"));
        }
        let results = self
            .run(move |store| delete_all(store, &scope, objects))
            .await?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for (key, version, result) in results {
            match result {
                Ok(_) if quiet => {}
                Ok(done) => {
                    let (delete_marker, made) = outcome(&done);
                    deleted.push(DeletedObject {
                        key: Some(key),
                        delete_marker,
                        delete_marker_version_id: made,
                        version_id: version,
                    });
                }
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    key: Some(key),
                    version_id: version,
                }),
            }
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            request_charged: None,
        }))
    }
}

/// One object to delete.
struct Order {
    key: String,
    version: Option<String>,
    condition: WriteCondition,
}

impl Order {
    fn new(key: String, version: Option<String>, condition: WriteCondition) -> S3Result<Self> {
        if version.is_some() && condition.if_match.is_some() {
            return Err(s3_error!(
                NotImplemented,
                "If-Match and versionId in one delete"
            ));
        }
        Ok(Self {
            key,
            version,
            condition,
        })
    }

    fn carry_out(&self, batch: &mut Batch<'_>) -> Result<Deleted, Refusal> {
        match &self.version {
            Some(version) => batch.delete_version(&self.key, version),
            None => batch.delete(&self.key, &self.condition),
        }
    }
}

type Result3 = (String, Option<String>, S3Result<Deleted>);

/// All in one transaction; a refused one leaves the others alone.
fn delete_all(
    store: &Store,
    scope: &Scope,
    objects: Vec<ObjectIdentifier>,
) -> Result<Vec<Result3>, Refusal> {
    store.commit(scope, |batch| {
        let mut results = Vec::with_capacity(objects.len());
        for object in objects {
            let if_match = object.e_tag.map(ETagCondition::ETag);
            let condition = WriteCondition {
                if_match,
                if_none_match: None,
            };
            let (key, version) = (object.key, object.version_id);
            let conditional = object.size.is_some() || object.last_modified_time.is_some();
            let result = match Order::new(key.clone(), version.clone(), condition) {
                Ok(_) if conditional => Err(s3_error!(NotImplemented, "only ETag conditions")),
                Ok(order) => match order.carry_out(batch) {
                    Ok(deleted) => Ok(deleted),
                    Err(Refusal::Store(error)) => return Err(Refusal::Store(error)),
                    Err(refusal) => Err(S3Error::from(refusal)),
                },
                Err(error) => Err(error),
            };
            results.push((key, version, result));
        }
        Ok(results)
    })
}

fn outcome(deleted: &Deleted) -> (Option<bool>, Option<String>) {
    match deleted {
        Deleted::Nothing | Deleted::VersionRemoved { marker: false } => (None, None),
        Deleted::VersionRemoved { marker: true } => (Some(true), None),
        Deleted::MarkerMade { seq } => (Some(true), Some(version_id(*seq))),
    }
}

fn copy_from(input: &mut CopyObjectInput, scope: &Scope) -> S3Result<CopyFrom> {
    let CopySource::Bucket {
        bucket,
        key,
        version_id,
    } = &input.copy_source
    else {
        return Err(s3_error!(AccessDenied));
    };
    if **bucket != *scope.bucket {
        return Err(s3_error!(AccessDenied));
    }
    Ok(CopyFrom {
        key: key.to_string(),
        version_id: version_id.as_deref().map(str::to_owned),
        condition: ReadCondition {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        },
    })
}

pub(super) fn announced_trailers(headers: &http::HeaderMap) -> String {
    let value = headers
        .get("x-amz-trailer")
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}
