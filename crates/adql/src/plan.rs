//! The typed plan of a query: what an engine gets, and nothing else of the query.
//!
//! Every column of every operator has a number of its own in the whole plan, so that a reference needs no
//! names and a sub-query refers to the columns around it as to its own. [`Plan::columns`] says what each
//! number is. All values have types, all functions are known, and each way to write a cone has become
//! [`ExprKind::Cone`].

use std::sync::Arc;

use crate::catalogue::{Column, Signature, Table};
use crate::function::{Aggregate, Builtin};
use crate::span::Span;
use crate::tree::{Comparison, JoinKind, Operator, SetOperator};
use crate::types::Type;

/// A query that is understood.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The common tables of `WITH`, each of which may use those before it.
    pub common: Vec<Rel>,
    /// The rows.
    pub root: Rel,
    /// The columns of the result: their names, and which columns of [`Plan::root`] they are.
    pub output: Vec<Output>,
    /// What each column of the plan is.
    pub columns: Vec<Field>,
    /// What should be written in another way.
    pub notes: Vec<Note>,
}

impl Plan {
    /// What a column is.
    pub fn field(&self, id: ColumnId) -> &Field {
        &self.columns[id.0 as usize]
    }

    /// Shows all scans of tables, those of sub-queries and common tables among them.
    ///
    /// Whoever hides rows restricts each of them here, and there is no other way to a table.
    pub fn scans(&mut self, mut visit: impl FnMut(&mut Scan)) {
        for rel in self.common.iter_mut().chain([&mut self.root]) {
            rel.scans(&mut visit);
        }
    }
}

/// The number of a column in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub(crate) u32);

impl ColumnId {
    /// The number itself.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A column of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What it is called: the alias, the name of the column, or a name made up for a value without one.
    pub name: String,
    /// Which column of the plan it is.
    pub id: ColumnId,
}

/// What a column is.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// The type of its values.
    pub ty: Type,
    /// Their unit.
    pub unit: Option<Arc<str>>,
    /// The column of a table whose values these are, unchanged.
    pub about: Option<Arc<Column>>,
}

/// Something that is right, and should be written in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// What to do.
    pub text: &'static str,
    /// Where.
    pub span: Span,
}

/// An operator: where rows come from, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Rel {
    /// The rows of a table.
    Scan(Scan),
    /// The rows of a common table.
    Common {
        /// Which of [`Plan::common`].
        index: usize,
        /// The number of its first column here; the others follow.
        first: ColumnId,
        /// How many columns it has.
        width: u32,
    },
    /// Those rows for which a condition is true.
    Filter {
        /// The rows.
        input: Box<Rel>,
        /// The condition.
        condition: Expr,
    },
    /// Pairs of rows.
    Join {
        /// Which rows stay when nothing fits.
        kind: JoinKind,
        /// The rows on the left.
        left: Box<Rel>,
        /// The rows on the right.
        right: Box<Rel>,
        /// Which pairs; all if there is no condition.
        condition: Option<Expr>,
    },
    /// One row for each group; without keys all rows are one group.
    Group {
        /// The rows.
        input: Box<Rel>,
        /// What is the same in a group.
        keys: Vec<(ColumnId, Expr)>,
        /// Values of the rows of a group.
        aggregates: Vec<(ColumnId, AggregateCall)>,
    },
    /// New columns for each row.
    Project {
        /// The rows.
        input: Box<Rel>,
        /// The columns.
        columns: Vec<(ColumnId, Expr)>,
    },
    /// Rows without their equals. `NULL` equals `NULL` here.
    Distinct {
        /// The rows.
        input: Box<Rel>,
    },
    /// Rows in an order.
    Sort {
        /// The rows.
        input: Box<Rel>,
        /// By what, the most important first.
        keys: Vec<SortKey>,
    },
    /// Some rows of all.
    Limit {
        /// The rows.
        input: Box<Rel>,
        /// How many are skipped.
        offset: u64,
        /// How many follow at most.
        count: Option<u64>,
    },
    /// The rows of two queries, whose columns have the same types.
    Set {
        /// How they are put together.
        operator: SetOperator,
        /// Whether equal rows stay.
        all: bool,
        /// The rows of the first.
        left: Box<Rel>,
        /// The rows of the other.
        right: Box<Rel>,
        /// The columns.
        columns: Vec<ColumnId>,
    },
}

