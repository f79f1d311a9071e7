//! XML as far as a VOTable needs it: elements with their attributes, and texts. Nothing is ever replaced but
//! what XML itself defines.

use std::io::{BufRead as _, Read};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::error::{Problem, ReadError, shortened};
use super::input::{Input, TooLong};
use crate::limits::Limits;

/// What an element costs beside its bytes, since it takes more memory than its name has letters.
const ELEMENT_COST: usize = 256;
/// More than any element of a VOTable has.
const MOST_ATTRIBUTES: usize = 64;

/// A start tag.
pub(super) struct Start {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Start {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What comes next outside of the rows.
pub(super) enum Token {
    Start(Start),
    End,
    Text(String),
    /// The document is over.
    Eof,
}

/// The tokens of a document.
pub(super) struct Tokens<R: Read> {
    pub(super) xml: quick_xml::Reader<Input<R>>,
    pub(super) buffer: Vec<u8>,
    /// Where the last token began.
    began: u64,
    depth: usize,
    metadata_left: usize,
    pub(super) limits: Limits,
    at_start: bool,
}

impl<R: Read> Tokens<R> {
    pub(super) fn new(input: R, limits: Limits) -> Self {
        let mut xml = quick_xml::Reader::from_reader(Input::new(input));
        xml.config_mut().expand_empty_elements = true;
        Self {
            xml,
            buffer: Vec::new(),
            began: 0,
            depth: 0,
            metadata_left: limits.metadata_bytes,
            limits,
            at_start: true,
        }
    }

    /// An error at the token that was read last.
    pub(super) fn error(&self, problem: Problem) -> ReadError {
        let (line, column) = self.xml.get_ref().place(self.began);
        ReadError {
            line,
            column,
            problem,
        }
    }

    pub(super) fn element_error(&self, element: &str, message: impl Into<String>) -> ReadError {
        self.error(Problem::Element {
            element: element.to_owned(),
            message: message.into(),
        })
    }

    /// Notes where a token begins that is going to be read, and how long it may be.
    pub(super) fn begin(&mut self, most: usize) {
        self.began = self.xml.get_ref().position();
        self.xml.get_mut().allow(most);
        self.buffer.clear();
    }

    /// The token that was begun stands so many bytes further on.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.began += bytes as u64;
    }

    /// What comes next. Comments and processing instructions do not count.
    pub(super) fn next(&mut self) -> Result<Token, ReadError> {
        if self.at_start {
            self.at_start = false;
            self.check_beginning()?;
        }
        loop {
            self.begin(self.limits.tag_bytes);
            let began = self.began;
            // Taken out, as an event keeps it borrowed.
            let mut buffer = std::mem::take(&mut self.buffer);
            let event = self.xml.read_event_into(&mut buffer);
            let token = match event {
                Ok(event) => Self::token(event),
                Err(error) => Err(Self::xml_problem(error, self.limits.tag_bytes)),
            };
            self.buffer = buffer;
            let token = token.map_err(|problem| self.error(problem))?;
            let taken = self.xml.get_ref().position() - began;
            self.charge(usize::try_from(taken).unwrap_or(usize::MAX))?;
            if let Some(token) = token {
                self.count(&token)?;
                return Ok(token);
            }
        }
    }

    fn token(event: Event<'_>) -> Result<Option<Token>, Problem> {
        Ok(match event {
            Event::Start(start) => Some(Token::Start(Self::start(&start)?)),
            Event::End(_) => Some(Token::End),
            Event::Text(text) => Some(Token::Text(text.xml10_content().into_owned())),
            Event::CData(text) => Some(Token::Text(text.xml10_content().into_owned())),
            Event::GeneralRef(reference) => Some(Token::Text(resolve(&reference)?.to_string())),
            Event::Eof => Some(Token::Eof),
            Event::Decl(declaration) => {
                check_declaration(&declaration)?;
                None
            }
            Event::DocType(doctype) => {
                if doctype.contains('[') {
                    return Err(Problem::Refused(
                        "a DOCTYPE with declarations of its own is refused; take it out".to_owned(),
                    ));
                }
                None
            }
            // Empty elements come as two.
            Event::Comment(_) | Event::PI(_) | Event::Empty(_) => None,
        })
    }

