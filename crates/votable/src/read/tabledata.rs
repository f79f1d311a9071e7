//! Rows in TABLEDATA.

use std::io::{BufRead as _, Read};

use quick_xml::events::{BytesStart, Event};

use super::cells::Cells;
use super::error::{Problem, ReadError, shortened};
use super::text;
use super::tokens::{Tokens, resolve};

/// What a tag may have besides its text.
const TAG: usize = 4096;

/// Reads rows until there are enough of them; says whether there are no more.
pub(super) fn read<R: Read>(tokens: &mut Tokens<R>, cells: &mut Cells) -> Result<bool, ReadError> {
    // So that after a tag the input is at the next byte, which `plain_cell` needs.
    tokens.xml.config_mut().expand_empty_elements = false;
    let is_over = rows(tokens, cells);
    tokens.xml.config_mut().expand_empty_elements = true;
    is_over
}

fn rows<R: Read>(tokens: &mut Tokens<R>, cells: &mut Cells) -> Result<bool, ReadError> {
    let mut text = String::new();
    loop {
        let bytes = match tag(tokens, &mut None, cells.limits.row_bytes)? {
            Tag::Start(name) if name == "TR" => row(tokens, cells, &mut text)?,
            Tag::Empty(name) if name == "TR" => {
                check_count(tokens, cells, 0)?;
                0
            }
            Tag::Start(name) | Tag::Empty(name) => {
                return Err(tokens.element_error(&name, "only TR may be in TABLEDATA"));
            }
            Tag::End => {
                tokens.closed();
                return Ok(true);
            }
        };
        if cells.end_row(bytes) {
            return Ok(false);
        }
    }
}

/// The cells of a row whose start was read, up to its end; how many bytes they had.
fn row<R: Read>(
    tokens: &mut Tokens<R>,
    cells: &mut Cells,
    text: &mut String,
) -> Result<usize, ReadError> {
    let most = cells.limits.row_bytes;
    let mut bytes = 0;
    let mut index = 0;
    loop {
        if index < cells.plans.len() {
            tokens.begin(most);
            let mut stream = tokens.xml.stream();
            let plain = stream.fill_buf().ok().and_then(plain_cell);
            if let Some(Plain { blanks, text, end }) = plain {
                let count = text.len();
                let pushed = text::push(&mut cells.columns[index], &cells.plans[index], text);
                stream.consume(end);
                tokens.pass(blanks);
                pushed.map_err(|message| value_error(tokens, cells, index, message))?;
                bytes = taken(tokens, bytes, count, most)?;
                index += 1;
                continue;
            }
        }
        text.clear();
        match tag(tokens, &mut None, most)? {
            Tag::End => break,
            Tag::Start(name) if name == "TD" => match tag(tokens, &mut Some(text), most - bytes)? {
                Tag::End => {}
                Tag::Start(_) | Tag::Empty(_) => {
                    return Err(tokens.element_error("TD", "there is an element in it"));
                }
            },
            Tag::Empty(name) if name == "TD" => {}
            Tag::Start(name) | Tag::Empty(name) => {
                return Err(tokens.element_error(&name, "only TD may be in TR"));
            }
        }
        if index == cells.plans.len() {
            check_count(tokens, cells, index + 1)?;
        }
        bytes = taken(tokens, bytes, text.len(), most)?;
        text::push(&mut cells.columns[index], &cells.plans[index], text)
            .map_err(|message| value_error(tokens, cells, index, message))?;
        index += 1;
    }
    check_count(tokens, cells, index)?;
    Ok(bytes)
}

/// A cell that stands whole in what was received, in the plainest way.
struct Plain<'b> {
    /// Where its tag begins.
    blanks: usize,
    text: &'b str,
    end: usize,
}

/// What these bytes begin with, if it is such a cell. What is not plain is left to the XML library, which takes
/// three times as long.
fn plain_cell(bytes: &[u8]) -> Option<Plain<'_>> {
    let blanks = bytes.iter().take_while(|byte| byte.is_ascii_whitespace());
    let blanks = blanks.count();
    let rest = bytes.get(blanks..)?;
    if rest.starts_with(b"<TD/>") {
        return Some(Plain {
            blanks,
            text: "",
            end: blanks + 5,
        });
    }
    let text = rest.strip_prefix(b"<TD>")?;
    let length = memchr::memchr3(b'<', b'&', b'\r', text)?;
    let (text, after) = text.split_at_checked(length)?;
    if !after.starts_with(b"</TD>") {
        return None;
    }
    Some(Plain {
        blanks,
        text: str::from_utf8(text).ok()?,
        end: blanks + 4 + length + 5,
    })
}

