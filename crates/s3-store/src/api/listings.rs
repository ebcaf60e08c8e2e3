use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, EncodingType, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::{Answer, Api, etag, signed, timestamp};
use crate::gate::scope;
use crate::listing::{Entry, Listed, ListedVersion, Listing, Page};
use crate::objects::parse_version_id;

const MOST_KEYS: i32 = 1000;

impl Api {
    pub(super) async fn do_list_objects_v2(
        &self,
        mut req: S3Request<ListObjectsV2Input>,
    ) -> Answer<ListObjectsV2Output> {
        let scope = scope(&mut req)?;
        let input = req.input;
        let names = Names::new(input.encoding_type.as_ref())?;
        let (max_keys, mut listing) = listing(
            input.prefix.as_deref(),
            input.delimiter.as_deref(),
            input.max_keys,
        )?;
        match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => listing.from = parse_token(token)?,
            (None, Some(marker)) => listing.start_after(marker),
            (None, None) => {}
        }
        let bucket_id = scope.bucket_id;
        let page = self
            .run(move |store| store.read(|connection| listing.objects(connection, bucket_id)))
            .await?;
        let key_count = i32::try_from(page.entries.len()).ok();
        let next = page
            .next
            .as_ref()
            .map(|bound| URL_SAFE_NO_PAD.encode(bound));
        let (contents, common_prefixes) = objects(page, &names);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(names.show(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(|text| names.show(text)),
            start_after: input.start_after.as_deref().map(|text| names.show(text)),
            max_keys: Some(max_keys),
            key_count,
            is_truncated: Some(next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            request_charged: None,
        }))
    }

    pub(super) async fn do_list_objects(
        &self,
        mut req: S3Request<ListObjectsInput>,
    ) -> Answer<ListObjectsOutput> {
        let scope = scope(&mut req)?;
        let input = req.input;
        let names = Names::new(input.encoding_type.as_ref())?;
        let (max_keys, mut listing) = listing(
            input.prefix.as_deref(),
            input.delimiter.as_deref(),
            input.max_keys,
        )?;
        if let Some(marker) = input.marker.as_deref().filter(|text| !text.is_empty()) {
            listing.start_after(marker);
        }
        let bucket_id = scope.bucket_id;
        let page = self
            .run(move |store| store.read(|connection| listing.objects(connection, bucket_id)))
            .await?;
        let last = page.entries.last().map(|entry| match entry {
            Entry::Item(listed) => names.show(&listed.key),
            Entry::CommonPrefix(text) => names.show(text),
        });
        let truncated = page.next.is_some();
        let (contents, common_prefixes) = objects(page, &names);
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(names.show(input.prefix.as_deref().unwrap_or_default())),
            marker: Some(names.show(input.marker.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(|text| names.show(text)),
            max_keys: Some(max_keys),
            is_truncated: Some(truncated),
            next_marker: last.filter(|_| truncated),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            request_charged: None,
        }))
    }

    pub(super) async fn do_list_object_versions(
        &self,
        mut req: S3Request<ListObjectVersionsInput>,
    ) -> Answer<ListObjectVersionsOutput> {
        let scope = scope(&mut req)?;
        let input = req.input;
        let names = Names::new(input.encoding_type.as_ref())?;
        let (max_keys, mut listing) = listing(
            input.prefix.as_deref(),
            input.delimiter.as_deref(),
            input.max_keys,
        )?;
        let key_marker = input.key_marker.clone().filter(|text| !text.is_empty());
        let version_marker = input
            .version_id_marker
            .clone()
            .filter(|text| !text.is_empty());
        let below = match (key_marker, version_marker) {
            (None, None) => None,
            (Some(key), None) => {
                listing.start_after(&key);
                None
            }
            (Some(key), Some(version)) => {
                listing.from = key.into_bytes();
                let seq = parse_version_id(&version);
                Some(seq.ok_or_else(|| s3_error!(InvalidArgument, "invalid version-id-marker"))?)
            }
            (None, Some(_)) => {
                return Err(s3_error!(
                    InvalidArgument,
                    "A version-id marker cannot be specified without a key marker."
                ));
            }
        };
        let bucket_id = scope.bucket_id;
        let page = self
            .run(move |store| {
                store.read(|connection| Ok(listing.versions(connection, bucket_id, below)?))
            })
            .await?;
        let mut output = ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(names.show(input.prefix.as_deref().unwrap_or_default())),
            key_marker: Some(names.show(input.key_marker.as_deref().unwrap_or_default())),
            version_id_marker: input.version_id_marker,
            delimiter: input.delimiter.as_deref().map(|text| names.show(text)),
            max_keys: Some(max_keys),
            is_truncated: Some(page.next.is_some()),
            encoding_type: input.encoding_type,
            ..ListObjectVersionsOutput::default()
        };
        fill_versions(&mut output, page, &names);
        Ok(S3Response::new(output))
    }
}

