//! An XML document as a tree.

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

const XML_1_0: XmlVersion = XmlVersion::Implicit1_0;

#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Self>,
    /// Its own text, without its children's.
    pub(super) text: String,
}

impl Element {
    /// The root of a well-formed document, or what is wrong with it.
    pub(super) fn parse(document: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(document);
        let mut open: Vec<Self> = Vec::new();
        let mut root: Option<Self> = None;
        loop {
            let event = reader.read_event().map_err(|e| e.to_string())?;
            let closed = match event {
                Event::Start(start) => {
                    open.push(Self::start(&start)?);
                    None
                }
                Event::Empty(start) => Some(Self::start(&start)?),
                Event::End(_) => open.pop(),
                Event::Text(text) => {
                    append(&mut open, &text.xml_content(XML_1_0))?;
                    None
                }
                Event::CData(data) => {
                    append(&mut open, &data.xml_content(XML_1_0))?;
                    None
                }
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|e| e.to_string())?;
                    let text = match character {
                        Some(character) => character.to_string(),
                        None => resolve_xml_entity(&reference.xml_content(XML_1_0))
                            .ok_or("an entity that XML doesn't know")?
                            .to_owned(),
                    };
                    append(&mut open, &text)?;
                    None
                }
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => None,
            };
            if let Some(element) = closed {
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None if root.is_none() => root = Some(element),
                    None => return Err("more than one root element".into()),
                }
            }
        }
        match root {
            Some(root) if open.is_empty() => Ok(root),
            Some(_) | None if !open.is_empty() => Err("an element is not closed".into()),
            _ => Err("no element".into()),
        }
    }

    fn start(start: &BytesStart<'_>) -> Result<Self, String> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| e.to_string())?;
            let value = attribute
                .normalized_value(XML_1_0)
                .map_err(|e| e.to_string())?;
            attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        Ok(Self {
            name: start.name().as_ref().to_owned(),
            attributes,
            ..Self::default()
        })
    }
}

fn append(open: &mut [Element], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("text outside of the root element".into()),
    }
    Ok(())
}
