//! What is wrong with a query, and where.

use crate::nearest;
use crate::span::Span;
use crate::types::Type;

/// What is wrong with a query: the first thing that is, and where it stands.
///
/// Shown, it is one line that a person can act on: the place, what was found, what was expected, and the
/// nearest thing that exists. [`Error::excerpt`] shows the place itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("line {}, column {}: {kind}", span.line, span.column)]
pub struct Error {
    /// What is wrong.
    pub kind: Box<ErrorKind>,
    /// Where.
    pub span: Span,
}

/// What is wrong with a query.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text cannot be cut into tokens here.
    #[error("{0}")]
    Fault(Fault),
    /// Something else was expected.
    #[error("found {found}, expected {}{}", one_of(expected), help(*hint))]
    Unexpected {
        /// What stands there.
        found: String,
        /// What could stand there.
        expected: Vec<&'static str>,
        /// What to do, when that is known.
        hint: Option<Hint>,
    },
    /// A word that is nearly the expected one.
    #[error(
        "found `{found}`, expected {}; did you mean `{nearest}`?",
        one_of(expected)
    )]
    Misspelt {
        /// What stands there.
        found: String,
        /// What could stand there.
        expected: Vec<&'static str>,
        /// The word that is meant.
        nearest: &'static str,
    },
    /// A reserved word stands for a name.
    #[error(
        "`{word}` is a reserved word of ADQL; as a name it stands in double quotes: `\"{word}\"`"
    )]
    Reserved {
        /// The word as it is written.
        word: String,
    },
    /// A condition stands for a value.
    #[error("a condition stands here, expected a value")]
    ConditionForValue,
    /// A value stands for a condition.
    #[error("a value stands here, expected a condition such as `{example}`")]
    ValueForCondition {
        /// What a condition looks like.
        example: &'static str,
    },
    /// A function has too many arguments, or too few.
    #[error("`{function}` takes {expected}, found {}", arguments(*found))]
    Arity {
        /// The function.
        function: String,
        /// What it takes.
        expected: String,
        /// How many arguments it has.
        found: usize,
    },
    /// Brackets, sub-queries and operators stand in each other too deep.
    #[error("more than {0} brackets, operators and sub-queries stand inside each other")]
    TooDeep(u32),
    /// A query is longer than any person's.
    #[error("a query has at most {0} bytes")]
    TooLong(usize),
    /// A query names more tables than an engine can join.
    #[error("a query names at most {0} tables")]
    TooManyTables(u32),
    /// More queries are put together than an engine can.
    #[error("at most {0} queries are put together by UNION, EXCEPT and INTERSECT")]
    TooManyOperands(u32),
    /// A number does not fit.
    #[error("the number `{0}` is too large")]
    NumberTooLarge(String),

    /// There is no such table.
    #[error("there is no table `{name}`{}", did_you_mean(nearest))]
    UnknownTable {
        /// The name.
        name: String,
        /// Names that are near.
        nearest: Vec<String>,
    },
    /// Several tables have that name.
    #[error("`{name}` may be {}; write which", either(candidates))]
    AmbiguousTable {
        /// The name.
        name: String,
        /// The tables.
        candidates: Vec<String>,
    },
    /// Two tables of one query have the same name in it.
    #[error("two tables here are called `{0}`; give one another name with AS")]
    SameTableTwice(String),
    /// There is no such column.
    #[error("there is no column `{name}`{}{}", of_table(table.as_ref()), did_you_mean(nearest))]
    UnknownColumn {
        /// The name.
        name: String,
        /// The table that was named with it.
        table: Option<String>,
        /// Names that are near.
        nearest: Vec<String>,
    },
    /// A name in double quotes that nothing has: most likely a text was meant.
    #[error("there is no column `{name}`; a text stands in single quotes: '{}'", name.replace('\'', "''"))]
    TextInDoubleQuotes {
        /// The name.
        name: String,
    },
    /// Several columns have that name.
    #[error("the column `{name}` may be {}; write which", either(candidates))]
    AmbiguousColumn {
        /// The name.
        name: String,
        /// The columns.
        candidates: Vec<String>,
    },
    /// No table of the query has that name.
    #[error("no table of this query is called `{name}`{}", did_you_mean(nearest))]
    UnknownQualifier {
        /// The name.
        name: String,
        /// Names that are near.
        nearest: Vec<String>,
    },
    /// A table of the query, but not of the join in whose condition it stands.
    #[error("`{0}` is not a part of this join; a comma before it ends the join")]
    NotInJoin(String),
    /// There is no such function.
    #[error("there is no function `{name}`{}", did_you_mean(nearest))]
    UnknownFunction {
        /// The name.
        name: String,
        /// Names that are near.
        nearest: Vec<String>,
    },
    /// No form of a function takes these arguments.
    #[error("`{name}` does not take ({}); it is {}", types(found), either(forms))]
    NoSuchForm {
        /// The function.
        name: String,
        /// What it was given.
        found: Vec<Type>,
        /// What it takes.
        forms: Vec<String>,
    },
    /// A value has another type than its place needs.
    #[error("`{place}` takes {expected}, found {found}{}", help(*hint))]
    WrongType {
        /// The function or operator.
        place: String,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: Type,
        /// What to do, when that is known.
        hint: Option<Hint>,
    },
    /// Two values cannot be compared, or be of one column.
    #[error("{place}: {left} and {right} do not go together{}", help(*hint))]
    Incomparable {
        /// The operator.
        place: String,
        /// The type of the first.
        left: Type,
        /// The type of the other.
        right: Type,
        /// What to do, when that is known.
        hint: Option<Hint>,
    },
    /// There is no such conversion.
    #[error("{from} cannot be cast to {to}")]
    NoCast {
        /// What there is.
        from: Type,
        /// What was asked for.
        to: Type,
    },
    /// A unit is none, or the value has none, or they measure different things.
    #[error("IN_UNIT: {0}")]
    Unit(String),
    /// An aggregate stands where rows are still single.
    #[error("`{function}` stands in {place}, where rows are not grouped yet{}", help(*hint))]
    MisplacedAggregate {
        /// The aggregate.
        function: &'static str,
        /// The clause.
        place: &'static str,
        /// What to do, when that is known.
        hint: Option<Hint>,
    },
    /// A column has many values in a group.
    #[error(
        "`{0}` has many values in a group; name it in GROUP BY, or take one with MIN, MAX or AVG"
    )]
    NotGrouped(String),
    /// `*` of rows that are grouped.
    #[error("`*` stands beside groups; name what GROUP BY names")]
    StarOfGroups,
    /// `DISTINCT` sorts by what it shows alone.
    #[error("with DISTINCT, ORDER BY takes what is selected")]
    HiddenSortKey,
    /// There is no such column in the result.
    #[error("there is no column {position} to sort or group by; there are {columns}")]
    NoSuchPosition {
        /// The position.
        position: String,
        /// How many columns there are.
        columns: usize,
    },
    /// A table or a result is wider than any engine's.
    #[error("a query gives at most {0} columns")]
    TooManyColumns(usize),
    /// More keys than anybody sorts by.
    #[error("a query groups and sorts by at most {0} values")]
    TooManyKeys(usize),
    /// A coordinate system that nobody turns into ours.
    #[error(
        "the coordinate system `{0}` is not supported; coordinates are ICRS, and the argument may be left out"
    )]
    UnknownFrame(String),
    /// A text that is no time.
    #[error("`{0}` is no time; a time is written 'YYYY-MM-DD' or 'YYYY-MM-DDThh:mm:ss'")]
    NoTime(String),
    /// A sub-query has the wrong number of columns.
    #[error("a sub-query after IN has one column, found {0}")]
    ColumnsOfSubquery(usize),
    /// The sides of a set operation have different numbers of columns.
    #[error("{operator}: the first query has {left} columns, this one has {right}")]
    ColumnsOfSet {
        /// The operator.
        operator: &'static str,
        /// Columns of the first.
        left: usize,
        /// Columns of this one.
        right: usize,
    },
    /// A natural join finds nothing to join by.
    #[error("the two tables of this NATURAL JOIN have no column of the same name")]
    NothingInCommon,
    /// Two common tables have the same name.
    #[error("WITH names `{0}` twice")]
    SameCommonTableTwice(String),
}

