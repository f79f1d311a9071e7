//! The reserved words of ADQL 2.1 (section 2.1.2 and 2.1.3): all of SQL-92's, and those of ADQL.
//!
//! A reserved word is never a name. Whoever means a name puts it into double quotes.

use crate::Version;

macro_rules! words {
    ($($name:ident $text:literal,)*) => {
        /// A reserved word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is the word that it says")]
        pub enum Word { $($name,)* }

        /// In the order of the enumeration, which is that of the alphabet.
        const WORDS: &[(&str, Word)] = &[$(($text, Word::$name),)*];
    };
}

words! {
    Abs "ABS",
    Absolute "ABSOLUTE",
    Acos "ACOS",
    Action "ACTION",
    Add "ADD",
    All "ALL",
    Allocate "ALLOCATE",
    Alter "ALTER",
    And "AND",
    Any "ANY",
    Are "ARE",
    Area "AREA",
    As "AS",
    Asc "ASC",
    Asin "ASIN",
    Assertion "ASSERTION",
    At "AT",
    Atan "ATAN",
    Atan2 "ATAN2",
    Authorization "AUTHORIZATION",
    Avg "AVG",
    Begin "BEGIN",
    Between "BETWEEN",
    Bigint "BIGINT",
    Bit "BIT",
    BitLength "BIT_LENGTH",
    Both "BOTH",
    Box "BOX",
    By "BY",
    Cascade "CASCADE",
    Cascaded "CASCADED",
    Case "CASE",
    Cast "CAST",
    Catalog "CATALOG",
    Ceiling "CEILING",
    Centroid "CENTROID",
    Char "CHAR",
    Character "CHARACTER",
    CharacterLength "CHARACTER_LENGTH",
    CharLength "CHAR_LENGTH",
    Check "CHECK",
    Circle "CIRCLE",
    Close "CLOSE",
    Coalesce "COALESCE",
    Collate "COLLATE",
    Collation "COLLATION",
    Column "COLUMN",
    Commit "COMMIT",
    Connect "CONNECT",
    Connection "CONNECTION",
    Constraint "CONSTRAINT",
    Constraints "CONSTRAINTS",
    Contains "CONTAINS",
    Continue "CONTINUE",
    Convert "CONVERT",
    Coord1 "COORD1",
    Coord2 "COORD2",
    Coordsys "COORDSYS",
    Corresponding "CORRESPONDING",
    Cos "COS",
    Cot "COT",
    Count "COUNT",
    Create "CREATE",
    Cross "CROSS",
    Current "CURRENT",
    CurrentDate "CURRENT_DATE",
    CurrentTime "CURRENT_TIME",
    CurrentTimestamp "CURRENT_TIMESTAMP",
    CurrentUser "CURRENT_USER",
    Cursor "CURSOR",
    Date "DATE",
    Day "DAY",
    Deallocate "DEALLOCATE",
    Decimal "DECIMAL",
    Declare "DECLARE",
    Default "DEFAULT",
    Deferrable "DEFERRABLE",
    Deferred "DEFERRED",
    Degrees "DEGREES",
    Delete "DELETE",
    Desc "DESC",
    Describe "DESCRIBE",
    Descriptor "DESCRIPTOR",
    Diagnostics "DIAGNOSTICS",
    Disconnect "DISCONNECT",
    Distance "DISTANCE",
    Distinct "DISTINCT",
    Domain "DOMAIN",
    Double "DOUBLE",
    Drop "DROP",
    Else "ELSE",
    End "END",
    Escape "ESCAPE",
    Except "EXCEPT",
    Exception "EXCEPTION",
    Exec "EXEC",
    Execute "EXECUTE",
    Exists "EXISTS",
    Exp "EXP",
    External "EXTERNAL",
    Extract "EXTRACT",
    False "FALSE",
    Fetch "FETCH",
    First "FIRST",
    Float "FLOAT",
    Floor "FLOOR",
    For "FOR",
    Foreign "FOREIGN",
    Found "FOUND",
    From "FROM",
    Full "FULL",
    Get "GET",
    Global "GLOBAL",
    Go "GO",
    Goto "GOTO",
    Grant "GRANT",
    Group "GROUP",
    Having "HAVING",
    Hour "HOUR",
    Identity "IDENTITY",
    Ilike "ILIKE",
    Immediate "IMMEDIATE",
    In "IN",
    Indicator "INDICATOR",
    Initially "INITIALLY",
    Inner "INNER",
    Input "INPUT",
    Insensitive "INSENSITIVE",
    Insert "INSERT",
    Int "INT",
    Integer "INTEGER",
    Intersect "INTERSECT",
    Intersects "INTERSECTS",
    Interval "INTERVAL",
    Into "INTO",
    InUnit "IN_UNIT",
    Is "IS",
    Isolation "ISOLATION",
    Join "JOIN",
    Key "KEY",
    Language "LANGUAGE",
    Last "LAST",
    Leading "LEADING",
    Left "LEFT",
    Level "LEVEL",
    Like "LIKE",
    Local "LOCAL",
    Log "LOG",
    Log10 "LOG10",
    Lower "LOWER",
    Match "MATCH",
    Max "MAX",
    Min "MIN",
    Minute "MINUTE",
    Mod "MOD",
    Module "MODULE",
    Month "MONTH",
    Names "NAMES",
    National "NATIONAL",
    Natural "NATURAL",
    Nchar "NCHAR",
    Next "NEXT",
    No "NO",
    Not "NOT",
    Null "NULL",
    Nullif "NULLIF",
    Numeric "NUMERIC",
    OctetLength "OCTET_LENGTH",
    Of "OF",
    Offset "OFFSET",
    On "ON",
    Only "ONLY",
    Open "OPEN",
    Option "OPTION",
    Or "OR",
    Order "ORDER",
    Outer "OUTER",
    Output "OUTPUT",
    Overlaps "OVERLAPS",
    Pad "PAD",
    Partial "PARTIAL",
    Pi "PI",
    Point "POINT",
    Polygon "POLYGON",
    Position "POSITION",
    Power "POWER",
    Precision "PRECISION",
    Prepare "PREPARE",
    Preserve "PRESERVE",
    Primary "PRIMARY",
    Prior "PRIOR",
    Privileges "PRIVILEGES",
    Procedure "PROCEDURE",
    Public "PUBLIC",
    Radians "RADIANS",
    Rand "RAND",
    Read "READ",
    Real "REAL",
    References "REFERENCES",
    Region "REGION",
    Relative "RELATIVE",
    Restrict "RESTRICT",
    Revoke "REVOKE",
    Right "RIGHT",
    Rollback "ROLLBACK",
    Round "ROUND",
    Rows "ROWS",
    Schema "SCHEMA",
    Scroll "SCROLL",
    Second "SECOND",
    Section "SECTION",
    Select "SELECT",
    Session "SESSION",
    SessionUser "SESSION_USER",
    Set "SET",
    Sin "SIN",
    Size "SIZE",
    Smallint "SMALLINT",
    Some "SOME",
    Space "SPACE",
    Sql "SQL",
    Sqlcode "SQLCODE",
    Sqlerror "SQLERROR",
    Sqlstate "SQLSTATE",
    Sqrt "SQRT",
    Substring "SUBSTRING",
    Sum "SUM",
    SystemUser "SYSTEM_USER",
    Table "TABLE",
    Tan "TAN",
    Temporary "TEMPORARY",
    Then "THEN",
    Time "TIME",
    Timestamp "TIMESTAMP",
    TimezoneHour "TIMEZONE_HOUR",
    TimezoneMinute "TIMEZONE_MINUTE",
    To "TO",
    Top "TOP",
    Trailing "TRAILING",
    Transaction "TRANSACTION",
    Translate "TRANSLATE",
    Translation "TRANSLATION",
    Trim "TRIM",
    True "TRUE",
    Truncate "TRUNCATE",
    Union "UNION",
    Unique "UNIQUE",
    Unknown "UNKNOWN",
    Update "UPDATE",
    Upper "UPPER",
    Usage "USAGE",
    User "USER",
    Using "USING",
    Value "VALUE",
    Values "VALUES",
    Varchar "VARCHAR",
    Varying "VARYING",
    View "VIEW",
    When "WHEN",
    Whenever "WHENEVER",
    Where "WHERE",
    With "WITH",
    Work "WORK",
    Write "WRITE",
    Year "YEAR",
    Zone "ZONE",
}

