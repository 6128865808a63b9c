//! Tables in files of their own: CSV whose rows carry the id of the application that they belong to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fieldscore_runtime::schema::{FieldKind, Schema};
use fieldscore_runtime::{Application, DecimalMark};
use sha2::{Digest, Sha256};

use super::batch::{RowError, shown};
use super::csv_rows::{CsvRows, Record};
use super::source::Source;
use crate::error::{Error, Result, io};

/// Which file has the rows of which field: `history=transactions.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFile {
    /// The field.
    pub field: String,
    /// The file.
    pub file: PathBuf,
}

impl std::str::FromStr for TableFile {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((field, file)) if !field.is_empty() && !file.is_empty() => Ok(Self {
                field: field.to_owned(),
                file: file.into(),
            }),
            _ => Err("expected a field and a file, as history=transactions.csv"),
        }
    }
}

/// The rows of one file, in memory. Its `Debug` shows no value.
pub struct TableRows {
    field: String,
    place: String,
    header: Vec<String>,
    id: usize,
    text: String,
    /// For each cell, row by row, where its text ends.
    ends: Vec<usize>,
    /// The rows of each application, in the file's order.
    of: HashMap<String, Vec<usize>>,
    sha256: [u8; 32],
}

impl TableRows {
    /// Reads a file whose column `id` says whose row it is.
    ///
    /// # Errors
    /// Where it cannot be read, a row is at fault, or there is no such column: with the line.
    pub fn read(field: &str, path: &Path, id: &str, separator: u8) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| io(path, &e))?;
        let sha256 = Sha256::digest(&bytes).into();
        let mut source = Source::new(path.display().to_string(), std::io::Cursor::new(bytes))?;
        let mut rows = CsvRows::new(separator);
        let fault = |line: u64, error: RowError| {
            Error::input(format!("{}:{line}", path.display()), error.expected)
        };
        let (mut header, mut text, mut ends) = (Vec::new(), String::new(), Vec::new());
        let mut of: HashMap<String, Vec<usize>> = HashMap::new();
        let mut at = 0;
        loop {
            let width = Some(header.len()).filter(|&width| width > 0);
            let line = match rows.next(&mut source, width)? {
                Record::End => break,
                Record::Bad(line, error) => return Err(fault(line, error)),
                Record::Row(line) => line,
            };
            let cells = (0..rows.len()).map(|at| rows.cell(at).map_err(|e| fault(line, e)));
            if header.is_empty() {
                let names = cells.map(|name| name.map(|name| name.trim().to_owned()));
                header = names.collect::<Result<_>>()?;
                at = header.iter().position(|name| name == id).ok_or_else(|| {
                    Error::input(
                        format!("{}:{line}", path.display()),
                        format!("a column \"{id}\", which says whose row it is"),
                    )
                })?;
                continue;
            }
            let row = ends.len() / header.len();
            for (column, cell) in cells.enumerate() {
                let cell = cell?;
                if column == at {
                    of.entry(cell.trim().to_owned()).or_default().push(row);
                }
                text.push_str(cell);
                ends.push(text.len());
            }
        }
        if header.is_empty() {
            let expected = "a header row, then a row for each row of the table";
            return Err(Error::input(path.display().to_string(), expected));
        }
        Ok(Self {
            field: field.to_owned(),
            place: path.display().to_string(),
            header,
            id: at,
            text,
            ends,
            of,
            sha256,
        })
    }

    /// The field whose rows they are.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    fn cell(&self, row: usize, column: usize) -> &str {
        let at = row * self.header.len() + column;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[at]]
    }
}

impl std::fmt::Debug for TableRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TableRows({}, {} cells)", self.place, self.ends.len())
    }
}

/// Files of rows, bound to a schema.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    bound: Vec<Bound>,
}

#[derive(Debug, Clone)]
struct Bound {
    rows: Arc<TableRows>,
    field: usize,
    /// For each column of the table the one of the file.
    columns: Vec<Option<usize>>,
}

