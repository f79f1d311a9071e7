//! Rows that are grouped: what is left of their columns.

use std::ops::Range;

use super::{Resolver, Result};
use crate::error::ErrorKind;
use crate::function::Builtin;
use crate::plan::{ColumnId, Cone, Expr, ExprKind, Rel};
use crate::tree::Comparison;
use crate::types::Type;

impl Resolver<'_> {
    /// Gives a number to each value that rows are grouped by.
    pub(super) fn number_keys(&mut self, keys: &mut Vec<Expr>) -> Vec<(ColumnId, Expr)> {
        let keys = std::mem::take(keys).into_iter();
        keys.map(|key| {
            let name = match key.kind {
                ExprKind::Column(id) => self.field(id).name.clone(),
                _ => "key".into(),
            };
            let field = self.field_of(&name, &key);
            (self.new_column(field), key)
        })
        .collect()
    }

    /// Turns a value of rows into one of groups: it is made of keys and aggregates, and of no other column that
    /// the grouped rows have themselves.
    pub(super) fn regroup(
        &self,
        value: &mut Expr,
        keys: &[(ColumnId, Expr)],
        own: &Range<ColumnId>,
    ) -> Result<()> {
        if let Some((id, _)) = keys.iter().find(|(_, key)| key == value) {
            value.kind = ExprKind::Column(*id);
            return Ok(());
        }
        if let ExprKind::Cone(cone) = &value.kind
            && let Some(kind) = cone_by_key(cone, keys)
        {
            value.kind = kind;
        }
        if let ExprKind::Column(id) = &value.kind
            && own.contains(id)
        {
            let name = self.field(*id).name.to_string();
            return Err(ErrorKind::NotGrouped(name).at(value.span));
        }
        if let Some(query) = value.query_mut() {
            self.regroup_rows(query, keys, own)?;
        }
        value.children_mut(&mut |child| self.regroup(child, keys, own))
    }

    /// The same in a sub-query, which may use columns of the groups.
    fn regroup_rows(
        &self,
        rel: &mut Rel,
        keys: &[(ColumnId, Expr)],
        own: &Range<ColumnId>,
    ) -> Result<()> {
        rel.expressions_mut(&mut |value| self.regroup(value, keys, own))?;
        for input in rel.inputs_mut() {
            self.regroup_rows(input, keys, own)?;
        }
        Ok(())
    }
}

/// A cone whose distance, or whose `CONTAINS`, rows are grouped by: a condition on that key.
fn cone_by_key(cone: &Cone, keys: &[(ColumnId, Expr)]) -> Option<ExprKind> {
    // The two points change places where the centre is no constant.
    let is_between = |a: &Expr, b: &Expr| {
        (a, b) == (&cone.position, &cone.center) || (b, a) == (&cone.position, &cone.center)
    };
    keys.iter().find_map(|(id, key)| {
        let ExprKind::Call(function, arguments) = &key.kind else {
            return None;
        };
        let span = key.span;
        let column = Expr {
            kind: ExprKind::Column(*id),
            ty: key.ty,
            span,
        };
        let (comparison, other) = match (function, arguments.as_slice()) {
            (Builtin::Distance, [a, b]) if is_between(a, b) => {
                let comparison = if cone.inclusive {
                    Comparison::LessEqual
                } else {
                    Comparison::Less
                };
                (comparison, cone.radius.clone())
            }
            (Builtin::Contains, [point, circle]) => match &circle.kind {
                ExprKind::Call(Builtin::Circle, parts)
                    if cone.inclusive
                        && parts.len() == 2
                        && is_between(point, &parts[0])
                        && parts[1] == cone.radius =>
                {
                    let one = Expr {
                        kind: ExprKind::Integer(1),
                        ty: Type::Integer,
                        span,
                    };
                    (Comparison::Equal, one)
                }
                _ => return None,
            },
            _ => return None,
        };
        Some(ExprKind::Compare(
            comparison,
            Box::new(column),
            Box::new(other),
        ))
    })
}
