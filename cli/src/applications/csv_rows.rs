//! CSV records one at a time (RFC 4180, parsed by the csv crate's core), each with the line it
//! starts on. The core is driven by hand so that one bad row stays one bad row: a quote that is
//! never closed must not swallow the rest of the file.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::batch::RowError;
use super::source::{MAX_ROW_BYTES, Source};

/// Reads records.
pub(super) struct CsvRows {
    core: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    used: usize,
    count: usize,
}

/// What the next record is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// None is left.
    End,
    /// A record, which starts on this line.
    Row(u64),
    /// A record that cannot be read, which starts on this line.
    Bad(u64, RowError),
}

impl CsvRows {
    pub fn new(separator: u8) -> Self {
        Self {
            core: ReaderBuilder::new().delimiter(separator).build(),
            text: vec![0; 1024],
            ends: vec![0; 32],
            used: 0,
            count: 0,
        }
    }

    /// How many cells the record has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// A cell of the record.
    pub fn cell(&self, index: usize) -> Result<&str, RowError> {
        let bad = || RowError::row("row.utf8", "text in UTF-8");
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().ok_or_else(bad)?,
            None => 0,
        };
        let end = self.ends.get(index).copied().ok_or_else(bad)?;
        std::str::from_utf8(self.text.get(start..end).ok_or_else(bad)?).map_err(|_| bad())
    }

    /// Reads the next record; blank lines are passed over. A record of another count of cells than
    /// `width` is bad, where there is one.
    pub fn next(&mut self, source: &mut Source, width: Option<usize>) -> crate::Result<Record> {
        if source.first_line_start()? {
            return Ok(Record::End);
        }
        let line = source.line();
        let Some(bytes) = self.parse(source)? else {
            let error = if source.data().len() > MAX_ROW_BYTES
                && !source.data()[..MAX_ROW_BYTES].contains(&b'"')
            {
                RowError::row(
                    "row.length",
                    format!("a row of at most {MAX_ROW_BYTES} bytes"),
                )
            } else {
                RowError::row("row.quote", "a closing quote for every opening one")
            };
            self.core.reset();
            source.skip_line()?;
            return Ok(Record::Bad(line, error));
        };
        match width.filter(|&width| width != self.count) {
            None => {
                source.consume(bytes);
                Ok(Record::Row(line))
            }
            Some(width) => {
                // A stray quote makes one row of several lines: only the first of them is lost.
                let error = RowError::row(
                    "row.ragged",
                    format!("{width} cells as in the header, found {}", self.count),
                );
                self.core.reset();
                source.skip_line()?;
                Ok(Record::Bad(line, error))
            }
        }
    }

    /// Parses the record at the start of the unread bytes and says how many of them it takes;
    /// nothing where it does not end.
    fn parse(&mut self, source: &mut Source) -> crate::Result<Option<usize>> {
        let mut taken = 0;
        (self.used, self.count) = (0, 0);
        let mut at_end = false;
        loop {
            let more = &source.data()[taken..];
            if more.is_empty() && !at_end {
                if taken > MAX_ROW_BYTES {
                    return Ok(None);
                }
                at_end = !source.fill()?;
                continue;
            }
            // A file may end without a line end; inside quotes the one given here ends nothing.
            let input = if at_end { b"\n" } else { more };
            let (found, read, wrote, ended) = self.core.read_record(
                input,
                &mut self.text[self.used..],
                &mut self.ends[self.count..],
            );
            self.used += wrote;
            self.count += ended;
            taken += if at_end { 0 } else { read };
            match found {
                ReadRecordResult::Record => return Ok(Some(taken)),
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::InputEmpty if at_end => return Ok(None),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::End => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rows(text: &'static [u8], width: usize) -> Vec<(u64, Result<Vec<String>, &'static str>)> {
        let mut source = Source::new("f", text).unwrap();
        let mut rows = CsvRows::new(b',');
        let mut out = Vec::new();
        loop {
            match rows.next(&mut source, Some(width)).unwrap() {
                Record::End => return out,
                Record::Bad(line, error) => out.push((line, Err(error.code))),
                Record::Row(line) => {
                    let cells: Result<Vec<String>, RowError> = (0..rows.len())
                        .map(|at| rows.cell(at).map(str::to_owned))
                        .collect();
                    out.push((line, cells.map_err(|error| error.code)));
                }
            }
        }
    }

    fn cells(text: [&str; 2]) -> Result<Vec<String>, &'static str> {
        Ok(text.map(str::to_owned).to_vec())
    }

    #[test]
    fn quotes_line_ends_and_blank_lines() {
        let found = rows(b"a,b\r\n\r\n\"x, \"\"y\"\"\",\"two\nlines\"\nc,d", 2);
        assert_eq!(
            found,
            [
                (1, cells(["a", "b"])),
                (3, cells(["x, \"y\"", "two\nlines"])),
                (5, cells(["c", "d"])),
            ]
        );
    }

    #[test]
    fn a_ragged_row_is_one_bad_row() {
        let found = rows(b"a,b\nc\nd,e,f\ng,h\n", 2);
        let expected = [
            (1, cells(["a", "b"])),
            (2, Err("row.ragged")),
            (3, Err("row.ragged")),
            (4, cells(["g", "h"])),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn text_that_is_not_utf_8_is_one_bad_row() {
        let found = rows(b"a,b\n\xff,c\nd,\xc3\n\xa9,e\nf,g\n", 2);
        assert_eq!(found[1], (2, Err("row.utf8")));
        assert_eq!(found[2], (3, Err("row.utf8")));
        assert_eq!(found[3], (4, Err("row.utf8")));
        assert_eq!(found[4], (5, cells(["f", "g"])));
    }

    #[test]
    fn an_open_quote_costs_its_own_line_only() {
        let found = rows(b"a,b\n\"c,d\ne,f\ng,h", 2);
        let expected = [
            (1, cells(["a", "b"])),
            (2, Err("row.quote")),
            (3, cells(["e", "f"])),
            (4, cells(["g", "h"])),
        ];
        assert_eq!(found, expected);
        // Closed by a later row's quote, it makes one ragged row of all between: not so here.
        let found = rows(b"\"a,b\nc,d\ne,\"f\"\ng,h\n", 2);
        let expected = [
            (1, Err("row.ragged")),
            (2, cells(["c", "d"])),
            (3, cells(["e", "f"])),
            (4, cells(["g", "h"])),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_last_line_may_lack_its_end_and_cells_may_be_many() {
        assert_eq!(rows(b"a,", 2), [(1, cells(["a", ""]))]);
        assert_eq!(rows(b"\n\n", 2), []);
        let mut source = Source::new("f", &[b','; 5000][..]).unwrap();
        let mut reader = CsvRows::new(b',');
        assert_eq!(reader.next(&mut source, None).unwrap(), Record::Row(1));
        assert_eq!(reader.len(), 5001);
    }
}
