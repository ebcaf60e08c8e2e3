use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::Checksum as _;
use s3s::dto::{Checksum, PutObjectInput, StreamingBlob, UploadPartInput};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};

use crate::blobs::{BlobDir, PartialBlob, StagedBlob};
use crate::error::Refusal;

/// A body is held in memory up to this size, then goes to disk piece by piece.
const PIECE: usize = 1024 * 1024;

/// What the client promised about a body.
#[derive(Debug, Default)]
pub(crate) struct Promise {
    length: Option<i64>,
    md5: Option<[u8; 16]>,
    checksum: Checksum,
    trailers: Option<TrailingHeaders>,
}

/// A verified body, not yet durable.
pub(crate) struct Received {
    blobs: Arc<BlobDir>,
    partial: Option<PartialBlob>,
    tail: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) checksum: Checksum,
}

impl Received {
    /// Makes the body durable. Blocks.
    pub(crate) fn seal(&mut self) -> Result<StagedBlob, Refusal> {
        let mut partial = match self.partial.take() {
            Some(partial) => partial,
            None => self.blobs.begin()?,
        };
        partial.append(&self.tail)?;
        Ok(partial.seal()?)
    }
}

macro_rules! promise {
    ($name:ident, $input:ty) => {
        pub(crate) fn $name(
            input: &mut $input,
            trailers: Option<TrailingHeaders>,
        ) -> S3Result<Self> {
            let checksum = Checksum {
                checksum_crc32: input.checksum_crc32.take(),
                checksum_crc32c: input.checksum_crc32c.take(),
                checksum_crc64nvme: input.checksum_crc64nvme.take(),
                checksum_sha1: input.checksum_sha1.take(),
                checksum_sha256: input.checksum_sha256.take(),
                checksum_type: None,
            };
            let md5 = input
                .content_md5
                .take()
                .map(|text| parse_md5(&text))
                .transpose()?;
            Ok(Self {
                length: input.content_length,
                md5,
                checksum,
                trailers,
            })
        }
    };
}

impl Promise {
    promise!(of_object, PutObjectInput);
    promise!(of_part, UploadPartInput);

    /// Hashes whatever may have to be compared; a checksum in a trailer is known only at the end.
    fn hasher(&self, announced: &str) -> ChecksumHasher {
        let wants = |given: &Option<String>, name: &str| {
            given.is_some()
                || announced
                    .split(',')
                    .any(|part| part.trim().eq_ignore_ascii_case(name))
        };
        let mut hasher = ChecksumHasher::default();
        if wants(&self.checksum.checksum_crc32, CRC32) {
            hasher.crc32 = Some(s3s::crypto::Crc32::new());
        }
        if wants(&self.checksum.checksum_crc32c, CRC32C) {
            hasher.crc32c = Some(s3s::crypto::Crc32c::new());
        }
        if wants(&self.checksum.checksum_crc64nvme, CRC64NVME) {
            hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::new());
        }
        if wants(&self.checksum.checksum_sha1, SHA1) {
            hasher.sha1 = Some(s3s::crypto::Sha1::new());
        }
        if wants(&self.checksum.checksum_sha256, SHA256) {
            hasher.sha256 = Some(s3s::crypto::Sha256::new());
        }
        hasher
    }

    fn add_trailers(&mut self) {
        let Some(trailers) = self.trailers.as_ref().and_then(TrailingHeaders::take) else {
            return;
        };
        let text = |name: &str| trailers.get(name)?.to_str().ok().map(str::to_owned);
        let sums = &mut self.checksum;
        for (slot, name) in [
            (&mut sums.checksum_crc32, CRC32),
            (&mut sums.checksum_crc32c, CRC32C),
            (&mut sums.checksum_crc64nvme, CRC64NVME),
            (&mut sums.checksum_sha1, SHA1),
            (&mut sums.checksum_sha256, SHA256),
        ] {
            if slot.is_none() {
                *slot = text(name);
            }
        }
    }

    fn verify(&self, size: u64, md5: [u8; 16], actual: &Checksum) -> S3Result<()> {
        if self
            .length
            .is_some_and(|promised| u64::try_from(promised) != Ok(size))
        {
            return Err(s3_error!(IncompleteBody));
        }
        if self.md5.is_some_and(|promised| promised != md5) {
            return Err(s3_error!(BadDigest));
        }
        let wanted = &self.checksum;
        for (wanted, actual) in [
            (&wanted.checksum_crc32, &actual.checksum_crc32),
            (&wanted.checksum_crc32c, &actual.checksum_crc32c),
            (&wanted.checksum_crc64nvme, &actual.checksum_crc64nvme),
            (&wanted.checksum_sha1, &actual.checksum_sha1),
            (&wanted.checksum_sha256, &actual.checksum_sha256),
        ] {
            if wanted.is_some() && wanted != actual {
                return Err(s3_error!(BadDigest));
            }
        }
        Ok(())
    }
}

