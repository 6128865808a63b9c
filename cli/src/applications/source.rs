//! Bytes of a file or a pipe, with the line they are on and never more of them in memory than one
//! row needs.

use std::io::Read;

use crate::error::{Error, Result, io};

/// No row of a file is longer: what bounds the memory of reading.
pub const MAX_ROW_BYTES: usize = 1 << 20;
/// How much is asked for at a time.
const STEP: usize = 64 << 10;

/// A file or a pipe, read from its start.
pub struct Source {
    inner: Box<dyn Read>,
    name: String,
    buffer: Vec<u8>,
    /// The unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    line: u64,
    taken: u64,
}

/// What [`Source::line_ahead`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// No line is left.
    End,
    /// The next line: its bytes without and with what ends it.
    Whole(usize, usize),
    /// The next line is longer than [`MAX_ROW_BYTES`].
    TooLong,
}

impl Source {
    /// Reads from `inner`, which messages call `name`. A byte order mark is dropped.
    ///
    /// # Errors
    /// Where it cannot be read, or starts as UTF-16 does.
    pub fn new(name: impl Into<String>, inner: impl Read + 'static) -> Result<Self> {
        let mut source = Self {
            inner: Box::new(inner),
            name: name.into(),
            buffer: vec![0; STEP],
            start: 0,
            end: 0,
            line: 1,
            taken: 0,
        };
        while source.data().len() < 3 && source.fill()? {}
        match source.data() {
            [0xef, 0xbb, 0xbf, ..] => source.consume(3),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                return Err(Error::input(source.name, "text in UTF-8, this is UTF-16")
                    .hint("save it as \"CSV UTF-8\""));
            }
            _ => {}
        }
        Ok(source)
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The line that the unread bytes start on, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many bytes have been consumed.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The unread bytes that are in memory.
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads more behind [`Source::data`]; `false` at the end.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn fill(&mut self) -> Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(io(&self.name, &e)),
            }
        }
    }

    /// Drops the first `count` unread bytes.
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        let gone = &self.buffer[self.start..self.start + count];
        self.line += gone.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.taken += count as u64;
        self.start += count;
    }

    /// The first byte that is no white space; consumes nothing.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn first_byte(&mut self) -> Result<Option<u8>> {
        loop {
            let mut bytes = self.data().iter();
            if let Some(&byte) = bytes.find(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(byte));
            }
            if self.data().len() > MAX_ROW_BYTES || !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Goes past line ends to the first line that is not empty; whether there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn first_line_start(&mut self) -> Result<bool> {
        loop {
            let data = self.data();
            let ends = data.iter().take_while(|b| b"\r\n".contains(b)).count();
            self.consume(ends);
            if !self.data().is_empty() {
                return Ok(false);
            }
            if !self.fill()? {
                return Ok(true);
            }
        }
    }

    /// Finds the next line, which stays unread.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn line_ahead(&mut self) -> Result<Line> {
        let mut searched = 0;
        loop {
            let data = self.data();
            if let Some(at) = data[searched..].iter().position(|&byte| byte == b'\n') {
                let end = searched + at;
                let text = end - usize::from(data[..end].ends_with(b"\r"));
                return Ok(if text > MAX_ROW_BYTES {
                    Line::TooLong
                } else {
                    Line::Whole(text, end + 1)
                });
            }
            searched = data.len();
            if searched > MAX_ROW_BYTES {
                return Ok(Line::TooLong);
            }
            if !self.fill()? {
                return Ok(match searched {
                    0 => Line::End,
                    _ => Line::Whole(searched, searched),
                });
            }
        }
    }

    /// Drops everything up to the end of the line, however long it is.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn skip_line(&mut self) -> Result<()> {
        loop {
            let data = self.data();
            if let Some(at) = data.iter().position(|&byte| byte == b'\n') {
                self.consume(at + 1);
                return Ok(());
            }
            self.consume(data.len());
            if !self.fill()? {
                return Ok(());
            }
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({}, line {})", self.name, self.line)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Hands out one byte at a time, as a slow pipe does.
    struct Drip(Vec<u8>);

    impl Read for Drip {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            to[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn lines_keep_their_numbers_and_the_mark_is_dropped() {
        let mut source =
            Source::new("f", Drip(b"\xef\xbb\xbfone\r\n\ntwo\nlast".to_vec())).unwrap();
        let mut found = Vec::new();
        while let Line::Whole(text, all) = source.line_ahead().unwrap() {
            let line = String::from_utf8(source.data()[..text].to_vec()).unwrap();
            found.push((source.line(), line));
            source.consume(all);
        }
        let expected = [(1, "one"), (2, ""), (3, "two"), (4, "last")];
        assert_eq!(found, expected.map(|(n, text)| (n, text.to_owned())));
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory() {
        let endless = std::io::repeat(b'x').take(8 << 20).chain(&b"\nnext"[..]);
        let mut source = Source::new("f", endless).unwrap();
        assert_eq!(source.line_ahead().unwrap(), Line::TooLong);
        source.skip_line().unwrap();
        assert_eq!(source.line_ahead().unwrap(), Line::Whole(4, 4));
        assert_eq!(source.line(), 2);
        assert!(source.buffer.len() <= 4 * MAX_ROW_BYTES);
    }

    #[test]
    fn utf_16_is_named() {
        let error = Source::new("f", &b"\xff\xfei\0d\0"[..]).unwrap_err();
        assert!(error.to_string().contains("UTF-16"), "{error}");
    }
}