/// Longer than this no word is.
const LONGEST: usize = 20;

impl Word {
    /// The reserved word that `text` is, in whatever case it is written.
    pub fn find(text: &str, version: Version) -> Option<Self> {
        let mut upper = [0; LONGEST];
        let upper = upper.get_mut(..text.len())?;
        upper.copy_from_slice(text.as_bytes());
        upper.make_ascii_uppercase();
        let at = WORDS.binary_search_by(|(word, _)| word.as_bytes().cmp(upper));
        let (_, word) = WORDS[at.ok()?];
        (version == Version::V2_1 || !word.is_new()).then_some(word)
    }

    /// The word as the standard writes it.
    pub fn text(self) -> &'static str {
        WORDS[self as usize].0
    }

    /// Whether only ADQL 2.1 reserves it, so that it is a good name in a query of ADQL 2.0.
    fn is_new(self) -> bool {
        matches!(
            self,
            Self::Bigint | Self::Ilike | Self::InUnit | Self::Offset
        )
    }

    /// Whether it has a place of its own in a query, so that it is rarely meant as a name.
    pub(crate) fn has_a_place(self) -> bool {
        use Word::{
            All, And, As, Asc, Between, By, Desc, Distinct, Except, Exists, From, Full, Group,
            Having, In, Inner, Intersect, Is, Join, Left, Like, Natural, Not, Null, On, Or, Order,
            Outer, Right, Select, Top, Union, Using, Where, With,
        };
        matches!(
            self,
            All | And
                | As
                | Asc
                | Between
                | By
                | Desc
                | Distinct
                | Except
                | Exists
                | From
                | Full
                | Group
                | Having
                | In
                | Inner
                | Intersect
                | Is
                | Join
                | Left
                | Like
                | Natural
                | Not
                | Null
                | On
                | Or
                | Order
                | Outer
                | Right
                | Select
                | Top
                | Union
                | Using
                | Where
                | With
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_found_in_any_case_and_says_its_name() {
        assert!(WORDS.is_sorted());
        for (text, word) in WORDS {
            assert!(text.len() <= LONGEST, "{text}");
            assert_eq!(word.text(), *text);
            assert_eq!(Word::find(text, Version::V2_1), Some(*word));
            let lower = text.to_ascii_lowercase();
            assert_eq!(Word::find(&lower, Version::V2_1), Some(*word));
        }
        assert_eq!(Word::find("ra", Version::V2_1), None);
        assert_eq!(Word::find(&"x".repeat(100), Version::V2_1), None);
    }

    #[test]
    fn words_that_came_with_2_1_are_names_in_2_0() {
        assert_eq!(Word::find("offset", Version::V2_0), None);
        assert_eq!(Word::find("offset", Version::V2_1), Some(Word::Offset));
        assert_eq!(Word::find("top", Version::V2_0), Some(Word::Top));
    }
}
