//! The tree of a query: what was written, before anybody knows what the names mean.
//!
//! Chains are lists (`a + b - c`, `x OR y OR z`, joins, set operations), so that a tree is only as high as
//! brackets are deep. Brackets around values and conditions are not kept: the printer puts them where they
//! are needed.

use crate::function::{Aggregate, Builtin};
use crate::span::Node;

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The common tables of `WITH`.
    pub with: Vec<Node<CommonTable>>,
    /// The query itself.
    pub body: QueryExpression,
}

/// A table that a query defines for itself: `name AS (SELECT …)`.
#[derive(Clone, Debug, PartialEq)]
pub struct CommonTable {
    /// Its name.
    pub name: Name,
    /// Its rows.
    pub query: QueryExpression,
}

/// A query with its order: the body of a query, and what stands in brackets.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryExpression {
    /// The rows.
    pub body: Node<Body>,
    /// What they are sorted by.
    pub order_by: Vec<OrderTerm>,
    /// How many are skipped.
    pub offset: Option<Count>,
}

/// Where the rows of a query come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// From one `SELECT`.
    Select(Box<Select>),
    /// From a query in brackets.
    Nested(Box<QueryExpression>),
    /// From several queries, put together from left to right.
    Set(Box<Node<Body>>, Vec<SetOperand>),
}

/// A query that is put together with those before it.
#[derive(Clone, Debug, PartialEq)]
pub struct SetOperand {
    /// How.
    pub operator: SetOperator,
    /// Whether equal rows stay.
    pub all: bool,
    /// The query.
    pub body: Node<Body>,
}

/// How rows of two queries are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    /// Rows of both.
    Union,
    /// Rows of the first that are not in the second.
    Except,
    /// Rows that are in both. It binds tighter than the others.
    Intersect,
}

impl SetOperator {
    /// How it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Union => "UNION",
            Self::Except => "EXCEPT",
            Self::Intersect => "INTERSECT",
        }
    }
}

/// `SELECT … FROM …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// Whether equal rows become one.
    pub distinct: bool,
    /// How many rows at most.
    pub top: Option<Count>,
    /// The columns of the result.
    pub items: Vec<Node<Item>>,
    /// The tables.
    pub from: Vec<TableChain>,
    /// Which rows.
    pub filter: Option<Expr>,
    /// What is the same for a group of rows.
    pub group_by: Vec<Expr>,
    /// Which groups.
    pub having: Option<Expr>,
}

/// A number of rows.
pub type Count = Node<u64>;

/// A part of the list after `SELECT`.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `*`
    All,
    /// `table.*`
    AllOf(Vec<Name>),
    /// A value, and perhaps its name.
    Value(Expr, Option<Name>),
}

/// A table and those that are joined to it, from left to right.
#[derive(Clone, Debug, PartialEq)]
pub struct TableChain {
    /// The first one.
    pub first: Node<TableSource>,
    /// The others.
    pub joins: Vec<Join>,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum TableSource {
    /// A table: up to three names, of catalogue, schema and table.
    Table {
        /// The names.
        path: Vec<Name>,
        /// What it is called here.
        alias: Option<Name>,
    },
    /// A query.
    Derived {
        /// The query.
        query: Box<QueryExpression>,
        /// What it is called here.
        alias: Name,
    },
    /// Joins in brackets.
    Nested(Box<TableChain>),
}

/// A table that is joined to those before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Which rows stay when nothing fits.
    pub kind: JoinKind,
    /// Which rows fit.
    pub constraint: JoinConstraint,
    /// The table.
    pub table: Node<TableSource>,
}

/// Which rows stay when nothing fits to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// None.
    Inner,
    /// Those on the left.
    Left,
    /// Those on the right.
    Right,
    /// All.
    Full,
}

/// Which rows of two tables fit.
#[derive(Clone, Debug, PartialEq)]
pub enum JoinConstraint {
    /// All.
    None,
    /// Those whose columns of the same name are equal.
    Natural,
    /// Those that meet a condition.
    On(Expr),
    /// Those whose columns of these names are equal.
    Using(Vec<Name>),
}

/// What rows are sorted by.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderTerm {
    /// The value, or the position of a column.
    pub key: Expr,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// A name as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ident {
    /// The name, without quotes.
    pub text: String,
    /// Whether it stood in double quotes, so that case matters.
    pub quoted: bool,
}

