//! From a file to batches of applications.

use std::sync::Arc;

use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::{Date, DecimalMark};

use super::batch::{Batch, RowError, shown};
use super::csv_rows::{CsvRows, Record};
use super::header::{Columns, Names, Target};
use super::json_rows::{self, Pair};
use super::source::{Line, MAX_ROW_BYTES, Source};
use super::tables::Tables;
use super::value::{Cell, Slot};
use crate::error::{Error, Result};

/// How a file of applications is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum InputFormat {
    /// Comma-separated values with a header row.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// The decimal mark of numbers in text.
    pub mark: DecimalMark,
    /// What separates cells in CSV.
    pub separator: u8,
    /// The date for rows that state none.
    pub as_of: Date,
    /// Whether columns that the schema doesn't name, and fields without a column, are refused.
    pub strict: bool,
}

/// Rows in a batch at most.
const BATCH_ROWS: usize = 1024;
/// Names of keys that are remembered, to name them once.
const MAX_NAMES: usize = 256;

/// Reads applications in batches, in constant memory.
pub struct Reader {
    source: Source,
    schema: Arc<Schema>,
    options: ReadOptions,
    tables: Tables,
    rows: Rows,
    row: u64,
    undated: u64,
    number: String,
}

enum Rows {
    Csv {
        rows: Box<CsvRows>,
        columns: Columns,
    },
    Json {
        names: Names,
        pairs: Vec<Pair>,
        targets: Vec<Target>,
        extras: Vec<String>,
        given: Vec<bool>,
    },
}

impl Reader {
    /// Starts reading. Without a `format` the first byte tells: an object starts with `{`. A CSV
    /// file's header is read and bound to the schema here.
    ///
    /// # Errors
    /// Where the source cannot be read, or the header does not fit the schema.
    pub fn new(
        source: Source,
        format: Option<InputFormat>,
        schema: Arc<Schema>,
        options: ReadOptions,
    ) -> Result<Self> {
        Self::with_tables(source, format, schema, options, Tables::default())
    }