/// The rows of a table.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub table: Arc<Table>,
    /// What the query calls it.
    pub alias: String,
    /// The number of its first column; the others follow, whether they are used or not.
    pub first: ColumnId,
    /// Which rows there are at all.
    pub filter: Option<Expr>,
}

impl PartialEq for Scan {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table)
            && (self.first, &self.filter) == (other.first, &other.filter)
    }
}

impl Scan {
    /// A column of the table by its exact name.
    pub fn column(&self, name: &str) -> Option<Expr> {
        let columns = &self.table.columns;
        let index = columns.iter().position(|column| &*column.name == name)?;
        let id = ColumnId(self.first.0 + u32::try_from(index).ok()?);
        Some(Expr {
            kind: ExprKind::Column(id),
            ty: columns[index].ty,
            span: Span::default(),
        })
    }

    /// Leaves only rows that meet this condition, too.
    pub fn restrict(&mut self, condition: Expr) {
        self.filter = Some(match self.filter.take() {
            None => condition,
            Some(filter) => {
                let span = filter.span;
                Expr::condition(ExprKind::And(vec![filter, condition]), span)
            }
        });
    }
}

/// A value of the rows of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCall {
    /// Which.
    pub function: AggregateFunction,
    /// Whether equal values count once.
    pub distinct: bool,
    /// Of what; of the rows themselves, if there is nothing.
    pub arguments: Vec<Expr>,
    /// Its type.
    pub ty: Type,
}

/// What makes one value of many.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregateFunction {
    /// One of the language.
    Builtin(Aggregate),
    /// One of the service.
    User(Arc<Signature>),
}

/// What rows are sorted by.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// The value.
    pub value: Expr,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// A value or a condition.
///
/// Two are equal when they say the same, wherever they stand.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type; a condition is boolean.
    pub ty: Type,
    /// Where the query has it.
    pub span: Span,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.ty == other.ty && self.kind == other.kind
    }
}

/// What a value or a condition is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `NULL`
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A text.
    Text(String),
    /// A column of the rows, or of the rows around a sub-query.
    Column(ColumnId),
    /// The same with another sign.
    Negate(Box<Expr>),
    /// All bits the other way.
    BitNot(Box<Expr>),
    /// Operators of one rank, from left to right.
    Chain(Box<Expr>, Vec<(Operator, Expr)>),
    /// A function of the language. Geometries have their final form: `POINT(x, y)`, `CIRCLE(point, radius)`,
    /// `BOX(point, width, height)`, `POLYGON(point, …)`, `DISTANCE(point, point)`, no coordinate systems.
    Call(Builtin, Vec<Expr>),
    /// A function of the service.
    UserCall(Arc<Signature>, Vec<Expr>),
    /// A value as another type, which is that of the expression; a text of that length at most.
    Cast(Box<Expr>, Option<u32>),
    /// A value in another unit.
    Convert {
        /// The value.
        value: Box<Expr>,
        /// What it is multiplied by.
        factor: f64,
        /// The unit in which it is then.
        unit: Arc<str>,
    },

    /// Two values compared. Both are numbers, texts, times or booleans.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// A value from the first to the second, both included.
    Between(Box<Expr>, Box<[Expr; 2]>),
    /// A value that is one of some.
    InList(Box<Expr>, Vec<Expr>),
    /// A value that is in the one column of a sub-query.
    InQuery(Box<Expr>, Box<Rel>),
    /// A text that fits a pattern of `%` and `_`.
    Like {
        /// The text.
        value: Box<Expr>,
        /// The pattern.
        pattern: Box<Expr>,
        /// Whether letters fit in any case.
        ignores_case: bool,
    },
    /// A value that is `NULL`.
    IsNull(Box<Expr>),
    /// A sub-query that has rows.
    Exists(Box<Rel>),
    /// A position within a distance from another: every form of a cone.
    Cone(Box<Cone>),
    /// A condition the other way; unknown stays unknown.
    Not(Box<Expr>),
    /// All of some.
    And(Vec<Expr>),
    /// One of some.
    Or(Vec<Expr>),
}

/// A position within a distance from another, in whatever words a query says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cone {
    /// The position, which is a point. If one of the two is the same for all rows, it is the other one.
    pub position: Expr,
    /// The centre, which is a point.
    pub center: Expr,
    /// The greatest distance in degrees.
    pub radius: Expr,
    /// Whether the greatest distance itself is within.
    pub inclusive: bool,
}