impl Ident {
    /// Whether this means something that is called `name`.
    pub fn means(&self, name: &str) -> bool {
        if self.quoted {
            self.text == name
        } else {
            self.text.eq_ignore_ascii_case(name)
        }
    }
}

/// A name and its place.
pub type Name = Node<Ident>;

/// A value or a condition, and its place.
pub type Expr = Node<ExprKind>;

/// A value or a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `NULL`
    Null,
    /// `TRUE` or `FALSE`
    Boolean(bool),
    /// A number as it is written.
    Number(Number),
    /// A text, without quotes.
    Text(String),
    /// A column: its name, and up to three before it.
    Column(Vec<Name>),
    /// A sign before a number.
    Sign(Sign, Box<Expr>),
    /// Operators of one rank, from left to right.
    Chain(Box<Expr>, Vec<(Operator, Expr)>),
    /// A function of the language.
    Call(Builtin, Vec<Expr>),
    /// A function of the service.
    UserCall(Name, Vec<Expr>),
    /// A value of all rows of a group; of the rows themselves if there is no argument: `COUNT(*)`.
    Aggregate {
        /// Which value.
        function: Aggregate,
        /// Whether equal values count once.
        distinct: bool,
        /// Of what.
        argument: Option<Box<Expr>>,
    },
    /// `CAST(value AS type)`
    Cast(Box<Expr>, CastTarget),

    /// Two values compared.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `value BETWEEN low AND high`
    Between {
        /// The value.
        value: Box<Expr>,
        /// Whether it is outside.
        negated: bool,
        /// The least.
        low: Box<Expr>,
        /// The most.
        high: Box<Expr>,
    },
    /// `value IN (…)`
    InList {
        /// The value.
        value: Box<Expr>,
        /// Whether it is none of them.
        negated: bool,
        /// The values.
        list: Vec<Expr>,
    },
    /// `value IN (SELECT …)`
    InQuery {
        /// The value.
        value: Box<Expr>,
        /// Whether it is none of them.
        negated: bool,
        /// The values.
        query: Box<QueryExpression>,
    },
    /// `text LIKE pattern`
    Like {
        /// The text.
        value: Box<Expr>,
        /// Whether it does not fit.
        negated: bool,
        /// `ILIKE`
        ignores_case: bool,
        /// The pattern.
        pattern: Box<Expr>,
    },
    /// `value IS NULL`
    IsNull {
        /// The value.
        value: Box<Expr>,
        /// Whether it is not.
        negated: bool,
    },
    /// `EXISTS (SELECT …)`
    Exists(Box<QueryExpression>),
    /// `NOT condition`
    Not(Box<Expr>),
    /// `condition AND …`
    And(Vec<Expr>),
    /// `condition OR …`
    Or(Vec<Expr>),
}

impl ExprKind {
    /// Whether this is true or false, and no value that a column could have.
    pub fn is_condition(&self) -> bool {
        use ExprKind::{And, Between, Compare, Exists, InList, InQuery, IsNull, Like, Not, Or};
        matches!(
            self,
            And(_)
                | Between { .. }
                | Compare(..)
                | Exists(_)
                | InList { .. }
                | InQuery { .. }
                | IsNull { .. }
                | Like { .. }
                | Not(_)
                | Or(_)
        )
    }
}

/// A number as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// Its text.
    pub text: String,
    /// Whether it is a whole number: digits alone, or base 16.
    pub is_whole: bool,
}

/// What stands before a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `~`, all bits the other way.
    BitNot,
}

impl Sign {
    /// How it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::BitNot => "~",
        }
    }
}

/// What stands between two values and makes a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the sign that it says")]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Concat,
    BitAnd,
    BitOr,
    BitXor,
}

impl Operator {
    /// How it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Concat => "||",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
        }
    }

    /// How tight it binds: the higher, the tighter.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::BitOr => 1,
            Self::BitXor => 2,
            Self::BitAnd => 3,
            Self::Concat => 4,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide => 6,
        }
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the sign that it says")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    /// How it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    /// The one that says the same when the sides change places.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
        }
    }
}

/// What a value is cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the type that it says")]
pub enum CastTarget {
    Smallint,
    Integer,
    Bigint,
    Real,
    Double,
    /// With the length, if one is given.
    Char(Option<u32>),
    /// With the most that it may be, if that is given.
    Varchar(Option<u32>),
    Timestamp,
    Point,
    Circle,
    Polygon,
}
