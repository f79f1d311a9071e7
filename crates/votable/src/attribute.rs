//! Attributes of elements: their names stand once, for reading and for writing.

use std::borrow::Cow;

use crate::datatype::{ArraySize, Datatype};

/// A value of an attribute.
pub(crate) trait Attribute: Sized {
    /// What a text says, or what one should look like.
    fn parse(text: String) -> Result<Self, &'static str>;

    /// What is written; none for no attribute.
    fn text(&self) -> Option<Cow<'_, str>>;
}

impl Attribute for String {
    fn parse(text: String) -> Result<Self, &'static str> {
        Ok(text)
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl Attribute for Datatype {
    fn parse(text: String) -> Result<Self, &'static str> {
        Self::parse(text.trim()).ok_or(
            "boolean, bit, unsignedByte, short, int, long, char, unicodeChar, float, double, floatComplex or \
             doubleComplex",
        )
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.as_str()))
    }
}

impl Attribute for ArraySize {
    fn parse(text: String) -> Result<Self, &'static str> {
        Self::parse(&text).ok_or("a size such as 3, *, 12* or 64x64x*")
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(self.to_string()))
    }
}

impl Attribute for u64 {
    fn parse(text: String) -> Result<Self, &'static str> {
        text.trim().parse().map_err(|_| "a number of rows")
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(self.to_string()))
    }
}

impl<T: Attribute> Attribute for Option<T> {
    fn parse(text: String) -> Result<Self, &'static str> {
        T::parse(text).map(Some)
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        self.as_ref().and_then(T::text)
    }
}

/// What has attributes.
pub(crate) trait Element: Default {
    /// Its name.
    const NAME: &'static str;
    /// The attributes that must be there.
    const REQUIRED: &'static [&'static str];

    /// Takes an attribute; those with other names are for others. The error is what the value should be.
    fn set(&mut self, name: &str, value: String) -> Result<(), &'static str>;

    /// The attributes that it has.
    fn attributes(&self) -> Vec<(&'static str, Cow<'_, str>)>;
}

/// Makes [`Element`] of a type from the names of its fields and of its attributes.
macro_rules! element {
    ($type:ident, $element:literal, required: [$($required:literal),*], { $($field:ident = $name:literal),* $(,)? }) => {
        impl $crate::attribute::Element for $type {
            const NAME: &'static str = $element;
            const REQUIRED: &'static [&'static str] = &[$($required),*];

            fn set(&mut self, name: &str, value: String) -> Result<(), &'static str> {
                match name {
                    $($name => self.$field = $crate::attribute::Attribute::parse(value)?,)*
                    _ => {}
                }
                Ok(())
            }

            fn attributes(&self) -> Vec<(&'static str, ::std::borrow::Cow<'_, str>)> {
                let mut all = Vec::new();
                $(
                    if let Some(value) = $crate::attribute::Attribute::text(&self.$field) {
                        all.push(($name, value));
                    }
                )*
                all
            }
        }
    };
}

pub(crate) use element;
