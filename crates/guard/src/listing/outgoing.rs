use std::fmt::Write;

use quick_xml::escape::escape;

use super::page::{ListQuery, ListVersion, Naming, Page};
use crate::encoding::{self, quoted};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

struct Document(String);

impl Document {
    fn open(root: &str) -> Self {
        Self(format!("{HEAD}<{root} {NAMESPACE}>"))
    }

    fn element(&mut self, name: &str, text: &str) {
        write!(self.0, "<{name}>{}</{name}>", escape(text)).expect("a string takes all text");
    }

    fn close(mut self, root: &str) -> String {
        write!(self.0, "</{root}>").expect("a string takes all text");
        self.0
    }
}

/// The answer to `ListObjects`, of either version.
pub(crate) fn list_result(bucket: &str, query: &ListQuery, page: &Page<'_>) -> String {
    let spelled = |name: &str| match query.naming {
        Naming::Plain => name.to_owned(),
        Naming::Encoded => encoding::encode_path(name),
    };
    let mut xml = Document::open("ListBucketResult");
    xml.element("Name", bucket);
    xml.element("Prefix", &spelled(&query.prefix));
    if let Some(delimiter) = &query.delimiter {
        xml.element("Delimiter", &spelled(delimiter));
    }
    xml.element("MaxKeys", &query.max_keys.to_string());
    if query.naming == Naming::Encoded {
        xml.element("EncodingType", "url");
    }
    xml.element(
        "IsTruncated",
        if page.next.is_some() { "true" } else { "false" },
    );
    match query.version {
        ListVersion::V1 => {
            xml.element(
                "Marker",
                &spelled(query.after.as_deref().unwrap_or_default()),
            );
            if let Some(next) = &page.next {
                xml.element("NextMarker", &spelled(next));
            }
        }
        ListVersion::V2 => {
            let count = page.objects.len() + page.prefixes.len();
            xml.element("KeyCount", &count.to_string());
            if let Some(token) = &query.token {
                xml.element("ContinuationToken", token);
            }
            if let Some(start) = &query.start_after {
                xml.element("StartAfter", &spelled(start));
            }
            if let Some(next) = &page.next {
                xml.element("NextContinuationToken", &hex::encode(next));
            }
        }
    }
    for (key, entry) in &page.objects {
        xml.0.push_str("<Contents>");
        xml.element("Key", &spelled(key));
        xml.element("LastModified", &encoding::list_date(entry.last_modified_ms));
        xml.element("ETag", &quoted(&entry.etag));
        xml.element("Size", &entry.size.to_string());
        xml.element("StorageClass", "STANDARD");
        xml.0.push_str("</Contents>");
    }
    for prefix in &page.prefixes {
        xml.0.push_str("<CommonPrefixes>");
        xml.element("Prefix", &spelled(prefix));
        xml.0.push_str("</CommonPrefixes>");
    }
    xml.close("ListBucketResult")
}

pub(crate) fn error(code: &str, message: &str, resource: &str) -> String {
    let mut xml = Document(format!("{HEAD}<Error>"));
    xml.element("Code", code);
    xml.element("Message", message);
    xml.element("Resource", resource);
    xml.close("Error")
}

pub(crate) fn location() -> String {
    Document::open("LocationConstraint").close("LocationConstraint")
}

pub(crate) fn copy_result(etag: &str, last_modified_ms: i64) -> String {
    let mut xml = Document::open("CopyObjectResult");
    xml.element("ETag", &quoted(etag));
    xml.element("LastModified", &encoding::list_date(last_modified_ms));
    xml.close("CopyObjectResult")
}

pub(crate) fn initiate_result(bucket: &str, key: &str, upload: &str) -> String {
    let mut xml = Document::open("InitiateMultipartUploadResult");
    xml.element("Bucket", bucket);
    xml.element("Key", key);
    xml.element("UploadId", upload);
    xml.close("InitiateMultipartUploadResult")
}

pub(crate) fn complete_result(bucket: &str, key: &str, etag: &str) -> String {
    let mut xml = Document::open("CompleteMultipartUploadResult");
    xml.element("Bucket", bucket);
    xml.element("Key", key);
    xml.element("ETag", &quoted(etag));
    xml.close("CompleteMultipartUploadResult")
}

/// The answer to a batch of deletes: each key with the code and message of its failure, if it failed.
pub(crate) fn delete_result(results: &[(String, Option<(&'static str, String)>)]) -> String {
    let mut xml = Document::open("DeleteResult");
    for (key, failure) in results {
        match failure {
            None => {
                xml.0.push_str("<Deleted>");
                xml.element("Key", key);
                xml.0.push_str("</Deleted>");
            }
            Some((code, message)) => {
                xml.0.push_str("<Error>");
                xml.element("Key", key);
                xml.element("Code", code);
                xml.element("Message", message);
                xml.0.push_str("</Error>");
            }
        }
    }
    xml.close("DeleteResult")
}