fn value_error<R: Read>(
    tokens: &Tokens<R>,
    cells: &Cells,
    index: usize,
    message: String,
) -> ReadError {
    tokens.error(Problem::Value {
        element: "TD",
        field: cells.plans[index].name.clone(),
        row: cells.row + 1,
        message,
    })
}

fn taken<R: Read>(
    tokens: &Tokens<R>,
    before: usize,
    count: usize,
    most: usize,
) -> Result<usize, ReadError> {
    let bytes = before + count;
    if bytes > most {
        return Err(tokens.error(Problem::Limit {
            what: "bytes of a row",
            limit: most,
        }));
    }
    Ok(bytes)
}

fn check_count<R: Read>(tokens: &Tokens<R>, cells: &Cells, count: usize) -> Result<(), ReadError> {
    let fields = cells.plans.len();
    if count == fields {
        return Ok(());
    }
    let row = cells.row + 1;
    let many = if count > fields { "at least " } else { "" };
    let message = format!("row {row} has {many}{count} cells, and the table {fields} fields");
    Err(tokens.element_error("TR", message))
}

/// A tag in the rows, with its name.
enum Tag {
    Start(String),
    Empty(String),
    End,
}

/// The next tag. What stands before it is added to the text of a cell, and is an error outside of one.
fn tag<R: Read>(
    tokens: &mut Tokens<R>,
    cell: &mut Option<&mut String>,
    most: usize,
) -> Result<Tag, ReadError> {
    let mut buffer = std::mem::take(&mut tokens.buffer);
    let found = loop {
        buffer.clear();
        let left = most - cell.as_ref().map_or(0, |cell| cell.len()).min(most);
        tokens.begin(left + TAG);
        let problem = match tokens.xml.read_event_into(&mut buffer) {
            Ok(Event::Start(start)) => match name(&start) {
                Ok(name) => break Ok(Tag::Start(name)),
                Err(problem) => problem,
            },
            Ok(Event::Empty(start)) => match name(&start) {
                Ok(name) => break Ok(Tag::Empty(name)),
                Err(problem) => problem,
            },
            Ok(Event::End(_)) => break Ok(Tag::End),
            Ok(Event::Eof) => break Err(tokens.unexpected_end()),
            Ok(Event::Text(text)) => match add(cell, &text.xml10_content()) {
                Ok(()) => continue,
                Err(problem) => problem,
            },
            Ok(Event::CData(text)) => match add(cell, &text.xml10_content()) {
                Ok(()) => continue,
                Err(problem) => problem,
            },
            Ok(Event::GeneralRef(reference)) => match resolve(&reference) {
                Ok(character) => match add(cell, character.encode_utf8(&mut [0; 4])) {
                    Ok(()) => continue,
                    Err(problem) => problem,
                },
                Err(problem) => problem,
            },
            Ok(_) => continue,
            Err(error) => Tokens::<R>::xml_problem(error, most),
        };
        break Err(tokens.error(problem));
    };
    tokens.buffer = buffer;
    found
}

fn name(start: &BytesStart<'_>) -> Result<String, Problem> {
    let name = start.local_name().as_ref().to_owned();
    if start.attributes_raw().contains("encoding") {
        return Err(Problem::Element {
            element: name,
            message: "cells with an `encoding` of their own are not read".to_owned(),
        });
    }
    Ok(name)
}

fn add(cell: &mut Option<&mut String>, text: &str) -> Result<(), Problem> {
    match cell {
        Some(cell) => cell.push_str(text),
        None if text.trim_ascii().is_empty() => {}
        None => {
            return Err(Problem::Element {
                element: "TABLEDATA".to_owned(),
                message: format!("{} stands outside of a cell", shortened(text)),
            });
        }
    }
    Ok(())
}
