//! What the cells of a column are: `TFORMn`.

use std::fmt;

/// A type of values in a binary table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is its letter in the standard, which `letter` says"
)]
pub enum Type {
    Logical,
    Bit,
    Byte,
    Short,
    Int,
    Long,
    Character,
    Float,
    Double,
    FloatComplex,
    DoubleComplex,
}

impl Type {
    /// All that there are, with their letters.
    const ALL: [(Self, char, u64); 11] = [
        (Self::Logical, 'L', 1),
        (Self::Bit, 'X', 1),
        (Self::Byte, 'B', 1),
        (Self::Short, 'I', 2),
        (Self::Int, 'J', 4),
        (Self::Long, 'K', 8),
        (Self::Character, 'A', 1),
        (Self::Float, 'E', 4),
        (Self::Double, 'D', 8),
        (Self::FloatComplex, 'C', 8),
        (Self::DoubleComplex, 'M', 16),
    ];

    fn of(letter: char) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, other, _)| *other == letter)
            .map(|(found, ..)| found)
    }

    /// Its letter.
    pub fn letter(self) -> char {
        let mut all = Self::ALL.into_iter();
        all.find(|(other, ..)| *other == self)
            .map_or('?', |(_, letter, _)| letter)
    }

    /// How many bytes so many of them take; bits are packed.
    pub(crate) fn bytes(self, count: u64) -> Option<u64> {
        let mut all = Self::ALL.into_iter();
        let size = all
            .find(|(other, ..)| *other == self)
            .map_or(1, |(.., size)| size);
        match self {
            Self::Bit => Some(count.div_ceil(8)),
            _ => count.checked_mul(size),
        }
    }
}

/// Where the values of a cell are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the row.
    Row,
    /// In the heap, with a count and a place of 4 bytes each in the row (`P`).
    Heap32,
    /// In the heap, with a count and a place of 8 bytes each in the row (`Q`).
    Heap64,
}

/// The form of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// How many values are in a cell; with a heap, 0 or 1 places.
    pub repeat: u64,
    /// What they are.
    pub kind: Type,
    /// Where they are.
    pub place: Place,
}

impl Form {
    /// So many values in each row.
    pub fn new(repeat: u64, kind: Type) -> Self {
        Self {
            repeat,
            kind,
            place: Place::Row,
        }
    }

    /// What `TFORMn` says.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (repeat, rest) = text.split_at_checked(digits)?;
        let repeat = if repeat.is_empty() {
            1
        } else {
            repeat.parse().ok()?
        };
        let mut letters = rest.chars();
        let letter = letters.next()?;
        let place = match letter {
            'P' => Place::Heap32,
            'Q' => Place::Heap64,
            _ => {
                // What follows is for people, such as the length of strings in an `A`.
                let kind = Type::of(letter)?;
                return Some(Self::new(repeat, kind));
            }
        };
        let kind = Type::of(letters.next()?)?;
        (repeat <= 1).then_some(Self {
            repeat,
            kind,
            place,
        })
    }

    /// How many bytes of a row it takes.
    pub(crate) fn bytes(self) -> Option<u64> {
        match self.place {
            Place::Row => self.kind.bytes(self.repeat),
            Place::Heap32 => Some(self.repeat * 8),
            Place::Heap64 => Some(self.repeat * 16),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Row => "",
            Place::Heap32 => "P",
            Place::Heap64 => "Q",
        };
        write!(f, "{}{place}{}", self.repeat, self.kind.letter())
    }
}
