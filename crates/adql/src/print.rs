//! From the tree back to text: one line, normal ADQL 2.1, brackets only where they are needed.

use std::fmt::{self, Display, Formatter};

use crate::tree::{
    Body, CastTarget, Expr, ExprKind, Ident, Item, Join, JoinConstraint, JoinKind, Name, OrderTerm,
    Query, QueryExpression, Select, SetOperator, Sign, TableChain, TableSource,
};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.with.is_empty() {
            f.write_str("WITH ")?;
            listed(f, &self.with, |f, table| {
                write!(f, "{} AS ({})", table.name.it, table.query)
            })?;
            f.write_str(" ")?;
        }
        self.body.fmt(f)
    }
}

impl Display for QueryExpression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)?;
        if !self.order_by.is_empty() {
            f.write_str(" ORDER BY ")?;
            listed(f, &self.order_by, |f, term| term.fmt(f))?;
        }
        if let Some(offset) = &self.offset {
            write!(f, " OFFSET {}", offset.it)?;
        }
        Ok(())
    }
}

impl Display for OrderTerm {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)?;
        f.write_str(if self.descending { " DESC" } else { "" })
    }
}

impl Display for Body {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Select(select) => select.fmt(f),
            Self::Nested(query) => write!(f, "({query})"),
            Self::Set(first, rest) => {
                let binds = |operator| operator == SetOperator::Intersect;
                let rank = rest.first().is_some_and(|one| binds(one.operator));
                operand(f, first, rank)?;
                for one in rest {
                    let all = if one.all { " ALL" } else { "" };
                    write!(f, " {}{all} ", one.operator.text())?;
                    operand(f, &one.body, rank)?;
                }
                Ok(())
            }
        }
    }
}

/// A query between set operators: in brackets, if it would fall apart.
fn operand(f: &mut Formatter<'_>, body: &Body, is_intersection: bool) -> fmt::Result {
    match body {
        Body::Set(_, rest)
            if is_intersection
                || rest
                    .first()
                    .is_some_and(|one| one.operator != SetOperator::Intersect) =>
        {
            write!(f, "({body})")
        }
        _ => body.fmt(f),
    }
}

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        if self.distinct {
            f.write_str("DISTINCT ")?;
        }
        if let Some(top) = &self.top {
            write!(f, "TOP {} ", top.it)?;
        }
        listed(f, &self.items, |f, item| item.it.fmt(f))?;
        f.write_str(" FROM ")?;
        listed(f, &self.from, |f, chain| chain.fmt(f))?;
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        if !self.group_by.is_empty() {
            f.write_str(" GROUP BY ")?;
            listed(f, &self.group_by, |f, key| key.fmt(f))?;
        }
        if let Some(having) = &self.having {
            write!(f, " HAVING {having}")?;
        }
        Ok(())
    }
}

impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::AllOf(path) => {
                dotted(f, path)?;
                f.write_str(".*")
            }
            Self::Value(value, alias) => {
                value.fmt(f)?;
                named(f, alias.as_ref())
            }
        }
    }
}

impl Display for TableChain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.first.it.fmt(f)?;
        self.joins.iter().try_for_each(|join| join.fmt(f))
    }
}

impl Display for TableSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table { path, alias } => {
                dotted(f, path)?;
                named(f, alias.as_ref())
            }
            Self::Derived { query, alias } => write!(f, "({query}) AS {}", alias.it),
            Self::Nested(chain) => write!(f, "({chain})"),
        }
    }
}

impl Display for Join {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let natural = match self.constraint {
            JoinConstraint::Natural => " NATURAL",
            _ => "",
        };
        let kind = match self.kind {
            JoinKind::Inner => "",
            JoinKind::Left => " LEFT OUTER",
            JoinKind::Right => " RIGHT OUTER",
            JoinKind::Full => " FULL OUTER",
        };
        write!(f, "{natural}{kind} JOIN {}", self.table.it)?;
        match &self.constraint {
            JoinConstraint::None | JoinConstraint::Natural => Ok(()),
            JoinConstraint::On(condition) => write!(f, " ON {condition}"),
            JoinConstraint::Using(columns) => {
                f.write_str(" USING (")?;
                listed(f, columns, |f, column| column.it.fmt(f))?;
                f.write_str(")")
            }
        }
    }
}

impl Display for Ident {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.quoted {
            write!(f, "\"{}\"", self.text.replace('"', "\"\""))
        } else {
            f.write_str(&self.text)
        }
    }
}

/// How tight something binds as a part of something else: the higher, the tighter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Or,
    And,
    Not,
    Predicate,
    Chain(u8),
    Sign,
    Primary,
}

fn rank(expression: &ExprKind) -> Rank {
    use ExprKind::{And, Between, Chain, Compare, Exists, InList, InQuery, IsNull, Like, Not, Or};
    match expression {
        Or(_) => Rank::Or,
        And(_) => Rank::And,
        Not(_) => Rank::Not,
        Between { .. }
        | Compare(..)
        | InList { .. }
        | InQuery { .. }
        | IsNull { .. }
        | Like { .. }
        | Exists(_) => Rank::Predicate,
        Chain(_, rest) => Rank::Chain(rest.first().map_or(0, |(operator, _)| operator.rank())),
        ExprKind::Sign(..) => Rank::Sign,
        _ => Rank::Primary,
    }
}

