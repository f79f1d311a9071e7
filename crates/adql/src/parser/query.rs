//! Queries: `WITH`, set operations, `SELECT` and what follows it.

use super::{MAX_DEPTH, MAX_OPERANDS, Parser, Result};
use crate::error::{ErrorKind, Hint};
use crate::span::Node;
use crate::token::Kind;
use crate::tree::{
    Body, CommonTable, Item, Name, OrderTerm, Query, QueryExpression, Select, SetOperand,
    SetOperator,
};
use crate::word::Word;

impl Parser<'_> {
    /// A whole query, to the end of the text.
    pub(super) fn query(&mut self) -> Result<Query> {
        let with = if self.eat_word(Word::With) {
            self.list(Self::common_table)?
        } else {
            Vec::new()
        };
        let body = self.query_expression()?;
        if !self.is(Kind::End) {
            return Err(self.unexpected());
        }
        Ok(Query { with, body })
    }

    /// One thing or more, with commas between them.
    pub(super) fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut list = vec![read(self)?];
        while self.eat(Kind::Comma) {
            list.push(read(self)?);
        }
        Ok(list)
    }

    fn common_table(&mut self) -> Result<Node<CommonTable>> {
        let start = self.span();
        let name = self.name("the name of a common table")?;
        if !self.eat_word(Word::As) {
            let is_recursive = name.text.eq_ignore_ascii_case("recursive");
            return Err(self.unexpected_with(is_recursive.then_some(Hint::NotRecursive)));
        }
        let query = self.subquery()?;
        Ok(Node::new(CommonTable { name, query }, self.since(start)))
    }

    /// A query in brackets.
    pub(super) fn subquery(&mut self) -> Result<QueryExpression> {
        self.expect(Kind::Open)?;
        let query = self.nested(Self::query_expression)?;
        self.expect(Kind::Close)?;
        Ok(query)
    }

    /// Whether what begins at a token is a query, and not joins, in any number of brackets.
    pub(super) fn begins_query(&self, mut at: usize) -> bool {
        // More brackets than that are refused anyhow.
        for _ in 0..=MAX_DEPTH {
            match self.kind_at(at) {
                Kind::Word(Word::Select | Word::With) => return true,
                Kind::Open => {
                    // In joins something follows that names the query or joins it.
                    let after = self.closings[at] as usize + 1;
                    let goes_on = matches!(
                        self.kind_at(after),
                        Kind::Close
                            | Kind::Word(
                                Word::Union
                                    | Word::Except
                                    | Word::Intersect
                                    | Word::Order
                                    | Word::Offset
                            )
                            | Kind::End
                    );
                    if !goes_on {
                        return false;
                    }
                    at += 1;
                }
                _ => return false,
            }
        }
        false
    }

    fn query_expression(&mut self) -> Result<QueryExpression> {
        let body = self.set_chain()?;
        let order_by = if self.eat_word(Word::Order) {
            self.expect_word(Word::By)?;
            self.list(Self::order_term)?
        } else {
            Vec::new()
        };
        let offset = if self.eat_word(Word::Offset) {
            Some(self.count()?)
        } else {
            None
        };
        Ok(QueryExpression {
            body,
            order_by,
            offset,
        })
    }

    /// Queries with `UNION` and `EXCEPT` between them.
    fn set_chain(&mut self) -> Result<Node<Body>> {
        self.operands(Self::set_term, &[SetOperator::Union, SetOperator::Except])
    }

    /// Queries with `INTERSECT` between them.
    fn set_term(&mut self) -> Result<Node<Body>> {
        self.operands(Self::set_primary, &[SetOperator::Intersect])
    }

    fn operands(
        &mut self,
        read: fn(&mut Self) -> Result<Node<Body>>,
        operators: &[SetOperator],
    ) -> Result<Node<Body>> {
        let start = self.span();
        let first = read(self)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.set_operator(operators) {
            let all = self.eat_word(Word::All);
            let body = read(self)?;
            rest.push(SetOperand {
                operator,
                all,
                body,
            });
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let body = Body::Set(Box::new(first), rest);
        Ok(Node::new(body, self.since(start)))
    }

    fn set_operator(&mut self, operators: &[SetOperator]) -> Option<SetOperator> {
        let operators = operators.iter().copied();
        operators.into_iter().find(|operator| {
            self.eat_word(match operator {
                SetOperator::Union => Word::Union,
                SetOperator::Except => Word::Except,
                SetOperator::Intersect => Word::Intersect,
            })
        })
    }

    fn set_primary(&mut self) -> Result<Node<Body>> {
        let start = self.span();
        let body = if self.kind(0) == Kind::Open {
            Body::Nested(Box::new(self.subquery()?))
        } else {
            self.operands += 1;
            if self.operands > MAX_OPERANDS {
                return Err(ErrorKind::TooManyOperands(MAX_OPERANDS).at(start));
            }
            Body::Select(Box::new(self.select()?))
        };
        Ok(Node::new(body, self.since(start)))
    }

    fn select(&mut self) -> Result<Select> {
        self.expect_word(Word::Select)?;
        let distinct = self.eat_word(Word::Distinct) || {
            self.eat_word(Word::All);
            false
        };
        let top = if self.eat_word(Word::Top) {
            Some(self.count()?)
        } else {
            None
        };
        if top.is_some() && matches!(self.kind(0), Kind::Word(Word::Distinct | Word::All)) {
            return Err(self.unexpected_with(Some(Hint::PlaceOfTop)));
        }
        let items = self.list(Self::item)?;
        if self.kind(0) == Kind::End && self.bare_alias.is_none_or(|at| at + 1 != self.at) {
            self.is_word(Word::From);
            return Err(self.unexpected_with(Some(Hint::NeedsFrom)));
        }
        self.expect_word(Word::From)?;
        let from = self.list(Self::table_chain)?;
        let filter = if self.eat_word(Word::Where) {
            Some(self.condition()?)
        } else {
            None
        };
        let group_by = if self.eat_word(Word::Group) {
            self.expect_word(Word::By)?;
            self.list(Self::value)?
        } else {
            Vec::new()
        };
        let having = if self.eat_word(Word::Having) {
            Some(self.condition()?)
        } else {
            None
        };
        Ok(Select {
            distinct,
            top,
            items,
            from,
            filter,
            group_by,
            having,
        })
    }

    fn item(&mut self) -> Result<Node<Item>> {
        let start = self.span();
        if self.eat(Kind::Star) {
            return Ok(Node::new(Item::All, start));
        }
        if let Some(names) = self.names_before_star() {
            let path = self.path(names, "a table")?;
            self.expect(Kind::Dot)?;
            self.expect(Kind::Star)?;
            return Ok(Node::new(Item::AllOf(path), self.since(start)));
        }
        let value = self.value()?;
        let alias = self.alias("a name for the column")?;
        Ok(Node::new(Item::Value(value, alias), self.since(start)))
    }

    /// How many names stand before `.*`, if that is what comes.
    fn names_before_star(&self) -> Option<usize> {
        for names in 1..=3 {
            let name = 2 * (names - 1);
            if !matches!(self.kind(name), Kind::Name | Kind::Quoted)
                || self.kind(name + 1) != Kind::Dot
            {
                return None;
            }
            if self.kind(name + 2) == Kind::Star {
                return Some(names);
            }
        }
        None
    }

    /// `AS name`, or a name alone.
    pub(super) fn alias(&mut self, what: &'static str) -> Result<Option<Name>> {
        if self.eat_word(Word::As) {
            if self.kind(0) == Kind::Text {
                self.expected.push(what);
                return Err(self.unexpected_with(Some(Hint::NameInSingleQuotes)));
            }
            return self.name(what).map(Some);
        }
        if matches!(self.kind(0), Kind::Name | Kind::Quoted) {
            let is_bare = self.kind(0) == Kind::Name;
            let at = self.at;
            let name = self.name(what)?;
            if is_bare {
                self.bare_alias = Some(at);
            }
            return Ok(Some(name));
        }
        Ok(None)
    }

    fn order_term(&mut self) -> Result<OrderTerm> {
        let key = self.value()?;
        let descending = self.eat_word(Word::Desc);
        if !descending {
            self.eat_word(Word::Asc);
        }
        Ok(OrderTerm { key, descending })
    }
}
