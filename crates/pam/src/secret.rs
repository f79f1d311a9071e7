//! A password on its way into C.

use std::ffi::{CStr, CString};

use zeroize::Zeroizing;

/// A password that is overwritten when it is no longer needed.
pub(crate) struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes the password; `None` if it holds a NUL, which no password in C can.
    pub(crate) fn new(text: String) -> Option<Self> {
        let bytes = Zeroizing::new(text.into_bytes());
        let mut ended = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
        ended.extend_from_slice(&bytes);
        ended.push(0);
        CStr::from_bytes_with_nul(&ended)
            .is_ok()
            .then_some(Self(ended))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() <= 1
    }

    /// The password as C reads it.
    pub(crate) fn as_c(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.0).unwrap_or(c"")
    }
}

/// Reads a text that C wrote.
pub(crate) fn text(from_c: &CStr) -> String {
    CString::from(from_c)
        .into_string()
        .unwrap_or_else(|error| error.into_cstring().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_ends_where_c_thinks_it_does() {
        let good = Password::new("eleven stars".to_owned()).expect("no NUL");

        assert_eq!(good.as_c(), c"eleven stars");
        assert!(!good.is_empty());
        assert!(Password::new(String::new()).expect("no NUL").is_empty());
        assert!(Password::new("a\0b".to_owned()).is_none());
    }
}
