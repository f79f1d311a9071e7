//! Which column a name is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Result;
use crate::catalogue::Table;
use crate::error::{Error, ErrorKind};
use crate::nearest;
use crate::plan::{ColumnId, Expr};
use crate::span::Span;
use crate::tree::{Ident, Name};

/// The tables of a `SELECT`, inside those of the query around it.
pub(super) struct Scope<'p> {
    pub(super) bindings: Vec<Binding>,
    /// Columns that two tables have in common, by `USING` or `NATURAL`.
    pub(super) merged: Vec<Merged>,
    merged_by_name: HashMap<String, Vec<usize>>,
    /// How the tables are joined, for the order of `*`.
    pub(super) shapes: Vec<Shape>,
    /// Columns that have become a part of a merged one.
    hidden: HashSet<ColumnId>,
    /// The first table that is seen: while a join is read, its own tables alone.
    pub(super) visible_from: usize,
    /// Columns of the result. They are seen where nothing else has their name.
    pub(super) outputs: Vec<(String, Expr)>,
    pub(super) parent: Option<&'p Scope<'p>>,
}

/// A table by the name that it has in a query.
pub(super) struct Binding {
    /// The name that the query gave to it.
    pub(super) alias: Option<String>,
    pub(super) columns: Columns,
}

/// The columns of a table of a query.
pub(super) enum Columns {
    /// Those of a table, with numbers from this one on.
    Of(Arc<Table>, ColumnId),
    /// Those of a sub-query or of a common table.
    Named(NamedColumns),
}

/// Columns with names.
pub(super) struct NamedColumns {
    list: Vec<(Arc<str>, ColumnId)>,
    by_name: HashMap<String, Vec<usize>>,
}

impl NamedColumns {
    pub(super) fn new(list: Vec<(Arc<str>, ColumnId)>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, (name, _)) in list.iter().enumerate() {
            by_name.entry(name.to_lowercase()).or_default().push(index);
        }
        Self { list, by_name }
    }
}

/// Where a column is.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// Among those that two tables have in common.
    Merged(usize),
    /// In a table.
    Column(ColumnId),
}

/// A column that two tables have in common.
pub(super) struct Merged {
    pub(super) name: Arc<str>,
    pub(super) value: Expr,
    /// The first table of the join that it comes from.
    pub(super) start: usize,
    /// Whether it has not become a part of another one.
    pub(super) is_visible: bool,
}

/// How tables are joined.
pub(super) enum Shape {
    Table(usize),
    Join {
        merged: Vec<usize>,
        sides: Box<[Shape; 2]>,
    },
}

/// What a name is.
pub(super) enum Found {
    Column(ColumnId),
    Value(Expr),
}

impl<'p> Scope<'p> {
    pub(super) fn new(parent: Option<&'p Scope<'p>>) -> Self {
        Self {
            bindings: Vec::new(),
            merged: Vec::new(),
            merged_by_name: HashMap::new(),
            shapes: Vec::new(),
            hidden: HashSet::new(),
            visible_from: 0,
            outputs: Vec::new(),
            parent,
        }
    }

