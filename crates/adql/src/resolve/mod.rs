//! From the tree to the plan: which table, column and function each name is, and which type each value has.

mod aggregate;
mod condition;
mod cone;
mod from;
mod function;
mod geometry;
mod group;
mod query;
mod scope;
mod set;
mod value;

use std::sync::Arc;

use aggregate::Grouping;

use crate::catalogue::Catalogue;
use crate::error::{Error, ErrorKind};
use crate::function::Builtin;
use crate::plan::{ColumnId, Expr, ExprKind, Field, Note, Output, Plan, Rel};
use crate::span::Span;
use crate::tree::{Ident, Operator, Query};
use crate::types::Type;

/// How many columns a table of a query may have, and so its result.
pub const MAX_COLUMNS: usize = 2000;
/// How many values a query may group or sort by.
pub const MAX_KEYS: usize = 200;

/// Finds out what a query means. Trees come from [`parse`](crate::parse), which bounds how deep they are.
///
/// # Errors
/// The first thing that has no meaning, or more than one.
pub fn resolve(query: &Query, catalogue: &dyn Catalogue) -> Result<Plan, Error> {
    let mut resolver = Resolver {
        catalogue,
        columns: Vec::new(),
        common: Vec::new(),
        groupings: Vec::new(),
        notes: Vec::new(),
    };
    for table in &query.with {
        let name = &table.name;
        let is_twice = |one: &Common| one.name == name.it;
        if resolver.common.iter().any(is_twice) {
            return Err(ErrorKind::SameCommonTableTwice(name.text.clone()).at(name.span));
        }
        let rows = resolver.query_expression(&table.query, None)?;
        resolver.common.push(Common {
            name: name.it.clone(),
            rows,
        });
    }
    let rows = resolver.query_expression(&query.body, None)?;
    Ok(Plan {
        common: resolver
            .common
            .into_iter()
            .map(|one| one.rows.rel)
            .collect(),
        root: rows.rel,
        output: rows.columns,
        columns: resolver.columns,
        notes: resolver.notes,
    })
}

type Result<T, E = Error> = std::result::Result<T, E>;

struct Resolver<'c> {
    catalogue: &'c dyn Catalogue,
    /// What each column of the plan is.
    columns: Vec<Field>,
    common: Vec<Common>,
    /// The aggregates of each `SELECT` that is being resolved, the innermost last.
    groupings: Vec<Grouping>,
    notes: Vec<Note>,
}

/// A common table.
struct Common {
    name: Ident,
    rows: Rows,
}

/// The rows of a query, and what its columns are called.
struct Rows {
    rel: Rel,
    columns: Vec<Output>,
}

impl Resolver<'_> {
    /// The number of a new column.
    fn new_column(&mut self, field: Field) -> ColumnId {
        let id = self.next_column();
        self.columns.push(field);
        id
    }

    /// The number that the next new column will have.
    fn next_column(&self) -> ColumnId {
        ColumnId(u32::try_from(self.columns.len()).unwrap_or(u32::MAX))
    }

    fn field(&self, id: ColumnId) -> &Field {
        &self.columns[id.index()]
    }

    fn column(&self, id: ColumnId, span: Span) -> Expr {
        Expr {
            kind: ExprKind::Column(id),
            ty: self.field(id).ty,
            span,
        }
    }

    /// What a column with this value is.
    fn field_of(&self, name: &str, value: &Expr) -> Field {
        let about = match value.kind {
            ExprKind::Column(id) => self.field(id).about.clone(),
            _ => None,
        };
        Field {
            name: name.into(),
            ty: value.ty,
            unit: self.unit(value),
            about,
        }
    }

    /// The unit of a value, where it follows from those of columns.
    fn unit(&self, value: &Expr) -> Option<Arc<str>> {
        match &value.kind {
            ExprKind::Column(id) => self.field(*id).unit.clone(),
            ExprKind::Convert { unit, .. } => Some(unit.clone()),
            ExprKind::Negate(one) | ExprKind::Cast(one, _) if value.ty.is_numeric() => {
                self.unit(one)
            }
            ExprKind::Call(
                Builtin::Abs
                | Builtin::Ceiling
                | Builtin::Floor
                | Builtin::Round
                | Builtin::Truncate,
                arguments,
            ) => self.unit(arguments.first()?),
            // A sum of values in one unit, and of plain numbers, is in that unit.
            ExprKind::Chain(first, rest) => {
                let unit = self.unit(first)?;
                let is_same = |(operator, one): &(Operator, Expr)| {
                    let is_number = matches!(one.kind, ExprKind::Integer(_) | ExprKind::Real(_));
                    matches!(operator, Operator::Add | Operator::Subtract)
                        && (is_number || self.unit(one).as_ref() == Some(&unit))
                };
                rest.iter().all(is_same).then_some(unit)
            }
            _ => None,
        }
    }

    fn note(&mut self, text: &'static str, span: Span) {
        self.notes.push(Note { text, span });
    }
}

/// `NULL` or whatever the types have in common.
fn common(place: &str, left: &Expr, right: &Expr) -> Result<Type> {
    left.ty.common(right.ty).ok_or_else(|| {
        let kind = ErrorKind::Incomparable {
            place: format!("`{place}`"),
            left: left.ty,
            right: right.ty,
            hint: None,
        };
        kind.at(right.span)
    })
}
