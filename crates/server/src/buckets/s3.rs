//! The S3 calls that administer a bucket.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::escape::escape;
use secrecy::ExposeSecret;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::client::{AdminKey, Answer, Call, Client, Endpoint, Repeat, Repeats};
use super::iam::has_code;
use super::uploads;
use super::versions::{self, Names, VersionMark, VersionRemoval, VersionsPage};
use super::xml::Element;
use super::{BucketError, NotificationTarget};
use crate::clock::Clock;

/// What stays as it is in the path of a request (RFC 3986, unreserved) and between segments.
pub(crate) const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');
pub(super) const IN_QUERY: &AsciiSet = &IN_PATH.add(b'/');
const LIST_VERSIONS: &str = "ListObjectVersions";
const LIST_UPLOADS: &str = "ListMultipartUploads";
/// As many as one call deletes.
const DELETED_AT_ONCE: usize = 1000;

/// How a store is told to keep what was overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versioning {
    /// By a call of its own, which can be made at any time.
    ByCall,
    /// By a header when the bucket is made (Tigris).
    BySnapshots,
}

pub(super) struct S3 {
    client: Client,
}

/// How much of what was to be deleted is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deletion {
    Whole,
    Partial,
}

#[derive(Debug, PartialEq, Eq)]
struct ObjectVersion {
    key: String,
    version_id: Option<String>,
}

impl S3 {
    pub(super) fn new(
        endpoint: Endpoint,
        key: AdminKey,
        clock: Clock,
        repeats: Repeats,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::new(endpoint, "s3", key, clock, repeats)?;
        Ok(Self { client })
    }

    pub(super) async fn ensure_bucket(
        &self,
        bucket: &str,
        versioning: Versioning,
    ) -> Result<(), BucketError> {
        let mut call = call("CreateBucket", Method::PUT, format!("/{bucket}"));
        call.body = location(&self.client.endpoint().region).into_bytes();
        match versioning {
            Versioning::ByCall => {}
            Versioning::BySnapshots => call
                .headers
                .push(("x-tigris-enable-snapshot", "true".to_owned())),
        }
        match self.client.send(&call).await {
            Ok(_) => {}
            Err(error) if has_code(&error, &["BucketAlreadyOwnedByYou"]) => {}
            Err(error) if has_code(&error, &["BucketAlreadyExists"]) => {
                if !self.owns(bucket).await? {
                    return Err(BucketError::BucketTaken);
                }
            }
            Err(error) => return Err(error),
        }
        match versioning {
            Versioning::ByCall => self.enable_versioning(bucket).await,
            Versioning::BySnapshots => Ok(()),
        }
    }

    async fn enable_versioning(&self, bucket: &str) -> Result<(), BucketError> {
        let path = format!("/{bucket}?versioning=");
        let mut call = call("PutBucketVersioning", Method::PUT, path);
        call.body = b"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>".to_vec();
        call.headers
            .push(("content-type", "application/xml".to_owned()));
        add_checksum(&mut call);
        self.client.send(&call).await?;
        Ok(())
    }

    /// Whether the bucket is among our own, whoever else lets us look into theirs.
    async fn owns(&self, bucket: &str) -> Result<bool, BucketError> {
        const OPERATION: &str = "ListBuckets";
        let answer = self
            .client
            .send(&call(OPERATION, Method::GET, "/".to_owned()))
            .await?;
        let document = parse(OPERATION, &answer)?;
        Ok(document
            .child("Buckets")
            .into_iter()
            .flat_map(|buckets| buckets.children("Bucket"))
            .any(|found| found.text(&["Name"]) == Some(bucket)))
    }

    pub(super) async fn purge(&self, bucket: &str) -> Result<(), BucketError> {
        let emptied = async {
            self.delete_versions(bucket).await?;
            self.end_uploads(bucket, i64::MAX).await.map(drop)
        };
        match emptied.await {
            Err(error) if has_code(&error, &["NoSuchBucket"]) => Ok(()),
            emptied => emptied,
        }
    }

