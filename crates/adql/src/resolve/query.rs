//! Queries: `SELECT`, what is sorted, and what is left out.

use std::collections::HashSet;

use super::scope::{Found, Scope};
use super::{Grouping, MAX_COLUMNS, MAX_KEYS, Resolver, Result, Rows};
use crate::error::ErrorKind;
use crate::plan::{Expr, ExprKind, Output, Rel, SortKey};
use crate::span::{Node, Span};
use crate::tree::{self, Body, Count, Item, OrderTerm, QueryExpression, Select};

/// A column of the result, before it has a number.
pub(super) struct Selected {
    pub(super) name: String,
    pub(super) value: Expr,
}

impl Resolver<'_> {
    /// The rows of a query, in its order.
    pub(super) fn query_expression(
        &mut self,
        query: &QueryExpression,
        parent: Option<&Scope<'_>>,
    ) -> Result<Rows> {
        let offset = query.offset.as_ref();
        if let Body::Select(select) = &query.body.it {
            return self.select(select, &query.order_by, offset, parent);
        }
        let rows = self.body(&query.body, parent)?;
        self.sorted(rows, &query.order_by, offset)
    }

    /// The rows of a part of a query.
    pub(super) fn body(&mut self, body: &Node<Body>, parent: Option<&Scope<'_>>) -> Result<Rows> {
        match &body.it {
            Body::Select(select) => self.select(select, &[], None, parent),
            Body::Nested(query) => self.query_expression(query, parent),
            Body::Set(first, rest) => self.set(first, rest, parent),
        }
    }

    fn select(
        &mut self,
        select: &Select,
        order_by: &[OrderTerm],
        offset: Option<&Count>,
        parent: Option<&Scope<'_>>,
    ) -> Result<Rows> {
        let mut scope = Scope::new(parent);
        let first = self.next_column();
        let mut rel = self.from(&select.from, &mut scope)?;
        let own = first..self.next_column();

        self.groupings.push(Grouping::refused("WHERE"));
        if let Some(filter) = &select.filter {
            let condition = self.condition(filter, &scope)?;
            rel = filtered(rel, condition);
        }
        self.refuse_aggregates(None);
        let mut selected = self.items(&select.items, &scope)?;
        let looks_back =
            !select.group_by.is_empty() || select.having.is_some() || !order_by.is_empty();
        if looks_back {
            let outputs = selected.iter();
            scope.outputs = outputs
                .map(|one| (one.name.clone(), one.value.clone()))
                .collect();
        }
        let mut keys = self.group_keys(&select.group_by, &selected, &scope)?;
        let having = select.having.as_ref();
        let mut having = having
            .map(|having| self.condition(having, &scope))
            .transpose()?;
        let mut order = self.sort_keys(order_by, &selected, &scope)?;

        let aggregates = self.groupings.pop().map(|grouping| grouping.calls);
        let aggregates = aggregates.unwrap_or_default();
        if !keys.is_empty() || having.is_some() || !aggregates.is_empty() {
            let star = select
                .items
                .iter()
                .find(|item| !matches!(item.it, Item::Value(..)));
            if let Some(star) = star {
                return Err(ErrorKind::StarOfGroups.at(star.span));
            }
            let keys = self.number_keys(&mut keys);
            let values = selected.iter_mut().map(|one| &mut one.value);
            let values = values
                .chain(&mut having)
                .chain(order.iter_mut().map(|key| &mut key.value));
            for value in values {
                self.regroup(value, &keys, &own)?;
            }
            rel = Rel::Group {
                input: Box::new(rel),
                keys,
                aggregates,
            };
            if let Some(having) = having {
                rel = filtered(rel, having);
            }
        }
        self.finish(select, rel, selected, order, offset)
    }

    /// The last operators of a `SELECT`.
    fn finish(
        &mut self,
        select: &Select,
        mut rel: Rel,
        selected: Vec<Selected>,
        mut order: Vec<SortKey>,
        offset: Option<&Count>,
    ) -> Result<Rows> {
        if !order.is_empty() && !select.distinct {
            let (input, keys) = (Box::new(rel), std::mem::take(&mut order));
            rel = Rel::Sort { input, keys };
        }
        let mut output = Vec::with_capacity(selected.len());
        let mut columns = Vec::with_capacity(selected.len());
        for Selected { name, value } in selected {
            let field = self.field_of(&name, &value);
            let id = self.new_column(field);
            output.push(Output { name, id });
            columns.push((id, value));
        }
        for key in &mut order {
            let shown = columns.iter().find(|(_, value)| *value == key.value);
            let Some((id, _)) = shown else {
                return Err(ErrorKind::HiddenSortKey.at(key.value.span));
            };
            key.value = self.column(*id, key.value.span);
        }
        let input = Box::new(rel);
        rel = Rel::Project { input, columns };
        if select.distinct {
            let input = Box::new(rel);
            rel = Rel::Distinct { input };
            if !order.is_empty() {
                let input = Box::new(rel);
                rel = Rel::Sort { input, keys: order };
            }
        }
        let count = select.top.as_ref().map(|count| count.it);
        Ok(Rows {
            rel: limited(rel, offset, count),
            columns: output,
        })
    }

    /// The rows of a set operation or of brackets, in an order.
    fn sorted(
        &mut self,
        rows: Rows,
        order_by: &[OrderTerm],
        offset: Option<&Count>,
    ) -> Result<Rows> {
        let Rows { mut rel, columns } = rows;
        if !order_by.is_empty() {
            let mut scope = Scope::new(None);
            let mut selected = Vec::with_capacity(columns.len());
            for column in &columns {
                let name = column.name.clone();
                let value = self.column(column.id, Span::default());
                scope.outputs.push((name.clone(), value.clone()));
                selected.push(Selected { name, value });
            }
            self.groupings.push(Grouping::refused("ORDER BY"));
            let keys = self.sort_keys(order_by, &selected, &scope)?;
            self.groupings.pop();
            let input = Box::new(rel);
            rel = Rel::Sort { input, keys };
        }
        Ok(Rows {
            rel: limited(rel, offset, None),
            columns,
        })
    }

    /// The columns of a result, with a name for each.
    fn items(&mut self, items: &[Node<Item>], scope: &Scope<'_>) -> Result<Vec<Selected>> {
        let mut selected = Vec::with_capacity(items.len());
        // Names are made up last, so that they are nobody else's.
        let mut unnamed = Vec::new();
        for item in items {
            match &item.it {
                Item::All => {
                    for (name, found) in scope.all() {
                        let value = match found {
                            Found::Column(id) => self.column(id, item.span),
                            Found::Value(value) => value,
                        };
                        let name = name.to_string();
                        selected.push(Selected { name, value });
                    }
                }
                Item::AllOf(qualifier) => {
                    for (name, id) in scope.all_called(qualifier)? {
                        let value = self.column(id, item.span);
                        let name = name.to_string();
                        selected.push(Selected { name, value });
                    }
                }
                Item::Value(value, alias) => {
                    let name = match (alias, &value.it) {
                        (Some(alias), _) => alias.text.clone(),
                        (None, tree::ExprKind::Column(path)) => path
                            .last()
                            .map(|name| name.text.clone())
                            .unwrap_or_default(),
                        (None, value) => {
                            unnamed.push(selected.len());
                            made_up(value, selected.len() + 1)
                        }
                    };
                    let value = self.value(value, scope)?;
                    selected.push(Selected { name, value });
                }
            }
            if selected.len() > MAX_COLUMNS {
                return Err(ErrorKind::TooManyColumns(MAX_COLUMNS).at(item.span));
            }
        }
        if !unnamed.is_empty() {
            let named = selected.iter().enumerate();
            let named = named.filter(|(index, _)| unnamed.binary_search(index).is_err());
            let names: HashSet<String> = named.map(|(_, one)| one.name.to_lowercase()).collect();
            for index in unnamed {
                let name = &mut selected[index].name;
                while names.contains(name) {
                    name.push('_');
                }
            }
        }
        Ok(selected)
    }

    /// What a `GROUP BY` groups by.
    fn group_keys(
        &mut self,
        group_by: &[tree::Expr],
        selected: &[Selected],
        scope: &Scope<'_>,
    ) -> Result<Vec<Expr>> {
        check_keys(group_by.len(), group_by.last().map(|key| key.span))?;
        let calls = self
            .groupings
            .last()
            .map_or(0, |grouping| grouping.calls.len());
        self.refuse_aggregates(Some("GROUP BY"));
        let mut keys = Vec::with_capacity(group_by.len());
        for key in group_by {
            let value = match at_position(key, selected)? {
                Some(value) => value,
                None => self.value(key, scope)?,
            };
            let aggregates = self
                .groupings
                .last()
                .map(|grouping| &grouping.calls[..calls]);
            if let Some(function) = aggregate_in(&value, aggregates.unwrap_or_default()) {
                let kind = ErrorKind::MisplacedAggregate {
                    function,
                    place: "GROUP BY",
                    hint: None,
                };
                return Err(kind.at(key.span));
            }
            keys.push(value);
        }
        self.refuse_aggregates(None);
        Ok(keys)
    }

    /// What an `ORDER BY` sorts by: a position, a column of the result, or any value.
    fn sort_keys(
        &mut self,
        order_by: &[OrderTerm],
        selected: &[Selected],
        scope: &Scope<'_>,
    ) -> Result<Vec<SortKey>> {
        check_keys(order_by.len(), order_by.last().map(|term| term.key.span))?;
        let mut keys = Vec::with_capacity(order_by.len());
        for term in order_by {
            let value = match at_position(&term.key, selected)? {
                Some(value) => value,
                None => match called(&term.key, selected)? {
                    Some(value) => value,
                    None => self.value(&term.key, scope)?,
                },
            };
            let is_sortable = value.ty.is_ordered() || value.ty == crate::Type::Boolean;
            if !is_sortable {
                let kind = ErrorKind::WrongType {
                    place: "ORDER BY".to_owned(),
                    expected: "a number, a text or a time",
                    found: value.ty,
                    hint: None,
                };
                return Err(kind.at(term.key.span));
            }
            let descending = term.descending;
            keys.push(SortKey { value, descending });
        }
        Ok(keys)
    }
}

