//! The elements of a VOTable, all but the rows. A field has the name of its attribute or element.

use crate::attribute::element;
use crate::datatype::{ArraySize, Datatype, Shape};

/// VOTABLE: the whole document.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct Votable {
    pub id: Option<String>,
    /// The version of what was read; a writer has its own.
    pub version: Option<String>,
    pub description: Option<String>,
    pub coosys: Vec<CooSys>,
    pub timesys: Vec<TimeSys>,
    pub groups: Vec<Group>,
    pub params: Vec<Param>,
    pub infos: Vec<Info>,
    pub resources: Vec<Resource>,
    /// Those after the resources.
    pub trailing_infos: Vec<Info>,
}

element!(Votable, "VOTABLE", required: [], { version = "version", id = "ID" });

/// RESOURCE: tables that belong together, and other resources.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct Resource {
    pub id: Option<String>,
    pub name: Option<String>,
    /// `results` or `meta`.
    pub kind: Option<String>,
    pub utype: Option<String>,
    pub description: Option<String>,
    pub infos: Vec<Info>,
    pub coosys: Vec<CooSys>,
    pub timesys: Vec<TimeSys>,
    pub groups: Vec<Group>,
    pub params: Vec<Param>,
    pub links: Vec<Link>,
    pub tables: Vec<Table>,
    pub resources: Vec<Resource>,
    /// Those after the first table or resource in it, such as that the result was cut off.
    pub trailing_infos: Vec<Info>,
}

element!(Resource, "RESOURCE", required: [], {
    id = "ID", name = "name", kind = "type", utype = "utype",
});

/// TABLE: what its rows are, without them.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct Table {
    pub id: Option<String>,
    pub name: Option<String>,
    /// The table whose fields this one has.
    pub reference: Option<String>,
    pub ucd: Option<String>,
    pub utype: Option<String>,
    /// How many rows there are said to be.
    pub nrows: Option<u64>,
    pub description: Option<String>,
    pub infos: Vec<Info>,
    pub fields: Vec<Field>,
    pub params: Vec<Param>,
    pub groups: Vec<Group>,
    pub links: Vec<Link>,
    /// Those after the rows.
    pub trailing_infos: Vec<Info>,
}

element!(Table, "TABLE", required: [], {
    id = "ID", name = "name", reference = "ref", ucd = "ucd", utype = "utype", nrows = "nrows",
});

/// FIELD: a column.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct Field {
    pub id: Option<String>,
    pub name: String,
    pub datatype: Datatype,
    pub arraysize: Option<ArraySize>,
    pub unit: Option<String>,
    pub ucd: Option<String>,
    pub utype: Option<String>,
    pub xtype: Option<String>,
    pub reference: Option<String>,
    pub width: Option<String>,
    pub precision: Option<String>,
    /// `hidden` and others, for compatibility.
    pub kind: Option<String>,
    pub description: Option<String>,
    pub values: Option<Values>,
    pub links: Vec<Link>,
}

element!(Field, "FIELD", required: ["name", "datatype"], {
    id = "ID", name = "name", datatype = "datatype", arraysize = "arraysize", unit = "unit", ucd = "ucd",
    utype = "utype", xtype = "xtype", reference = "ref", width = "width", precision = "precision", kind = "type",
});

impl Field {
    /// A field with a name and a type.
    pub fn new(name: impl Into<String>, datatype: Datatype, arraysize: Option<ArraySize>) -> Self {
        Self {
            name: name.into(),
            datatype,
            arraysize,
            ..Self::default()
        }
    }

    /// What its cells hold.
    pub fn shape(&self) -> Shape {
        Shape::new(self.datatype, self.arraysize.as_ref())
    }

    /// The value that stands for none (`VALUES null`).
    pub fn null(&self) -> Option<&str> {
        self.values.as_ref()?.null.as_deref()
    }
}

/// PARAM: a value with everything that a column has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Param {
    /// What it is.
    pub field: Field,
    /// Its value as it stands there.
    pub value: String,
}

impl crate::attribute::Element for Param {
    const NAME: &'static str = "PARAM";
    const REQUIRED: &'static [&'static str] = &["name", "datatype", "value"];

    fn set(&mut self, name: &str, value: String) -> Result<(), &'static str> {
        if name == "value" {
            self.value = value;
            return Ok(());
        }
        self.field.set(name, value)
    }

    fn attributes(&self) -> Vec<(&'static str, std::borrow::Cow<'_, str>)> {
        let mut all = self.field.attributes();
        all.push(("value", std::borrow::Cow::Borrowed(&self.value)));
        all
    }
}