    /// As [`Reader::new`], with tables in files of their own.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub fn with_tables(
        mut source: Source,
        format: Option<InputFormat>,
        schema: Arc<Schema>,
        options: ReadOptions,
        tables: Tables,
    ) -> Result<Self> {
        let format = match format {
            Some(format) => format,
            None if source.first_byte()? == Some(b'{') => InputFormat::Jsonl,
            None => InputFormat::Csv,
        };
        let rows = match format {
            InputFormat::Csv => {
                let mut rows = Box::new(CsvRows::new(options.separator));
                let columns = header(&mut rows, &mut source, &schema, &options, &tables)?;
                Rows::Csv { rows, columns }
            }
            InputFormat::Jsonl => Rows::Json {
                names: Names::new(&schema),
                pairs: Vec::new(),
                targets: Vec::new(),
                extras: Vec::new(),
                given: (0..schema.fields().len())
                    .map(|at| tables.has(at))
                    .collect(),
            },
        };
        Ok(Self {
            source,
            schema,
            options,
            tables,
            rows,
            row: 0,
            undated: 0,
            number: String::new(),
        })
    }

    /// The format that is read.
    pub fn format(&self) -> InputFormat {
        match self.rows {
            Rows::Csv { .. } => InputFormat::Csv,
            Rows::Json { .. } => InputFormat::Jsonl,
        }
    }

    /// What messages call the file.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// How many bytes of the file have been read.
    pub fn bytes(&self) -> u64 {
        self.source.taken()
    }

    /// How many rows so far had no date of their own.
    pub fn undated(&self) -> u64 {
        self.undated
    }

    /// Columns and keys that the schema doesn't name: all of a CSV file's, those of JSON lines
    /// seen so far.
    pub fn passed_through(&self) -> Vec<String> {
        match &self.rows {
            Rows::Csv { columns, .. } => columns.extras().cloned().collect(),
            Rows::Json { extras, .. } => extras.clone(),
        }
    }

    /// Fields without a column, or that no JSON line has given so far.
    pub fn absent(&self) -> Vec<String> {
        match &self.rows {
            Rows::Csv { columns, .. } => columns.absent.clone(),
            Rows::Json { given, .. } => {
                let fields = self.schema.fields().iter().zip(given);
                fields
                    .filter(|(_, given)| !**given)
                    .map(|(field, _)| field.name.clone())
                    .collect()
            }
        }
    }

    /// Fills `batch` with the next rows; `false` when none are left.
    ///
    /// # Errors
    /// Where the source cannot be read. What is wrong with one row stands in that row.
    pub fn fill(&mut self, batch: &mut Batch) -> Result<bool> {
        self.fill_up_to(batch, BATCH_ROWS)
    }

    /// As [`Reader::fill`], at most `rows` rows.
    ///
    /// # Errors
    /// As [`Reader::fill`].
    pub fn fill_up_to(&mut self, batch: &mut Batch, rows: usize) -> Result<bool> {
        batch.clear();
        while !batch.is_full(rows) && self.next_row(batch)? {}
        Ok(!batch.rows().is_empty())
    }

    fn next_row(&mut self, batch: &mut Batch) -> Result<bool> {
        match &mut self.rows {
            Rows::Csv { rows, columns } => {
                let found = rows.next(&mut self.source, Some(columns.names.len()))?;
                let (line, bad) = match found {
                    Record::End => return Ok(false),
                    Record::Row(line) => (line, None),
                    Record::Bad(line, error) => (line, Some(error)),
                };
                self.row += 1;
                let mut id = 0..0;
                let done = match bad {
                    Some(error) => Err(error),
                    None => self.csv_row(batch, &mut id),
                };
                batch.end_row(self.row, line, id, done);
            }
            Rows::Json { .. } => {
                if self.source.first_line_start()? {
                    return Ok(false);
                }
                let line = self.source.line();
                let found = self.source.line_ahead()?;
                if let Line::Whole(text, _) = found
                    && self.source.data()[..text].trim_ascii().is_empty()
                {
                    self.source.skip_line()?;
                    return Ok(true);
                }
                let mut id = 0..0;
                self.row += 1;
                let done = match found {
                    Line::End => return Ok(false),
                    Line::TooLong => Err(RowError::row(
                        "row.length",
                        format!("a line of at most {MAX_ROW_BYTES} bytes"),
                    )),
                    Line::Whole(text, _) => self.json_row(text, batch, &mut id),
                };
                self.source.skip_line()?;
                batch.end_row(self.row, line, id, done);
            }
        }
        Ok(true)
    }

    fn csv_row(&mut self, batch: &mut Batch, id: &mut std::ops::Range<usize>) -> RowResult {
        let Rows::Csv { rows, columns } = &self.rows else {
            return Ok(());
        };
        let cell = |at: usize| {
            rows.cell(at).map_err(|error| RowError {
                field: columns.names.get(at).map(|name| shown(name)),
                ..error
            })
        };
        let one = |at: Option<usize>| at.map(cell).transpose();
        let text = |text| Cell::Text(std::borrow::Cow::Borrowed(text));
        row_number(&mut self.number, self.row);
        *id = match one(columns.id)?.map(text) {
            Some(cell) => batch.keep(cell.id()?.unwrap_or(&self.number)),
            None => batch.keep(&self.number),
        };
        for (at, target) in columns.targets.iter().enumerate() {
            if *target == Target::Extra {
                batch.add_extra(&columns.names[at], cell(at)?, false);
            }
        }
        let as_of = one(columns.as_of)?.map(text).map(|cell| cell.as_of());
        let as_of = as_of.transpose()?.flatten();
        self.undated += u64::from(as_of.is_none());
        let application = batch.blank(&self.schema, id, as_of.unwrap_or(self.options.as_of));
        if let Some(consent) = one(columns.consent)?.map(text) {
            application.set_automation_consent(consent.consent()?);
        }
        for (at, target) in columns.targets.iter().enumerate() {
            if let Target::Field(index) = *target {
                text(cell(at)?).set(
                    application,
                    Slot::Field(index),
                    &self.schema,
                    &self.options,
                )?;
            }
        }
        self.tables
            .fill(application, self.options.mark, |cell| cell.is_empty())
    }

    fn json_row(
        &mut self,
        len: usize,
        batch: &mut Batch,
        id: &mut std::ops::Range<usize>,
    ) -> RowResult {
        let Rows::Json {
            names,
            pairs,
            targets,
            extras,
            given,
        } = &mut self.rows
        else {
            return Ok(());
        };
        let line = std::str::from_utf8(&self.source.data()[..len])
            .map_err(|_| RowError::row("row.utf8", "text in UTF-8"))?;
        json_rows::pairs(line, pairs)?;
        targets.clear();
        for (at, (key, _)) in pairs.iter().enumerate() {
            let key = json_rows::text(&line[key.clone()]);
            let target = names.target(&key);
            let same = |(earlier, other): (&Pair, &Target)| {
                *other == target
                    && (target != Target::Extra || json_rows::text(&line[earlier.0.clone()]) == key)
            };
            if pairs[..at].iter().zip(&*targets).any(same) {
                return Err(RowError::field(
                    "row.duplicate",
                    shown(&key),
                    "each key once",
                ));
            }
            targets.push(target);
        }
        let value = |wanted: Target| {
            let at = targets.iter().position(|target| *target == wanted)?;
            Some(json_rows::cell(&line[pairs[at].1.clone()]))
        };
        row_number(&mut self.number, self.row);
        *id = match value(Target::Id) {
            Some(cell) => batch.keep(cell.id()?.unwrap_or(&self.number)),
            None => batch.keep(&self.number),
        };
        for ((key, value), target) in pairs.iter().zip(&*targets) {
            if *target == Target::Extra {
                let key = json_rows::text(&line[key.clone()]);
                if self.options.strict {
                    let expected = "only fields of the bundle, id, as_of and consent";
                    return Err(RowError::field("field.unknown", shown(&key), expected));
                }
                batch.add_extra(&key, &line[value.clone()], true);
                if extras.len() < MAX_NAMES && !extras.iter().any(|name| *name == key) {
                    extras.push(key.into_owned());
                }
            }
        }
        let as_of = value(Target::AsOf).map(|cell| cell.as_of()).transpose()?;
        let as_of = as_of.flatten();
        self.undated += u64::from(as_of.is_none());
        let consent = value(Target::Consent)
            .map(|cell| cell.consent())
            .transpose()?;
        let application = batch.blank(&self.schema, id, as_of.unwrap_or(self.options.as_of));
        application.set_automation_consent(consent.unwrap_or(true));
        for ((_, value), target) in pairs.iter().zip(&*targets) {
            if let Target::Field(index) = *target {
                given[index] = true;
                json_rows::cell(&line[value.clone()]).set(
                    application,
                    Slot::Field(index),
                    &self.schema,
                    &self.options,
                )?;
            }
        }
        self.tables
            .fill(application, self.options.mark, |cell| cell.is_empty())?;
        if self.options.strict {
            for (index, field) in self.schema.fields().iter().enumerate() {
                if !targets.contains(&Target::Field(index)) && !self.tables.has(index) {
                    let expected = "this key on every line (null where there is no value)";
                    return Err(RowError::field("field.absent", &field.name, expected));
                }
            }
        }
        Ok(())
    }
}

