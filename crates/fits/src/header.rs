//! A header: its cards, and what they say.

use std::io::Read;

use crate::card::{CARD, Card, Value};
use crate::error::FitsError;

/// Headers and data come in blocks of so many bytes.
pub(crate) const BLOCK: usize = 2880;

/// More cards than this are no header.
const MOST_CARDS: usize = 100_000;

/// The cards of a header, in their order; long strings are whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// All but `END` and `CONTINUE`.
    pub cards: Vec<Card>,
}

impl Header {
    /// Reads blocks up to `END`; how many bytes there were. None if there is no header here.
    pub(crate) fn read(
        input: &mut impl Read,
        hdu: usize,
    ) -> Result<Option<(Self, u64)>, FitsError> {
        let mut cards: Vec<Card> = Vec::new();
        let mut bytes = 0;
        let mut block = [0; BLOCK];
        loop {
            let found = read_full(input, &mut block)?;
            let is_first = bytes == 0;
            if is_first {
                let begins: &[u8] = if hdu == 0 { b"SIMPLE  =" } else { b"XTENSION=" };
                // What stands after the last extension is nobody's.
                if !block[..found].starts_with(begins) {
                    return Ok(None);
                }
            }
            if found < BLOCK {
                return Err(wrong(hdu, "END", "the file ends within the header"));
            }
            bytes += BLOCK as u64;
            for card in block.chunks(CARD) {
                if card.starts_with(b"END     ") {
                    return Ok(Some((Self { cards }, bytes)));
                }
                let card = Card::parse(card);
                match (cards.last_mut(), &card.value) {
                    (
                        Some(Card {
                            value: Value::Text(begun),
                            comment,
                            ..
                        }),
                        Value::Text(more),
                    ) if card.keyword == "CONTINUE" && begun.ends_with('&') => {
                        begun.pop();
                        begun.push_str(more);
                        comment.push_str(&card.comment);
                    }
                    _ => cards.push(card),
                }
                if cards.len() > MOST_CARDS {
                    let limit = MOST_CARDS as u64;
                    let what = "cards of a header";
                    return Err(FitsError::Limit { what, limit });
                }
            }
        }
    }

    /// The value of a keyword; the first, if there are several.
    pub fn value(&self, keyword: &str) -> Option<&Value> {
        let mut cards = self.cards.iter();
        cards
            .find(|card| card.keyword == keyword)
            .map(|card| &card.value)
    }

    /// A string.
    pub fn text(&self, keyword: &str) -> Option<&str> {
        match self.value(keyword)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer, which may have been written as a number with a point.
    pub fn integer(&self, keyword: &str) -> Option<i64> {
        match self.value(keyword)? {
            Value::Integer(value) => Some(*value),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it has no fraction and is small"
            )]
            Value::Real(value) if value.fract() == 0.0 && value.abs() < 1e15 => Some(*value as i64),
            _ => None,
        }
    }

    /// A number.
    pub fn real(&self, keyword: &str) -> Option<f64> {
        match self.value(keyword)? {
            #[expect(
                clippy::cast_precision_loss,
                reason = "this is asked for as a real number"
            )]
            Value::Integer(value) => Some(*value as f64),
            Value::Real(value) => Some(*value),
            _ => None,
        }
    }

    /// A count: an integer that is not negative.
    pub(crate) fn count(&self, hdu: usize, keyword: &str) -> Result<u64, FitsError> {
        let Some(value) = self.integer(keyword) else {
            return Err(wrong(hdu, keyword, "this must be a number"));
        };
        u64::try_from(value).map_err(|_| wrong(hdu, keyword, "this must not be negative"))
    }

    /// How many bytes of data follow, without those that fill the last block.
    pub(crate) fn data_bytes(&self, hdu: usize) -> Result<u64, FitsError> {
        let axes = self.count(hdu, "NAXIS")?;
        if axes == 0 {
            return Ok(0);
        }
        if axes > 999 {
            return Err(wrong(hdu, "NAXIS", "there are no more than 999 axes"));
        }
        let bits = self.integer("BITPIX").map(i64::unsigned_abs);
        let Some(bits) = bits.filter(|bits| matches!(bits, 8 | 16 | 32 | 64)) else {
            return Err(wrong(
                hdu,
                "BITPIX",
                "this must be 8, 16, 32, 64, -32 or -64",
            ));
        };
        // In random groups the first axis is 0 and means nothing.
        let is_groups = self.value("GROUPS") == Some(&Value::Logical(true));
        let mut elements = Some(1_u64);
        for axis in 1..=axes {
            let length = self.count(hdu, &format!("NAXIS{axis}"))?;
            if axis == 1 && length == 0 && is_groups && axes > 1 {
                continue;
            }
            elements = elements.and_then(|elements| elements.checked_mul(length));
        }
        let parameters = if self.value("PCOUNT").is_some() {
            self.count(hdu, "PCOUNT")?
        } else {
            0
        };
        let groups = if self.value("GCOUNT").is_some() {
            self.count(hdu, "GCOUNT")?
        } else {
            1
        };
        let bytes = elements
            .and_then(|elements| {
                elements
                    .checked_add(parameters)?
                    .checked_mul(groups)?
                    .checked_mul(bits / 8)
            })
            // A file has no more than this.
            .filter(|bytes| *bytes < i64::MAX as u64 / 2);
        bytes.ok_or_else(|| wrong(hdu, "NAXIS", "the data would be larger than any file"))
    }

    /// The blocks of the header.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for card in &self.cards {
            card.write(out);
        }
        out.extend_from_slice(b"END");
        out.resize(out.len().next_multiple_of(BLOCK), b' ');
    }
}

pub(crate) fn wrong(hdu: usize, keyword: &str, message: &str) -> FitsError {
    FitsError::Header {
        hdu,
        keyword: keyword.to_owned(),
        message: message.to_owned(),
    }
}

/// Reads until the buffer is full or the input ends.
fn read_full(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, FitsError> {
    let mut found = 0;
    while found < buffer.len() {
        match input.read(&mut buffer[found..]) {
            Ok(0) => break,
            Ok(count) => found += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}