impl ErrorKind {
    pub(crate) fn at(self, span: Span) -> Error {
        Error {
            kind: Box::new(self),
            span,
        }
    }
}

/// Why a stretch of text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// `;`
    #[error("found `;`: a query is one statement and ends without it")]
    Semicolon,
    /// `==`
    #[error("found `==`: equality is written `=`")]
    DoubleEqual,
    /// `::`
    #[error("found `::`: a type is changed with `CAST(value AS type)`")]
    DoubleColon,
    /// `` ` ``
    #[error("found a backtick: a name that needs quotes stands in double quotes, as in \"size\"")]
    Backtick,
    /// `[` or `]`
    #[error(
        "found `{0}`: ADQL has no square brackets; a name that needs quotes stands in double quotes"
    )]
    Bracket(char),
    /// `%`
    #[error("found `%`: the rest of a division is `MOD(a, b)`")]
    Percent,
    /// `/*`
    #[error("found `/*`: a comment begins with `--` and ends with the line")]
    BlockComment,
    /// A quotation mark from a text processor.
    #[error(
        "found the typographic quotation mark `{0}`: a text stands in straight single quotes ('), a name in straight double quotes (\")"
    )]
    TypographicQuote(char),
    /// A sign that looks like one of ADQL's.
    #[error("found `{0}` (U+{code:04X}): write `{1}`", code = u32::from(*.0))]
    LooksLike(char, &'static str),
    /// White space that is none for ADQL, or that nobody can see.
    #[error("found an invisible character (U+{code:04X}): write an ordinary space", code = u32::from(*.0))]
    Space(char),
    /// A character that no token has.
    #[error("found `{0}`, which ADQL uses nowhere outside of quotes")]
    Character(char),
    /// A control character.
    #[error("found a control character (U+{code:04X})", code = u32::from(*.0))]
    Control(char),
    /// A name with letters beyond a to z.
    #[error(
        "a name has letters a to z, digits and underscores; any other name stands in double quotes"
    )]
    NameBeyondAscii,
    /// A name with `$`, `#` or `@`.
    #[error("a name has letters, digits and underscores; any other name stands in double quotes")]
    CharacterInName,
    /// A name that begins with a digit.
    #[error("a name begins with a letter; any other name stands in double quotes")]
    NumberInName,
    /// A name that begins with an underscore.
    #[error("found `_`: a name begins with a letter; any other name stands in double quotes")]
    Underscore,
    /// `""`
    #[error("a name in double quotes is not empty; an empty text is ''")]
    EmptyName,
    /// A text without its end.
    #[error(
        "this text has no end: its closing single quote is missing (a quote inside is written twice)"
    )]
    UnclosedText,
    /// A text or a name whose end is a quotation mark from a text processor.
    #[error(
        "what begins with this straight quotation mark ends with the typographic `{0}`, which is none: use the straight one at both ends"
    )]
    ClosedTypographically(char),
    /// A name without its end.
    #[error("this name has no end: its closing double quote is missing")]
    UnclosedName,
}

