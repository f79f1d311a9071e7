//! A document as it comes in: tables, and their rows in batches.

mod binary;
mod cells;
mod elements;
mod error;
mod input;
mod tabledata;
mod text;
mod tokens;

use std::io::Read;

pub use error::{Problem, ReadError};

use crate::column::{Batch, Column};
use crate::limits::Limits;
use crate::model::{Field, Param, Resource, Table, Votable};
use binary::Bytes;
use cells::Cells;
use tokens::{Start, Token, Tokens};

/// What a document has, in its order.
#[derive(Debug, PartialEq)]
pub enum Part {
    /// A table begins. What stands after its rows is not yet in it.
    Table(Box<Table>),
    /// Rows of the table that began last.
    Rows(Batch),
}

/// Reads a document from its beginning to its end. What was read beside the rows is in [`Reader::document`].
pub struct Reader<R: Read> {
    tokens: Tokens<R>,
    state: State,
    document: Votable,
    /// The resources that are open, the innermost last.
    resources: Vec<Resource>,
}

enum State {
    /// Nothing was read.
    Beginning,
    /// In VOTABLE or RESOURCE.
    Between,
    /// In a table, before its rows.
    Table(Box<Table>, Serialization),
    /// In the rows of a table.
    Rows(Box<Table>, Box<(Cells, Rows)>),
    /// The document is over.
    End,
    /// An error was given.
    Failed,
}

/// How the rows of a table are written; none where it has no rows.
#[derive(Clone, Copy, PartialEq)]
enum Serialization {
    None,
    TableData,
    Binary { has_flags: bool },
}

/// Where reading the rows of a table is.
enum Rows {
    TableData,
    Binary(Bytes),
}

impl<R: Read> Reader<R> {
    /// Reads from here. There is no need for another buffer.
    pub fn new(input: R, limits: Limits) -> Self {
        Self {
            tokens: Tokens::new(input, limits),
            state: State::Beginning,
            document: Votable::default(),
            resources: Vec::new(),
        }
    }

    /// What was read so far. Tables are in it once they have ended, and resources once they have.
    pub fn document(&self) -> &Votable {
        &self.document
    }

    /// The resource that the table which was read last is in, with what stands before that table.
    pub fn resource(&self) -> Option<&Resource> {
        self.resources.last()
    }

    /// The next part; none at the end of the document.
    pub fn read(&mut self) -> Result<Option<Part>, ReadError> {
        let part = self.read_part();
        if part.is_err() {
            self.state = State::Failed;
        }
        part
    }

    fn read_part(&mut self) -> Result<Option<Part>, ReadError> {
        loop {
            match std::mem::replace(&mut self.state, State::Failed) {
                State::Beginning => self.root()?,
                State::Between => {
                    if let Some(table) = self.between()? {
                        return Ok(Some(Part::Table(table)));
                    }
                }
                State::Table(table, serialization) => self.begin_rows(table, serialization)?,
                State::Rows(table, mut rest) => {
                    let (cells, rows) = &mut *rest;
                    let tokens = &mut self.tokens;
                    let is_over = match rows {
                        Rows::TableData => tabledata::read(tokens, cells)?,
                        Rows::Binary(bytes) => binary::read(tokens, cells, bytes)?,
                    };
                    let batch = cells.take();
                    if is_over {
                        let is_binary = matches!(rows, Rows::Binary(_));
                        self.end_rows(table, is_binary)?;
                    } else {
                        self.state = State::Rows(table, rest);
                    }
                    if batch.rows() > 0 {
                        return Ok(Some(Part::Rows(batch)));
                    }
                }
                State::End => {
                    self.state = State::End;
                    return Ok(None);
                }
                State::Failed => return Err(self.tokens.error(Problem::Ended)),
            }
        }
    }

    fn root(&mut self) -> Result<(), ReadError> {
        loop {
            match self.tokens.next()? {
                Token::Text(text) if text.trim().is_empty() => {}
                Token::Start(start) if start.name == "VOTABLE" => {
                    self.document = self.tokens.element(start)?;
                    self.state = State::Between;
                    return Ok(());
                }
                Token::Start(start) => {
                    let message = "the document is no VOTable, whose first element is VOTABLE";
                    return Err(self.tokens.element_error(&start.name, message));
                }
                _ => {
                    let message = "the document is no VOTable, which begins with <VOTABLE>";
                    return Err(self.tokens.error(Problem::Xml(message.to_owned())));
                }
            }
        }
    }