/// How names are written into the answer.
enum Names {
    Plain,
    Url,
}

impl Names {
    fn new(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some(EncodingType::URL) => Ok(Self::Url),
            Some(_) => Err(s3_error!(
                InvalidArgument,
                "Invalid Encoding Method specified"
            )),
        }
    }

    fn show(&self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Url => percent_encode(text),
        }
    }
}

pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            other => {
                encoded.push('%');
                encoded.push_str(&hex::encode_upper([other]));
            }
        }
    }
    encoded
}

fn listing(
    prefix: Option<&str>,
    delimiter: Option<&str>,
    max_keys: Option<i32>,
) -> S3Result<(i32, Listing)> {
    let max_keys = max_keys.unwrap_or(MOST_KEYS).min(MOST_KEYS);
    let limit = usize::try_from(max_keys)
        .map_err(|_| s3_error!(InvalidArgument, "max-keys must not be negative"))?;
    let listing = Listing {
        prefix: prefix.unwrap_or_default().to_owned(),
        delimiter: delimiter.filter(|text| !text.is_empty()).map(str::to_owned),
        from: Vec::new(),
        limit,
    };
    Ok((max_keys, listing))
}

fn parse_token(token: &str) -> S3Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(token).map_err(|_| {
        s3_error!(
            InvalidArgument,
            "The continuation token provided is incorrect"
        )
    })
}

fn common_prefix(text: &str, names: &Names) -> CommonPrefix {
    CommonPrefix {
        prefix: Some(names.show(text)),
    }
}

fn objects(page: Page<Listed>, names: &Names) -> (Vec<Object>, Vec<CommonPrefix>) {
    let mut objects = Vec::with_capacity(page.entries.len());
    let mut prefixes = Vec::new();
    for entry in page.entries {
        match entry {
            Entry::Item(listed) => objects.push(Object {
                key: Some(names.show(&listed.key)),
                e_tag: Some(etag(&listed.etag)),
                size: Some(signed(listed.size)),
                last_modified: Some(timestamp(listed.modified_ms)),
                storage_class: Some(ObjectStorageClass::from_static(
                    ObjectStorageClass::STANDARD,
                )),
                ..Object::default()
            }),
            Entry::CommonPrefix(text) => prefixes.push(common_prefix(&text, names)),
        }
    }
    (objects, prefixes)
}

fn fill_versions(output: &mut ListObjectVersionsOutput, page: Page<ListedVersion>, names: &Names) {
    let last = page.entries.last().filter(|_| page.next.is_some());
    match last {
        Some(Entry::Item(version)) => {
            output.next_key_marker = Some(names.show(&version.listed.key));
            output.next_version_id_marker = Some(version.id());
        }
        Some(Entry::CommonPrefix(text)) => output.next_key_marker = Some(names.show(text)),
        None => {}
    }
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            Entry::Item(version) if version.marker => markers.push(DeleteMarkerEntry {
                key: Some(names.show(&version.listed.key)),
                version_id: Some(version.id()),
                is_latest: Some(version.newest),
                last_modified: Some(timestamp(version.listed.modified_ms)),
                owner: None,
            }),
            Entry::Item(version) => versions.push(ObjectVersion {
                key: Some(names.show(&version.listed.key)),
                version_id: Some(version.id()),
                is_latest: Some(version.newest),
                e_tag: Some(etag(&version.listed.etag)),
                size: Some(signed(version.listed.size)),
                last_modified: Some(timestamp(version.listed.modified_ms)),
                storage_class: Some(ObjectVersionStorageClass::from_static(
                    ObjectVersionStorageClass::STANDARD,
                )),
                ..ObjectVersion::default()
            }),
            Entry::CommonPrefix(text) => prefixes.push(common_prefix(&text, names)),
        }
    }
    output.versions = Some(versions);
    output.delete_markers = Some(markers);
    output.common_prefixes = Some(prefixes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_so_that_every_client_decodes_them() {
        assert_eq!(
            percent_encode("a/b c+d%ż\n.md"),
            "a/b%20c%2Bd%25%C5%BC%0A.md"
        );
    }
}