impl Fault {
    /// What is wrong with a character that begins no token.
    pub(crate) fn of(character: char) -> Self {
        match character {
            ';' => Self::Semicolon,
            '`' => Self::Backtick,
            '%' => Self::Percent,
            '_' => Self::Underscore,
            '[' | ']' => Self::Bracket(character),
            '\u{2018}'..='\u{201F}'
            | '\u{2032}'
            | '\u{2033}'
            | '\u{ab}'
            | '\u{bb}'
            | '\u{b4}'
            | '\u{2039}'
            | '\u{203A}'
            | '\u{FF07}'
            | '\u{FF02}' => Self::TypographicQuote(character),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FF0D}' => Self::LooksLike(character, "-"),
            '\u{2264}' => Self::LooksLike(character, "<="),
            '\u{2265}' => Self::LooksLike(character, ">="),
            '\u{2260}' => Self::LooksLike(character, "<>"),
            '\u{d7}' | '\u{2217}' | '\u{22C5}' => Self::LooksLike(character, "*"),
            '\u{f7}' | '\u{2044}' | '\u{2215}' => Self::LooksLike(character, "/"),
            '\u{FF0C}' | '\u{3001}' => Self::LooksLike(character, ","),
            '\u{FF08}' => Self::LooksLike(character, "("),
            '\u{FF09}' => Self::LooksLike(character, ")"),
            '\u{FF1D}' => Self::LooksLike(character, "="),
            '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{ad}' => Self::Space(character),
            _ if character.is_whitespace() => Self::Space(character),
            _ if character.is_control() => Self::Control(character),
            _ if character.is_alphabetic() => Self::NameBeyondAscii,
            _ => Self::Character(character),
        }
    }
}

