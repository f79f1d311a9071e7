//! What a value is, and how many of them are in a cell.

use std::fmt;

/// The attribute `datatype`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// True, false or neither.
    Boolean,
    /// One bit.
    Bit,
    /// 0 to 255.
    UnsignedByte,
    /// 16 bits with a sign.
    Short,
    /// 32 bits with a sign.
    Int,
    /// 64 bits with a sign.
    Long,
    /// ASCII; since version 1.6 a byte of UTF-8.
    #[default]
    Char,
    /// Two bytes of UTF-16.
    UnicodeChar,
    /// Single precision.
    Float,
    /// Double precision.
    Double,
    /// Real and imaginary part in single precision.
    FloatComplex,
    /// Real and imaginary part in double precision.
    DoubleComplex,
}

impl Datatype {
    /// All that there are.
    pub const ALL: [Self; 12] = [
        Self::Boolean,
        Self::Bit,
        Self::UnsignedByte,
        Self::Short,
        Self::Int,
        Self::Long,
        Self::Char,
        Self::UnicodeChar,
        Self::Float,
        Self::Double,
        Self::FloatComplex,
        Self::DoubleComplex,
    ];

    /// As it stands in the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Bit => "bit",
            Self::UnsignedByte => "unsignedByte",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Char => "char",
            Self::UnicodeChar => "unicodeChar",
            Self::Float => "float",
            Self::Double => "double",
            Self::FloatComplex => "floatComplex",
            Self::DoubleComplex => "doubleComplex",
        }
    }

    /// The one that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// Whether its arrays are strings.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Char | Self::UnicodeChar)
    }

    /// How many bytes one takes in the binary serializations; bits are packed, and one alone takes a byte.
    pub fn size(self) -> usize {
        match self {
            Self::Boolean | Self::Bit | Self::UnsignedByte | Self::Char => 1,
            Self::Short | Self::UnicodeChar => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Double | Self::FloatComplex => 8,
            Self::DoubleComplex => 16,
        }
    }
}

/// How many there are of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Length {
    /// So many in each cell.
    Fixed(usize),
    /// So many and no more (`n*`).
    AtMost(usize),
    /// Any number (`*`).
    Any,
}

impl Length {
    /// Whether so many are allowed.
    pub fn allows(self, count: usize) -> bool {
        match self {
            Self::Fixed(all) => count == all,
            Self::AtMost(most) => count <= most,
            Self::Any => true,
        }
    }

    fn times(self, factor: usize) -> Option<Self> {
        Some(match self {
            Self::Fixed(count) => Self::Fixed(count.checked_mul(factor)?),
            Self::AtMost(count) => Self::AtMost(count.checked_mul(factor)?),
            Self::Any => Self::Any,
        })
    }
}

/// The attribute `arraysize`: the fastest dimension first, the last one possibly of any length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArraySize {
    /// All dimensions but the last.
    pub fixed: Vec<usize>,
    /// The last, or only, dimension.
    pub last: Length,
}

impl ArraySize {
    /// `*`
    pub const ANY: Self = Self {
        fixed: Vec::new(),
        last: Length::Any,
    };

    /// An array with one dimension.
    pub fn of(last: Length) -> Self {
        Self {
            fixed: Vec::new(),
            last,
        }
    }

    /// What is written so, such as `3`, `*`, `12*` or `64x64x*`; none for what is no size.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| -> Option<usize> {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse().ok() } else { None }
        };
        let (fixed, last) = match text.trim().rsplit_once('x') {
            Some((fixed, last)) => (fixed.split('x').map(number).collect::<Option<_>>()?, last),
            None => (Vec::new(), text.trim()),
        };
        let last = match last.strip_suffix('*') {
            Some("") => Length::Any,
            Some(most) => Length::AtMost(number(most)?),
            None => Length::Fixed(number(last)?),
        };
        let size = Self { fixed, last };
        // What cannot be counted cannot be read either.
        size.factor().and_then(|factor| size.last.times(factor))?;
        Some(size)
    }

    fn factor(&self) -> Option<usize> {
        let mut fixed = self.fixed.iter();
        fixed.try_fold(1_usize, |all, one| all.checked_mul(*one))
    }
}

impl fmt::Display for ArraySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.fixed {
            write!(f, "{one}x")?;
        }
        match self.last {
            Length::Fixed(count) => write!(f, "{count}"),
            Length::AtMost(most) => write!(f, "{most}*"),
            Length::Any => f.write_str("*"),
        }
    }
}

/// What a cell holds: one value, or an array of them; a string counts as one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What each value is.
    pub datatype: Datatype,
    /// For strings, how many bytes (`char`) or units of UTF-16 (`unicodeChar`) each has.
    pub text: Option<Length>,
    /// For arrays, how many values there are in a cell.
    pub array: Option<Elements>,
}

/// How many values there are in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elements {
    /// In all dimensions together.
    pub count: Length,
    /// The product of all dimensions but the last.
    pub multiple_of: usize,
}

impl Elements {
    /// Whether a cell may have so many values.
    pub fn allows(self, count: usize) -> bool {
        self.count.allows(count)
            && (self.multiple_of <= 1 || count.is_multiple_of(self.multiple_of))
    }
}

impl Shape {
    /// What cells with these attributes hold. A size of `1` is read as none, which is what those who write it mean.
    pub fn new(datatype: Datatype, size: Option<&ArraySize>) -> Self {
        let size = size.filter(|size| **size != ArraySize::of(Length::Fixed(1)));
        let (text, size) = if datatype.is_text() {
            match size {
                None => (Some(Length::Fixed(1)), None),
                Some(size) => match size.fixed.split_first() {
                    None => (Some(size.last), None),
                    Some((string, fixed)) => {
                        let outer = ArraySize {
                            fixed: fixed.to_vec(),
                            last: size.last,
                        };
                        (Some(Length::Fixed(*string)), Some(outer))
                    }
                },
            }
        } else {
            (None, size.cloned())
        };
        let array = size.map(|size| {
            // Sizes that overflow are not made by `parse`; of others nothing fits.
            let multiple_of = size.factor().unwrap_or(usize::MAX);
            let count = size.last.times(multiple_of);
            Elements {
                count: count.unwrap_or(Length::Fixed(usize::MAX)),
                multiple_of,
            }
        });
        Self {
            datatype,
            text,
            array,
        }
    }

    /// How many bytes a cell takes in the binary serializations, if that is the same for all.
    pub fn fixed_bytes(self) -> Option<usize> {
        let values = match self.array.map(|array| array.count) {
            None => 1,
            Some(Length::Fixed(count)) => count,
            Some(_) => return None,
        };
        match self.text {
            None if self.datatype == Datatype::Bit => Some(values.div_ceil(8)),
            None => values.checked_mul(self.datatype.size()),
            Some(Length::Fixed(units)) => {
                let units = units.checked_mul(values)?;
                units.checked_mul(self.datatype.size())
            }
            Some(_) => None,
        }
    }
}
