//! Tables and joins.

use std::collections::HashSet;

use super::scope::{Binding, Columns, Found, Merged, NamedColumns, Place, Scope, Shape, is_in};
use super::{MAX_COLUMNS, Resolver, Result, common};
use crate::error::ErrorKind;
use crate::function::Builtin;
use crate::nearest;
use crate::plan::{ColumnId, Expr, ExprKind, Field, Rel, Scan};
use crate::span::{Node, Span};
use crate::tree::{
    Comparison, Ident, Join, JoinConstraint, JoinKind, Name, TableChain, TableSource,
};

impl Resolver<'_> {
    /// The tables of a `FROM`: their rows; their names go into the scope.
    pub(super) fn from(&mut self, chains: &[TableChain], scope: &mut Scope<'_>) -> Result<Rel> {
        let mut all: Option<Rel> = None;
        for chain in chains {
            let start = scope.bindings.len();
            scope.visible_from = start;
            let (rel, shape) = self.chain_of_tables(chain, scope)?;
            scope.shapes.push(shape);
            all = Some(match all {
                None => rel,
                Some(left) => pair(JoinKind::Inner, left, rel, None),
            });
        }
        scope.visible_from = 0;
        // The grammar has one table at least.
        all.ok_or_else(unnamed)
    }

    fn chain_of_tables(
        &mut self,
        chain: &TableChain,
        scope: &mut Scope<'_>,
    ) -> Result<(Rel, Shape)> {
        let start = scope.bindings.len();
        let outer = std::mem::replace(&mut scope.visible_from, start);
        let (mut rel, mut shape) = self.table(&chain.first, scope)?;
        for join in &chain.joins {
            let middle = scope.bindings.len();
            let (right, right_shape) = self.table(&join.table, scope)?;
            let range = [start, middle, scope.bindings.len()];
            let (condition, merged) = self.constraint(join, scope, range)?;
            rel = pair(join.kind, rel, right, condition);
            shape = Shape::Join {
                merged,
                sides: Box::new([shape, right_shape]),
            };
        }
        scope.visible_from = outer;
        Ok((rel, shape))
    }

    fn table(&mut self, source: &Node<TableSource>, scope: &mut Scope<'_>) -> Result<(Rel, Shape)> {
        let index = scope.bindings.len();
        let (rel, binding) = match &source.it {
            TableSource::Nested(chain) => return self.chain_of_tables(chain, scope),
            TableSource::Table { path, alias } => self.named_table(path, alias.as_ref())?,
            TableSource::Derived { query, alias } => {
                // What stands beside a sub-query in FROM is not seen in it.
                let rows = self.query_expression(query, scope.parent)?;
                let columns = rows.columns.into_iter();
                let columns = columns.map(|column| (column.name.into(), column.id));
                let binding = Binding {
                    alias: Some(alias.text.clone()),
                    columns: Columns::Named(NamedColumns::new(columns.collect())),
                };
                (rows.rel, binding)
            }
        };
        scope.bind(binding, source.span)?;
        Ok((rel, Shape::Table(index)))
    }

    fn named_table(&mut self, path: &[Name], alias: Option<&Name>) -> Result<(Rel, Binding)> {
        let alias_text = alias.map(|alias| alias.text.clone());
        if let [name] = path
            && let Some(index) = self.common_table(name)
        {
            let (rel, columns) = self.rows_of_common(index);
            let binding = Binding {
                alias: alias_text.or_else(|| Some(name.text.clone())),
                columns: Columns::Named(NamedColumns::new(columns)),
            };
            return Ok((rel, binding));
        }
        let table = self.find_table(path)?;
        let first = self.next_column();
        for column in &table.columns {
            self.columns.push(Field {
                name: column.name.clone(),
                ty: column.ty,
                unit: column.unit.clone(),
                about: Some(column.clone()),
            });
        }
        let scan = Scan {
            alias: alias_text.clone().unwrap_or_else(|| table.name.clone()),
            table: table.clone(),
            first,
            filter: None,
        };
        let binding = Binding {
            alias: alias_text,
            columns: Columns::Of(table, first),
        };
        Ok((Rel::Scan(scan), binding))
    }

    fn common_table(&self, name: &Ident) -> Option<usize> {
        let is_meant = |own: &Ident| {
            if own.quoted || name.quoted {
                own.text == name.text
            } else {
                own.text.eq_ignore_ascii_case(&name.text)
            }
        };
        self.common.iter().rposition(|one| is_meant(&one.name))
    }

    fn rows_of_common(&mut self, index: usize) -> (Rel, Vec<(std::sync::Arc<str>, ColumnId)>) {
        let first = self.next_column();
        let columns = self.common[index].rows.columns.clone();
        let mut named = Vec::with_capacity(columns.len());
        for column in columns {
            let field = self.field(column.id).clone();
            named.push((column.name.into(), self.new_column(field)));
        }
        let width = u32::try_from(named.len()).unwrap_or(u32::MAX);
        let rel = Rel::Common {
            index,
            first,
            width,
        };
        (rel, named)
    }

    fn find_table(&self, path: &[Name]) -> Result<std::sync::Arc<crate::catalogue::Table>> {
        let [before @ .., name] = path else {
            return Err(unnamed());
        };
        let schema = before.last().map(|schema| schema.text.to_lowercase());
        let found = self
            .catalogue
            .tables(schema.as_deref(), &name.text.to_lowercase());
        let mut found: Vec<_> = found
            .into_iter()
            .filter(|table| name.means(&table.name) && is_in(table, before))
            .collect();
        let span = path
            .first()
            .map_or(name.span, |first| first.span.to(name.span));
        let written: Vec<String> = path.iter().map(|name| name.it.to_string()).collect();
        let written = written.join(".");
        if found.len() > 1 {
            let candidates = found.iter().map(|table| table.full_name()).collect();
            let name = written;
            return Err(ErrorKind::AmbiguousTable { name, candidates }.at(span));
        }
        found.pop().ok_or_else(|| {
            let mut names = self.catalogue.table_names();
            names.extend(self.common.iter().map(|one| one.name.text.clone()));
            let all = names.iter().map(String::as_str);
            let mut nearest = nearest::names(&written, all.clone());
            // The right name in another schema, or in none.
            let last = |name: &'_ str| name.rsplit('.').next().unwrap_or_default().to_owned();
            if nearest.is_empty() {
                let same = all
                    .clone()
                    .filter(|one| last(one).eq_ignore_ascii_case(&name.text));
                nearest = same.take(3).map(str::to_owned).collect();
            }
            if nearest.is_empty() && before.is_empty() {
                let short: Vec<String> = all.clone().map(last).collect();
                let near = nearest::names(&name.text, short.iter().map(String::as_str));
                let is_near = |one: &&str| near.iter().any(|near| last(one) == *near);
                nearest = all.filter(is_near).take(3).map(str::to_owned).collect();
            }
            nearest.sort();
            let name = written.clone();
            ErrorKind::UnknownTable { name, nearest }.at(span)
        })
    }

    /// Which pairs of rows fit, and which columns are merged. `range` says where the tables on the left begin,
    /// where those on the right do, and where they end.
    fn constraint(
        &mut self,
        join: &Join,
        scope: &mut Scope<'_>,
        range: [usize; 3],
    ) -> Result<(Option<Expr>, Vec<usize>)> {
        match &join.constraint {
            JoinConstraint::None => {
                let text = "this JOIN has no condition: it pairs each row with each";
                self.note(text, join.table.span);
                Ok((None, Vec::new()))
            }
            JoinConstraint::On(condition) => {
                self.groupings.push(super::Grouping::refused("ON"));
                let condition = self.condition(condition, scope);
                self.groupings.pop();
                Ok((Some(condition?), Vec::new()))
            }
            JoinConstraint::Using(names) => self.merge(join.kind, names, scope, range),
            JoinConstraint::Natural => {
                let names = names_in_common(scope, range, join.table.span)?;
                if names.is_empty() {
                    return Err(ErrorKind::NothingInCommon.at(join.table.span));
                }
                self.merge(join.kind, &names, scope, range)
            }
        }
    }

    fn merge(
        &mut self,
        kind: JoinKind,
        names: &[Name],
        scope: &mut Scope<'_>,
        [start, middle, end]: [usize; 3],
    ) -> Result<(Option<Expr>, Vec<usize>)> {
        let mut conditions = Vec::new();
        let mut merged = Vec::new();
        for name in names {
            let (left, left_place) = self.side(name, scope, start, middle)?;
            let (right, right_place) = self.side(name, scope, middle, end)?;
            if scope.merged.len() == MAX_COLUMNS {
                return Err(ErrorKind::TooManyColumns(MAX_COLUMNS).at(name.span));
            }
            let value = merged_value(kind, &left, &right)?;
            let span = name.span;
            let (left, right) = self.comparable("USING", left, right)?;
            let sides = (Box::new(left), Box::new(right));
            let kind = ExprKind::Compare(Comparison::Equal, sides.0, sides.1);
            conditions.push(Expr::condition(kind, span));
            let column = Merged {
                name: name.text.as_str().into(),
                value,
                start,
                is_visible: true,
            };
            merged.push(scope.merge(column, [left_place, right_place]));
        }
        let span = names.first().map(|name| name.span).unwrap_or_default();
        let condition = match conditions.len() {
            1 => conditions.pop(),
            _ => Some(Expr::condition(ExprKind::And(conditions), span)),
        };
        Ok((condition, merged))
    }

    /// The column of that name among some of the tables, and where it is.
    fn side(
        &self,
        name: &Name,
        scope: &Scope<'_>,
        from: usize,
        to: usize,
    ) -> Result<(Expr, Place)> {
        if let Some(place) = scope.find_place(name, from, to)? {
            let value = match scope.at(place) {
                Found::Column(id) => self.column(id, name.span),
                Found::Value(value) => value,
            };
            return Ok((value, place));
        }
        let tables = scope.bindings[from..to].iter();
        let columns: Vec<_> = tables.clone().flat_map(Binding::all).collect();
        let names = columns.iter().map(|(name, _)| name.as_ref());
        let table: Vec<String> = tables.map(Binding::name).collect();
        let kind = ErrorKind::UnknownColumn {
            name: name.text.clone(),
            table: Some(table.join(", ")),
            nearest: nearest::names(&name.text, names),
        };
        Err(kind.at(name.span))
    }
}

