//! Models of several inputs, and fields of many numbers: tables of rows, tensors, words.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fieldscore_cli::applications::{Batch, InputFormat, ReadOptions, Reader, Source};
use fieldscore_models::build::{build, hex};
use fieldscore_models::data::{Reading, Table};
use fieldscore_models::keys::Signing;
use fieldscore_models::recipe;
use fieldscore_runtime::bundle::container::{Container, SectionKind, Trust, features};
use fieldscore_runtime::kernels::Kernels;
use fieldscore_runtime::schema::{FieldKind, SchemaParts};
use fieldscore_runtime::{
    Application, DecimalMark, ErrorKind, Explanation, OpenOptions, Scorer, Value,
};
use fieldscore_tests::alloc;
use fieldscore_tests::fixture::{Parts, key, today};
use fieldscore_tests::surgery::assemble_requiring;
use sha2::{Digest, Sha256};

use super::families::{case, expected, opened, output};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/families/inputs")
        .join(name)
}

fn golden_scorer() -> Scorer {
    let key = Signing::development().public();
    Scorer::open_path(golden("inputs.fsb"), &[key]).unwrap()
}

/// The applications of a file of JSON lines.
fn json_lines(path: &Path, scorer: &Scorer) -> Vec<Application> {
    let options = ReadOptions {
        mark: DecimalMark::Point,
        separator: b',',
        as_of: today(),
        strict: false,
    };
    let source = Source::new("rows.jsonl", std::fs::File::open(path).unwrap()).unwrap();
    let format = Some(InputFormat::Jsonl);
    let mut reader = Reader::new(source, format, Arc::clone(scorer.schema()), options).unwrap();
    let (mut batch, mut all) = (Batch::default(), Vec::new());
    while reader.fill(&mut batch).unwrap() {
        for row in batch.rows() {
            assert!(row.application.is_ok(), "{row:?}");
        }
        for application in batch.applications() {
            let mut record = Vec::new();
            let decision = scorer.score(application).unwrap();
            scorer.record(application, &decision, &mut record);
            let again = scorer.replay(&record).unwrap();
            assert!(again.same, "{}", application.id());
            // A batch's applications are used again; a copy by way of the record is kept.
            all.push(restored(scorer, &record));
        }
    }
    all
}

