//! Set operations.

use super::scope::Scope;
use super::{Resolver, Result, Rows};
use crate::error::ErrorKind;
use crate::plan::{Expr, ExprKind, Field, Output, Rel};
use crate::span::{Node, Span};
use crate::tree::{Body, SetOperand};
use crate::types::Type;

impl Resolver<'_> {
    /// The rows of several queries, put together from left to right.
    pub(super) fn set(
        &mut self,
        first: &Node<Body>,
        rest: &[SetOperand],
        parent: Option<&Scope<'_>>,
    ) -> Result<Rows> {
        let mut rows = self.body(first, parent)?;
        for operand in rest {
            let right = self.body(&operand.body, parent)?;
            rows = self.put_together(rows, right, operand)?;
        }
        Ok(rows)
    }

    fn put_together(&mut self, left: Rows, right: Rows, operand: &SetOperand) -> Result<Rows> {
        let operator = operand.operator;
        let span = operand.body.span;
        if left.columns.len() != right.columns.len() {
            let kind = ErrorKind::ColumnsOfSet {
                operator: operator.text(),
                left: left.columns.len(),
                right: right.columns.len(),
            };
            return Err(kind.at(span));
        }
        let mut types = Vec::with_capacity(left.columns.len());
        for (one, other) in left.columns.iter().zip(&right.columns) {
            let (one_type, other_type) = (self.field(one.id).ty, self.field(other.id).ty);
            let Some(ty) = one_type.common(other_type) else {
                let kind = ErrorKind::Incomparable {
                    place: format!("{}, column `{}`", operator.text(), one.name),
                    left: one_type,
                    right: other_type,
                    hint: None,
                };
                return Err(kind.at(span));
            };
            types.push(ty);
        }
        let mut output = Vec::with_capacity(types.len());
        for (column, ty) in left.columns.iter().zip(&types) {
            let field = self.field(column.id);
            let about = field.about.clone().filter(|_| field.ty == *ty);
            let field = Field {
                name: column.name.as_str().into(),
                ty: *ty,
                unit: field.unit.clone(),
                about,
            };
            let name = column.name.clone();
            let id = self.new_column(field);
            output.push(Output { name, id });
        }
        let columns = output.iter().map(|column| column.id).collect();
        let rel = Rel::Set {
            operator,
            all: operand.all,
            left: Box::new(self.as_types(left, &types, span)),
            right: Box::new(self.as_types(right, &types, span)),
            columns,
        };
        Ok(Rows {
            rel,
            columns: output,
        })
    }

    /// Rows whose columns have these types.
    fn as_types(&mut self, rows: Rows, types: &[Type], span: Span) -> Rel {
        let Rows { rel, columns } = rows;
        let is_right = |(column, ty): (&Output, &Type)| self.field(column.id).ty == *ty;
        if columns.iter().zip(types).all(is_right) {
            return rel;
        }
        let mut cast = Vec::with_capacity(columns.len());
        for (column, ty) in columns.iter().zip(types) {
            let mut value = self.column(column.id, span);
            if value.ty != *ty {
                value = Expr {
                    kind: ExprKind::Cast(Box::new(value), None),
                    ty: *ty,
                    span,
                };
            }
            let field = self.field_of(&column.name, &value);
            cast.push((self.new_column(field), value));
        }
        Rel::Project {
            input: Box::new(rel),
            columns: cast,
        }
    }
}