impl Tables {
    /// Binds files to the tables of a schema.
    ///
    /// # Errors
    /// Where a field is no table or has two files, a file has none of its columns, or, where `strict`,
    /// others or not all of them.
    pub fn bind(files: &[Arc<TableRows>], schema: &Schema, strict: bool) -> Result<Self> {
        let mut bound: Vec<Bound> = Vec::with_capacity(files.len());
        for rows in files {
            let field = schema.index_of(&rows.field).ok();
            let own = field.map(|at| &schema.fields()[at].kind);
            let (Some(field), Some(FieldKind::Table { columns, .. })) = (field, own) else {
                let tables = schema.fields().iter();
                let tables = tables.filter(|field| !field.kind.columns().is_empty());
                let names: Vec<&str> = tables.map(|field| field.name.as_str()).collect();
                return Err(Error::input(
                    format!("table {}", shown(&rows.field)),
                    format!("a table of the bundle ({})", names.join(", ")),
                ));
            };
            if bound.iter().any(|earlier| earlier.field == field) {
                let place = format!("table {}", rows.field);
                return Err(Error::input(place, "one file for each table"));
            }
            let place = format!("{}, header", rows.place);
            let at = |name: &str| {
                let mut header = rows.header.iter().enumerate();
                let found = header.find(|(at, own)| *at != rows.id && *own == name);
                found.map(|(at, _)| at)
            };
            let columns: Vec<Option<usize>> =
                columns.iter().map(|column| at(&column.0.name)).collect();
            let found = columns.iter().flatten().count();
            if found == 0 || strict && (found < columns.len() || found + 1 < rows.header.len()) {
                let names = schema.fields()[field].kind.columns().iter();
                let names: Vec<&str> = names.map(|column| column.0.name.as_str()).collect();
                let what = match strict {
                    true => "exactly the columns of the table besides the id",
                    false => "columns of the table",
                };
                return Err(Error::input(
                    place,
                    format!("{what} ({})", names.join(", ")),
                ));
            }
            bound.push(Bound {
                rows: Arc::clone(rows),
                field,
                columns,
            });
        }
        Ok(Self { bound })
    }

    /// Whether the field at `index` has a file.
    pub fn has(&self, index: usize) -> bool {
        self.bound.iter().any(|bound| bound.field == index)
    }

