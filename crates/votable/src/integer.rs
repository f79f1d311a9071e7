//! Integers as they are written, which may be in hexadecimal.

use std::num::ParseIntError;

pub(crate) trait Integer: Sized {
    fn decimal(text: &str) -> Result<Self, ParseIntError>;
    /// The value with these bits.
    fn hexadecimal(text: &str) -> Result<Self, ParseIntError>;
}

macro_rules! integers {
    ($($type:ty as $bits:ty),*) => {$(
        impl Integer for $type {
            #[inline]
            fn decimal(text: &str) -> Result<Self, ParseIntError> {
                text.parse()
            }

            fn hexadecimal(text: &str) -> Result<Self, ParseIntError> {
                <$bits>::from_str_radix(text, 16).map(|bits| Self::from_be_bytes(bits.to_be_bytes()))
            }
        }
    )*};
}

integers!(u8 as u8, i16 as u16, i32 as u32, i64 as u64);

/// What is written so; none for what is no such integer.
#[inline]
pub(crate) fn integer<T: Integer>(text: &str) -> Option<T> {
    if let Ok(value) = T::decimal(text) {
        return Some(value);
    }
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))?;
    // Rust would take a sign here.
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if all {
        T::hexadecimal(digits).ok()
    } else {
        None
    }
}