const CRC32: &str = "x-amz-checksum-crc32";
const CRC32C: &str = "x-amz-checksum-crc32c";
const CRC64NVME: &str = "x-amz-checksum-crc64nvme";
const SHA1: &str = "x-amz-checksum-sha1";
const SHA256: &str = "x-amz-checksum-sha256";

/// Reads a body to its end and checks every promise made about it. `announced` is the `x-amz-trailer` header.
pub(crate) async fn receive(
    blobs: Arc<BlobDir>,
    body: Option<StreamingBlob>,
    mut promise: Promise,
    announced: &str,
) -> S3Result<Received> {
    let mut md5 = Md5::new();
    let mut hasher = promise.hasher(announced);
    let mut partial = None;
    let mut tail = Vec::new();
    let mut size: u64 = 0;
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            let chunk =
                chunk.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?;
            md5.update(&chunk);
            hasher.update(&chunk);
            size += chunk.len() as u64;
            tail.extend_from_slice(&chunk);
            if tail.len() >= PIECE {
                (partial, tail) = spill(Arc::clone(&blobs), partial, tail).await?;
            }
        }
    }
    let md5: [u8; 16] = md5.finalize().into();
    let checksum = hasher.finalize();
    promise.add_trailers();
    promise.verify(size, md5, &checksum)?;
    Ok(Received {
        blobs,
        partial,
        tail,
        size,
        etag: hex::encode(md5),
        checksum,
    })
}

async fn spill(
    blobs: Arc<BlobDir>,
    partial: Option<PartialBlob>,
    mut tail: Vec<u8>,
) -> S3Result<(Option<PartialBlob>, Vec<u8>)> {
    let written = tokio::task::spawn_blocking(move || {
        let mut partial = match partial {
            Some(partial) => partial,
            None => blobs.begin()?,
        };
        partial.append(&tail)?;
        tail.clear();
        Ok::<_, std::io::Error>((Some(partial), tail))
    });
    written
        .await
        .map_err(S3Error::internal_error)?
        .map_err(S3Error::internal_error)
}

/// The `ETag` of an object made of parts: the MD5 of the parts' MD5s, and their number.
pub(crate) fn multipart_etag<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    let count = parts.len();
    let mut md5 = Md5::new();
    for etag in parts {
        md5.update(hex::decode(etag).ok()?);
    }
    Some(format!("{}-{count}", hex::encode(md5.finalize())))
}

fn parse_md5(text: &str) -> S3Result<[u8; 16]> {
    STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| s3_error!(InvalidDigest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_of_parts_is_what_s3_computes() {
        let part = hex::encode(Md5::digest(b"hello"));
        assert_eq!(
            multipart_etag([part.as_str(), part.as_str()].into_iter()).as_deref(),
            Some(
                format!(
                    "{}-2",
                    hex::encode(Md5::digest(
                        [hex::decode(&part).unwrap(), hex::decode(&part).unwrap()].concat()
                    ))
                )
                .as_str()
            )
        );
        assert_eq!(multipart_etag(["no hex"].into_iter()), None);
    }

    #[test]
    fn a_content_md5_must_be_sixteen_bytes_of_base64() {
        assert_eq!(
            parse_md5("XUFAKrxLKna5cZ2REBfFkg==")
                .map(hex::encode)
                .ok()
                .as_deref(),
            Some("5d41402abc4b2a76b9719d911017c592")
        );
        assert!(parse_md5("XUFA").is_err());
        assert!(parse_md5("!").is_err());
    }
}