    /// Gives an application the rows that have its id. A table without any stays as it is: missing, where
    /// nothing else gave it. `is_missing` says which cells mean that there is no value.
    ///
    /// # Errors
    /// Where a cell is not of its column's type: with field, row (of this application's) and column.
    pub fn fill(
        &self,
        application: &mut Application,
        mark: DecimalMark,
        is_missing: impl Fn(&str) -> bool,
    ) -> std::result::Result<(), RowError> {
        for Bound {
            rows,
            field,
            columns,
        } in &self.bound
        {
            let Some(own) = rows.of.get(application.id()) else {
                continue;
            };
            application.start_rows_at(*field)?;
            for &row in own {
                application.add_row_at(*field)?;
                for (column, at) in columns.iter().enumerate() {
                    let cell = at.map_or("", |at| rows.cell(row, at));
                    if !is_missing(cell) {
                        application.set_cell_text_at(*field, column, cell, mark)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldscore_runtime::Record;
    use fieldscore_runtime::decide::{RecordValue, reference_record};
    use fieldscore_runtime::schema::{Group, Keep, SchemaParts, TableColumn};

    use super::*;
    use crate::applications::sample::{field, options};
    use crate::applications::{Batch, InputFormat, ReadOptions, Reader};

    fn schema() -> Arc<Schema> {
        let column = |name, kind| TableColumn(field(name, "", kind, 0));
        let kind = FieldKind::Table {
            columns: vec![
                column("amount", FieldKind::Decimal { decimals: 2 }),
                column("day", FieldKind::Date),
            ],
            order: None,
            max_rows: 3,
            keep: Keep::Last,
        };
        let groups = vec![Group {
            name: "all".to_owned(),
            code: "G".to_owned(),
        }];
        let fields = vec![
            field("history", "R1", kind, 0),
            field("photo", "R2", FieldKind::Tensor { shape: vec![2, 2] }, 0),
            field("age", "R3", FieldKind::Integer, 0),
        ];
        Arc::new(Schema::new(SchemaParts { fields, groups }, [0; 32]).unwrap())
    }

    /// What each row's application holds, or the code and the field of its error.
    type Seen = std::result::Result<Vec<u8>, (&'static str, String)>;

    fn read(text: &str, json: bool, strict: bool, table: Option<&str>) -> Result<Vec<Seen>> {
        let schema = schema();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        let mut files = Vec::new();
        if let Some(table) = table {
            std::fs::write(&path, table).unwrap();
            files.push(Arc::new(TableRows::read("history", &path, "id", b',')?));
        }
        let tables = Tables::bind(&files, &schema, strict)?;
        let format = if json {
            InputFormat::Jsonl
        } else {
            InputFormat::Csv
        };
        let options = ReadOptions {
            strict,
            ..options()
        };
        let source = Source::new("in", std::io::Cursor::new(text.to_owned()))?;
        let mut reader = Reader::with_tables(source, Some(format), schema, options, tables)?;
        let (mut batch, mut seen) = (Batch::default(), Vec::new());
        while reader.fill(&mut batch)? {
            for row in batch.rows() {
                seen.push(match &row.application {
                    Ok(at) => Ok(reference_record(&batch.applications()[*at])),
                    Err(e) => Err((e.code, e.field.clone().unwrap_or_default())),
                });
            }
        }
        Ok(seen)
    }

    #[test]
    fn ids_alone_serve_where_a_table_is_all_there_is() {
        let table = "id,amount,day\nA,1.50,2026-05-01\n";
        let seen = read("id,as_of\nA,2026-06-30\n", false, false, Some(table)).unwrap();
        let record = Record::decode(seen[0].as_ref().unwrap()).unwrap();
        assert_eq!(record.values.len(), 1);
        assert_eq!(record.values[0].0, "history");
        assert!(read("id,as_of\nA,2026-06-30\n", false, false, None).is_err());
        assert!(read("A,2026-06-30\n", false, false, Some(table)).is_err());
    }

    #[test]
    fn both_forms_are_one_value() {
        let table = "branch,day,id,amount\nn,2026-05-01,A,1.50\nn,,B,\nn,2026-04-01,A,-2\n";
        let csv = read(
            "id,age,photo\nA,40,AQL/AA==\nB,50,\nC,60,\n",
            false,
            false,
            Some(table),
        )
        .unwrap();
        let json = read(
            "{\"id\":\"A\",\"age\":40,\"photo\":[[1,2],[255,0]],\"history\":\
             [{\"amount\":1.5,\"day\":\"2026-05-01\",\"x\":[{}]},{\"day\":\"2026-04-01\",\"amount\":\"-2\"}]}\n\
             {\"id\":\"B\",\"age\":50,\"history\":[{}]}\n\
             {\"id\":\"C\",\"age\":60,\"history\":null,\"photo\":\"\"}\n",
            true,
            false,
            None,
        )
        .unwrap();
        assert!(csv == json);
        let record = Record::decode(csv[0].as_ref().unwrap()).unwrap();
        let number = |raw| Some(RecordValue::Number(raw));
        let rows = vec![
            vec![number(150), number(20_574)],
            vec![number(-200), number(20_544)],
        ];
        assert!(record.values[0].1 == RecordValue::Rows(rows));
        assert!(record.values[1].1 == RecordValue::Bytes(vec![1, 2, 255, 0]));
        // None in a file is no table; [] is one without rows.
        let empty = read(
            "{\"id\":\"C\",\"age\":60,\"history\":[]}",
            true,
            false,
            None,
        )
        .unwrap();
        assert!(empty[0] != csv[2]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |history: &str, strict: bool| {
            let line = format!("{{\"age\":1,\"photo\":null,\"history\":{history}}}");
            read(&line, true, strict, None)
                .unwrap()
                .remove(0)
                .unwrap_err()
        };
        let named = |code, field: &str| (code, field.to_owned());
        let cell = named("field.type", "history, row 2, column amount");
        assert_eq!(error("[{},{\"amount\":1.234}]", false), cell);
        assert_eq!(error("[{},{\"amount\":[1]}]", false), cell);
        assert_eq!(error("[1]", false), named("field.type", "history, row 1"));
        assert_eq!(
            error("{\"amount\":1}", false),
            named("field.type", "history")
        );
        assert_eq!(error("7", false), named("field.type", "history"));
        let twice = "[{\"amount\":1,\"amount\":1}]";
        let place = "history, row 1, column amount";
        assert_eq!(error(twice, false), named("row.duplicate", place));
        let unknown = named("field.unknown", "history, column x");
        assert_eq!(error("[{\"x\":1}]", true), unknown);
        for photo in [
            "[1,2,3]",
            "[1,2,3,256]",
            "[1,2,3,-1]",
            "[1,2,3,0.5]",
            "[1,2,3,\"4\"]",
            "{}",
        ] {
            let line = format!("{{\"age\":1,\"photo\":{photo}}}");
            let seen = read(&line, true, false, None).unwrap().remove(0);
            assert_eq!(seen.unwrap_err(), named("field.type", "photo"), "{photo}");
        }
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let refused = |table: &str, strict: bool| {
            let read = read("id,age,photo\nA,40,\n", false, strict, Some(table));
            read.map(drop).unwrap_err().to_string()
        };
        for (table, strict, words) in [
            ("", false, "a header row"),
            ("who,amount\nA,1\n", false, "a column \"id\""),
            (
                "id,amounts\nA,1\n",
                false,
                "columns of the table (amount, day)",
            ),
            ("id,amount\nA,1\n", true, "exactly the columns"),
            ("id,amount,day,x\nA,1,,\n", true, "exactly the columns"),
            ("id,amount\nA,1,2\n", false, "history.csv:2"),
        ] {
            let said = refused(table, strict);
            assert!(said.contains(words), "no {words:?} in: {said}");
        }
        let schema = schema();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "id,amount\nA,1\n").unwrap();
        let rows = |field| Arc::new(TableRows::read(field, &path, "id", b',').unwrap());
        for files in [
            vec![rows("age")],
            vec![rows("none")],
            vec![rows("history"); 2],
        ] {
            assert!(Tables::bind(&files, &schema, false).is_err());
        }
        assert!("history=t.csv".parse::<TableFile>().is_ok());
        for wrong in ["history", "=t.csv", "history="] {
            assert!(wrong.parse::<TableFile>().is_err(), "{wrong}");
        }
    }
}
