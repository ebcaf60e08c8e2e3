//! The answer to `PROPFIND` (RFC 4918, 9.1 and 14.16): everything below a place, as it is listed.

use percent_encoding::utf8_percent_encode;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::Place;
use crate::buckets::{Held, IN_PATH};
use crate::proxy::check_path;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">";
const TAIL: &str = "</D:multistatus>\n";
const HTTP_DATE: &[BorrowedFormatItem<'_>] = format_description!(
    version = 2,
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// How far down is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    Zero,
    One,
    Infinity,
}

/// Reads the `Depth` header; without one, everything is meant. `None` if it is not one.
pub(crate) fn parse_depth(value: Option<&[u8]>) -> Option<Depth> {
    match value {
        None => Some(Depth::Infinity),
        Some(b"0") => Some(Depth::Zero),
        Some(b"1") => Some(Depth::One),
        Some(value) if value.eq_ignore_ascii_case(b"infinity") => Some(Depth::Infinity),
        Some(_) => None,
    }
}

/// Writes the answer piece by piece, in the order of the listing.
pub(crate) struct Multistatus {
    place: Place,
    depth: Depth,
    /// The folder last written and those above it, each with a slash at its end.
    folders: Vec<String>,
}

impl Multistatus {
    pub(crate) fn new(place: Place, depth: Depth) -> Self {
        Self {
            place,
            depth,
            folders: Vec::new(),
        }
    }

    /// The beginning, with the place itself.
    pub(crate) fn head(&self) -> String {
        let mut text = HEAD.to_owned();
        push_folder(&mut text, &self.href(&self.place.path, "/"));
        text
    }

    /// All of the answer where the place is a note.
    pub(crate) fn alone(&self, note: &Held) -> String {
        let mut text = HEAD.to_owned();
        push_note(&mut text, &self.href(&self.place.path, ""), note);
        text.push_str(TAIL);
        text
    }

    pub(crate) fn tail() -> &'static str {
        TAIL
    }

    /// What a part of the listing adds. Folders come with the first note in them: clients take an
    /// empty one for a listing that is not whole.
    pub(crate) fn part(&mut self, held: &[Held]) -> String {
        let prefix = self.place.prefix();
        let mut text = String::new();
        for one in held {
            let Some(below) = one.key.strip_prefix(&prefix).filter(|path| is_note(path)) else {
                continue;
            };
            match self.depth {
                Depth::Zero => continue,
                Depth::One => {
                    if let Some((folder, _)) = below.split_once('/') {
                        self.enter(&mut text, &format!("{folder}/"));
                        continue;
                    }
                }
                Depth::Infinity => {
                    if let Some((folder, _)) = below.rsplit_once('/') {
                        self.enter(&mut text, &format!("{folder}/"));
                    }
                }
            }
            push_note(&mut text, &self.href_below(below), one);
        }
        text
    }

    /// Writes the folders on the way to `folder` that were not written yet.
    fn enter(&mut self, text: &mut String, folder: &str) {
        self.folders.retain(|known| folder.starts_with(known));
        for (end, _) in folder.match_indices('/') {
            let known = &folder[..=end];
            if !self.folders.iter().any(|folder| folder == known) {
                push_folder(text, &self.href_below(known));
                self.folders.push(known.to_owned());
            }
        }
    }

    fn href_below(&self, below: &str) -> String {
        match self.place.path.as_str() {
            "" => self.href(below, ""),
            path => self.href(&format!("{path}/{below}"), ""),
        }
    }

    fn href(&self, path: &str, end: &str) -> String {
        let path = utf8_percent_encode(path, IN_PATH).to_string();
        // As it was asked for, where `&` may stand for itself.
        let place = self.place.href.replace('&', "&amp;");
        match path.as_str() {
            "" => format!("{place}{end}"),
            path => format!("{place}/{path}{end}"),
        }
    }
}

/// Whether it has an address under which it can be fetched, and is not the mark of a folder.
fn is_note(path: &str) -> bool {
    let address = format!("/{}", utf8_percent_encode(path, IN_PATH));
    !path.is_empty() && !path.ends_with('/') && check_path(&address).is_ok()
}

fn push_folder(text: &mut String, href: &str) {
    text.push_str(&format!(
        "<D:response><D:href>{href}</D:href><D:propstat><D:prop>\
         <D:resourcetype><D:collection/></D:resourcetype></D:prop>\
         <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n"
    ));
}

