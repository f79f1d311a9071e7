//! A plan as a text for people: an operator a line, its inputs below it.

use std::fmt::{self, Display, Formatter, Write as _};

use crate::plan::{AggregateCall, AggregateFunction, ColumnId, Expr, ExprKind, Plan, Rel};
use crate::tree::JoinKind;

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let explained = Explained {
            plan: self,
            text: &mut text,
        };
        explained.plan()?;
        f.write_str(text.trim_end())
    }
}

/// A plan and what is said of it so far.
struct Explained<'p> {
    plan: &'p Plan,
    text: &'p mut String,
}

impl Explained<'_> {
    fn plan(mut self) -> fmt::Result {
        for column in &self.plan.output {
            let field = self.plan.field(column.id);
            write!(
                self.text,
                "{} = {} {}",
                column.name,
                self.name(column.id),
                field.ty
            )?;
            if let Some(unit) = &field.unit {
                write!(self.text, " [{unit}]")?;
            }
            self.text.push('\n');
        }
        for (index, common) in self.plan.common.iter().enumerate() {
            writeln!(self.text, "common {index}:")?;
            self.rel(common, 1)?;
        }
        self.rel(&self.plan.root, 0)?;
        for note in &self.plan.notes {
            let (line, column) = (note.span.line, note.span.column);
            writeln!(
                self.text,
                "note at line {line}, column {column}: {}",
                note.text
            )?;
        }
        Ok(())
    }

    fn name(&self, id: ColumnId) -> String {
        format!("{}#{}", self.plan.field(id).name, id.index())
    }

    fn rel(&mut self, rel: &Rel, depth: usize) -> fmt::Result {
        self.text.push_str(&"  ".repeat(depth));
        match rel {
            Rel::Scan(scan) => {
                write!(self.text, "scan {}", scan.table.full_name())?;
                if scan.alias != scan.table.name {
                    write!(self.text, " as {}", scan.alias)?;
                }
                write!(self.text, " from #{}", scan.first.index())?;
                if let Some(filter) = &scan.filter {
                    self.text.push_str(" where ");
                    self.expr(filter, depth)?;
                }
            }
            Rel::Common { index, first, .. } => {
                write!(self.text, "common {index} from #{}", first.index())?;
            }
            Rel::Filter { condition, .. } => {
                self.text.push_str("filter ");
                self.expr(condition, depth)?;
            }
            Rel::Join {
                kind, condition, ..
            } => {
                self.text.push_str(match kind {
                    JoinKind::Inner => "join",
                    JoinKind::Left => "left join",
                    JoinKind::Right => "right join",
                    JoinKind::Full => "full join",
                });
                if let Some(condition) = condition {
                    self.text.push_str(" on ");
                    self.expr(condition, depth)?;
                }
            }
            Rel::Group {
                keys, aggregates, ..
            } => {
                self.text.push_str("group");
                self.columns(" by ", keys, depth)?;
                for (index, (id, call)) in aggregates.iter().enumerate() {
                    self.text.push_str(if index == 0 { " with " } else { ", " });
                    let name = self.name(*id);
                    write!(self.text, "{name} = ")?;
                    self.aggregate(call, depth)?;
                }
            }
            Rel::Project { columns, .. } => {
                self.text.push_str("project");
                self.columns(" ", columns, depth)?;
            }
            Rel::Distinct { .. } => self.text.push_str("distinct"),
            Rel::Sort { keys, .. } => {
                for (index, key) in keys.iter().enumerate() {
                    self.text.push_str(if index == 0 { "sort " } else { ", " });
                    self.expr(&key.value, depth)?;
                    self.text
                        .push_str(if key.descending { " down" } else { "" });
                }
            }
            Rel::Limit { offset, count, .. } => {
                self.text.push_str("limit");
                if let Some(count) = count {
                    write!(self.text, " {count}")?;
                }
                if *offset > 0 {
                    write!(self.text, " after {offset}")?;
                }
            }
            Rel::Set {
                operator,
                all,
                columns,
                ..
            } => {
                let all = if *all { " all" } else { "" };
                write!(self.text, "{}{all} as ", operator.text().to_lowercase())?;
                let columns: Vec<String> = columns.iter().map(|id| self.name(*id)).collect();
                self.text.push_str(&columns.join(", "));
            }
        }
        self.text.push('\n');
        for input in rel.inputs() {
            self.rel(input, depth + 1)?;
        }
        Ok(())
    }

    fn columns(&mut self, before: &str, columns: &[(ColumnId, Expr)], depth: usize) -> fmt::Result {
        for (index, (id, value)) in columns.iter().enumerate() {
            self.text.push_str(if index == 0 { before } else { ", " });
            let name = self.name(*id);
            write!(self.text, "{name} = ")?;
            self.expr(value, depth)?;
        }
        Ok(())
    }

    fn aggregate(&mut self, call: &AggregateCall, depth: usize) -> fmt::Result {
        let name = match &call.function {
            AggregateFunction::Builtin(function) => function.text(),
            AggregateFunction::User(signature) => &signature.name,
        };
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        write!(self.text, "{name}({distinct}")?;
        if call.arguments.is_empty() {
            self.text.push('*');
        }
        self.list(&call.arguments, ", ", depth)?;
        self.text.push(')');
        Ok(())
    }

    fn list<'e>(
        &mut self,
        list: impl IntoIterator<Item = &'e Expr>,
        between: &str,
        depth: usize,
    ) -> fmt::Result {
        for (index, one) in list.into_iter().enumerate() {
            if index > 0 {
                self.text.push_str(between);
            }
            self.expr(one, depth)?;
        }
        Ok(())
    }

    /// A sub-query, on lines of its own.
    fn query(&mut self, query: &Rel, depth: usize) -> fmt::Result {
        self.text.push_str("(\n");
        self.rel(query, depth + 2)?;
        self.text.push_str(&"  ".repeat(depth + 1));
        self.text.push(')');
        Ok(())
    }

    fn expr(&mut self, expression: &Expr, depth: usize) -> fmt::Result {
        match &expression.kind {
            ExprKind::Null => self.text.push_str("NULL"),
            ExprKind::Boolean(one) => write!(self.text, "{one}")?,
            ExprKind::Integer(one) => write!(self.text, "{one}")?,
            ExprKind::Real(one) => write!(self.text, "{one:?}")?,
            ExprKind::Text(text) => write!(self.text, "'{}'", text.replace('\'', "''"))?,
            ExprKind::Column(id) => {
                let name = self.name(*id);
                self.text.push_str(&name);
            }
            ExprKind::Negate(one) => self.call("-", [&**one], depth)?,
            ExprKind::BitNot(one) => self.call("~", [&**one], depth)?,
            ExprKind::Chain(first, rest) => {
                self.text.push('(');
                self.expr(first, depth)?;
                for (operator, one) in rest {
                    write!(self.text, " {} ", operator.text())?;
                    self.expr(one, depth)?;
                }
                self.text.push(')');
            }
            ExprKind::Call(function, arguments) => self.call(function.text(), arguments, depth)?,
            ExprKind::UserCall(signature, arguments) => {
                self.call(&signature.name, arguments, depth)?;
            }
            ExprKind::Cast(one, length) => {
                self.text.push_str("CAST(");
                self.expr(one, depth)?;
                write!(self.text, " AS {}", expression.ty)?;
                if let Some(length) = length {
                    write!(self.text, "({length})")?;
                }
                self.text.push(')');
            }
            ExprKind::Convert { value, factor, .. } => {
                self.text.push('(');
                self.expr(value, depth)?;
                write!(self.text, " * {factor:?})")?;
            }
            ExprKind::Compare(comparison, left, right) => {
                let between = format!(" {} ", comparison.text());
                self.list([&**left, &**right], &between, depth)?;
            }
            ExprKind::Between(value, bounds) => {
                self.expr(value, depth)?;
                self.text.push_str(" BETWEEN ");
                self.list(&**bounds, " AND ", depth)?;
            }
            ExprKind::InList(value, list) => {
                self.expr(value, depth)?;
                self.text.push_str(" IN (");
                self.list(list, ", ", depth)?;
                self.text.push(')');
            }
            ExprKind::InQuery(value, query) => {
                self.expr(value, depth)?;
                self.text.push_str(" IN ");
                self.query(query, depth)?;
            }
            ExprKind::Like {
                value,
                pattern,
                ignores_case,
            } => {
                let between = if *ignores_case { " ILIKE " } else { " LIKE " };
                self.list([&**value, &**pattern], between, depth)?;
            }
            ExprKind::IsNull(value) => {
                self.expr(value, depth)?;
                self.text.push_str(" IS NULL");
            }
            ExprKind::Exists(query) => {
                self.text.push_str("EXISTS ");
                self.query(query, depth)?;
            }
            ExprKind::Cone(cone) => {
                let end = if cone.inclusive { "<=" } else { "<" };
                self.text.push_str("cone(");
                self.list([&cone.position, &cone.center], ", ", depth)?;
                write!(self.text, " {end} ")?;
                self.expr(&cone.radius, depth)?;
                self.text.push(')');
            }
            ExprKind::Not(one) => self.call("NOT ", [&**one], depth)?,
            ExprKind::And(all) => self.bracketed(all, " AND ", depth)?,
            ExprKind::Or(all) => self.bracketed(all, " OR ", depth)?,
        }
        Ok(())
    }

    fn bracketed(&mut self, all: &[Expr], between: &str, depth: usize) -> fmt::Result {
        self.text.push('(');
        self.list(all, between, depth)?;
        self.text.push(')');
        Ok(())
    }

    fn call<'e>(
        &mut self,
        name: &str,
        arguments: impl IntoIterator<Item = &'e Expr>,
        depth: usize,
    ) -> fmt::Result {
        write!(self.text, "{name}(")?;
        self.list(arguments, ", ", depth)?;
        self.text.push(')');
        Ok(())
    }
}