fn check_keys(count: usize, last: Option<Span>) -> Result<()> {
    if count > MAX_KEYS {
        return Err(ErrorKind::TooManyKeys(MAX_KEYS).at(last.unwrap_or_default()));
    }
    Ok(())
}

/// The column of the result that a number names.
fn at_position(key: &tree::Expr, selected: &[Selected]) -> Result<Option<Expr>> {
    let tree::ExprKind::Number(number) = &key.it else {
        return Ok(None);
    };
    // Other numbers are values, if strange ones.
    if !number.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let position: Option<usize> = number.text.parse().ok();
    let index = position.and_then(|position| position.checked_sub(1));
    let found = index.and_then(|index| selected.get(index));
    let Some(found) = found else {
        let kind = ErrorKind::NoSuchPosition {
            position: number.text.clone(),
            columns: selected.len(),
        };
        return Err(kind.at(key.span));
    };
    let span = key.span;
    Ok(Some(Expr {
        span,
        ..found.value.clone()
    }))
}

/// The column of the result that has this name.
fn called(key: &tree::Expr, selected: &[Selected]) -> Result<Option<Expr>> {
    let tree::ExprKind::Column(path) = &key.it else {
        return Ok(None);
    };
    let [name] = path.as_slice() else {
        return Ok(None);
    };
    let mut found = selected.iter().filter(|one| name.means(&one.name));
    let Some(first) = found.next() else {
        return Ok(None);
    };
    if found.any(|other| other.value != first.value) {
        let kind = ErrorKind::AmbiguousColumn {
            name: name.text.clone(),
            candidates: vec![format!("{} (several columns of the result)", name.text)],
        };
        return Err(kind.at(key.span));
    }
    let span = key.span;
    Ok(Some(Expr {
        span,
        ..first.value.clone()
    }))
}