impl Expr {
    /// A condition.
    pub fn condition(kind: ExprKind, span: Span) -> Self {
        let ty = Type::Boolean;
        Self { kind, ty, span }
    }

    /// Whether it is the same for all rows.
    pub fn is_constant(&self) -> bool {
        let mut constant = !matches!(
            self.kind,
            ExprKind::Column(_)
                | ExprKind::InQuery(..)
                | ExprKind::Exists(_)
                | ExprKind::UserCall(..)
                | ExprKind::Call(Builtin::Rand, _)
        );
        if constant {
            self.children(&mut |child| constant &= child.is_constant());
        }
        constant
    }

    /// The values and conditions that this is made of, sub-queries left out.
    pub fn children<'e>(&'e self, visit: &mut impl FnMut(&'e Self)) {
        match &self.kind {
            ExprKind::Null
            | ExprKind::Boolean(_)
            | ExprKind::Integer(_)
            | ExprKind::Real(_)
            | ExprKind::Text(_)
            | ExprKind::Column(_)
            | ExprKind::Exists(_) => {}
            ExprKind::Negate(one)
            | ExprKind::BitNot(one)
            | ExprKind::Cast(one, _)
            | ExprKind::Convert { value: one, .. }
            | ExprKind::InQuery(one, _)
            | ExprKind::IsNull(one)
            | ExprKind::Not(one) => visit(one),
            ExprKind::Chain(first, rest) => {
                visit(first);
                for (_, one) in rest {
                    visit(one);
                }
            }
            ExprKind::Call(_, all)
            | ExprKind::UserCall(_, all)
            | ExprKind::And(all)
            | ExprKind::Or(all) => all.iter().for_each(visit),
            ExprKind::Compare(_, left, right) => {
                visit(left);
                visit(right);
            }
            ExprKind::Between(value, bounds) => {
                visit(value);
                bounds.iter().for_each(visit);
            }
            ExprKind::InList(value, list) => {
                visit(value);
                list.iter().for_each(visit);
            }
            ExprKind::Like { value, pattern, .. } => {
                visit(value);
                visit(pattern);
            }
            ExprKind::Cone(cone) => {
                [&cone.position, &cone.center, &cone.radius]
                    .into_iter()
                    .for_each(visit);
            }
        }
    }

    /// The same, to change them.
    pub(crate) fn children_mut<E>(
        &mut self,
        visit: &mut impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.kind {
            ExprKind::Null
            | ExprKind::Boolean(_)
            | ExprKind::Integer(_)
            | ExprKind::Real(_)
            | ExprKind::Text(_)
            | ExprKind::Column(_)
            | ExprKind::Exists(_) => Ok(()),
            ExprKind::Negate(one)
            | ExprKind::BitNot(one)
            | ExprKind::Cast(one, _)
            | ExprKind::Convert { value: one, .. }
            | ExprKind::InQuery(one, _)
            | ExprKind::IsNull(one)
            | ExprKind::Not(one) => visit(one),
            ExprKind::Chain(first, rest) => {
                visit(first)?;
                rest.iter_mut().try_for_each(|(_, one)| visit(one))
            }
            ExprKind::Call(_, all)
            | ExprKind::UserCall(_, all)
            | ExprKind::And(all)
            | ExprKind::Or(all) => all.iter_mut().try_for_each(visit),
            ExprKind::Compare(_, left, right) => {
                visit(left)?;
                visit(right)
            }
            ExprKind::Between(value, bounds) => {
                visit(value)?;
                bounds.iter_mut().try_for_each(visit)
            }
            ExprKind::InList(value, list) => {
                visit(value)?;
                list.iter_mut().try_for_each(visit)
            }
            ExprKind::Like { value, pattern, .. } => {
                visit(value)?;
                visit(pattern)
            }
            ExprKind::Cone(cone) => {
                let parts = [&mut cone.position, &mut cone.center, &mut cone.radius];
                parts.into_iter().try_for_each(visit)
            }
        }
    }

    /// The sub-query in it, if it has one itself.
    pub(crate) fn query_mut(&mut self) -> Option<&mut Rel> {
        match &mut self.kind {
            ExprKind::InQuery(_, query) | ExprKind::Exists(query) => Some(query),
            _ => None,
        }
    }
}

