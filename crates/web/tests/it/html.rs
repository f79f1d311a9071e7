//! A small reader of HTML, strict enough for pages of our own: quoted attributes, closed elements.

use std::collections::BTreeMap;

/// An element's start tag.
#[derive(Debug)]
pub(crate) struct Tag {
    /// Lowercase name.
    pub(crate) name: String,
    /// Attributes with their values unescaped; one without a value has an empty one.
    pub(crate) attributes: BTreeMap<String, String>,
    /// The text right behind it, unescaped, up to the next tag.
    pub(crate) text: String,
    /// Number of the element around it in the list of tags.
    pub(crate) parent: Option<usize>,
}

impl Tag {
    pub(crate) fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }
}

/// All start tags of a page, in order.
#[derive(Debug)]
pub(crate) struct Document(pub(crate) Vec<Tag>);

const VOID: &[&str] = &["meta", "link", "input", "img", "br", "hr"];

impl Document {
    /// Reads a page; panics when an element is not closed or a tag is malformed.
    pub(crate) fn parse(html: &str) -> Self {
        let mut tags: Vec<Tag> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut rest = html
            .strip_prefix("<!doctype html>")
            .expect("a page begins with a doctype");
        while let Some(start) = rest.find('<') {
            if let (Some(last), false) = (tags.last_mut(), rest[..start].trim().is_empty()) {
                last.text.push_str(&unescape(&rest[..start]));
            }
            let inside;
            (inside, rest) = split_tag(&rest[start + 1..]);
            if let Some(name) = inside.strip_prefix('/') {
                let index = open
                    .pop()
                    .unwrap_or_else(|| panic!("`{name}` was never opened"));
                assert_eq!(tags[index].name, name.to_lowercase(), "closed out of order");
                continue;
            }
            let closed = inside.ends_with('/');
            let inside = inside.trim_end_matches('/').trim_end();
            let (name, attributes) = inside.split_once([' ', '\n']).unwrap_or((inside, ""));
            assert!(
                name.chars().all(|c| c.is_ascii_alphanumeric()),
                "`{name}` is no element"
            );
            tags.push(Tag {
                name: name.to_lowercase(),
                attributes: read_attributes(attributes),
                text: String::new(),
                parent: open.last().copied(),
            });
            if !closed && !VOID.contains(&name) {
                open.push(tags.len() - 1);
            }
        }
        assert!(open.is_empty(), "`{}` is not closed", tags[open[0]].name);
        Self(tags)
    }

    /// The elements of one kind.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = (usize, &Tag)> {
        self.0
            .iter()
            .enumerate()
            .filter(move |(_, tag)| tag.name == name)
    }

    /// Whether one element is somewhere inside another.
    pub(crate) fn is_inside(&self, mut index: usize, ancestor: usize) -> bool {
        while let Some(parent) = self.0[index].parent {
            if parent == ancestor {
                return true;
            }
            index = parent;
        }
        false
    }

    /// The element with an id; ids are unique.
    pub(crate) fn by_id(&self, id: &str) -> Option<&Tag> {
        let mut found = self.0.iter().filter(|tag| tag.get("id") == Some(id));
        let first = found.next();
        assert!(found.next().is_none(), "the id `{id}` is there twice");
        first
    }
}

/// Splits behind the `>` that ends a tag; one inside quotes does not.
fn split_tag(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '>' if !quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    panic!("a tag has no end: {text}")
}

fn read_attributes(mut text: &str) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return attributes;
        }
        let end = text.find(['=', ' ']).unwrap_or(text.len());
        let name = text[..end].to_lowercase();
        text = &text[end..];
        let mut value = String::new();
        if let Some(quoted) = text.strip_prefix("=\"") {
            let end = quoted.find('"').expect("an attribute's quotes are closed");
            value = unescape(&quoted[..end]);
            text = &quoted[end + 1..];
        }
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
            "`{name}` is no attribute"
        );
        let before = attributes.insert(name.clone(), value);
        assert!(before.is_none(), "the attribute `{name}` is there twice");
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&#x2f;", "/")
        .replace("&amp;", "&")
}