/// What helps in a known situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Hint {
    /// `LIMIT n`, `FETCH FIRST n ROWS`.
    #[error("ADQL has no LIMIT; use TOP n: `SELECT TOP n …`")]
    UseTop,
    /// `TOP` somewhere else.
    #[error("TOP n stands right after SELECT, or after DISTINCT")]
    PlaceOfTop,
    /// A statement that is no query.
    #[error("ADQL has queries only")]
    OnlyQueries,
    /// `WITH` inside.
    #[error("WITH stands at the beginning of the whole query")]
    PlaceOfWith,
    /// `CASE`.
    #[error("ADQL has no CASE; COALESCE replaces NULL")]
    NoCase,
    /// A sub-query for a value.
    #[error("a sub-query stands after IN or EXISTS, or in FROM")]
    PlaceOfSubquery,
    /// `OVER`.
    #[error("ADQL has no window functions")]
    NoWindows,
    /// `WITH RECURSIVE`.
    #[error("a common table of ADQL does not use itself")]
    NotRecursive,
    /// `CROSS JOIN`.
    #[error("two tables without a condition are separated by a comma")]
    CrossJoin,
    /// A derived table without a name.
    #[error("a sub-query in FROM needs a name: `(SELECT …) AS name`")]
    NameDerived,
    /// One comma too many.
    #[error("there is a comma too many before it")]
    ExtraComma,
    /// `'name'` for a name.
    #[error("a name stands in double quotes, not in single ones")]
    NameInSingleQuotes,
    /// A reserved word for a name.
    #[error("it is a reserved word of ADQL, and as a name it stands in double quotes")]
    QuoteReserved,
    /// No tables.
    #[error("every query has a FROM")]
    NeedsFrom,
    /// `AVG(x)` in `WHERE`.
    #[error("conditions on groups stand in HAVING")]
    UseHaving,
    /// Numbers are no texts.
    #[error("CAST changes the type of a value")]
    UseCast,
    /// `= NULL`.
    #[error("write IS NULL or IS NOT NULL")]
    UseIsNull,
    /// Geometry functions as conditions.
    #[error("geometries are compared with CONTAINS, INTERSECTS or DISTANCE")]
    CompareGeometries,
}

impl Error {
    /// The line in which it stands, with carets below the place; of two lines that belong to `text`.
    ///
    /// A long line is cut around the place.
    pub fn excerpt(&self, text: &str) -> String {
        const BEFORE: usize = 60;
        const AFTER: usize = 40;
        let start = (self.span.start as usize).min(text.len());
        let start = (0..=start).rev().find(|at| text.is_char_boundary(*at));
        let start = start.unwrap_or(0);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let before: Vec<char> = text[line_start..start].chars().collect();
        let skipped = before.len().saturating_sub(BEFORE);
        let marked_end = self.span.range().end.min(line_end).max(start);
        let marked = text.get(start..marked_end).unwrap_or_default();
        let marked = marked.chars().count().clamp(1, AFTER);

        let shown = |c: char| if c.is_control() { ' ' } else { c };
        let number = self.span.line.to_string();
        let margin = " ".repeat(number.len());
        let mut line = String::new();
        let mut carets = String::new();
        if skipped > 0 {
            line.push('…');
            carets.push(' ');
        }
        line.extend(before[skipped..].iter().copied().map(shown));
        carets.push_str(&" ".repeat(before.len() - skipped));
        let mut rest = text[start..line_end].trim_end().chars();
        line.extend(rest.by_ref().take(marked + AFTER).map(shown));
        if rest.next().is_some() {
            line.push('…');
        }
        carets.push_str(&"^".repeat(marked));
        format!("{number} | {line}\n{margin} | {carets}")
    }
}

/// `a`, `b` or `c`.
fn either(names: &[String]) -> String {
    listed(names.iter().map(|name| format!("`{name}`")).collect())
}

/// What is expected, in words.
fn one_of(expected: &[&'static str]) -> String {
    let shown = expected.iter().map(|one| {
        // Words about a thing are no text of the language.
        if one.contains(' ') && one.contains(|c: char| c.is_lowercase()) {
            (*one).to_owned()
        } else {
            format!("`{one}`")
        }
    });
    listed(shown.collect())
}

fn listed(mut shown: Vec<String>) -> String {
    let last = shown.pop();
    match last {
        None => "something else".to_owned(),
        Some(only) if shown.is_empty() => only,
        Some(last) => format!("{} or {last}", shown.join(", ")),
    }
}

fn arguments(count: usize) -> String {
    match count {
        0 => "none".to_owned(),
        1 => "1 argument".to_owned(),
        _ => format!("{count} arguments"),
    }
}

fn help(hint: Option<Hint>) -> String {
    hint.map_or_else(String::new, |hint| format!("; {hint}"))
}

fn did_you_mean(nearest: &[String]) -> String {
    if nearest.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", either(nearest))
    }
}

fn of_table(table: Option<&String>) -> String {
    table.map_or_else(String::new, |table| format!(" in `{table}`"))
}

fn types(types: &[Type]) -> String {
    let names: Vec<String> = types.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// An error about something unexpected: a misspelt word when that is what it seems to be.
pub(crate) fn unexpected(
    found: String,
    is_name: bool,
    expected: Vec<&'static str>,
    hint: Option<Hint>,
) -> ErrorKind {
    if is_name && hint.is_none() {
        let words = expected.iter().copied();
        let words = words.filter(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()));
        if let Some(nearest) = nearest::word(&found, words) {
            return ErrorKind::Misspelt {
                found,
                expected,
                nearest,
            };
        }
    }
    let found = if found.is_empty() {
        "the end of the query".to_owned()
    } else {
        format!("`{found}`")
    };
    ErrorKind::Unexpected {
        found,
        expected,
        hint,
    }
}