    /// Reads on in VOTABLE or RESOURCE, up to a table or the end of the document.
    fn between(&mut self) -> Result<Option<Box<Table>>, ReadError> {
        loop {
            let Some(start) = self.tokens.child()? else {
                match self.resources.pop() {
                    None => {
                        self.nothing_after()?;
                        self.state = State::End;
                        return Ok(None);
                    }
                    Some(ended) => match self.resources.last_mut() {
                        Some(outer) => outer.resources.push(ended),
                        None => self.document.resources.push(ended),
                    },
                }
                continue;
            };
            match start.name.as_str() {
                "RESOURCE" => {
                    let resource = self.tokens.element(start)?;
                    self.resources.push(resource);
                }
                "TABLE" if self.resources.is_empty() => {
                    let message = "a table must be in a RESOURCE";
                    return Err(self.tokens.element_error("TABLE", message));
                }
                "TABLE" => {
                    let (table, serialization) = self.table(start)?;
                    let known = table.clone();
                    self.state = State::Table(Box::new(table), serialization);
                    return Ok(Some(Box::new(known)));
                }
                _ => self.head_element(start)?,
            }
        }
    }

    /// What may stand in VOTABLE and in RESOURCE.
    fn head_element(&mut self, start: Start) -> Result<(), ReadError> {
        let tokens = &mut self.tokens;
        match (start.name.as_str(), self.resources.last_mut()) {
            ("DESCRIPTION", Some(resource)) => resource.description = tokens.description()?,
            ("INFO", Some(resource)) => {
                let is_trailing = !resource.tables.is_empty() || !resource.resources.is_empty();
                let info = tokens.info(start)?;
                if is_trailing {
                    resource.trailing_infos.push(info);
                } else {
                    resource.infos.push(info);
                }
            }
            ("COOSYS", Some(resource)) => resource.coosys.push(tokens.coosys(start)?),
            ("TIMESYS", Some(resource)) => resource.timesys.push(tokens.timesys(start)?),
            ("GROUP", Some(resource)) => resource.groups.push(tokens.group(start)?),
            ("PARAM", Some(resource)) => resource.params.push(tokens.param(start)?),
            ("LINK", Some(resource)) => resource.links.push(tokens.link(start)?),
            ("DESCRIPTION", None) => self.document.description = tokens.description()?,
            ("INFO", None) => {
                let info = tokens.info(start)?;
                if self.document.resources.is_empty() {
                    self.document.infos.push(info);
                } else {
                    self.document.trailing_infos.push(info);
                }
            }
            ("COOSYS", None) => self.document.coosys.push(tokens.coosys(start)?),
            ("TIMESYS", None) => self.document.timesys.push(tokens.timesys(start)?),
            ("GROUP", None) => self.document.groups.push(tokens.group(start)?),
            ("PARAM", None) => self.document.params.push(tokens.param(start)?),
            // Deprecated since version 1.1: what is in it stands for itself.
            ("DEFINITIONS", None) => {
                while let Some(start) = self.tokens.child()? {
                    if start.name == "DEFINITIONS" {
                        self.tokens.skip()?;
                    } else {
                        self.head_element(start)?;
                    }
                }
            }
            _ => tokens.skip()?,
        }
        Ok(())
    }

    fn nothing_after(&mut self) -> Result<(), ReadError> {
        loop {
            match self.tokens.next()? {
                Token::Eof => return Ok(()),
                Token::Text(text) if text.trim().is_empty() => {}
                _ => {
                    let message = "there is something after </VOTABLE>".to_owned();
                    return Err(self.tokens.error(Problem::Xml(message)));
                }
            }
        }
    }

    /// A table up to its rows, or up to its end if it has none.
    fn table(&mut self, start: Start) -> Result<(Table, Serialization), ReadError> {
        let mut table: Table = self.tokens.element(start)?;
        let mut serialization = Serialization::None;
        while serialization == Serialization::None {
            let tokens = &mut self.tokens;
            let Some(start) = tokens.child()? else {
                self.refer(&mut table)?;
                return Ok((table, serialization));
            };
            match start.name.as_str() {
                "DESCRIPTION" => table.description = tokens.description()?,
                "INFO" => table.infos.push(tokens.info(start)?),
                "PARAM" => table.params.push(tokens.param(start)?),
                "GROUP" => table.groups.push(tokens.group(start)?),
                "LINK" => table.links.push(tokens.link(start)?),
                "FIELD" => {
                    if table.fields.len() == tokens.limits.fields {
                        return Err(tokens.error(Problem::Limit {
                            what: "fields of a table",
                            limit: tokens.limits.fields,
                        }));
                    }
                    table.fields.push(tokens.field(start)?);
                }
                "DATA" => serialization = self.data()?,
                _ => tokens.skip()?,
            }
        }
        self.refer(&mut table)?;
        Ok((table, serialization))
    }

    /// Gives a table the fields of the one that it refers to.
    fn refer(&mut self, table: &mut Table) -> Result<(), ReadError> {
        let Some(id) = table.reference.as_ref().filter(|_| table.fields.is_empty()) else {
            return Ok(());
        };
        let open = self.resources.iter();
        let found = open
            .chain(&self.document.resources)
            .find_map(|resource| table_with_id(resource, id));
        let Some(found) = found else {
            let message = format!("`ref` is `{id}`, which is no table before this one");
            return Err(self.tokens.element_error("TABLE", message));
        };
        let fields = found.fields.clone();
        // They take memory again without having been sent again.
        let cost = fields.iter().map(field_cost).sum();
        self.tokens.charge(cost)?;
        table.fields = fields;
        Ok(())
    }