    /// Puts a table into it.
    pub(super) fn bind(&mut self, binding: Binding, span: Span) -> Result<()> {
        let is_same = |other: &Binding| match (&binding.alias, &other.alias) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            (None, None) => binding.name() == other.name(),
            _ => false,
        };
        if self.bindings.iter().any(is_same) {
            return Err(ErrorKind::SameTableTwice(binding.name()).at(span));
        }
        self.bindings.push(binding);
        Ok(())
    }

    /// What a name with those before it is, here or in the queries around.
    pub(super) fn find(&self, path: &[Name]) -> Result<Found> {
        let Some((name, qualifier)) = path.split_last() else {
            return Err(ErrorKind::UnknownColumn {
                name: String::new(),
                table: None,
                nearest: Vec::new(),
            }
            .at(Span::default()));
        };
        let mut level = Some(self);
        while let Some(scope) = level {
            let found = if qualifier.is_empty() {
                scope.find_plain(name, scope.visible_from, scope.bindings.len())?
            } else {
                scope.find_qualified(name, qualifier)?
            };
            if let Some(found) = found {
                return Ok(found);
            }
            if qualifier.is_empty() {
                let mut outputs = scope.outputs.iter();
                if let Some((_, value)) = outputs.find(|(output, _)| name.means(output)) {
                    let span = name.span;
                    return Ok(Found::Value(Expr {
                        span,
                        ..value.clone()
                    }));
                }
            }
            level = scope.parent;
        }
        Err(self.unknown(name, qualifier))
    }

    /// A column of some of the tables.
    pub(super) fn find_plain(&self, name: &Name, from: usize, to: usize) -> Result<Option<Found>> {
        let place = self.find_place(name, from, to)?;
        Ok(place.map(|place| self.at(place)))
    }

    /// What is at a place.
    pub(super) fn at(&self, place: Place) -> Found {
        match place {
            Place::Merged(index) => Found::Value(self.merged[index].value.clone()),
            Place::Column(id) => Found::Column(id),
        }
    }

    /// Where the only column of that name of some of the tables is.
    pub(super) fn find_place(&self, name: &Name, from: usize, to: usize) -> Result<Option<Place>> {
        let lower = name.text.to_lowercase();
        let mut places = Vec::new();
        for index in self.merged_by_name.get(&lower).into_iter().flatten() {
            let merged = &self.merged[*index];
            let is_here = merged.is_visible && (from..to).contains(&merged.start);
            if is_here && name.means(&merged.name) {
                places.push((None, Place::Merged(*index)));
            }
        }
        for binding in &self.bindings[from..to] {
            for (_, id) in binding.find(name, &lower) {
                if !self.hidden.contains(&id) {
                    places.push((Some(binding), Place::Column(id)));
                }
            }
        }
        if places.len() > 1 {
            let label = |binding: Option<&Binding>| match binding {
                Some(binding) => format!("{}.{}", binding.name(), name.text),
                None => name.text.clone(),
            };
            let kind = ErrorKind::AmbiguousColumn {
                name: name.text.clone(),
                candidates: places.iter().map(|(one, _)| label(*one)).collect(),
            };
            return Err(kind.at(name.span));
        }
        Ok(places.pop().map(|(_, place)| place))
    }

    /// Makes one column of those at two places.
    pub(super) fn merge(&mut self, merged: Merged, places: [Place; 2]) -> usize {
        for place in places {
            match place {
                Place::Merged(index) => self.merged[index].is_visible = false,
                Place::Column(id) => {
                    self.hidden.insert(id);
                }
            }
        }
        let index = self.merged.len();
        let lower = merged.name.to_lowercase();
        self.merged_by_name.entry(lower).or_default().push(index);
        self.merged.push(merged);
        index
    }

    fn find_qualified(&self, name: &Name, qualifier: &[Name]) -> Result<Option<Found>> {
        let visible = &self.bindings[self.visible_from..];
        let Some(binding) = binding(qualifier, visible)? else {
            return Ok(None);
        };
        let found = binding.find(name, &name.text.to_lowercase());
        if found.len() > 1 {
            let kind = ErrorKind::AmbiguousColumn {
                name: name.text.clone(),
                candidates: vec![format!(
                    "one of {} columns of `{}`",
                    found.len(),
                    binding.name()
                )],
            };
            return Err(kind.at(name.span));
        }
        if found.is_empty() {
            let names: Vec<Arc<str>> = binding.names().collect();
            let kind = ErrorKind::UnknownColumn {
                name: name.text.clone(),
                table: Some(binding.name()),
                nearest: nearest::names(&name.text, names.iter().map(AsRef::as_ref)),
            };
            return Err(kind.at(name.span));
        }
        Ok(found.first().map(|(_, id)| Found::Column(*id)))
    }

    /// Whether a column has become a part of a merged one.
    pub(super) fn is_hidden(&self, id: ColumnId) -> bool {
        self.hidden.contains(&id)
    }

    /// The columns of `*`, with their names.
    pub(super) fn all(&self) -> Vec<(Arc<str>, Found)> {
        let mut all = Vec::new();
        for shape in &self.shapes {
            self.all_of(shape, &mut all);
        }
        all
    }

    fn all_of(&self, shape: &Shape, all: &mut Vec<(Arc<str>, Found)>) {
        match shape {
            Shape::Table(index) => {
                let columns = self.bindings[*index].all().into_iter();
                let columns = columns.filter(|(_, id)| !self.hidden.contains(id));
                all.extend(columns.map(|(name, id)| (name, Found::Column(id))));
            }
            Shape::Join { merged, sides } => {
                let merged = merged.iter().map(|index| &self.merged[*index]);
                for merged in merged.filter(|merged| merged.is_visible) {
                    all.push((merged.name.clone(), Found::Value(merged.value.clone())));
                }
                sides.iter().for_each(|side| self.all_of(side, all));
            }
        }
    }

    /// The columns of `table.*`, with their names.
    pub(super) fn all_called(&self, qualifier: &[Name]) -> Result<Vec<(Arc<str>, ColumnId)>> {
        match binding(qualifier, &self.bindings)? {
            Some(binding) => Ok(binding.all()),
            None => Err(self.unknown_qualifier(qualifier, false)),
        }
    }

    /// Why nothing has this name.
    fn unknown(&self, name: &Name, qualifier: &[Name]) -> Error {
        if !qualifier.is_empty() {
            return self.unknown_qualifier(qualifier, true);
        }
        let mut names = Vec::new();
        let mut level = Some(self);
        while let Some(scope) = level {
            names.extend(scope.bindings.iter().flat_map(Binding::names));
            names.extend(
                scope
                    .outputs
                    .iter()
                    .map(|(name, _)| Arc::from(name.as_str())),
            );
            level = scope.parent;
        }
        let nearest = nearest::names(&name.text, names.iter().map(AsRef::as_ref));
        let name_text = name.text.clone();
        let kind = if name.quoted && nearest.is_empty() {
            ErrorKind::TextInDoubleQuotes { name: name_text }
        } else {
            ErrorKind::UnknownColumn {
                name: name_text,
                table: None,
                nearest,
            }
        };
        kind.at(name.span)
    }

    fn unknown_qualifier(&self, qualifier: &[Name], looks_around: bool) -> Error {
        let written: Vec<String> = qualifier.iter().map(|name| name.it.to_string()).collect();
        let name = written.join(".");
        let first = qualifier.first().map(|name| name.span).unwrap_or_default();
        let last = qualifier.last().map(|name| name.span).unwrap_or_default();
        let span = first.to(last);
        let mut names = Vec::new();
        let mut renamed = Vec::new();
        let mut level = Some(self);
        while let Some(scope) = level {
            let (unseen, seen) = scope.bindings.split_at(scope.visible_from);
            if unseen.iter().any(|binding| binding.is_called(qualifier)) {
                return ErrorKind::NotInJoin(name).at(span);
            }
            names.extend(seen.iter().map(Binding::name));
            // A table that has another name here is meant by its own.
            let was = seen.iter().filter(|binding| binding.was_called(qualifier));
            renamed.extend(was.map(Binding::name));
            level = scope.parent.filter(|_| looks_around);
        }
        let nearest = if renamed.is_empty() {
            nearest::names(&name, names.iter().map(String::as_str))
        } else {
            renamed
        };
        ErrorKind::UnknownQualifier { name, nearest }.at(span)
    }
}