/// The application of a record, its values set by their public names.
fn restored(scorer: &Scorer, record: &[u8]) -> Application {
    use fieldscore_runtime::decide::RecordValue;
    let record = fieldscore_runtime::Record::decode(record).unwrap();
    let mut application = scorer.application(&record.id, record.as_of);
    for (name, value) in &record.values {
        let index = scorer.schema().index_of(name).unwrap();
        let field = scorer.schema().fields()[index].clone();
        match value {
            RecordValue::Rows(rows) => {
                for row in rows {
                    let cells = row.iter().zip(field.kind.columns());
                    let cells = cells.filter_map(|(cell, column)| {
                        let value = super::contributions::typed(&column.0, cell.as_ref()?);
                        Some((column.0.name.as_str(), value))
                    });
                    let cells: Vec<(&str, Value<'_>)> = cells.collect();
                    application.add_row(name, &cells).unwrap();
                }
            }
            other => {
                let value = super::contributions::typed(&field, other);
                application.set_at(index, value).unwrap();
            }
        }
    }
    application
}

fn record(scorer: &Scorer, application: &Application) -> Vec<u8> {
    let mut record = Vec::new();
    let explanation = scorer.explain(application).unwrap();
    scorer.record_explained(application, &explanation, &mut record);
    record
}

#[test]
fn fields_a_table_and_words_give_what_onnx_runtime_gives() {
    let folder = case("inputs", "");
    let (built, scorer, applications) = opened(&folder);
    assert_eq!(built.summary.family, "net");
    let expected = expected(&folder);
    assert_eq!(expected.len(), applications.len());
    for (row, (application, expected)) in applications.iter().zip(&expected).enumerate() {
        let own = output(&scorer, application);
        let apart = (own - expected).abs();
        assert!(
            apart <= 1e-5 * expected.abs().max(1.0),
            "row {}: {own} for {expected}",
            row + 1
        );
    }
    // Nested in JSON, and in CSV with a second file: the same records.
    let nested = json_lines(&folder.join("rows.jsonl"), &scorer);
    assert_eq!(nested.len(), 50);
    for (flat, nested) in applications.iter().zip(&nested) {
        let (flat, nested) = (record(&scorer, flat), record(&scorer, nested));
        assert!(flat == nested);
    }
    assert_eq!(scorer.self_test().unwrap(), 16);
    assert_ne!(scorer.container().features & features::TABLES, 0);
}

#[test]
fn the_golden_bundle_decides_as_ever_on_every_path() {
    let digests = std::fs::read_to_string(golden("digests.txt")).unwrap();
    let bytes = std::fs::read(golden("inputs.fsb")).unwrap();
    let key = Signing::development().public();
    for kernels in Kernels::available() {
        let options = OpenOptions::default().kernels(kernels);
        let scorer = options.open(bytes.clone(), &[key]).unwrap();
        assert_eq!(scorer.self_test().unwrap(), 16);
        let applications = json_lines(&golden("applications.jsonl"), &scorer);
        let (mut plain, mut explained) = (Sha256::new(), Sha256::new());
        let mut many = Vec::new();
        scorer.score_many(&applications, &mut many);
        for (application, decision) in applications.iter().zip(many) {
            let mut bytes = Vec::new();
            scorer.record(application, &decision.unwrap(), &mut bytes);
            plain.update(&bytes);
            explained.update(record(&scorer, application));
        }
        let count = applications.len();
        let (plain, explained) = (hex(&plain.finalize()), hex(&explained.finalize()));
        let found = format!("plain {count} {plain}\nexplained {count} {explained}\n");
        assert_eq!(found, digests, "{}", scorer.kernels());
    }
}

#[test]
fn contributions_of_a_table_are_exact() {
    let scorer = golden_scorer();
    for application in json_lines(&golden("applications.jsonl"), &scorer)
        .iter()
        .take(6)
    {
        super::contributions::check(&scorer, application);
    }
}

#[test]
fn tables_allocate_nothing_once_warm() {
    let scorer = golden_scorer();
    let mut application = scorer.application("A", today());
    let mut explanation = Explanation::empty(*scorer.bundle_id());
    let mut bytes = Vec::new();
    let mut work = || {
        for count in [30, 3, 12] {
            application.reset("A", today());
            application.set("amount", 1200).unwrap();
            application.set("months", 12).unwrap();
            application
                .set("note", "school fees and more words")
                .unwrap();
            for row in 0..count {
                let cells = [
                    ("amount", Value::Number(f64::from(row) - 7.5)),
                    (
                        "kind",
                        Value::Text(if row % 3 == 0 { "in" } else { "gift" }),
                    ),
                ];
                application.add_row("history", &cells).unwrap();
            }
            let decision = scorer.score(&application).unwrap();
            assert!(decision.flags.names().any(|name| name == "truncated"));
            scorer.explain_into(&application, &mut explanation).unwrap();
            scorer.record_explained(&application, &explanation, &mut bytes);
        }
    };
    work();
    work();
    assert_eq!(alloc::calls(work).0, 0);
}

/// A copy of the fixture with some of its recipe replaced; what building it says.
fn refusal(changes: &[(&str, &str)]) -> String {
    let from = case("inputs", "");
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.onnx", "data.csv", "history.csv"] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    let mut text = std::fs::read_to_string(from.join("recipe.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(folder.path().join("recipe.toml"), text).unwrap();
    let error = build(folder.path(), &Signing::development(), &mut |_| {}).map(drop);
    let error = error.expect_err("it builds");
    format!("{error} hint: {}", error.hint_text().unwrap_or_default())
}

#[test]
fn recipes_that_do_not_fit_are_refused() {
    for (changes, words) in [
        (
            &[("max_rows = 12", "max_rows = 11")][..],
            &["input history", "60 numbers, not 55", "transactions"][..],
        ),
        (
            &[("input = \"history\"", "input = \"sequence\"")],
            &["features.transactions.input", "applicant, history, note"],
        ),
        (
            &[("input = \"note\"", "")],
            &["features.words.input", "applicant, history, note"],
        ),
        (
            &[("input = \"history\"", "input = \"note\"")],
            &["input history", "60 numbers, not 0"],
        ),
        (
            &[("encode = \"rows\"", "encode = \"ids\"")],
            &["features.transactions.encode"],
        ),
        (
            &[("encode = \"ids\"", "encode = \"none\"\nimpute = 0")],
            &["input note", "4 numbers, not 1"],
        ),
        (
            &[("from = \"day\"", "from = \"date\"")],
            &["features.transactions.rows.day.from", "there is no date"],
        ),
        (
            &[("mean = 30\nstd = 30\nimpute = 30", "mean = 30\nstd = 30")],
            &["features.transactions.rows.day.impute"],
        ),
        (
            &[("padding = \"start\"", "padding = \"start\"\nimpute = 0")],
            &["features.transactions.impute", "a second feature"],
        ),
        (
            &[("order_by = \"day\"", "order_by = \"kind\"")],
            &["fields.history.order_by"],
        ),
        (&[("max_rows = 12\n", "")], &["fields.history.max_rows"]),
        (
            &[("type = \"date\"", "type = \"table\"")],
            &["fields.history.columns.day.type", "one value"],
        ),
        (
            &[("history = \"history.csv\"", "note = \"history.csv\"")],
            &["table note", "(history)"],
        ),
        (
            &[("[data.tables]\nhistory = \"history.csv\"", "")],
            &["data.csv", "a column history"],
        ),
        (&[("id = \"id\"\n", "")], &["data.id"]),
        (
            &[("history = [\n  { day", "history = [\n  { date")],
            &["reference.values.history", "column date"],
        ),
    ] {
        let said = refusal(changes);
        for word in words {
            assert!(said.contains(word), "no {word:?} in: {said}");
        }
    }
}

#[test]
fn nobodys_rows_are_the_reference_applicants() {
    let from = std::fs::read_to_string(case("inputs", "").join("recipe.toml")).unwrap();
    let start = from.find("[reference]").unwrap();
    let end = from.find("[features.words]").unwrap();
    let said = refusal(&[(&from[start..end], "")]);
    assert!(said.contains("reference.values.note"), "{said}");
    assert!(said.contains("nobody's"), "{said}");
}

#[test]
fn cells_at_fault_are_named_without_their_values() {
    let folder = case("inputs", "");
    let copy = tempfile::tempdir().unwrap();
    let table = std::fs::read_to_string(folder.join("history.csv")).unwrap();
    let (first, rest) = table.split_once('\n').unwrap();
    let spoilt = format!("{first}\nA1,secret,2026-03-14,in,north\n{rest}");
    std::fs::write(copy.path().join("history.csv"), spoilt).unwrap();
    let mut loaded = recipe::load(&folder).unwrap().recipe;
    loaded.data.tables["history"] = copy.path().join("history.csv");
    let scorer = golden_scorer();
    let rows = Table::read(&folder.join("data.csv")).unwrap();
    let reading = Reading::of(&loaded).unwrap();
    let error = reading.applications(&rows, scorer.schema()).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("row 1, field history, row 1, column amount"),
        "{said}"
    );
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn tables_need_their_feature_bit() {
    let words = FieldKind::Words {
        buckets: 9,
        count: 2,
    };
    let mut parts = Parts::small(1);
    let mut field = parts.schema.fields[6].clone();
    (field.name, field.reason_code) = ("words".to_owned(), "R99".to_owned());
    field.kind = words;
    parts.schema.fields.push(field);
    // Columns behind the fields have moved by one.
    for block in &mut parts.transforms.blocks {
        block.source += u16::from(usize::from(block.source) >= parts.schema.fields.len() - 1);
    }
    for column in &mut parts.transforms.columns {
        use fieldscore_runtime::schema::transform::Column;
        let last = parts.schema.fields.len() as u16 - 1;
        let moved = |at: &mut u16| *at += u16::from(*at >= last);
        match column {
            Column::Ratio(a, b) | Column::Difference(a, b) | Column::Share(a, b, _) => {
                [a, b].into_iter().for_each(moved);
            }
            Column::Sum(all) | Column::Norm(_, all) => all.iter_mut().for_each(moved),
            Column::Made(at, _) => moved(at),
        }
    }
    let opens = |bits| {
        let bundle = assemble_requiring(&parts.sections(), &key(), (0, 1, 0), bits);
        Scorer::open(bundle, &[key().public()]).map(drop)
    };
    assert!(opens(features::TABLES).is_ok());
    let error = opens(0).unwrap_err();
    assert_eq!(
        (error.kind(), error.place()),
        (ErrorKind::Malformed, "header")
    );
}

#[test]
fn harmed_tables_open_or_not_and_never_panic() {
    let bytes = std::fs::read(golden("inputs.fsb")).unwrap();
    let container = Container::read(&bytes, Trust::DangerouslyUnverified).unwrap();
    let scorer = golden_scorer();
    let applications = json_lines(&golden("applications.jsonl"), &scorer);
    let given = &applications[1];
    let mut opened = 0;
    for kind in [SectionKind::SCHEMA, SectionKind::TRANSFORMS] {
        let section = container.section(kind).unwrap();
        for at in section.offset..section.offset + section.len {
            for value in [
                0x00,
                0x17,
                0x80,
                0x9b,
                0xf6,
                0xff,
                bytes[at] ^ 1,
                bytes[at] ^ 8,
            ] {
                let mut harmed = bytes.clone();
                harmed[at] = value;
                let options = OpenOptions::default().dangerously_unverified();
                let Ok(harmed) = options.open(harmed, &[]) else {
                    continue;
                };
                opened += 1;
                let mut application = harmed.application("A", given.as_of());
                let _ = application.set("note", "some words");
                for row in 0..3 {
                    let amount = Value::Integer(row);
                    let _ = application.add_row("history", &[("amount", amount)]);
                }
                let _ = application.set("amount", 100);
                let _ = application.set("months", 10);
                let _ = harmed.explain(&application);
            }
        }
    }
    assert!(opened > 100, "{opened}");
    let schema: &SchemaParts = &Parts::small(1).schema;
    assert!(schema.fields.iter().all(|field| field.kind.cells() == 0));
}