    pub(super) async fn delete_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        let delete = call("DeleteBucket", Method::DELETE, format!("/{bucket}"));
        match self.client.send(&delete).await {
            Ok(_) => Ok(()),
            Err(error) if has_code(&error, &["NoSuchBucket"]) => Ok(()),
            Err(error) if has_code(&error, &["BucketNotEmpty"]) => Err(BucketError::NotEmptied),
            Err(error) => Err(error),
        }
    }

    /// Makes Tigris report changes of objects; its own extension of the S3 API.
    pub(super) async fn set_notifications(
        &self,
        bucket: &str,
        target: &NotificationTarget,
    ) -> Result<(), BucketError> {
        let mut call = call("SetNotifications", Method::PATCH, format!("/{bucket}"));
        let settings = json!({
            "object_notifications": {
                "enabled": true,
                "web_hook": target.url,
                "filter": "",
                "auth": { "token": target.token.expose_secret() },
            },
        });
        call.body = settings.to_string().into_bytes();
        call.headers
            .push(("content-type", "application/json".to_owned()));
        self.client.send(&call).await?;
        Ok(())
    }

    /// Lists versions and delete markers of keys that start with `prefix`.
    pub(super) async fn list_versions(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&VersionMark>,
    ) -> Result<VersionsPage, BucketError> {
        let path = format!("/{bucket}?{}", versions::query(prefix, after));
        let answer = self
            .client
            .send(&call(LIST_VERSIONS, Method::GET, path))
            .await?;
        versions::page(&parse(LIST_VERSIONS, &answer)?).ok_or(BucketError::Unreadable {
            operation: LIST_VERSIONS,
        })
    }

    /// Removes versions for good; those that are gone already count as removed.
    pub(super) async fn remove_versions(
        &self,
        bucket: &str,
        removals: &[VersionRemoval],
    ) -> Result<(), BucketError> {
        let named: Vec<ObjectVersion> = removals
            .iter()
            .flat_map(|removal| {
                removal.versions.iter().map(|version| ObjectVersion {
                    key: removal.key.clone(),
                    version_id: Some(version.clone()),
                })
            })
            .collect();
        match self.delete_named(bucket, &named).await? {
            Deletion::Whole => Ok(()),
            Deletion::Partial => Err(BucketError::NotRemoved),
        }
    }

    async fn delete_named(
        &self,
        bucket: &str,
        named: &[ObjectVersion],
    ) -> Result<Deletion, BucketError> {
        let (written, unwritten): (Vec<_>, Vec<_>) =
            named.iter().partition(|version| is_xml(&version.key));
        for part in written.chunks(DELETED_AT_ONCE) {
            match self.delete_objects(bucket, part).await? {
                Deletion::Whole => {}
                Deletion::Partial => return Ok(Deletion::Partial),
            }
        }
        for version in unwritten {
            self.delete_version(bucket, version).await?;
        }
        Ok(Deletion::Whole)
    }

    /// For names that cannot be written into the body of a call.
    async fn delete_version(
        &self,
        bucket: &str,
        version: &ObjectVersion,
    ) -> Result<(), BucketError> {
        let mut path = format!("/{bucket}/{}", utf8_percent_encode(&version.key, IN_PATH));
        if let Some(id) = &version.version_id {
            path.push_str(&format!("?versionId={}", utf8_percent_encode(id, IN_QUERY)));
        }
        let delete = call("DeleteObject", Method::DELETE, path);
        match self.client.send(&delete).await {
            Ok(_) => Ok(()),
            Err(error) if has_code(&error, &["NoSuchKey", "NoSuchVersion"]) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn delete_versions(&self, bucket: &str) -> Result<(), BucketError> {
        let mut last_page = Vec::new();
        loop {
            let page = self.some_versions(bucket).await?;
            if page.is_empty() {
                return Ok(());
            }
            if page == last_page {
                return Err(BucketError::NotEmptied);
            }
            match self.delete_named(bucket, &page).await? {
                Deletion::Whole => {}
                Deletion::Partial => return Err(BucketError::NotEmptied),
            }
            last_page = page;
        }
    }

    /// The first page of what is left.
    async fn some_versions(&self, bucket: &str) -> Result<Vec<ObjectVersion>, BucketError> {
        let path = format!("/{bucket}?encoding-type=url&versions=");
        let list = call(LIST_VERSIONS, Method::GET, path);
        let answer = self.client.send(&list).await?;
        named_versions(&parse(LIST_VERSIONS, &answer)?).ok_or(BucketError::Unreadable {
            operation: LIST_VERSIONS,
        })
    }

    async fn delete_objects(
        &self,
        bucket: &str,
        page: &[&ObjectVersion],
    ) -> Result<Deletion, BucketError> {
        const OPERATION: &str = "DeleteObjects";
        let mut call = call(OPERATION, Method::POST, format!("/{bucket}?delete="));
        call.body = deletion(page).into_bytes();
        call.headers
            .push(("content-type", "application/xml".to_owned()));
        add_checksum(&mut call);
        let answer = self.client.send(&call).await?;
        Ok(match parse(OPERATION, &answer)?.child("Error") {
            Some(_) => Deletion::Partial,
            None => Deletion::Whole,
        })
    }

    /// Gives up the unfinished uploads that began before `begun_before`; tells how many.
    pub(super) async fn end_uploads(
        &self,
        bucket: &str,
        begun_before: i64,
    ) -> Result<u64, BucketError> {
        let unreadable = || BucketError::Unreadable {
            operation: LIST_UPLOADS,
        };
        let (mut ended, mut after) = (0, None);
        loop {
            let path = format!("/{bucket}?{}", uploads::query(after.as_ref()));
            let list = call(LIST_UPLOADS, Method::GET, path);
            let answer = self.client.send(&list).await?;
            let page = uploads::page(&parse(LIST_UPLOADS, &answer)?).ok_or_else(unreadable)?;
            for upload in page.uploads {
                if upload.begun_ms < begun_before {
                    self.abort_upload(bucket, &upload.key, &upload.id).await?;
                    ended += 1;
                }
            }
            match page.next {
                None => return Ok(ended),
                // A page that does not come to an end.
                same if same == after => return Err(unreadable()),
                next => after = next,
            }
        }
    }

    async fn abort_upload(
        &self,
        bucket: &str,
        key: &str,
        upload_id: &str,
    ) -> Result<(), BucketError> {
        let path = format!(
            "/{bucket}/{}?uploadId={}",
            utf8_percent_encode(key, IN_PATH),
            utf8_percent_encode(upload_id, IN_QUERY)
        );
        let abort = call("AbortMultipartUpload", Method::DELETE, path);
        match self.client.send(&abort).await {
            Ok(_) => Ok(()),
            Err(error) if has_code(&error, &["NoSuchUpload"]) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn call(operation: &'static str, method: Method, path_and_query: String) -> Call {
    Call {
        operation,
        method,
        path_and_query,
        headers: Vec::new(),
        body: Vec::new(),
        repeat: Repeat::Always,
    }
}

fn parse(operation: &'static str, answer: &Answer) -> Result<Element, BucketError> {
    Element::parse(&answer.body).ok_or(BucketError::Unreadable { operation })
}

/// These calls need a checksum of their own beside the signed one.
fn add_checksum(call: &mut Call) {
    let digest = STANDARD.encode(Sha256::digest(&call.body));
    call.headers.push(("x-amz-checksum-sha256", digest));
    call.headers
        .push(("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()));
}

/// Outside its first region, AWS wants the region's name once more.
fn location(region: &str) -> String {
    match region {
        "us-east-1" | "auto" => String::new(),
        region => format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
            escape(region)
        ),
    }
}

fn named_versions(listing: &Element) -> Option<Vec<ObjectVersion>> {
    let names = Names::of(listing);
    listing
        .children("Version")
        .chain(listing.children("DeleteMarker"))
        .map(|version| {
            let id = version.text(&["VersionId"]).filter(|id| !id.is_empty());
            Some(ObjectVersion {
                key: names.read(version.raw_text("Key")?)?,
                version_id: id.map(str::to_owned),
            })
        })
        .collect()
}

/// Whether a text can stand in XML 1.0, whatever is escaped.
fn is_xml(text: &str) -> bool {
    text.chars().all(|letter| match letter {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        letter => letter >= ' ',
    })
}

fn deletion(page: &[&ObjectVersion]) -> String {
    let mut text =
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>".to_owned();
    for version in page {
        // A parser turns bare line ends into others.
        let key = escape(version.key.as_str())
            .replace('\r', "&#13;")
            .replace('\n', "&#10;");
        text.push_str(&format!("<Object><Key>{key}</Key>"));
        if let Some(id) = &version.version_id {
            text.push_str(&format!("<VersionId>{}</VersionId>", escape(id.as_str())));
        }
        text.push_str("</Object>");
    }
    text.push_str("</Delete>");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_delete_markers_are_deleted_alike() {
        let listing = b"<ListVersionsResult><IsTruncated>false</IsTruncated>\
            <Version><Key>a&amp;b \n.md</Key><VersionId>v1</VersionId></Version>\
            <DeleteMarker><Key>c</Key><VersionId>v2</VersionId></DeleteMarker>\
            <Version><Key> d</Key></Version></ListVersionsResult>";
        let page = named_versions(&Element::parse(listing).unwrap()).unwrap();
        assert_eq!(
            deletion(&page.iter().collect::<Vec<_>>()),
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\
             <Object><Key>a&amp;b &#10;.md</Key><VersionId>v1</VersionId></Object>\
             <Object><Key> d</Key></Object>\
             <Object><Key>c</Key><VersionId>v2</VersionId></Object></Delete>"
        );
    }

    #[test]
    fn names_that_xml_cannot_hold_are_known() {
        for (text, expected) in [
            ("a/b &<> \n.md", true),
            ("\u{1f600}", true),
            ("a\u{1}", false),
            ("a\u{ffff}", false),
        ] {
            assert_eq!(is_xml(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_region_is_named_where_it_is_not_understood() {
        assert_eq!(location("us-east-1"), "");
        assert_eq!(location("auto"), "");
        assert!(location("eu-west-1").contains(">eu-west-1<"));
    }
}