type RowResult = std::result::Result<(), RowError>;

/// The number of the row that is being read, as the id of a row without one.
fn row_number(text: &mut String, number: u64) {
    use std::fmt::Write;
    text.clear();
    // Writing to a string cannot fail.
    let _ = write!(text, "{number}");
}

fn header(
    rows: &mut CsvRows,
    source: &mut Source,
    schema: &Schema,
    options: &ReadOptions,
    tables: &Tables,
) -> Result<Columns> {
    let missing = "a header row with the names of fields, then a row for each application";
    let first = format!("{}:{}", source.name(), source.line());
    let line = match rows.next(source, None)? {
        Record::End => return Err(Error::input(first, missing)),
        Record::Bad(_, error) => return Err(Error::input(first, error.expected)),
        Record::Row(line) => line,
    };
    let place = format!("{}:{line}", source.name());
    let names: std::result::Result<Vec<String>, RowError> = (0..rows.len())
        .map(|at| rows.cell(at).map(|name| name.trim().to_owned()))
        .collect();
    let names = names.map_err(|error| Error::input(&place, error.expected))?;
    Columns::bind(names, schema, &place, options, tables)
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({:?}, row {})", self.source, self.row)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::sample;
    use proptest::prelude::*;

    /// For each row: line, id, and its error's code and field or none.
    type Seen = (u64, String, Option<(&'static str, Option<String>)>);

    fn read(text: &str, options: ReadOptions) -> Result<Vec<Seen>> {
        let mut reader = sample::reader(text, options)?;
        let mut batch = Batch::default();
        let mut seen = Vec::new();
        while reader.fill(&mut batch)? {
            for row in batch.rows() {
                let error = row.application.as_ref().err();
                seen.push((
                    row.line,
                    batch.id(row).to_owned(),
                    error.map(|error| (error.code, error.field.clone())),
                ));
            }
        }
        Ok(seen)
    }

    fn seen(line: u64, id: &str, error: Option<(&'static str, &str)>) -> Seen {
        let field = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        (
            line,
            id.to_owned(),
            error.map(|(code, name)| (code, field(name))),
        )
    }

    #[test]
    fn csv_rows_become_applications_or_errors() {
        let text = "\u{feff}id,income,rate,home,owner,since,as_of,consent,branch\n\
                    A,1200,2.5,rent,yes,2020-01-31,2026-01-01,no,north\n\
                    ,1200,,,,,,,\n\
                    C,12x,,,,,,,\n\
                    D,1,1.25,,,,,,\n\
                    E,1,,,maybe,,,,\n\
                    F,1,,,,31.1.2020,,,\n\
                    G,1,,,,,soon,,\n\
                    H,1,,,,,,perhaps,\n\
                    I,1,,,\n\
                    J,1,,,,,,,\n";
        let found = read(text, sample::options()).unwrap();
        let expected = [
            seen(2, "A", None),
            seen(3, "2", None),
            seen(4, "C", Some(("field.type", "income"))),
            seen(5, "D", Some(("field.type", "rate"))),
            seen(6, "E", Some(("field.type", "owner"))),
            seen(7, "F", Some(("field.type", "since"))),
            seen(8, "G", Some(("field.type", "as_of"))),
            seen(9, "H", Some(("field.type", "consent"))),
            seen(10, "", Some(("row.ragged", ""))),
            seen(11, "J", None),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn json_lines_become_applications_or_errors() {
        let text = r#"{"id":"A","income":1200,"rate":2.5,"home":"rent","owner":true,"since":"2020-01-31"}

{"id":7,"income":"1200","rate":"2.5","branch":{"name":"north"}}
{"income":null}
{"id":"D","income":[1]}
{"id":"E","home":3}
{"id":"F","rate":1.25}
{"id":"G","income":1,"income":2}
{"id":"H","x":1,"x":2}
not json
{"id":"J","income":1e3}
{"id":"K","consent":"maybe"}
"#;
        let found = read(text, sample::options()).unwrap();
        let expected = [
            seen(1, "A", None),
            seen(3, "7", None),
            seen(4, "3", None),
            seen(5, "D", Some(("field.type", "income"))),
            seen(6, "E", Some(("field.type", "home"))),
            seen(7, "F", Some(("field.type", "rate"))),
            seen(8, "", Some(("row.duplicate", "income"))),
            seen(9, "", Some(("row.duplicate", "x"))),
            seen(10, "", Some(("row.json", ""))),
            seen(11, "J", None),
            seen(12, "K", Some(("field.type", "consent"))),
        ];
        assert_eq!(found, expected);
    }

    /// The canonical record of the only row.
    fn record(text: &str, options: ReadOptions) -> Vec<u8> {
        let mut reader = sample::reader(text, options).unwrap();
        let mut batch = Batch::default();
        assert!(reader.fill(&mut batch).unwrap());
        let application = &batch.applications()[*batch.rows()[0].application.as_ref().unwrap()];
        fieldscore_runtime::decide::reference_record(application)
    }

    #[test]
    fn a_value_is_the_same_in_every_form() {
        let plain = sample::options();
        let csv = record("id,income,rate,owner\n1,1000,0.1,yes\n", plain);
        for line in [
            r#"{"id":1,"income":1000,"rate":0.1,"owner":true}"#,
            r#"{"rate":"0.1","owner":"yes","income":"1000","id":"1"}"#,
            r#"{"income":1e3,"rate":0.10,"owner":"1"}"#,
            r#"{"income":1000.0,"rate":1e-1,"owner":true,"home":null}"#,
        ] {
            assert_eq!(record(line, plain), csv, "{line}");
        }
        let comma = ReadOptions {
            mark: DecimalMark::Comma,
            separator: b';',
            ..plain
        };
        assert_eq!(record("id;income;rate;owner\n1;1000;0,1;1\n", comma), csv);
        assert_eq!(
            record(r#"{"income":"1000","rate":0.1,"owner":true}"#, comma),
            csv
        );
    }

    #[test]
    fn no_message_shows_a_value() {
        let csv = "id,income,rate,home,owner,since,as_of,consent\n\
                   1,Xsecret,,,,,,\n1,1,Xsecret,,,,,\n1,1,,,Xsecret,,,\n1,1,,,,Xsecret,,\n\
                   1,1,,,,,Xsecret,\n1,1,,,,,,Xsecret\n1,Xsecret\n\"Xsecret,1,,,,,,\n";
        let json = "{\"income\":\"Xsecret\"}\n{\"as_of\":\"Xsecret\"}\n{\"income\":Xsecret}\n\
                    {\"consent\":\"Xsecret\"}\n[\"Xsecret\"]\n{\"home\":[\"Xsecret\"]}\n";
        for (text, rows) in [(csv, 8), (json, 6)] {
            let mut reader = sample::reader(text, sample::options()).unwrap();
            let mut batch = Batch::default();
            assert!(reader.fill(&mut batch).unwrap());
            assert_eq!(batch.rows().len(), rows);
            for row in batch.rows() {
                let error = row.application.as_ref().unwrap_err();
                let all = format!("{error:?} {}", error.place("in", row));
                assert!(!all.contains("secret"), "{all}");
            }
        }
    }

    #[test]
    fn strict_json_lines_name_every_key_and_no_other() {
        let strict = ReadOptions {
            strict: true,
            ..sample::options()
        };
        let text = r#"{"income":1,"rate":1,"home":null,"owner":null,"since":null}
{"income":1,"rate":1,"home":null,"owner":null,"since":null,"branch":1}
{"income":1,"rate":1,"home":null,"owner":null}
"#;
        let expected = [
            seen(1, "1", None),
            seen(2, "2", Some(("field.unknown", "branch"))),
            seen(3, "3", Some(("field.absent", "since"))),
        ];
        assert_eq!(read(text, strict).unwrap(), expected);
    }

    #[test]
    fn what_is_passed_through_and_absent_is_known() {
        let mut reader = sample::reader(
            "{\"income\":1,\"b\\u0061\":1}\n{\"home\":\"rent\",\"c\":2}\n",
            sample::options(),
        )
        .unwrap();
        let mut batch = Batch::default();
        reader.fill(&mut batch).unwrap();
        assert_eq!(reader.passed_through(), ["ba", "c"]);
        assert_eq!(reader.absent(), ["rate", "owner", "since"]);
        assert_eq!(reader.undated(), 2);
        let extras: Vec<&str> = batch
            .extras(&batch.rows()[0])
            .map(|extra| extra.name)
            .collect();
        assert_eq!(extras, ["ba"]);
    }

    #[test]
    fn a_file_without_a_header_is_an_error() {
        for text in ["", "\n\n"] {
            let error = read(text, sample::options()).unwrap_err();
            assert!(error.to_string().contains("a header row"), "{error}");
        }
        assert_eq!(read("income\n", sample::options()).unwrap(), []);
    }

    #[test]
    fn many_rows_come_in_batches_with_their_numbers() {
        let mut text = "id,income\n".to_owned();
        for row in 1..=2500 {
            text += &format!("{row},{row}\n");
        }
        let found = read(&text, sample::options()).unwrap();
        assert_eq!(found.len(), 2500);
        let whole = found.iter().zip(1u64..).all(|((line, id, error), row)| {
            *line == row + 1 && *id == row.to_string() && error.is_none()
        });
        assert!(whole);
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..400), json in any::<bool>()) {
            let mut text = if json { Vec::new() } else { b"income,home,extra\n".to_vec() };
            text.extend(bytes);
            let format = if json { InputFormat::Jsonl } else { InputFormat::Csv };
            if let Ok(source) = Source::new("in", std::io::Cursor::new(text)) {
                let mut reader = Reader::new(source, Some(format), sample::schema(), sample::options()).unwrap();
                let mut batch = Batch::default();
                while reader.fill(&mut batch).unwrap() {}
            }
        }

        // One bad line among good ones costs no other row.
        #[test]
        fn a_bad_line_is_one_bad_row(bad in "[\"a,;x]{1,12}", at in 0usize..5) {
            let mut lines: Vec<String> = (0..5).map(|row| format!("{row},1,rent")).collect();
            lines.insert(at, bad.clone());
            let text = format!("id,income,home\n{}\n", lines.join("\n"));
            let found = read(&text, sample::options()).unwrap();
            let good: Vec<String> = found.iter().filter(|row| row.2.is_none()).map(|row| row.1.clone()).collect();
            for row in 0..5 {
                prop_assert!(good.contains(&row.to_string()), "{:?} at {}: {:?}", bad, at, found);
            }
        }
    }
}