/// The table of that name.
fn binding<'b>(qualifier: &[Name], among: &'b [Binding]) -> Result<Option<&'b Binding>> {
    let mut found = among.iter().filter(|binding| binding.is_called(qualifier));
    let first = found.next();
    let others: Vec<String> = found.map(Binding::name).collect();
    match (first, qualifier.last()) {
        (Some(first), Some(name)) if !others.is_empty() => {
            let mut candidates = vec![first.name()];
            candidates.extend(others);
            let name_text = name.text.clone();
            Err(ErrorKind::AmbiguousTable {
                name: name_text,
                candidates,
            }
            .at(name.span))
        }
        _ => Ok(first),
    }
}

impl Binding {
    /// What the query calls it.
    pub(super) fn name(&self) -> String {
        match (&self.alias, &self.columns) {
            (Some(alias), _) => alias.clone(),
            (None, Columns::Of(table, _)) => table.full_name(),
            (None, Columns::Named(_)) => String::new(),
        }
    }

    fn is_called(&self, qualifier: &[Name]) -> bool {
        match (&self.alias, &self.columns, qualifier) {
            (Some(alias), _, [name]) => name.means(alias),
            (None, Columns::Of(table, _), [before @ .., name]) => {
                name.means(&table.name) && is_in(table, before)
            }
            _ => false,
        }
    }

    /// Whether this is the name of the table, which the query replaced by another.
    fn was_called(&self, qualifier: &[Name]) -> bool {
        match (&self.columns, qualifier) {
            (Columns::Of(table, _), [before @ .., name]) => {
                name.means(&table.name) && is_in(table, before)
            }
            _ => false,
        }
    }

    /// Columns that a name may mean, which is `lower` in lower case.
    fn find(&self, name: &Ident, lower: &str) -> Vec<(Arc<str>, ColumnId)> {
        match &self.columns {
            Columns::Of(table, first) => {
                let found = table.find(name, lower);
                found.map(|index| column_of(table, *first, index)).collect()
            }
            Columns::Named(columns) => {
                let found = columns.by_name.get(lower).into_iter().flatten();
                let found = found.map(|index| &columns.list[*index]);
                found
                    .filter(|(column, _)| name.means(column))
                    .cloned()
                    .collect()
            }
        }
    }

    pub(super) fn all(&self) -> Vec<(Arc<str>, ColumnId)> {
        match &self.columns {
            Columns::Of(table, first) => {
                let all = 0..table.columns.len();
                all.map(|index| column_of(table, *first, index)).collect()
            }
            Columns::Named(columns) => columns.list.clone(),
        }
    }

    fn names(&self) -> impl Iterator<Item = Arc<str>> {
        self.all().into_iter().map(|(name, _)| name)
    }
}

fn column_of(table: &Table, first: ColumnId, index: usize) -> (Arc<str>, ColumnId) {
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    let id = ColumnId(first.0.saturating_add(number));
    (table.columns[index].name.clone(), id)
}

/// Whether a table is in the schema and the catalogue that stand before its name.
pub(super) fn is_in(table: &Table, before: &[Name]) -> bool {
    let means = |name: &Name, own: Option<&String>| own.is_some_and(|own| name.means(own));
    match before {
        [] => true,
        [schema] => means(schema, table.schema.as_ref()),
        [catalogue, schema] => {
            means(schema, table.schema.as_ref()) && means(catalogue, table.catalogue.as_ref())
        }
        _ => false,
    }
}
