//! Answers in XML, as far as they are looked at: elements, their order, and their text.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Deeper than any answer that is looked at here.
const MAX_DEPTH: usize = 16;

/// An element without its attributes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a document; `None` if it is not one.
    pub(super) fn parse(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    if open.len() > MAX_DEPTH {
                        return None;
                    }
                    open.push(Self::named(start.local_name().as_ref()));
                }
                Event::End(_) => {
                    let closed = open.pop()?;
                    open.last_mut()?.children.push(closed);
                }
                Event::Empty(start) => {
                    let empty = Self::named(start.local_name().as_ref());
                    open.last_mut()?.children.push(empty);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let text = &mut open.last_mut()?.text;
                    match reference.resolve_char_ref().ok()? {
                        Some(character) => text.push(character),
                        None => {
                            let name = reference.xml10_content();
                            text.push_str(resolve_predefined_entity(&name)?);
                        }
                    }
                }
                Event::DocType(_) => return None,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        let mut outermost = open.pop()?.children;
        match (open.is_empty(), outermost.len()) {
            (true, 1) => outermost.pop(),
            _ => None,
        }
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Everything directly below this one, in the order of the document.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter()
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn children(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of a child with the spaces around it, which are part of an object's key.
    pub(super) fn raw_text(&self, name: &str) -> Option<&str> {
        Some(&self.child(name)?.text)
    }

    /// The text of the element at `path`, a step for each level below this one.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        let mut element = self;
        for step in path {
            element = element.child(step)?;
        }
        Some(element.text.trim())
    }
}

/// The service's word for what went wrong, if the answer has one that looks like a word.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let document = Element::parse(body)?;
    let error = match document.name() {
        "Error" => &document,
        _ => document.child("Error")?,
    };
    let code = error.text(&["Code"])?;
    let plain = !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    plain.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_by_its_path_with_references_resolved() {
        let xml = b"<?xml version=\"1.0\"?><a xmlns=\"x\"><b><c> 1 &amp; &#50; </c></b><b/><n:b>3</n:b></a>";
        let document = Element::parse(xml).unwrap();
        assert_eq!(document.name(), "a");
        assert_eq!(document.text(&["b", "c"]), Some("1 & 2"));
        assert_eq!(document.text(&["c"]), None);
        assert_eq!(document.children("b").count(), 3);
    }

    #[test]
    fn what_is_not_a_whole_document_is_nothing() {
        let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        let bomb = "<!DOCTYPE a [<!ENTITY b \"b\">]><a>&b;</a>";
        for text in [
            "",
            "hello",
            "<a>",
            "</a>",
            "<a/><a/>",
            "<a>&b;</a>",
            &deep,
            bomb,
        ] {
            assert_eq!(Element::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Element::parse(b"\xff<a/>"), None);
    }

    #[test]
    fn error_codes_are_words_wherever_the_service_puts_them() {
        let code = |text: &str| error_code(text.as_bytes());
        let found = Some("NoSuchEntity".to_owned());
        assert_eq!(code("<Error><Code>NoSuchEntity</Code></Error>"), found);
        let wrapped = "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code></Error></ErrorResponse>";
        assert_eq!(code(wrapped), found);
        assert_eq!(code("<Error><Code>a secret\nvalue</Code></Error>"), None);
        assert_eq!(code("<html/>"), None);
    }
}
