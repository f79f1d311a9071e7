//! The text of a cell as its values.

use super::cells::Plan;
use super::error::shortened;
use crate::column::{Column, Data, Logical};
use crate::datatype::{Datatype, Length};
use crate::integer::integer;
use crate::null::Null;

/// Adds a cell. The error says what is wrong with the text.
pub(super) fn push(column: &mut Column, plan: &Plan, text: &str) -> Result<(), String> {
    if text.is_empty() {
        column.push_null();
        return Ok(());
    }
    match plan.shape.array {
        None => scalar(column, plan, text),
        Some(array) => {
            let before = column.data().len();
            elements(column.data_mut(), plan, text)?;
            let count = column.data().len() - before;
            if !array.allows(count) {
                return Err(format!(
                    "{count} values in {}, which must be {}",
                    shortened(text),
                    size(plan)
                ));
            }
            column.end_cell();
            Ok(())
        }
    }
}

pub(super) fn size(plan: &Plan) -> String {
    let Some(array) = plan.shape.array else {
        return "one".to_owned();
    };
    let times = match array.multiple_of {
        0 | 1 => String::new(),
        factor => format!(", and a multiple of {factor}"),
    };
    match array.count {
        Length::Fixed(count) => format!("{count}"),
        Length::AtMost(most) => format!("at most {most}{times}"),
        Length::Any => format!("any number{times}"),
    }
}

fn wrong(text: &str, datatype: Datatype) -> String {
    let article = match datatype {
        Datatype::Int | Datatype::UnsignedByte => "an",
        _ => "a",
    };
    format!("{} is not {article} {}", shortened(text), datatype.as_str())
}

macro_rules! integers {
    ($column:ident, $plan:ident, $text:ident, $values:ident, $type:ty) => {{
        let text = $text.trim_ascii();
        let Some(value) = integer::<$type>(text) else {
            return blank_or_wrong($column, $plan, text);
        };
        if $plan.null.is_some() && $plan.null == Some(Null::Integer(i64::from(value))) {
            $column.push_null();
            return Ok(());
        }
        $values.push(value);
    }};
}

macro_rules! floats {
    ($column:ident, $plan:ident, $text:ident, $values:ident, $type:ty) => {{
        let text = $text.trim_ascii();
        let Ok(value) = text.parse::<$type>() else {
            return blank_or_wrong($column, $plan, text);
        };
        if $plan.null.is_some() && $plan.null == Some(Null::Float(f64::from(value))) {
            $column.push_null();
            return Ok(());
        }
        $values.push(value);
    }};
}

fn scalar(column: &mut Column, plan: &Plan, text: &str) -> Result<(), String> {
    let datatype = plan.shape.datatype;
    match column.data_mut() {
        Data::Text(values) => {
            if matches!(&plan.null, Some(Null::Text(null)) if null == text) {
                column.push_null();
                return Ok(());
            }
            values.push(text);
        }
        Data::Double(values) => floats!(column, plan, text, values, f64),
        Data::Float(values) => floats!(column, plan, text, values, f32),
        Data::Long(values) => integers!(column, plan, text, values, i64),
        Data::Int(values) => integers!(column, plan, text, values, i32),
        Data::Short(values) => integers!(column, plan, text, values, i16),
        Data::UnsignedByte(values) => integers!(column, plan, text, values, u8),
        Data::Boolean(values) => match logical(text.trim_ascii()) {
            Some(Logical::Unknown) => {
                column.push_null();
                return Ok(());
            }
            Some(value) => values.push(value),
            None => return Err(wrong(text, datatype)),
        },
        Data::Bit(values) => match text.trim_ascii() {
            "0" => values.push(false),
            "1" => values.push(true),
            "" => {
                column.push_null();
                return Ok(());
            }
            _ => return Err(wrong(text, datatype)),
        },
        Data::FloatComplex(_) | Data::DoubleComplex(_) => {
            if text.trim_ascii().is_empty() {
                column.push_null();
                return Ok(());
            }
            let before = column.data().len();
            elements(column.data_mut(), plan, text)?;
            if column.data().len() - before != 1 {
                return Err(wrong(text, datatype));
            }
        }
    }
    column.end_cell();
    Ok(())
}