    /// The serialization in a DATA whose start was read; nothing in a DATA without any.
    fn data(&mut self) -> Result<Serialization, ReadError> {
        let tokens = &mut self.tokens;
        while let Some(start) = tokens.child()? {
            let has_flags = match start.name.as_str() {
                "TABLEDATA" => return Ok(Serialization::TableData),
                "BINARY" => false,
                "BINARY2" => true,
                "FITS" => {
                    let message =
                        "rows in the FITS serialization are not read; send TABLEDATA or BINARY2";
                    return Err(tokens.element_error("FITS", message));
                }
                "INFO" => {
                    tokens.skip()?;
                    continue;
                }
                other => {
                    let message = "rows come in TABLEDATA, BINARY or BINARY2";
                    return Err(tokens.element_error(other, message));
                }
            };
            let outer = start.name;
            let Some(stream) = tokens.child()? else {
                return Err(tokens.element_error(&outer, "there is no STREAM in it"));
            };
            if stream.name != "STREAM" {
                return Err(tokens.element_error(&stream.name, "only a STREAM may be here"));
            }
            if let Some(href) = stream.attribute("href") {
                let href = error::shortened(href);
                let message =
                    format!("the rows are elsewhere, at {href}; send them in the document");
                return Err(tokens.element_error("STREAM", message));
            }
            let encoding = stream.attribute("encoding").unwrap_or("none");
            if encoding != "base64" {
                let encoding = error::shortened(encoding);
                let message = format!("`encoding` is {encoding}, and only base64 is read");
                return Err(tokens.element_error("STREAM", message));
            }
            return Ok(Serialization::Binary { has_flags });
        }
        Ok(Serialization::None)
    }

    fn begin_rows(
        &mut self,
        table: Box<Table>,
        serialization: Serialization,
    ) -> Result<(), ReadError> {
        let limits = self.tokens.limits;
        let cells = Cells::new(&table.fields, limits)
            .map_err(|message| self.tokens.element_error("FIELD", message))?;
        self.state = match serialization {
            Serialization::None => {
                self.end_table(*table);
                State::Between
            }
            Serialization::TableData => State::Rows(table, Box::new((cells, Rows::TableData))),
            Serialization::Binary { has_flags } => {
                let rows = Rows::Binary(Bytes::new(has_flags));
                State::Rows(table, Box::new((cells, rows)))
            }
        };
        Ok(())
    }

    /// Reads from the end of the rows to that of the table.
    fn end_rows(&mut self, mut table: Box<Table>, is_binary: bool) -> Result<(), ReadError> {
        let tokens = &mut self.tokens;
        if is_binary {
            // BINARY or BINARY2: that of STREAM was read with the rows.
            tokens.skip()?;
        }
        for _ in ["DATA", "TABLE"] {
            while let Some(start) = tokens.child()? {
                match start.name.as_str() {
                    "INFO" => table.trailing_infos.push(tokens.info(start)?),
                    "DATA" | "TABLEDATA" | "BINARY" | "BINARY2" => {
                        let message = "a table has its rows once";
                        return Err(tokens.element_error(&start.name, message));
                    }
                    _ => tokens.skip()?,
                }
            }
        }
        self.end_table(*table);
        self.state = State::Between;
        Ok(())
    }

    fn end_table(&mut self, table: Table) {
        if let Some(resource) = self.resources.last_mut() {
            resource.tables.push(table);
        }
    }
}

fn table_with_id<'r>(resource: &'r Resource, id: &str) -> Option<&'r Table> {
    let mut tables = resource.tables.iter();
    let here = tables.find(|table| table.id.as_deref() == Some(id));
    here.or_else(|| {
        let mut inner = resource.resources.iter();
        inner.find_map(|resource| table_with_id(resource, id))
    })
}

/// About what a field takes.
fn field_cost(field: &Field) -> usize {
    let texts = [&field.description, &field.unit, &field.ucd, &field.utype];
    let texts = texts.into_iter().flatten().map(String::len);
    512 + field.name.len()
        + texts.sum::<usize>()
        + field
            .values
            .as_ref()
            .map_or(0, |values| 256 * (1 + values.options.len()))
        + 256 * field.links.len()
}

impl Param {
    /// Its value, as a column with one row.
    pub fn column(&self) -> Result<Column, String> {
        let field = Field {
            values: self.field.values.clone(),
            ..Field::new(
                &self.field.name,
                self.field.datatype,
                self.field.arraysize.clone(),
            )
        };
        let mut column = Column::empty(field.shape());
        let plan = cells::Plan::new(&field);
        text::push(&mut column, &plan, &self.value)?;
        Ok(column)
    }
}