impl Rel {
    /// The columns of its rows, in order.
    pub fn output(&self) -> Vec<ColumnId> {
        match self {
            Self::Scan(scan) => numbers(scan.first, scan.table.columns.len()),
            Self::Common { first, width, .. } => numbers(*first, *width as usize),
            Self::Filter { input, .. }
            | Self::Distinct { input }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. } => input.output(),
            Self::Join { left, right, .. } => {
                let mut columns = left.output();
                columns.extend(right.output());
                columns
            }
            Self::Group {
                keys, aggregates, ..
            } => {
                let keys = keys.iter().map(|(id, _)| *id);
                let aggregates = aggregates.iter().map(|(id, _)| *id);
                keys.chain(aggregates).collect()
            }
            Self::Project { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
            Self::Set { columns, .. } => columns.clone(),
        }
    }

    fn scans(&mut self, visit: &mut impl FnMut(&mut Scan)) {
        if let Self::Scan(scan) = self {
            visit(scan);
        }
        let _ = self.expressions_mut(&mut |expression| {
            scans_of(expression, visit);
            Ok::<(), std::convert::Infallible>(())
        });
        for input in self.inputs_mut() {
            input.scans(visit);
        }
    }

    /// The operators whose rows it takes.
    pub fn inputs(&self) -> Vec<&Self> {
        match self {
            Self::Scan(_) | Self::Common { .. } => Vec::new(),
            Self::Filter { input, .. }
            | Self::Distinct { input }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Group { input, .. }
            | Self::Project { input, .. } => vec![input],
            Self::Join { left, right, .. } | Self::Set { left, right, .. } => vec![left, right],
        }
    }

    /// The same, to change them.
    pub(crate) fn inputs_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Scan(_) | Self::Common { .. } => Vec::new(),
            Self::Filter { input, .. }
            | Self::Distinct { input }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Group { input, .. }
            | Self::Project { input, .. } => vec![input],
            Self::Join { left, right, .. } | Self::Set { left, right, .. } => vec![left, right],
        }
    }

    /// The values and conditions that it has itself.
    pub fn expressions(&self) -> Vec<&Expr> {
        match self {
            Self::Scan(scan) => scan.filter.iter().collect(),
            Self::Filter { condition, .. } => vec![condition],
            Self::Join { condition, .. } => condition.iter().collect(),
            Self::Group {
                keys, aggregates, ..
            } => {
                let keys = keys.iter().map(|(_, key)| key);
                let arguments = aggregates.iter().flat_map(|(_, call)| &call.arguments);
                keys.chain(arguments).collect()
            }
            Self::Project { columns, .. } => columns.iter().map(|(_, value)| value).collect(),
            Self::Sort { keys, .. } => keys.iter().map(|key| &key.value).collect(),
            Self::Common { .. } | Self::Distinct { .. } | Self::Limit { .. } | Self::Set { .. } => {
                Vec::new()
            }
        }
    }

    /// The same, to change them.
    pub(crate) fn expressions_mut<E>(
        &mut self,
        visit: &mut impl FnMut(&mut Expr) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Scan(scan) => scan.filter.iter_mut().try_for_each(visit),
            Self::Filter { condition, .. } => visit(condition),
            Self::Join { condition, .. } => condition.iter_mut().try_for_each(visit),
            Self::Group {
                keys, aggregates, ..
            } => {
                keys.iter_mut().try_for_each(|(_, key)| visit(key))?;
                let calls = aggregates.iter_mut();
                let mut arguments = calls.flat_map(|(_, call)| &mut call.arguments);
                arguments.try_for_each(visit)
            }
            Self::Project { columns, .. } => columns.iter_mut().try_for_each(|(_, one)| visit(one)),
            Self::Sort { keys, .. } => keys.iter_mut().try_for_each(|key| visit(&mut key.value)),
            Self::Common { .. } | Self::Distinct { .. } | Self::Limit { .. } | Self::Set { .. } => {
                Ok(())
            }
        }
    }
}

fn scans_of(expression: &mut Expr, visit: &mut impl FnMut(&mut Scan)) {
    if let Some(query) = expression.query_mut() {
        query.scans(visit);
    }
    let _ = expression.children_mut(&mut |child| {
        scans_of(child, visit);
        Ok::<(), std::convert::Infallible>(())
    });
}

fn numbers(first: ColumnId, width: usize) -> Vec<ColumnId> {
    let width = u32::try_from(width).unwrap_or(u32::MAX);
    (0..width).map(|index| ColumnId(first.0 + index)).collect()
}