/// Writes a part that must bind tighter than `outside`.
fn within(f: &mut Formatter<'_>, part: &Expr, outside: Rank) -> fmt::Result {
    if rank(part) > outside {
        part.fmt(f)
    } else {
        write!(f, "({part})")
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { " NOT" } else { "" };
        match &self.it {
            ExprKind::Null => f.write_str("NULL"),
            ExprKind::Boolean(true) => f.write_str("TRUE"),
            ExprKind::Boolean(false) => f.write_str("FALSE"),
            ExprKind::Number(number) => f.write_str(&number.text),
            ExprKind::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            ExprKind::Column(path) => dotted(f, path),
            ExprKind::Sign(sign, value) => {
                f.write_str(sign.text())?;
                let may_follow = *sign == Sign::BitNot;
                within(
                    f,
                    value,
                    if may_follow {
                        Rank::Chain(u8::MAX)
                    } else {
                        Rank::Sign
                    },
                )
            }
            ExprKind::Chain(first, rest) => {
                let outside = rank(self);
                within(f, first, outside)?;
                rest.iter().try_for_each(|(operator, value)| {
                    write!(f, " {} ", operator.text())?;
                    within(f, value, outside)
                })
            }
            ExprKind::Call(function, arguments) => call(f, function.text(), arguments),
            ExprKind::UserCall(name, arguments) => call(f, &name.text, arguments),
            ExprKind::Aggregate {
                function,
                distinct,
                argument,
            } => {
                let distinct = if *distinct { "DISTINCT " } else { "" };
                write!(f, "{}({distinct}", function.text())?;
                match argument {
                    Some(argument) => write!(f, "{argument})"),
                    None => f.write_str("*)"),
                }
            }
            ExprKind::Cast(value, target) => write!(f, "CAST({value} AS {target})"),
            ExprKind::Compare(comparison, left, right) => {
                within(f, left, Rank::Predicate)?;
                write!(f, " {} ", comparison.text())?;
                within(f, right, Rank::Predicate)
            }
            ExprKind::Between {
                value,
                negated,
                low,
                high,
            } => {
                within(f, value, Rank::Predicate)?;
                write!(f, "{} BETWEEN ", not(negated))?;
                within(f, low, Rank::Predicate)?;
                f.write_str(" AND ")?;
                within(f, high, Rank::Predicate)
            }
            ExprKind::InList {
                value,
                negated,
                list,
            } => {
                within(f, value, Rank::Predicate)?;
                write!(f, "{} IN (", not(negated))?;
                listed(f, list, |f, one| one.fmt(f))?;
                f.write_str(")")
            }
            ExprKind::InQuery {
                value,
                negated,
                query,
            } => {
                within(f, value, Rank::Predicate)?;
                write!(f, "{} IN ({query})", not(negated))
            }
            ExprKind::Like {
                value,
                negated,
                ignores_case,
                pattern,
            } => {
                within(f, value, Rank::Predicate)?;
                let like = if *ignores_case { "ILIKE" } else { "LIKE" };
                write!(f, "{} {like} ", not(negated))?;
                within(f, pattern, Rank::Predicate)
            }
            ExprKind::IsNull { value, negated } => {
                within(f, value, Rank::Predicate)?;
                write!(f, " IS{} NULL", not(negated))
            }
            ExprKind::Exists(query) => write!(f, "EXISTS ({query})"),
            ExprKind::Not(condition) => {
                f.write_str("NOT ")?;
                within(f, condition, Rank::And)
            }
            ExprKind::And(list) => joined(f, list, " AND ", Rank::And),
            ExprKind::Or(list) => joined(f, list, " OR ", Rank::Or),
        }
    }
}

fn joined(f: &mut Formatter<'_>, list: &[Expr], between: &str, outside: Rank) -> fmt::Result {
    for (index, one) in list.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        within(f, one, outside)?;
    }
    Ok(())
}

fn call(f: &mut Formatter<'_>, name: &str, arguments: &[Expr]) -> fmt::Result {
    write!(f, "{name}(")?;
    listed(f, arguments, |f, argument| argument.fmt(f))?;
    f.write_str(")")
}

impl Display for CastTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smallint => "SMALLINT",
            Self::Integer => "INTEGER",
            Self::Bigint => "BIGINT",
            Self::Real => "REAL",
            Self::Double => "DOUBLE PRECISION",
            Self::Char(None) => "CHAR",
            Self::Varchar(None) => "VARCHAR",
            Self::Char(Some(length)) => return write!(f, "CHAR({length})"),
            Self::Varchar(Some(length)) => return write!(f, "VARCHAR({length})"),
            Self::Timestamp => "TIMESTAMP",
            Self::Point => "POINT",
            Self::Circle => "CIRCLE",
            Self::Polygon => "POLYGON",
        })
    }
}

fn named(f: &mut Formatter<'_>, alias: Option<&Name>) -> fmt::Result {
    match alias {
        Some(alias) => write!(f, " AS {}", alias.it),
        None => Ok(()),
    }
}

fn dotted(f: &mut Formatter<'_>, path: &[Name]) -> fmt::Result {
    for (index, name) in path.iter().enumerate() {
        if index > 0 {
            f.write_str(".")?;
        }
        name.it.fmt(f)?;
    }
    Ok(())
}

fn listed<T>(
    f: &mut Formatter<'_>,
    list: &[T],
    write: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, one) in list.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write(f, one)?;
    }
    Ok(())
}
