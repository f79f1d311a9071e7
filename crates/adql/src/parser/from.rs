//! Tables and joins.

use super::{MAX_TABLES, Parser, Result};
use crate::error::{ErrorKind, Hint};
use crate::span::Node;
use crate::token::Kind;
use crate::tree::{Join, JoinConstraint, JoinKind, TableChain, TableSource};
use crate::word::Word;

impl Parser<'_> {
    /// A table and what is joined to it.
    pub(super) fn table_chain(&mut self) -> Result<TableChain> {
        let first = self.table_source()?;
        let mut joins = Vec::new();
        while let Some(join) = self.join()? {
            joins.push(join);
        }
        Ok(TableChain { first, joins })
    }

    fn join(&mut self) -> Result<Option<Join>> {
        let is_natural = self.kind(0) == Kind::Word(Word::Natural);
        let kind = match self.kind(usize::from(is_natural)) {
            Kind::Word(Word::Join | Word::Inner) => JoinKind::Inner,
            Kind::Word(Word::Left) => JoinKind::Left,
            Kind::Word(Word::Right) => JoinKind::Right,
            Kind::Word(Word::Full) => JoinKind::Full,
            _ if is_natural => {
                self.advance();
                self.expected.push("JOIN");
                return Err(self.unexpected());
            }
            _ => {
                self.expected.push("JOIN");
                return Ok(None);
            }
        };
        if is_natural {
            self.advance();
        }
        if self.kind(0) != Kind::Word(Word::Join) {
            self.advance();
            if kind != JoinKind::Inner {
                self.eat_word(Word::Outer);
            }
        }
        self.expect_word(Word::Join)?;
        let table = self.table_source()?;
        let constraint = if is_natural {
            JoinConstraint::Natural
        } else if self.eat_word(Word::On) {
            JoinConstraint::On(self.condition()?)
        } else if self.eat_word(Word::Using) {
            self.expect(Kind::Open)?;
            let columns = self.list(|parser| parser.name("a column"))?;
            self.expect(Kind::Close)?;
            JoinConstraint::Using(columns)
        } else {
            JoinConstraint::None
        };
        Ok(Some(Join {
            kind,
            constraint,
            table,
        }))
    }

    fn table_source(&mut self) -> Result<Node<TableSource>> {
        let start = self.span();
        self.tables += 1;
        if self.tables > MAX_TABLES {
            return Err(ErrorKind::TooManyTables(MAX_TABLES).at(start));
        }
        let source = if self.kind(0) != Kind::Open {
            let path = self.path(3, "a table")?;
            let alias = self.alias("a name for the table")?;
            TableSource::Table { path, alias }
        } else if self.begins_query(self.at + 1) {
            let query = Box::new(self.subquery()?);
            let Some(alias) = self.alias("a name for the sub-query")? else {
                self.expected.push("a name for the sub-query");
                return Err(self.unexpected_with(Some(Hint::NameDerived)));
            };
            TableSource::Derived { query, alias }
        } else {
            self.advance();
            let chain = self.nested(Self::table_chain)?;
            let is_nested = matches!(chain.first.it, TableSource::Nested(_));
            if chain.joins.is_empty() && !is_nested {
                return Err(self.unexpected());
            }
            self.expect(Kind::Close)?;
            if chain.joins.is_empty() {
                chain.first.it
            } else {
                TableSource::Nested(Box::new(chain))
            }
        };
        Ok(Node::new(source, self.since(start)))
    }
}
