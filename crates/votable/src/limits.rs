//! How much a reader takes before it refuses.

/// What a document may have. What is beyond is refused with an error that names the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Elements within each other.
    pub depth: usize,
    /// Bytes of one tag with its attributes, or of one text outside of the rows.
    pub tag_bytes: usize,
    /// Bytes of everything but the rows.
    pub metadata_bytes: usize,
    /// Columns of a table.
    pub fields: usize,
    /// Bytes of one row, decoded.
    pub row_bytes: usize,
    /// Rows that are given at once.
    pub batch_rows: usize,
    /// Bytes of rows that are given at once, as far as one row is not more than that.
    pub batch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            tag_bytes: 256 << 10,
            metadata_bytes: 8 << 20,
            fields: 10_000,
            row_bytes: 16 << 20,
            batch_rows: 4096,
            batch_bytes: 4 << 20,
        }
    }
}
