use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use s3s::dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob};
use s3s::{Body, S3Request, S3Response, s3_error};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::{Answer, Api, etag, signed, timestamp};
use crate::attributes::Attributes;
use crate::condition::ReadCondition;
use crate::error::Refusal;
use crate::gate::scope;

/// Objects up to this size are read in the same step that finds them.
const AT_ONCE: u64 = 256 * 1024;

enum Content {
    Whole(Bytes),
    Streamed(File),
}

impl Api {
    pub(super) async fn do_head_object(
        &self,
        mut req: S3Request<HeadObjectInput>,
    ) -> Answer<HeadObjectOutput> {
        let scope = scope(&mut req)?;
        let input = req.input;
        if input.part_number.is_some() {
            return Err(s3_error!(NotImplemented, "partNumber"));
        }
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let found = self
            .run(move |store| {
                store.find_object(&scope, &input.key, input.version_id.as_deref(), &condition)
            })
            .await?;
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(found.size)),
            e_tag: Some(etag(&found.etag)),
            last_modified: Some(timestamp(found.modified_ms)),
            version_id: Some(found.id()),
            ..HeadObjectOutput::default()
        };
        Attributes::from_json(&found.attributes).fill_head(&mut output);
        Ok(S3Response::new(output))
    }

    pub(super) async fn do_get_object(
        &self,
        mut req: S3Request<GetObjectInput>,
    ) -> Answer<GetObjectOutput> {
        let scope = scope(&mut req)?;
        let input = req.input;
        if input.part_number.is_some() {
            return Err(s3_error!(NotImplemented, "partNumber"));
        }
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let wanted = input.range;
        let (found, range, content) = self
            .run(move |store| {
                let (found, file) = store.open_object(
                    &scope,
                    &input.key,
                    input.version_id.as_deref(),
                    &condition,
                )?;
                let range = match wanted {
                    Some(wanted) => wanted
                        .check(found.size)
                        .map_err(|_| Refusal::InvalidRange)?,
                    None => 0..found.size,
                };
                let content = read(file, &range)?;
                Ok((found, range, content))
            })
            .await?;
        let length = range.end - range.start;
        let body = match content {
            Content::Whole(bytes) => StreamingBlob::from(Body::from(bytes)),
            Content::Streamed(file) => {
                let file = tokio::fs::File::from_std(file).take(length);
                StreamingBlob::wrap(ReaderStream::with_capacity(file, AT_ONCE as usize))
            }
        };
        let content_range = wanted.map(|_| {
            format!(
                "bytes {}-{}/{}",
                range.start,
                range.end.saturating_sub(1),
                found.size
            )
        });
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(body),
            content_length: Some(signed(length)),
            content_range,
            e_tag: Some(etag(&found.etag)),
            last_modified: Some(timestamp(found.modified_ms)),
            version_id: Some(found.id()),
            ..GetObjectOutput::default()
        };
        Attributes::from_json(&found.attributes).fill_get(&mut output);
        Ok(S3Response::new(output))
    }
}

fn read(mut file: File, range: &Range<u64>) -> io::Result<Content> {
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start))?;
    }
    let length = range.end - range.start;
    if length > AT_ONCE {
        return Ok(Content::Streamed(file));
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Content::Whole(bytes.into()))
}