/// Blanks around a number mean nothing, so blanks alone are no value.
fn blank_or_wrong(column: &mut Column, plan: &Plan, text: &str) -> Result<(), String> {
    if text.is_empty() {
        column.push_null();
        return Ok(());
    }
    Err(wrong(text, plan.shape.datatype))
}

/// Adds the values of an array.
fn elements(data: &mut Data, plan: &Plan, text: &str) -> Result<(), String> {
    let datatype = plan.shape.datatype;
    match data {
        Data::Double(values) => numbers(values, text, datatype, |word| word.parse().ok()),
        Data::Float(values) => numbers(values, text, datatype, |word| word.parse().ok()),
        Data::Long(values) => numbers(values, text, datatype, integer),
        Data::Int(values) => numbers(values, text, datatype, integer),
        Data::Short(values) => numbers(values, text, datatype, integer),
        Data::UnsignedByte(values) => numbers(values, text, datatype, integer),
        Data::Boolean(values) => numbers(values, text, datatype, logical),
        Data::FloatComplex(values) => complex(values, text, datatype),
        Data::DoubleComplex(values) => complex(values, text, datatype),
        Data::Bit(values) => {
            for digit in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
                match digit {
                    b'0' => values.push(false),
                    b'1' => values.push(true),
                    _ => return Err(wrong(text, datatype)),
                }
            }
            Ok(())
        }
        Data::Text(values) => {
            let Some(Length::Fixed(width)) = plan.shape.text else {
                return Err("an array of strings needs their length in `arraysize`".to_owned());
            };
            let all = match plan.shape.array.map(|array| array.count) {
                Some(Length::Fixed(count)) => Some(count),
                _ => None,
            };
            strings(values, text, width, all, datatype)
        }
    }
}

fn numbers<T>(
    values: &mut Vec<T>,
    text: &str,
    datatype: Datatype,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<(), String> {
    for word in text.split_ascii_whitespace() {
        values.push(parse(word).ok_or_else(|| wrong(word, datatype))?);
    }
    Ok(())
}

fn complex<T: std::str::FromStr>(
    values: &mut Vec<[T; 2]>,
    text: &str,
    datatype: Datatype,
) -> Result<(), String> {
    let mut words = text.split_ascii_whitespace();
    while let Some(real) = words.next() {
        let Some(imaginary) = words.next() else {
            return Err(format!("{} has no imaginary part", shortened(real)));
        };
        match (real.parse(), imaginary.parse()) {
            (Ok(real), Ok(imaginary)) => values.push([real, imaginary]),
            _ => return Err(wrong(&format!("{real} {imaginary}"), datatype)),
        }
    }
    Ok(())
}

/// Strings of one length, padded with blanks; those that are missing at the end are empty.
fn strings(
    values: &mut crate::column::Strings,
    text: &str,
    width: usize,
    all: Option<usize>,
    datatype: Datatype,
) -> Result<(), String> {
    if width == 0 {
        return Err("strings of length 0 cannot be told apart".to_owned());
    }
    let units = |character: char| match datatype {
        Datatype::UnicodeChar => character.len_utf16(),
        _ => character.len_utf8(),
    };
    let before = values.len();
    let mut start = 0;
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        if taken == width {
            values.push(text[start..at].trim_end_matches([' ', '\0']));
            start = at;
            taken = 0;
        }
        taken += units(character);
        if taken > width {
            return Err(format!(
                "a character of {} is in two strings of length {width}",
                shortened(text)
            ));
        }
    }
    values.push(text[start..].trim_end_matches([' ', '\0']));
    // A field that is too large for the limits of a row has been refused before.
    while all.is_some_and(|all| values.len() - before < all) {
        values.push("");
    }
    Ok(())
}

fn logical(text: &str) -> Option<Logical> {
    match text {
        "T" | "t" | "1" => Some(Logical::True),
        "F" | "f" | "0" => Some(Logical::False),
        "" | "?" | "\0" => Some(Logical::Unknown),
        _ if text.eq_ignore_ascii_case("true") => Some(Logical::True),
        _ if text.eq_ignore_ascii_case("false") => Some(Logical::False),
        _ => None,
    }
}