    fn start(start: &BytesStart<'_>) -> Result<Start, Problem> {
        let mut attributes = Vec::new();
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| Problem::Xml(error.to_string()))?;
            if attributes.len() == MOST_ATTRIBUTES {
                return Err(Problem::Limit {
                    what: "attributes of an element",
                    limit: MOST_ATTRIBUTES,
                });
            }
            let name: &str = attribute.key.as_ref();
            if attributes.iter().any(|(other, _)| other == name) {
                return Err(Problem::Xml(format!("two attributes `{name}`")));
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| match error {
                quick_xml::Error::Escape(error) => entity(&error.to_string()),
                error => Problem::Xml(error.to_string()),
            })?;
            attributes.push((name.to_owned(), value.into_owned()));
        }
        Ok(Start {
            name: start.local_name().as_ref().to_owned(),
            attributes,
        })
    }

    /// What the XML library found wrong, in a token that may have so many bytes.
    pub(super) fn xml_problem(error: quick_xml::Error, most: usize) -> Problem {
        match error {
            quick_xml::Error::Io(error) => {
                if error
                    .get_ref()
                    .is_some_and(<dyn std::error::Error + Send + Sync>::is::<TooLong>)
                {
                    Problem::Limit {
                        what: "bytes of one tag or text",
                        limit: most,
                    }
                } else {
                    Problem::Io(std::io::Error::new(error.kind(), error))
                }
            }
            quick_xml::Error::Encoding(_) => Problem::Encoding {
                found: "not in UTF-8, whatever it says".to_owned(),
            },
            error => Problem::Xml(error.to_string()),
        }
    }

    fn check_beginning(&mut self) -> Result<(), ReadError> {
        let found = match self.xml.get_mut().fill_buf() {
            Ok([0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [b'<', 0, ..] | [0, b'<', ..]) => {
                "in UTF-16 or UTF-32"
            }
            Ok([0x1F, 0x8B, ..]) => "compressed with gzip",
            Ok(_) => return Ok(()),
            Err(error) => return Err(self.error(Problem::Io(error))),
        };
        Err(self.error(Problem::Encoding {
            found: found.to_owned(),
        }))
    }

    fn count(&mut self, token: &Token) -> Result<(), ReadError> {
        match token {
            Token::Start(_) => {
                self.charge(ELEMENT_COST)?;
                self.depth += 1;
                if self.depth > self.limits.depth {
                    return Err(self.error(Problem::Limit {
                        what: "elements within each other",
                        limit: self.limits.depth,
                    }));
                }
            }
            Token::End => self.depth = self.depth.saturating_sub(1),
            Token::Text(_) | Token::Eof => {}
        }
        Ok(())
    }

    /// Counts what is kept beside the rows.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), ReadError> {
        match self.metadata_left.checked_sub(bytes) {
            Some(left) => self.metadata_left = left,
            None => {
                return Err(self.error(Problem::Limit {
                    what: "bytes outside of the rows",
                    limit: self.limits.metadata_bytes,
                }));
            }
        }
        Ok(())
    }

    /// The element that is open was closed by somebody else.
    pub(super) fn closed(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// The text of the element whose start was read, and of those in it, up to its end.
    pub(super) fn text(&mut self) -> Result<String, ReadError> {
        let mut all = String::new();
        let mut open = 1_usize;
        while open > 0 {
            match self.next()? {
                Token::Text(text) => all.push_str(&text),
                Token::Start(_) => open += 1,
                Token::End => open -= 1,
                Token::Eof => return Err(self.unexpected_end()),
            }
        }
        Ok(all)
    }

    /// Passes over what the element whose start was read still has.
    pub(super) fn skip(&mut self) -> Result<(), ReadError> {
        self.text().map(drop)
    }

    /// The next element within the one that is open; none at its end. Texts between elements mean nothing.
    pub(super) fn child(&mut self) -> Result<Option<Start>, ReadError> {
        loop {
            match self.next()? {
                Token::Start(start) => return Ok(Some(start)),
                Token::End => return Ok(None),
                Token::Text(_) => {}
                Token::Eof => return Err(self.unexpected_end()),
            }
        }
    }

    pub(super) fn unexpected_end(&self) -> ReadError {
        self.error(Problem::Xml(
            "the document ends before its elements do".to_owned(),
        ))
    }
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), Problem> {
    let encoding = match declaration.encoding() {
        None => return Ok(()),
        Some(encoding) => encoding.map_err(|error| Problem::Xml(error.to_string()))?,
    };
    let known = ["UTF-8", "UTF8", "US-ASCII", "ASCII"];
    if known.iter().any(|one| encoding.eq_ignore_ascii_case(one)) {
        return Ok(());
    }
    Err(Problem::Encoding {
        found: format!("in {} as it says", shortened(&encoding)),
    })
}

/// The character that a reference stands for: those that XML knows by itself.
pub(super) fn resolve(reference: &BytesRef<'_>) -> Result<char, Problem> {
    let wrong = |error: quick_xml::Error| Problem::Xml(error.to_string());
    if let Some(character) = reference.resolve_char_ref().map_err(wrong)? {
        return Ok(character);
    }
    let name: &str = reference;
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(entity(&shortened(name))),
    }
}

fn entity(which: &str) -> Problem {
    Problem::Refused(format!(
        "entities other than those of XML itself are refused: {which}"
    ))
}