fn push_note(text: &mut String, href: &str, held: &Held) {
    let size = held.size;
    let mut properties =
        format!("<D:resourcetype/><D:getcontentlength>{size}</D:getcontentlength>");
    if is_md5(&held.etag) {
        properties.push_str(&format!("<D:getetag>\"{}\"</D:getetag>", held.etag));
    }
    if let Some(date) = http_date(held.modified_ms) {
        properties.push_str(&format!("<D:getlastmodified>{date}</D:getlastmodified>"));
    }
    text.push_str(&format!(
        "<D:response><D:href>{href}</D:href><D:propstat><D:prop>{properties}</D:prop>\
         <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n"
    ));
}

/// Whether it is the MD5 of the bytes; that of an object written in parts is not.
fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Unix milliseconds as in `Last-Modified` (RFC 9110, 5.6.7).
pub(crate) fn http_date(unix_ms: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000))
        .ok()?
        .format(HTTP_DATE)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn held(key: &str) -> Held {
        Held {
            key: key.to_owned(),
            size: 3,
            etag: MD5.to_owned(),
            modified_ms: 784_111_777_999,
        }
    }

    fn hrefs(raw: &str, depth: Depth, keys: &[&str]) -> Vec<String> {
        let mut answer = Multistatus::new(Place::parse(raw).unwrap(), depth);
        let held: Vec<Held> = keys.iter().map(|key| held(key)).collect();
        let mut text = answer.head();
        // A page may end anywhere.
        for part in held.chunks(2) {
            text.push_str(&answer.part(part));
        }
        text.push_str(Multistatus::tail());
        text.split("<D:href>")
            .skip(1)
            .map(|rest| rest.split("</D:href>").next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_note_is_listed_once_and_every_folder_before_its_first_note() {
        let keys = [
            "my-project/.hidden.md",
            "my-project/a-b/x.md",
            "my-project/a/b/c.md",
            "my-project/a/d ä.md",
            "my-project/a0.md",
            "my-project/empty/",
            "my-project/odd//x.md",
            "my-projects/other.md",
        ];
        let root = "/webdav/My%20Project";
        let below = |path: &str| format!("{root}/{path}");
        assert_eq!(
            hrefs(root, Depth::Infinity, &keys),
            [
                below(""),
                below(".hidden.md"),
                below("a-b/"),
                below("a-b/x.md"),
                below("a/"),
                below("a/b/"),
                below("a/b/c.md"),
                below("a/d%20%C3%A4.md"),
                below("a0.md"),
            ]
        );
        assert_eq!(
            hrefs(root, Depth::One, &keys),
            [
                below(""),
                below(".hidden.md"),
                below("a-b/"),
                below("a/"),
                below("a0.md")
            ]
        );
        assert_eq!(hrefs(root, Depth::Zero, &keys), [below("")]);
        assert_eq!(
            hrefs("/webdav/My%20Project/a/", Depth::Infinity, &keys),
            [
                below("a/"),
                below("a/b/"),
                below("a/b/c.md"),
                below("a/d%20%C3%A4.md")
            ]
        );
    }

    #[test]
    fn an_ampersand_in_the_address_leaves_the_answer_well_formed() {
        let told = hrefs("/webdav/r&d", Depth::Zero, &[]);
        assert_eq!(told, ["/webdav/r&amp;d/"]);
    }

    #[test]
    fn a_note_has_its_size_its_md5_and_its_time() {
        let mut answer = Multistatus::new(Place::parse("/webdav/m").unwrap(), Depth::Infinity);
        let whole = answer.part(&[held("m/a.md")]);
        for property in [
            "<D:getcontentlength>3<",
            &format!("<D:getetag>\"{MD5}\"<"),
            "<D:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT<",
        ] {
            assert!(whole.contains(property), "{whole}");
        }
        let parts = answer.part(&[Held {
            etag: format!("{MD5}-2"),
            ..held("m/b.md")
        }]);
        assert!(!parts.contains("getetag"), "{parts}");
    }

    #[test]
    fn depth_is_one_of_three() {
        assert_eq!(parse_depth(None), Some(Depth::Infinity));
        assert_eq!(parse_depth(Some(b"0")), Some(Depth::Zero));
        assert_eq!(parse_depth(Some(b"1")), Some(Depth::One));
        assert_eq!(parse_depth(Some(b"Infinity")), Some(Depth::Infinity));
        assert_eq!(parse_depth(Some(b"2")), None);
    }
}
