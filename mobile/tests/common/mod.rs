//! The golden suite's data, as every language reads it, and the exported API over it.

use std::path::Path;
use std::sync::Arc;

use fieldscore_mobile::{Application, Entry, FieldKind, Scorer, Value};

/// A file of the golden suite.
pub fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/credit");
    std::fs::read(folder.join(name)).unwrap()
}

/// A text of the golden suite.
pub fn text(name: &str) -> String {
    String::from_utf8(golden(name)).unwrap()
}

/// The golden bundle's public key.
pub fn keys() -> Vec<Vec<u8>> {
    let digits = text("key.txt");
    let byte = |at: usize| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap();
    vec![(0..32).map(byte).collect()]
}

/// The golden bundle, opened.
pub fn scorer() -> Arc<Scorer> {
    Scorer::open(golden("credit.fsb"), keys()).unwrap()
}

/// How values are given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// As text, as a file or a form has them.
    Written,
    /// As numbers, codes and booleans.
    Typed,
}

/// The suite's applications, the first `count` of them.
pub fn applications(scorer: &Scorer, form: Form, count: usize) -> Vec<Application> {
    applications_of(&text("applications.csv"), scorer, form, count)
}

/// The first `count` applications of a CSV file's text.
pub fn applications_of(csv: &str, scorer: &Scorer, form: Form, count: usize) -> Vec<Application> {
    let fields = scorer.info().unwrap().fields;
    let mut lines = csv.lines().map(|line| line.split(','));
    let header: Vec<&str> = lines.next().unwrap().collect();
    let rows = lines.take(count).map(|cells| {
        let mut application = Application {
            id: String::new(),
            as_of: String::new(),
            automation: true,
            values: Vec::new(),
        };
        for (name, cell) in header.iter().zip(cells) {
            match *name {
                "id" => application.id = cell.to_owned(),
                "as_of" => application.as_of = cell.to_owned(),
                name => {
                    let field = scorer.field(name).unwrap();
                    let kind = &fields[usize::from(field)].kind;
                    application.values.extend(entry(field, kind, cell, form));
                }
            }
        }
        application
    });
    rows.collect()
}

fn entry(field: u16, kind: &FieldKind, cell: &str, form: Form) -> Option<Entry> {
    let written = || Value::Written {
        value: cell.to_owned(),
        comma: false,
    };
    let value = match (form, kind) {
        (Form::Written, _) => written(),
        (Form::Typed, _) if cell.is_empty() => return None,
        (Form::Typed, FieldKind::Integer) => Value::Integer {
            value: cell.parse().unwrap(),
        },
        (Form::Typed, FieldKind::Decimal { .. }) => Value::Number {
            value: cell.parse().unwrap(),
        },
        (Form::Typed, FieldKind::Category { .. } | FieldKind::Text) => Value::Text {
            value: cell.to_owned(),
        },
        (Form::Typed, _) => written(),
    };
    Some(Entry { field, value })
}
