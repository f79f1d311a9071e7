//! Sizes: `512 MiB`, `2 GiB`.

use jansky_model::ByteSize;

use super::Notation;

impl Notation for ByteSize {
    const FORMAT: &'static str = "size";
    const MEANING: &'static str = "a size";
    const ADVICE: &'static str = "write a size such as \"512 MiB\" or \"2 GiB\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| Self::ADVICE.to_owned())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}
