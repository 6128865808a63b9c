//! A CSV file in memory, for building and evaluating: every fault with its row.

use std::path::Path;

use csv::StringRecord;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, io};

/// A CSV file with a header.
#[derive(Debug, Clone)]
pub struct Table {
    name: String,
    header: Vec<String>,
    rows: Vec<StringRecord>,
    /// For each row its file, an index into `files`, and its number there.
    origins: Vec<(usize, usize)>,
    files: Vec<String>,
    sha256: [u8; 32],
}

impl Table {
    /// Reads a CSV file: UTF-8, a header of distinct names, rows as long as the header.
    ///
    /// # Errors
    /// With the file and the row at fault.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| io(path, &e))?;
        Self::parse(&path.display().to_string(), &bytes)
    }

    /// As [`Table::read`], from bytes; `name` is what errors call them.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        let body = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(true)
            .from_reader(body);
        let fault = |e: csv::Error| {
            let (row, what) = match e.kind() {
                csv::ErrorKind::UnequalLengths {
                    pos,
                    expected_len,
                    len,
                } => (
                    pos.as_ref().map_or(0, csv::Position::record),
                    format!("{expected_len} cells, as in the header, not {len}"),
                ),
                csv::ErrorKind::Utf8 { pos, .. } => (
                    pos.as_ref().map_or(0, csv::Position::record),
                    "text in UTF-8".to_owned(),
                ),
                _ => (0, "readable CSV".to_owned()),
            };
            Error::input(format!("{name}, row {row}"), what)
        };
        let header: Vec<String> = reader
            .headers()
            .map_err(fault)?
            .iter()
            .map(|h| h.trim().to_owned())
            .collect();
        for (at, column) in header.iter().enumerate() {
            if header[..at].contains(column) {
                return Err(Error::input(
                    format!("{name}, header"),
                    format!("column {column} only once"),
                ));
            }
        }
        let rows = reader
            .records()
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(fault)?;
        if rows.is_empty() {
            return Err(Error::input(name, "at least one row below the header"));
        }
        Ok(Self {
            name: name.to_owned(),
            header,
            origins: (1..=rows.len()).map(|number| (0, number)).collect(),
            files: vec![name.to_owned()],
            rows,
            sha256: Sha256::digest(bytes).into(),
        })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The rows.
    pub fn rows(&self) -> &[StringRecord] {
        &self.rows
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The index of a column.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.header.iter().position(|h| h == name).ok_or_else(|| {
            Error::input(format!("{}, header", self.name), format!("a column {name}"))
        })
    }

    /// The place of a cell, as errors name it: the file that the row was read from and its number
    /// there, counted from 1 below the header.
    pub fn place(&self, row: usize, column: &str) -> String {
        let column = if column.is_empty() {
            String::new()
        } else {
            format!(", column {column}")
        };
        let (file, number) = self.origins.get(row).copied().unwrap_or((0, row + 1));
        let file = self.files.get(file).unwrap_or(&self.name);
        format!("{file}, row {number}{column}")
    }

    /// The rows at `indices`, in their order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let rows = indices.iter().map(|&at| self.rows[at].clone()).collect();
        Self {
            rows,
            origins: indices.iter().map(|&at| self.origins[at]).collect(),
            files: self.files.clone(),
            header: self.header.clone(),
            name: self.name.clone(),
            sha256: self.sha256,
        }
    }

    /// The rows of both, which must have the same columns.
    ///
    /// # Errors
    /// Where the headers differ.
    pub fn join(mut self, other: Self) -> Result<Self> {
        if self.header != other.header {
            return Err(Error::input(
                format!("{}, header", other.name),
                format!("the columns of {}", self.name),
            ));
        }
        self.rows.extend(other.rows);
        let files = self.files.len();
        let origins = other.origins.into_iter();
        self.origins
            .extend(origins.map(|(file, number)| (files + file, number)));
        self.files.extend(other.files);
        let mut hash = Sha256::new();
        hash.update(self.sha256);
        hash.update(other.sha256);
        self.sha256 = hash.finalize().into();
        Ok(self)
    }
}
