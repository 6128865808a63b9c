//! The file of applications that a verb reads, and what is said about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::{Date, DecimalMark};

use crate::applications::{
    Batch, InputFormat, ReadOptions, Reader, Source, TableFile, TableRows, Tables,
};
use crate::error::{Error, Result, io};
use crate::{say, words};

/// A file of applications.
#[derive(Debug, Clone, clap::Args)]
pub struct InputArgs {
    /// Applications: CSV with a header row, or one JSON object per line; `-` reads stdin
    pub file: PathBuf,
    /// How FILE is written [default: by its extension, else by its first byte]
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<InputFormat>,
    /// Score as of this date (YYYY-MM-DD) where a row has no as_of [default: today]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub as_of: Option<Date>,
    /// Refuse columns that the bundle does not name, and fields without a column
    #[arg(long)]
    pub strict: bool,
    /// Numbers in text are written with a decimal comma (12,5)
    #[arg(long)]
    pub decimal_comma: bool,
    /// A table's rows in a CSV file of their own, whose column `id` says whose they are; once for each
    /// table
    #[arg(long = "table", value_name = "FIELD=FILE")]
    pub tables: Vec<TableFile>,
    /// What separates cells in CSV: one ASCII character, or `tab`
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = separator)]
    pub separator: u8,
}

pub(crate) fn date(text: &str) -> std::result::Result<Date, &'static str> {
    Date::parse(text).ok_or("expected a date as YYYY-MM-DD between 1800 and 2399")
}

fn separator(text: &str) -> std::result::Result<u8, &'static str> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err("expected one ASCII character, or `tab`"),
    }
}

impl InputArgs {
    /// Whether stdin is read.
    pub fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    /// The file's length in bytes, where it is a file.
    pub fn length(&self) -> Option<u64> {
        let meta = std::fs::metadata(&self.file)
            .ok()
            .filter(|_| !self.is_stdin())?;
        meta.is_file().then_some(meta.len())
    }

    /// Starts reading, and says what the columns of a CSV file come to.
    ///
    /// # Errors
    /// Where the file cannot be read or its header does not fit the schema.
    pub fn read(&self, schema: &Arc<Schema>) -> Result<Reader> {
        let source = if self.is_stdin() {
            Source::new("standard input", std::io::stdin().lock())?
        } else {
            let file = std::fs::File::open(&self.file).map_err(|e| io(&self.file, &e))?;
            if file.metadata().is_ok_and(|meta| meta.is_dir()) {
                let place = self.file.display().to_string();
                return Err(Error::input(place, "a file, not a folder"));
            }
            Source::new(self.file.display().to_string(), file)?
        };
        let options = ReadOptions {
            mark: match self.decimal_comma {
                true => DecimalMark::Comma,
                false => DecimalMark::Point,
            },
            separator: self.separator,
            as_of: self.as_of.or_else(today).ok_or_else(|| {
                Error::input("system clock", "a date between 1800 and 2399")
                    .hint("pass --as-of DATE")
            })?,
            strict: self.strict,
        };
        let format = self.input_format.or_else(|| by_extension(&self.file));
        let files = self.tables.iter().map(|table| {
            let rows = TableRows::read(&table.field, &table.file, "id", self.separator);
            rows.map(Arc::new)
        });
        let files: Vec<Arc<TableRows>> = files.collect::<Result<_>>()?;
        let tables = Tables::bind(&files, schema, self.strict)?;
        Reader::with_tables(source, format, Arc::clone(schema), options, tables)
    }

    /// Reads as far as one row of data, counted from 1, and says where it is in the batch.
    ///
    /// # Errors
    /// As [`InputArgs::read`], and where there is no such row.
    pub(crate) fn nth(&self, schema: &Arc<Schema>, row: u64) -> Result<(Reader, Batch, usize)> {
        let mut reader = self.read(schema)?;
        let mut batch = Batch::default();
        let mut before = 0;
        while reader.fill(&mut batch)? {
            let rows = batch.rows().len() as u64;
            if row <= before + rows {
                Notes::default().after_batch(&reader, self);
                return Ok((reader, batch, (row - before - 1) as usize));
            }
            before += rows;
        }
        let rows = words::count(before, "row", "rows");
        Err(Error::input(
            reader.name(),
            format!("a row {row}: it has {rows} of data"),
        ))
    }
}

/// The format that a file's extension names.
pub(crate) fn by_extension(path: &Path) -> Option<InputFormat> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "csv" | "tsv" => Some(InputFormat::Csv),
        "jsonl" | "ndjson" => Some(InputFormat::Jsonl),
        _ => None,
    }
}

/// Today, UTC.
fn today() -> Option<Date> {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()?;
    Date::from_days(i64::try_from(since.as_secs() / 86_400).ok()?)
}

/// Says once what is passed through, what is absent, and which date served.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    passed: Vec<String>,
    dated: bool,
    absent: bool,
}

impl Notes {
    /// After the header of a CSV file and after each batch.
    pub fn after_batch(&mut self, reader: &Reader, input: &InputArgs) {
        let passed = reader.passed_through();
        let new: Vec<&str> = passed[self.passed.len().min(passed.len())..]
            .iter()
            .map(String::as_str)
            .collect();
        if !new.is_empty() {
            say::note(format!(
                "passed through, not fields of the bundle: {}",
                list(&new)
            ));
            self.passed = passed;
        }
        if reader.format() == InputFormat::Csv {
            self.name_absent(reader);
        }
        if !self.dated && reader.undated() > 0 && input.as_of.is_none() {
            self.dated = true;
            let today = today().map(|date| date.to_string()).unwrap_or_default();
            say::note(format!(
                "scored as of today, {today} (UTC), where a row has no as_of; --as-of sets another"
            ));
        }
    }

    /// At the end of the file.
    pub fn at_end(&mut self, reader: &Reader, rows: u64) {
        if rows > 0 {
            self.name_absent(reader);
        }
    }

    fn name_absent(&mut self, reader: &Reader) {
        let absent = reader.absent();
        if self.absent || absent.is_empty() {
            return;
        }
        self.absent = true;
        let names: Vec<&str> = absent.iter().map(String::as_str).collect();
        say::note(format!("absent, so missing in every row: {}", list(&names)));
        let similar = |name: &&String| {
            let mut columns = self.passed.iter();
            columns.any(|column| column.eq_ignore_ascii_case(name))
        };
        for name in absent.iter().filter(similar) {
            say::hint(format!(
                "a column differs from field {name} in case only: rename it"
            ));
        }
    }
}

/// At most twelve names, escaped.
fn list(names: &[&str]) -> String {
    let some: Vec<String> = names
        .iter()
        .take(12)
        .map(|name| crate::applications::shown(name))
        .collect();
    match names.len().saturating_sub(12) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}