/// What the parser never gives: no table at all.
fn unnamed() -> crate::Error {
    let kind = ErrorKind::UnknownTable {
        name: String::new(),
        nearest: Vec::new(),
    };
    kind.at(Span::default())
}

/// What a merged column is: the side that is there.
fn merged_value(kind: JoinKind, left: &Expr, right: &Expr) -> Result<Expr> {
    Ok(match kind {
        JoinKind::Inner | JoinKind::Left => left.clone(),
        JoinKind::Right => right.clone(),
        JoinKind::Full => Expr {
            ty: common("USING", left, right)?,
            kind: ExprKind::Call(Builtin::Coalesce, vec![left.clone(), right.clone()]),
            span: left.span,
        },
    })
}

/// The names that both sides of a join have.
fn names_in_common(scope: &Scope<'_>, range: [usize; 3], span: Span) -> Result<Vec<Name>> {
    let [start, middle, end] = range;
    let mut names: Vec<Name> = Vec::new();
    let mut known = HashSet::new();
    for binding in &scope.bindings[middle..end] {
        for (column, id) in binding.all() {
            let ident = Ident {
                text: column.to_string(),
                quoted: false,
            };
            let name = Node::new(ident, span);
            if !scope.is_hidden(id)
                && scope.find_place(&name, start, middle)?.is_some()
                && known.insert(column.to_lowercase())
            {
                names.push(name);
            }
        }
    }
    // What was merged on the right already is a column of the right, too.
    for merged in &scope.merged {
        let is_right = merged.is_visible && (middle..end).contains(&merged.start);
        let ident = Ident {
            text: merged.name.to_string(),
            quoted: false,
        };
        let name = Node::new(ident, span);
        if is_right && scope.find_place(&name, start, middle)?.is_some() {
            names.push(name);
        }
    }
    Ok(names)
}

fn pair(kind: JoinKind, left: Rel, right: Rel, condition: Option<Expr>) -> Rel {
    Rel::Join {
        kind,
        left: Box::new(left),
        right: Box::new(right),
        condition,
    }
}
