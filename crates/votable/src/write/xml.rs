//! XML as it is written.

use crate::attribute::Element;

/// Bytes that XML does not take as they are, in a text (1) or in an attribute alone (2); 3 are those that it
/// cannot have at all.
const SPECIAL: [u8; 256] = {
    let mut special = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = 3;
        byte += 1;
    }
    special[b'\t' as usize] = 2;
    special[b'\n' as usize] = 2;
    special[b'\r' as usize] = 1;
    special[b'<' as usize] = 1;
    special[b'>' as usize] = 1;
    special[b'&' as usize] = 1;
    special[b'"' as usize] = 2;
    // U+FFFE and U+FFFF begin so.
    special[0xEF] = 1;
    special
};

/// A character that XML cannot have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unwritable(pub(super) char);

/// Adds a text.
#[inline]
pub(super) fn text(out: &mut Vec<u8>, text: &str) -> Result<(), Unwritable> {
    escaped(out, text, 1)
}

fn attribute_value(out: &mut Vec<u8>, text: &str) -> Result<(), Unwritable> {
    escaped(out, text, 2)
}

#[inline]
fn escaped(out: &mut Vec<u8>, text: &str, level: u8) -> Result<(), Unwritable> {
    let bytes = text.as_bytes();
    let is_special = |byte: &u8| {
        let class = SPECIAL[usize::from(*byte)];
        class == 3 || (class != 0 && class <= level)
    };
    let Some(first) = bytes.iter().position(is_special) else {
        out.extend_from_slice(bytes);
        return Ok(());
    };
    let (plain, rest) = text.split_at_checked(first).unwrap_or(("", text));
    out.extend_from_slice(plain.as_bytes());
    let mut buffer = [0; 4];
    for character in rest.chars() {
        let reference: &[u8] = match character {
            '<' => b"&lt;",
            '>' => b"&gt;",
            '&' => b"&amp;",
            '\r' => b"&#13;",
            '"' if level > 1 => b"&quot;",
            '\n' if level > 1 => b"&#10;",
            '\t' if level > 1 => b"&#9;",
            // Where it is plain it does not come here.
            '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => {
                return Err(Unwritable(character));
            }
            _ => character.encode_utf8(&mut buffer).as_bytes(),
        };
        out.extend_from_slice(reference);
    }
    Ok(())
}

/// Adds a start tag without its end: `<NAME a="b"`.
pub(super) fn open<E: Element>(
    out: &mut Vec<u8>,
    name: &str,
    element: &E,
) -> Result<(), Unwritable> {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    for (name, value) in element.attributes() {
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        attribute_value(out, &value)?;
        out.push(b'"');
    }
    Ok(())
}

/// Adds the end of an element: `</NAME>` and a new line.
pub(super) fn close(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b">\n");
}