/// INFO: something to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct Info {
    pub id: Option<String>,
    pub name: String,
    pub value: String,
    pub unit: Option<String>,
    pub xtype: Option<String>,
    pub reference: Option<String>,
    pub ucd: Option<String>,
    pub utype: Option<String>,
    /// What stands in the element.
    pub text: String,
}

element!(Info, "INFO", required: ["name", "value"], {
    id = "ID", name = "name", value = "value", unit = "unit", xtype = "xtype", reference = "ref", ucd = "ucd",
    utype = "utype",
});

/// How a query ended (DALI 1.1 section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryStatus {
    /// All is there.
    Ok,
    /// There are more rows; the text says which limit was met.
    Overflow(String),
    /// It failed; the text says why.
    Error(String),
}

impl Info {
    /// A name and a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            ..Self::default()
        }
    }

    /// `QUERY_STATUS`, with its text in the element.
    pub fn query_status(status: QueryStatus) -> Self {
        let (value, text) = match status {
            QueryStatus::Ok => ("OK", String::new()),
            QueryStatus::Overflow(text) => ("OVERFLOW", text),
            QueryStatus::Error(text) => ("ERROR", text),
        };
        Self {
            text,
            ..Self::new("QUERY_STATUS", value)
        }
    }
}

/// VALUES: what a field may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct Values {
    pub id: Option<String>,
    /// `legal` or `actual`.
    pub kind: Option<String>,
    /// The value that stands for none.
    pub null: Option<String>,
    pub reference: Option<String>,
    pub min: Option<Bound>,
    pub max: Option<Bound>,
    pub options: Vec<Choice>,
}

element!(Values, "VALUES", required: [], { id = "ID", kind = "type", null = "null", reference = "ref" });

/// MIN or MAX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// The value itself.
    pub value: String,
    /// `yes` or `no`: whether that value is allowed.
    pub inclusive: Option<String>,
}

element!(Bound, "MIN or MAX", required: ["value"], { value = "value", inclusive = "inclusive" });

/// OPTION: one of the values that are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// What it is called.
    pub name: Option<String>,
    /// The value itself.
    pub value: String,
    /// Those within it.
    pub options: Vec<Choice>,
}

element!(Choice, "OPTION", required: ["value"], { name = "name", value = "value" });

/// GROUP: fields and parameters that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct Group {
    pub id: Option<String>,
    pub name: Option<String>,
    pub reference: Option<String>,
    pub ucd: Option<String>,
    pub utype: Option<String>,
    pub description: Option<String>,
    pub field_refs: Vec<FieldRef>,
    pub param_refs: Vec<ParamRef>,
    pub params: Vec<Param>,
    pub groups: Vec<Group>,
}

element!(Group, "GROUP", required: [], {
    id = "ID", name = "name", reference = "ref", ucd = "ucd", utype = "utype",
});

/// `FIELDref`: a field of the table that belongs to a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct FieldRef {
    pub reference: String,
    pub ucd: Option<String>,
    pub utype: Option<String>,
}

element!(FieldRef, "FIELDref", required: ["ref"], { reference = "ref", ucd = "ucd", utype = "utype" });

/// `PARAMref`: a parameter that belongs to a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct ParamRef {
    pub reference: String,
    pub ucd: Option<String>,
    pub utype: Option<String>,
}

element!(ParamRef, "PARAMref", required: ["ref"], { reference = "ref", ucd = "ucd", utype = "utype" });

/// LINK: where there is more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct Link {
    pub id: Option<String>,
    pub content_role: Option<String>,
    pub content_type: Option<String>,
    pub title: Option<String>,
    pub value: Option<String>,
    pub href: Option<String>,
    pub gref: Option<String>,
    pub action: Option<String>,
}

element!(Link, "LINK", required: [], {
    id = "ID", content_role = "content-role", content_type = "content-type", title = "title", value = "value",
    href = "href", gref = "gref", action = "action",
});

/// COOSYS: what celestial coordinates refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct CooSys {
    pub id: Option<String>,
    pub system: Option<String>,
    pub equinox: Option<String>,
    pub epoch: Option<String>,
    /// Since version 1.5.
    pub refposition: Option<String>,
}

element!(CooSys, "COOSYS", required: [], {
    id = "ID", system = "system", equinox = "equinox", epoch = "epoch", refposition = "refposition",
});

/// TIMESYS: what times refer to; since version 1.4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub struct TimeSys {
    pub id: Option<String>,
    pub timeorigin: Option<String>,
    pub timescale: Option<String>,
    pub refposition: Option<String>,
}

element!(TimeSys, "TIMESYS", required: [], {
    id = "ID", timeorigin = "timeorigin", timescale = "timescale", refposition = "refposition",
});
