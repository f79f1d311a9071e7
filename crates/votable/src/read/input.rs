//! Bytes that are counted: where a token is, and whether it is too long.

use std::io::{self, BufRead, Read};

use memchr::{memchr_iter, memrchr};

const BUFFER: usize = 64 << 10;

/// What an error of the input says when a token is longer than its allowance.
#[derive(Debug, thiserror::Error)]
#[error("a token is too long")]
pub(super) struct TooLong;

/// A buffered input that knows lines, and that ends when more is taken than is allowed.
pub(super) struct Input<R> {
    inner: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Of the first byte in the buffer.
    offset: u64,
    line: u64,
    line_start: u64,
    allowance: usize,
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            line: 1,
            line_start: 0,
            allowance: BUFFER,
        }
    }

    /// How many bytes may be taken from here on. As much as fits the buffer is not refused.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// How many bytes were taken.
    pub(super) fn position(&self) -> u64 {
        self.offset + self.start as u64
    }

    /// The line and the column of a byte, as far as that is still in the buffer.
    pub(super) fn place(&self, position: u64) -> (u64, u64) {
        let within = usize::try_from(position.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let before = &self.buffer[..within.min(self.end)];
        let position = self.offset + before.len() as u64;
        let line = self.line + memchr_iter(b'\n', before).count() as u64;
        let line_start = match memrchr(b'\n', before) {
            Some(at) => self.offset + at as u64 + 1,
            None => self.line_start,
        };
        (line, position - line_start + 1)
    }

    fn refill(&mut self) -> io::Result<()> {
        let passed = &self.buffer[..self.end];
        self.line += memchr_iter(b'\n', passed).count() as u64;
        if let Some(at) = memrchr(b'\n', passed) {
            self.line_start = self.offset + at as u64 + 1;
        }
        self.offset += self.end as u64;
        self.start = 0;
        self.end = 0;
        self.end = loop {
            match self.inner.read(&mut self.buffer) {
                Ok(count) => break count.min(BUFFER),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        Ok(())
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buf.len());
        buf[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Input<R> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            if self.allowance == 0 {
                return Err(io::Error::other(TooLong));
            }
            self.refill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        self.allowance = self.allowance.saturating_sub(count);
    }
}
