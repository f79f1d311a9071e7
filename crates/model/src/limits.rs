//! Sizes as people write them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes, written as `512 MiB`, `2 GiB`, `1GB` or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 13] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("b", 1),
];

impl ByteSize {
    /// The number as this machine counts.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    /// JupyterHub's one-letter suffixes (`1G`) are powers of 1024, as they are there.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| lower.strip_suffix(suffix).map(|rest| (rest.trim(), *unit)))
            .unwrap_or((lower.as_str(), 1));
        let whole = digits
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(unit));
        whole.map(Self).ok_or_else(|| {
            format!("`{text}` is not a size; write for example \"512 MiB\" or \"2 GiB\"")
        })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS[..4]
            .iter()
            .rev()
            .find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        match unit {
            Some((_, 1024)) => write!(f, "{} KiB", self.0 >> 10),
            Some((_, 1_048_576)) => write!(f, "{} MiB", self.0 >> 20),
            Some((_, 1_073_741_824)) => write!(f, "{} GiB", self.0 >> 30),
            Some(_) => write!(f, "{} TiB", self.0 >> 40),
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        assert_eq!("512 MiB".parse(), Ok(ByteSize(512 << 20)));
        assert_eq!("1G".parse(), Ok(ByteSize(1 << 30)));
        assert_eq!("2gb".parse(), Ok(ByteSize(2_000_000_000)));
        assert_eq!("77".parse(), Ok(ByteSize(77)));
        assert!("a lot".parse::<ByteSize>().is_err());
        assert!("99999999999 TiB".parse::<ByteSize>().is_err());
    }

    #[test]
    fn sizes_print_in_the_largest_whole_unit() {
        assert_eq!(ByteSize(512 << 20).to_string(), "512 MiB");
        assert_eq!(ByteSize(1_500).to_string(), "1500 B");
    }
}
