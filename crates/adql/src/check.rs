//! What holds of every plan.

use std::collections::HashSet;

use crate::plan::{ColumnId, Expr, ExprKind, Plan, Rel};
use crate::types::Type;

type Columns = HashSet<ColumnId>;

impl Plan {
    /// Checks what holds of every plan: each value uses only columns that its rows have, or those around its
    /// sub-query, and they have the types that it says; conditions are boolean; both sides of a set operation
    /// have the columns of the result; a common table uses only those before it.
    ///
    /// It is for tests of what makes plans and of what changes them: a plan of [`resolve`](crate::resolve())
    /// passes.
    ///
    /// # Errors
    /// A sentence about the first thing that is not so.
    pub fn check(&self) -> Result<(), String> {
        let nothing = Columns::new();
        for (index, common) in self.common.iter().enumerate() {
            self.check_rel(common, index, &nothing)?;
        }
        let columns = self.check_rel(&self.root, self.common.len(), &nothing)?;
        for output in &self.output {
            if !columns.contains(&output.id) {
                return Err(format!("the result has no `{}`", output.name));
            }
        }
        Ok(())
    }

    /// Checks an operator that may use the first `common` common tables and the columns `around` it; gives the
    /// columns of its rows.
    fn check_rel(&self, rel: &Rel, common: usize, around: &Columns) -> Result<Columns, String> {
        let mut input = Columns::new();
        for one in rel.inputs() {
            for column in self.check_rel(one, common, around)? {
                let is_join = matches!(rel, Rel::Join { .. });
                if !input.insert(column) && is_join {
                    return Err(format!(
                        "#{} comes from both sides of a join",
                        column.index()
                    ));
                }
            }
        }
        let output: Columns = rel.output().into_iter().collect();
        if output.len() != rel.output().len() {
            return Err("a column comes twice".to_owned());
        }
        let seen: Columns = match rel {
            Rel::Scan(_) => output.union(around).copied().collect(),
            _ => input.union(around).copied().collect(),
        };
        let condition = match rel {
            Rel::Filter { condition, .. } => Some(condition),
            Rel::Join { condition, .. } => condition.as_ref(),
            Rel::Scan(scan) => scan.filter.as_ref(),
            _ => None,
        };
        if condition.is_some_and(|condition| condition.ty != Type::Boolean) {
            return Err("a condition is not boolean".to_owned());
        }
        match rel {
            Rel::Common { index, width, .. } => {
                let rows = self.common.get(*index).filter(|_| *index < common);
                if rows.map(|rows| rows.output().len()) != Some(*width as usize) {
                    return Err(format!(
                        "common table {index} is not there, or has another width"
                    ));
                }
            }
            Rel::Set {
                left,
                right,
                columns,
                ..
            } => {
                let types = |ids: &[ColumnId]| -> Vec<Type> {
                    ids.iter().map(|id| self.field(*id).ty).collect()
                };
                let wanted = types(columns);
                if types(&left.output()) != wanted || types(&right.output()) != wanted {
                    return Err("a set operation has sides of different types".to_owned());
                }
            }
            Rel::Project { columns, .. } | Rel::Group { keys: columns, .. } => {
                let is_wrong = |(id, value): &&(ColumnId, Expr)| self.field(*id).ty != value.ty;
                if let Some((id, _)) = columns.iter().find(is_wrong) {
                    return Err(format!("#{} has another type than its value", id.index()));
                }
            }
            _ => {}
        }
        for value in rel.expressions() {
            self.check_value(value, common, &seen)?;
        }
        Ok(output)
    }

    fn check_value(&self, value: &Expr, common: usize, seen: &Columns) -> Result<(), String> {
        match &value.kind {
            ExprKind::Column(id) if !seen.contains(id) => {
                return Err(format!("#{} is not there", id.index()));
            }
            ExprKind::Column(id) if self.field(*id).ty != value.ty => {
                return Err(format!("#{} has another type", id.index()));
            }
            ExprKind::InQuery(_, query) | ExprKind::Exists(query) => {
                self.check_rel(query, common, seen)?;
            }
            _ => {}
        }
        let mut result = Ok(());
        value.children(&mut |child| {
            if result.is_ok() {
                result = self.check_value(child, common, seen);
            }
        });
        result
    }
}
