use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    EncodingType, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload, Part as PartOut, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, s3_error};

use super::listings::percent_encode;
use super::writes::announced_trailers;
use super::{Answer, Api, etag, signed, timestamp};
use crate::attributes::Attributes;
use crate::condition::WriteCondition;
use crate::gate::scope;
use crate::receive::{Promise, receive};
use crate::uploads::{Claim, Part};

const PART_NUMBERS: std::ops::RangeInclusive<i32> = 1..=10_000;

impl Api {
    pub(super) async fn do_create_multipart_upload(
        &self,
        mut req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let scope = scope(&mut req)?;
        let mut input = req.input;
        let attributes = Attributes::from(&mut input).to_json();
        let key = input.key.clone();
        let upload_id = self
            .run(move |store| store.start_upload(&scope, &key, &attributes))
            .await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    pub(super) async fn do_upload_part(
        &self,
        mut req: S3Request<UploadPartInput>,
    ) -> Answer<UploadPartOutput> {
        let scope = scope(&mut req)?;
        let announced = announced_trailers(&req.headers);
        let trailers = req.trailing_headers.take();
        let mut input = req.input;
        if !PART_NUMBERS.contains(&input.part_number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be from 1 to 10000"
            ));
        }
        let promise = Promise::of_part(&mut input, trailers)?;
        let blobs = self.store.blobs().clone();
        let mut received = receive(blobs, input.body.take(), promise, &announced).await?;
        let checksum = std::mem::take(&mut received.checksum);
        let part_etag = received.etag.clone();
        self.run(move |store| {
            let staged = received.seal()?;
            let part = Part {
                number: input.part_number,
                blob: staged.id().to_owned(),
                size: received.size,
                etag: received.etag,
                modified_ms: store.now_ms(),
            };
            store.put_part(&scope, &input.key, &input.upload_id, &part, staged)
        })
        .await?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(etag(&part_etag)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..UploadPartOutput::default()
        }))
    }

    pub(super) async fn do_complete_multipart_upload(
        &self,
        mut req: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let scope = scope(&mut req)?;
        let input = req.input;
        let condition = WriteCondition::new(input.if_match, input.if_none_match)?;
        let claims: Vec<Claim> = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default()
            .into_iter()
            .map(|part| {
                let number = part.part_number.ok_or_else(|| s3_error!(MalformedXML))?;
                Ok((number, part.e_tag.map(s3s::dto::ETag::into_value)))
            })
            .collect::<s3s::S3Result<_>>()?;
        let (key, upload_id) = (input.key.clone(), input.upload_id);
        let committed = self
            .run(move |store| store.complete_upload(&scope, &key, &upload_id, &claims, &condition))
            .await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, percent_encode(&input.key))),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag(&committed.etag)),
            version_id: Some(committed.version_id()),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    pub(super) async fn do_abort_multipart_upload(
        &self,
        mut req: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        let scope = scope(&mut req)?;
        let input = req.input;
        if input.if_match_initiated_time.is_some() {
            return Err(s3_error!(NotImplemented, "conditional abort"));
        }
        self.run(move |store| store.abort_upload(&scope, &input.key, &input.upload_id))
            .await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    pub(super) async fn do_list_parts(
        &self,
        mut req: S3Request<ListPartsInput>,
    ) -> Answer<ListPartsOutput> {
        let scope = scope(&mut req)?;
        let input = req.input;
        let marker = input.part_number_marker.unwrap_or(0);
        let max_parts = input.max_parts.unwrap_or(1000).clamp(0, 1000);
        let limit = usize::try_from(max_parts).unwrap_or(0);
        let (key, upload_id) = (input.key.clone(), input.upload_id.clone());
        let mut parts = self
            .run(move |store| store.list_parts(&scope, &key, &upload_id))
            .await?;
        parts.retain(|part| part.number > marker);
        let truncated = parts.len() > limit;
        parts.truncate(limit);
        let next = parts.last().map(|part| part.number).filter(|_| truncated);
        let parts = parts
            .into_iter()
            .map(|part| PartOut {
                part_number: Some(part.number),
                e_tag: Some(etag(&part.etag)),
                size: Some(signed(part.size)),
                last_modified: Some(timestamp(part.modified_ms)),
                ..PartOut::default()
            })
            .collect();
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(marker),
            next_part_number_marker: next,
            max_parts: Some(max_parts),
            is_truncated: Some(truncated),
            parts: Some(parts),
            ..ListPartsOutput::default()
        }))
    }

    /// Lists every upload in progress on one page; a delimiter is not supported.
    pub(super) async fn do_list_multipart_uploads(
        &self,
        mut req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let scope = scope(&mut req)?;
        let input = req.input;
        if input
            .delimiter
            .as_deref()
            .is_some_and(|text| !text.is_empty())
        {
            return Err(s3_error!(NotImplemented, "delimiter"));
        }
        let url = input
            .encoding_type
            .as_ref()
            .is_some_and(|e| e.as_str() == EncodingType::URL);
        let show = |text: &str| {
            if url {
                percent_encode(text)
            } else {
                text.to_owned()
            }
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        let mut uploads = self
            .run(move |store| store.list_uploads(&scope, &prefix))
            .await?;
        if let Some(key) = &input.key_marker {
            let after = input.upload_id_marker.as_deref();
            uploads.retain(|upload| {
                upload.key > *key
                    || upload.key == *key
                        && after.is_some_and(|after| upload.upload_id.as_str() > after)
            });
        }
        let uploads: Vec<MultipartUpload> = uploads
            .into_iter()
            .map(|upload| MultipartUpload {
                key: Some(show(&upload.key)),
                upload_id: Some(upload.upload_id),
                initiated: Some(timestamp(upload.started_ms)),
                ..MultipartUpload::default()
            })
            .collect();
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix.as_deref().map(show),
            key_marker: input.key_marker.as_deref().map(show),
            upload_id_marker: input.upload_id_marker,
            max_uploads: i32::try_from(uploads.len()).ok(),
            is_truncated: Some(false),
            encoding_type: input.encoding_type,
            uploads: Some(uploads),
            ..ListMultipartUploadsOutput::default()
        }))
    }
}
