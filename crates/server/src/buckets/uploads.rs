//! Uploads in parts that were begun and not completed.

use percent_encoding::utf8_percent_encode;

use super::s3::IN_QUERY;
use super::xml::Element;
use crate::clock::parse_rfc3339;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UploadEntry {
    pub(super) key: String,
    pub(super) id: String,
    /// Unix milliseconds.
    pub(super) begun_ms: i64,
}

/// The last upload of a page, behind which a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UploadMark {
    key: String,
    id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UploadsPage {
    pub(super) uploads: Vec<UploadEntry>,
    pub(super) next: Option<UploadMark>,
}

/// The query of a listing.
pub(super) fn query(after: Option<&UploadMark>) -> String {
    let written = |text: &str| utf8_percent_encode(text, IN_QUERY).to_string();
    let mut query = String::new();
    if let Some(mark) = after {
        query.push_str(&format!("key-marker={}&", written(&mark.key)));
        if let Some(id) = &mark.id {
            query.push_str(&format!("upload-id-marker={}&", written(id)));
        }
    }
    query.push_str("uploads=");
    query
}

/// Reads a listing; `None` if it makes no sense.
pub(super) fn page(document: &Element) -> Option<UploadsPage> {
    let mut uploads = Vec::new();
    for upload in document.children("Upload") {
        uploads.push(UploadEntry {
            key: upload.raw_text("Key")?.to_owned(),
            id: upload.text(&["UploadId"])?.to_owned(),
            begun_ms: parse_rfc3339(upload.text(&["Initiated"])?)?,
        });
    }
    let next = match document.text(&["IsTruncated"]) {
        Some("true") => Some(UploadMark {
            key: document.raw_text("NextKeyMarker")?.to_owned(),
            id: document
                .text(&["NextUploadIdMarker"])
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
        }),
        Some(_) | None => None,
    };
    Some(UploadsPage { uploads, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_what_was_begun_and_where_the_next_one_starts() {
        let text = b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>\
            <NextKeyMarker>a b</NextKeyMarker><NextUploadIdMarker>u+1</NextUploadIdMarker>\
            <Upload><Key>a b</Key><UploadId>u+1</UploadId>\
            <Initiated>1970-01-01T00:00:01.000Z</Initiated></Upload></ListMultipartUploadsResult>";
        let page = page(&Element::parse(text).unwrap()).unwrap();
        let upload = UploadEntry {
            key: "a b".to_owned(),
            id: "u+1".to_owned(),
            begun_ms: 1000,
        };
        assert_eq!(page.uploads, [upload]);
        assert_eq!(
            query(page.next.as_ref()),
            "key-marker=a%20b&upload-id-marker=u%2B1&uploads="
        );
        assert_eq!(query(None), "uploads=");
    }

    #[test]
    fn an_upload_of_an_unknown_time_is_none() {
        let text = b"<L><Upload><Key>a</Key><UploadId>u</UploadId></Upload></L>";
        assert_eq!(page(&Element::parse(text).unwrap()), None);
    }
}
