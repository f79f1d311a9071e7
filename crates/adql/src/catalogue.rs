//! What there is to ask: tables with their columns, and functions.

use std::collections::HashMap;
use std::sync::Arc;

use crate::tree::Ident;
use crate::types::Type;

/// The tables and functions of a service, as a query sees them.
///
/// Names are given in lower case, and what is called like that in any case is wanted: which of it a query
/// means is not decided here.
pub trait Catalogue {
    /// The tables of this name, in this schema or in any.
    fn tables(&self, schema: Option<&str>, name: &str) -> Vec<Arc<Table>>;

    /// The names of tables that an error may suggest.
    fn table_names(&self) -> Vec<String>;

    /// The functions of this name.
    fn functions(&self, name: &str) -> Vec<Arc<Signature>>;

    /// The names of functions that an error may suggest.
    fn function_names(&self) -> Vec<String>;
}

/// A table that queries may name.
#[derive(Debug)]
pub struct Table {
    /// The catalogue that a query may name before the schema.
    pub catalogue: Option<String>,
    /// Its schema.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// Its columns, in the order of `*`.
    pub columns: Vec<Arc<Column>>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Table {
    /// A table in a schema.
    pub fn new(
        schema: impl Into<String>,
        name: impl Into<String>,
        columns: impl IntoIterator<Item = Column>,
    ) -> Self {
        let columns: Vec<_> = columns.into_iter().map(Arc::new).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, column) in columns.iter().enumerate() {
            let name = column.name.to_lowercase();
            by_name.entry(name).or_default().push(index);
        }
        Self {
            catalogue: None,
            schema: Some(schema.into()),
            name: name.into(),
            columns,
            by_name,
        }
    }

    /// Its name with its schema.
    pub fn full_name(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The columns that a name may mean, which is `lower` in lower case.
    pub(crate) fn find(&self, name: &Ident, lower: &str) -> impl Iterator<Item = usize> {
        let found = self.by_name.get(lower);
        let found = found.map_or(&[][..], Vec::as_slice);
        let is_meant = |index: &usize| name.means(&self.columns[*index].name);
        // Of names that differ in case alone, a plain name means the one that is written like it.
        let exact = |index: &usize| self.columns[*index].name.as_ref() == name.text;
        let only = found.iter().copied().find(|index| exact(index));
        let others = found.iter().copied().filter(is_meant);
        let others = others.filter(|_| only.is_none()).collect::<Vec<_>>();
        only.into_iter().chain(others)
    }
}

/// A column of a table, with what a VOTable says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: Arc<str>,
    /// The type of its values.
    pub ty: Type,
    /// `datatype`, when the type alone does not decide it: `char` or `unicodeChar`.
    pub datatype: Option<String>,
    /// `arraysize`.
    pub arraysize: Option<String>,
    /// `xtype`.
    pub xtype: Option<String>,
    /// `unit`.
    pub unit: Option<Arc<str>>,
    /// `ucd`.
    pub ucd: Option<String>,
    /// `utype`.
    pub utype: Option<String>,
    /// What it is, in words.
    pub description: Option<String>,
}

impl Column {
    /// A column of which nothing more is known.
    pub fn new(name: &str, ty: Type) -> Self {
        Self {
            name: name.into(),
            ty,
            datatype: None,
            arraysize: None,
            xtype: None,
            unit: None,
            ucd: None,
            utype: None,
            description: None,
        }
    }

    /// The column with a unit.
    #[must_use]
    pub fn in_unit(mut self, unit: &str) -> Self {
        self.unit = Some(unit.into());
        self
    }
}

/// A function of the service: one form of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// What its arguments are called, and their types.
    pub parameters: Vec<(String, Type)>,
    /// The type of its value.
    pub result: Type,
    /// Whether it takes all rows of a group.
    pub is_aggregate: bool,
}

impl Signature {
    /// A function of rows.
    pub fn new(name: &str, parameters: &[(&str, Type)], result: Type) -> Self {
        let parameters = parameters.iter();
        let parameters = parameters.map(|(name, ty)| ((*name).to_owned(), *ty));
        Self {
            name: name.to_owned(),
            parameters: parameters.collect(),
            result,
            is_aggregate: false,
        }
    }

    /// How a service declares it: `name(a VARCHAR, b REAL) -> INTEGER`.
    pub fn declaration(&self) -> String {
        let parameters = self.parameters.iter();
        let parameters: Vec<String> = parameters
            .map(|(name, ty)| format!("{name} {ty}"))
            .collect();
        format!(
            "{}({}) -> {}",
            self.name,
            parameters.join(", "),
            self.result
        )
    }
}

/// A catalogue in memory.
#[derive(Debug, Default)]
pub struct Listing {
    tables: HashMap<String, Vec<Arc<Table>>>,
    functions: HashMap<String, Vec<Arc<Signature>>>,
}

impl Listing {
    /// A catalogue with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a table into it.
    pub fn add_table(&mut self, table: Table) {
        let tables = self.tables.entry(table.name.to_lowercase()).or_default();
        tables.push(Arc::new(table));
    }

    /// Puts a function into it.
    pub fn add_function(&mut self, function: Signature) {
        let name = function.name.to_lowercase();
        let functions = self.functions.entry(name).or_default();
        functions.push(Arc::new(function));
    }
}

impl Catalogue for Listing {
    fn tables(&self, schema: Option<&str>, name: &str) -> Vec<Arc<Table>> {
        let tables = self.tables.get(name).map_or(&[][..], Vec::as_slice);
        let is_in = |table: &&Arc<Table>| {
            schema.is_none_or(|schema| {
                let own = table.schema.as_ref();
                own.is_some_and(|own| own.to_lowercase() == schema)
            })
        };
        tables.iter().filter(is_in).cloned().collect()
    }

    fn table_names(&self) -> Vec<String> {
        let tables = self.tables.values().flatten();
        tables.map(|table| table.full_name()).collect()
    }

    fn functions(&self, name: &str) -> Vec<Arc<Signature>> {
        self.functions.get(name).cloned().unwrap_or_default()
    }

    fn function_names(&self) -> Vec<String> {
        let functions = self.functions.values().filter_map(|forms| forms.first());
        functions.map(|form| form.name.clone()).collect()
    }
}