/// The aggregate that a value has in it.
fn aggregate_in(
    value: &Expr,
    calls: &[(crate::plan::ColumnId, crate::plan::AggregateCall)],
) -> Option<&'static str> {
    if let ExprKind::Column(id) = &value.kind
        && let Some((_, call)) = calls.iter().find(|(call, _)| call == id)
    {
        return Some(match &call.function {
            crate::plan::AggregateFunction::Builtin(function) => function.text(),
            crate::plan::AggregateFunction::User(_) => "an aggregate",
        });
    }
    let mut found = None;
    value.children(&mut |child| found = found.or_else(|| aggregate_in(child, calls)));
    found
}

/// A name for a value that has none.
fn made_up(value: &tree::ExprKind, position: usize) -> String {
    let what = match value {
        tree::ExprKind::Call(function, _) => function.text(),
        tree::ExprKind::Aggregate { function, .. } => function.text(),
        tree::ExprKind::UserCall(name, _) => &name.text,
        _ => "column",
    };
    format!("{}_{position}", what.to_lowercase())
}

pub(super) fn filtered(input: Rel, condition: Expr) -> Rel {
    let input = Box::new(input);
    Rel::Filter { input, condition }
}

fn limited(input: Rel, offset: Option<&Count>, count: Option<u64>) -> Rel {
    let offset = offset.map_or(0, |offset| offset.it);
    if offset == 0 && count.is_none() {
        return input;
    }
    let input = Box::new(input);
    Rel::Limit {
        input,
        offset,
        count,
    }
}
