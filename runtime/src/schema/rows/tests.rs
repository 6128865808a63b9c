#![allow(clippy::unwrap_used, clippy::panic)]
use proptest::prelude::*;

use super::*;
use crate::decide::{Record, reference_record, restore};
use crate::schema::transform::{Block, Encoding, Operation, RowBlock, TransformParts, Transforms};
use crate::schema::{Date, Group, Schema, SchemaParts, Sensitivity};

fn field(name: &str, kind: FieldKind) -> Field {
    Field {
        name: name.to_owned(),
        kind,
        unit: String::new(),
        range: None,
        missing: Answer::Accept,
        out_of_range: Answer::Clip,
        unknown: Answer::AsMissing,
        sensitivity: Sensitivity::Ordinary,
        changeable: true,
        reason_code: name.to_owned(),
        group: 0,
        change: None,
    }
}

fn table(order: Option<u16>, max_rows: u16, keep: Keep) -> Field {
    let codes = vec!["in".to_owned(), "out".to_owned()];
    let columns = vec![
        field("day", FieldKind::Date),
        Field {
            range: Some((-500, 500)),
            ..field("amount", FieldKind::Decimal { decimals: 1 })
        },
        field("kind", FieldKind::Category { codes }),
    ];
    let kind = FieldKind::Table {
        columns: columns.into_iter().map(TableColumn).collect(),
        order,
        max_rows,
        keep,
    };
    field("history", kind)
}

fn schema(fields: Vec<Field>) -> Result<Arc<Schema>> {
    let groups = vec![Group {
        name: "all".to_owned(),
        code: "G".to_owned(),
    }];
    Schema::new(SchemaParts { fields, groups }, [0; 32]).map(Arc::new)
}

fn block(name: &str, source: u16, impute: Option<f64>, encode: Encoding) -> Block {
    Block {
        name: name.to_owned(),
        source,
        impute,
        missing_flag: false,
        clip: None,
        log: false,
        encode,
    }
}

/// How rows become features.
#[derive(Debug, Clone, Copy)]
struct Layout {
    by_column: bool,
    at_end: bool,
    mask: bool,
}

fn rows(columns: Vec<Block>, rows: u16, layout: Layout) -> Encoding {
    Encoding::Rows {
        columns: columns.into_iter().map(RowBlock).collect(),
        rows: rows.into(),
        by_column: layout.by_column,
        at_end: layout.at_end,
        mask: layout.mask,
    }
}

const PLAIN: Layout = Layout {
    by_column: false,
    at_end: false,
    mask: false,
};

/// Days before the application's date, the amount (with a flag), and which kind it is.
fn columns() -> Vec<Block> {
    let amount = Block {
        missing_flag: true,
        ..block("amount", 1, Some(7.0), Encoding::Plain)
    };
    vec![
        block("day", 0, None, Encoding::Plain),
        amount,
        block("kind", 2, None, Encoding::OneHot { categories: 2 }),
    ]
}

fn transforms(schema: &Schema, blocks: Vec<Block>) -> Result<Transforms> {
    let columns = Vec::new();
    Transforms::new(TransformParts { columns, blocks }, schema.fields())
}

fn as_of() -> Date {
    Date::from_ymd(2026, 6, 30).unwrap()
}

/// A row as given: day, tenths of the amount, which kind; 2 is unlisted.
type Row = (Option<i32>, Option<i64>, Option<usize>);

const KINDS: [&str; 3] = ["in", "out", "gift"];

fn add(application: &mut Application, row: &Row, typed: bool) {
    let day = row.0.map(|days| Date::from_days(days.into()).unwrap());
    let amount = row.1.map(|tenths| tenths as f64 / 10.0);
    let kind = row.2.map(|at| KINDS[at]);
    if typed {
        let cells = [
            ("day", day.map_or(Value::Missing, Value::Date)),
            ("amount", amount.map_or(Value::Missing, Value::Number)),
            ("kind", kind.map_or(Value::Missing, Value::Text)),
        ];
        return application.add_row("history", &cells).unwrap();
    }
    application.add_row_at(0).unwrap();
    let texts = [
        day.map(|day| day.to_string()),
        amount.map(|amount| amount.to_string()),
        kind.map(str::to_owned),
    ];
    // From the last column to the first: rows are put in order whenever that column comes.
    for (column, text) in texts.into_iter().enumerate().rev() {
        let text = text.unwrap_or_default();
        application
            .set_cell_text_at(0, column, &text, DecimalMark::Point)
            .unwrap();
    }
}

/// What DESIGN's words say, written the plain way.
fn expected(given: &[Row], order: bool, most: usize, keep: Keep, layout: Layout) -> Vec<f64> {
    let mut rows = given.to_vec();
    if order {
        rows.sort_by_key(|row| row.0);
    }
    let more = rows.len().saturating_sub(most);
    match keep {
        Keep::First => rows.truncate(most),
        Keep::Last => rows = rows.split_off(more),
    }
    let mut features: Vec<Vec<f64>> = rows
        .iter()
        .map(|(day, amount, kind)| {
            let mut row = vec![
                day.map_or(0.0, |day| f64::from(as_of().days() - day)),
                amount.map_or(7.0, |tenths| tenths.clamp(-500, 500) as f64 / 10.0),
                f64::from(u8::from(amount.is_none())),
                f64::from(u8::from(*kind == Some(0))),
                f64::from(u8::from(*kind == Some(1))),
            ];
            row.extend(layout.mask.then_some(1.0));
            row
        })
        .collect();
    let blank = vec![0.0; 5 + usize::from(layout.mask)];
    while features.len() < most {
        match layout.at_end {
            true => features.insert(0, blank.clone()),
            false => features.push(blank.clone()),
        }
    }
    match layout.by_column {
        false => features.concat(),
        true => {
            let column = |at: usize| features.iter().map(move |row| row[at]);
            (0..blank.len()).flat_map(column).collect()
        }
    }
}

proptest! {
    #[test]
    fn tables_are_read_as_a_naive_reading_has_them(
        given in proptest::collection::vec(
            (
                proptest::option::of(20_000i32..20_020),
                proptest::option::of(-900i64..900),
                proptest::option::of(0usize..3),
            ),
            0..14,
        ),
        most in 1u16..9,
        (order, last, typed) in any::<(bool, bool, bool)>(),
        (by_column, at_end, mask) in any::<(bool, bool, bool)>(),
    ) {
        let keep = if last { Keep::Last } else { Keep::First };
        let layout = Layout { by_column, at_end, mask };
        let schema = schema(vec![table(order.then_some(0), most, keep)]).unwrap();
        let blocks = vec![
            block("count", 0, Some(-1.0), Encoding::Plain),
            block("history", 0, None, rows(columns(), most, layout)),
        ];
        let transforms = transforms(&schema, blocks).unwrap();
        let mut application = Application::new(Arc::clone(&schema), "A", as_of());
        application.start_rows_at(0).unwrap();
        given.iter().for_each(|row| add(&mut application, row, typed));
        let mut all = vec![given.len().min(most.into()) as f64];
        all.extend(expected(&given, order, most.into(), keep, layout));
        prop_assert_eq!(transforms.features_f64(&application).unwrap(), all);

        // The record holds it as given, in one form.
        let record = reference_record(&application);
        let decoded = Record::decode(&record).unwrap();
        let again = restore(&decoded, &schema).unwrap();
        prop_assert_eq!(&reference_record(&again), &record);
        prop_assert_eq!(record[1], 2);

        let mut numbers = vec![0.0; transforms.inputs()];
        let found = crate::schema::resolve(&again, &mut numbers).unwrap();
        prop_assert_eq!(found.truncated, given.len() > most.into());

        // Memory that is used again says nothing of who came before.
        application.reset("B", as_of());
        let mut none = vec![-1.0];
        none.extend(expected(&[], order, most.into(), keep, layout));
        prop_assert_eq!(transforms.features_f64(&application).unwrap(), none);
    }

    #[test]
    fn base64_is_read_as_it_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let word = three.iter().fold(0u32, |word, &byte| word << 8 | u32::from(byte));
            let word = word << (8 * (3 - three.len()));
            for digit in 0..4 {
                let bits = (word >> (18 - 6 * digit)) & 63;
                text.push(if digit <= three.len() { DIGITS[bits as usize].into() } else { '=' });
            }
        }
        let mut out = Vec::new();
        prop_assert!(base64(&text, &mut out), "{}", text);
        prop_assert_eq!(out, bytes);
    }

    #[test]
    fn any_text_is_harmless(text in "\\PC{0,40}") {
        let _ = base64(&text, &mut Vec::new());
    }
}

#[test]
fn what_is_no_base64_is_refused() {
    for text in [
        "A", "AA", "AAA", "AB==", "AAB=", "A===", "====", "AA=A", "AAA\n", "A-_A",
    ] {
        assert!(!base64(text, &mut Vec::new()), "{text}");
    }
}

#[test]
fn a_tensor_is_its_bytes() {
    let shape = vec![2, 2, 3];
    let schema = schema(vec![field("photo", FieldKind::Tensor { shape })]).unwrap();
    let channel = |at: u16| {
        let operations = vec![
            Operation::Single,
            Operation::Affine {
                offset: f64::from(at),
                factor: 0.5,
            },
        ];
        block("c", at, None, Encoding::Chain { operations })
    };
    let planes = Layout {
        by_column: true,
        ..PLAIN
    };
    let blocks = vec![
        block(
            "flat",
            0,
            None,
            rows(vec![block("x", 0, None, Encoding::Plain)], 12, PLAIN),
        ),
        block(
            "planes",
            0,
            None,
            rows((0..3).map(channel).collect(), 4, planes),
        ),
    ];
    let transforms = transforms(&schema, blocks).unwrap();
    let mut application = Application::new(Arc::clone(&schema), "A", as_of());
    assert_eq!(
        transforms.features_f64(&application).unwrap(),
        vec![0.0; 24]
    );
    let bytes: Vec<u8> = (0..12).map(|at| at * 20).collect();
    application.set("photo", Value::Bytes(&bytes)).unwrap();
    let features = transforms.features_f64(&application).unwrap();
    let flat: Vec<f64> = bytes.iter().map(|&byte| f64::from(byte)).collect();
    assert_eq!(features[..12], flat);
    let plane = |at: usize| (0..4).map(move |pixel| f64::from(pixel * 60 + at as i32 * 20));
    let planes: Vec<f64> = (0..3)
        .flat_map(|at| plane(at).map(move |x| (x - at as f64) * 0.5))
        .collect();
    assert_eq!(features[12..], planes);

    // As text it is the same value.
    let record = reference_record(&application);
    application
        .set_text("photo", "ABQoPFBkeIygtMjc", DecimalMark::Point)
        .unwrap();
    assert_eq!(reference_record(&application), record);
    assert!(restore(&Record::decode(&record).unwrap(), &schema).is_ok());
    for wrong in [&bytes[1..], &[]] {
        let error = application.set("photo", Value::Bytes(wrong)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType);
        assert_eq!(error.expected(), "2 × 2 × 3 bytes, as base64 in text");
    }
    let short = application.set_text("photo", "AAAA", DecimalMark::Point);
    assert_eq!(short.unwrap_err().place(), "field photo");
}

#[test]
fn words_have_ids() {
    let (buckets, count) = (100, 3);
    let words = field("note", FieldKind::Words { buckets, count });
    let schema = schema(vec![words]).unwrap();
    let ids = rows(vec![block("id", 0, None, Encoding::Plain)], 3, PLAIN);
    let transforms = transforms(&schema, vec![block("note", 0, None, ids)]).unwrap();
    let mut application = Application::new(Arc::clone(&schema), "A", as_of());
    let mut features = |text: &str| {
        application.set("note", text).unwrap();
        transforms.features_f64(&application).unwrap()
    };
    let id = |word: &str| (1 + fnv1a(word.as_bytes()) % 100) as f64;
    assert_eq!(features(" new  röof "), [id("new"), id("röof"), 0.0]);
    assert_eq!(features("a b c d"), [id("a"), id("b"), id("c")]);
    assert_eq!(features("  "), [0.0; 3]);
}

#[test]
fn errors_name_field_row_and_column_and_no_value() {
    let schema = schema(vec![table(Some(0), 2, Keep::Last)]).unwrap();
    let mut application = Application::new(schema, "A", as_of());
    application.add_row("history", &[]).unwrap();
    let wrong = [("amount", Value::Number(1.25))];
    let error = application.add_row("history", &wrong).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert_eq!(error.place(), "field history, row 2, column amount");
    assert!(!error.to_string().contains("1.25"));
    let unknown = application.add_row("history", &[("secret", Value::Missing)]);
    let unknown = unknown.unwrap_err();
    assert_eq!(unknown.place(), "field history, column secret");
    // A row that is at fault leaves the table as it was.
    let before = reference_record(&application);
    assert!(application.add_row("history", &wrong).is_err());
    assert_eq!(reference_record(&application), before);
    for text in ["x", "[]"] {
        let error = application.set_text("history", text, DecimalMark::Point);
        assert!(
            error
                .unwrap_err()
                .expected()
                .starts_with("at most 4096 rows")
        );
    }
    assert!(application.set_cell_at(0, 3, Value::Missing).is_err());
    assert!(application.set_cell_at(1, 0, Value::Missing).is_err());
    application.set("history", Value::Missing).unwrap();
    assert!(application.set_cell_at(0, 0, Value::Missing).is_err());
}

#[test]
fn what_is_given_is_bounded() {
    let schema = schema(vec![
        table(None, 2, Keep::First),
        field(
            "note",
            FieldKind::Words {
                buckets: 9,
                count: 1,
            },
        ),
    ])
    .unwrap();
    let mut application = Application::new(schema, "A", as_of());
    for _ in 0..MAX_GIVEN_ROWS {
        application.add_row_at(0).unwrap();
    }
    assert_eq!(
        application.add_row_at(0).unwrap_err().kind(),
        ErrorKind::WrongType
    );
    application.start_rows_at(0).unwrap();
    // Unlisted categories keep their text.
    let long = "x".repeat(1024);
    let rows = MAX_KEPT_BYTES / 1024;
    for _ in 0..rows {
        application
            .add_row("history", &[("kind", Value::Text(&long))])
            .unwrap();
    }
    let more = application.add_row("history", &[("kind", Value::Text(&long))]);
    assert_eq!(more.unwrap_err().kind(), ErrorKind::WrongType);
    assert!(Record::decode(&reference_record(&application)).is_ok());
    // What a field leaves behind makes room.
    application.start_rows_at(0).unwrap();
    application
        .add_row("history", &[("kind", Value::Text(&long))])
        .unwrap();
    application.set("note", "word").unwrap();
}

#[test]
fn policies_hold_for_cells_and_rows() {
    let with = |more: Answer, missing: Answer| {
        let mut table = table(None, 1, Keep::First);
        table.out_of_range = more;
        if let FieldKind::Table { columns, .. } = &mut table.kind {
            columns[1].0.missing = missing;
        }
        let schema = schema(vec![table]).unwrap();
        let blocks = vec![block("history", 0, None, rows(columns(), 1, PLAIN))];
        let transforms = transforms(&schema, blocks).unwrap();
        (schema, transforms)
    };
    let resolved = |more, missing, amounts: &[Option<i64>]| {
        let (schema, transforms) = with(more, missing);
        let mut application = Application::new(schema, "A", as_of());
        for amount in amounts {
            add(&mut application, &(Some(20_000), *amount, Some(0)), true);
        }
        let mut numbers = vec![0.0; transforms.inputs()];
        crate::schema::resolve(&application, &mut numbers)
    };
    let fine = resolved(Answer::Clip, Answer::Accept, &[Some(1)]).unwrap();
    assert_eq!(fine, Resolved::default());
    let longer = resolved(Answer::Refer, Answer::Accept, &[Some(1), None]).unwrap();
    assert!(longer.truncated && longer.referred.contains(0) && longer.missing.is_empty());
    let gap = resolved(Answer::Clip, Answer::Refer, &[None]).unwrap();
    assert!(gap.missing.contains(0) && gap.referred.contains(0) && !gap.truncated);
    let error = resolved(Answer::Refuse, Answer::Accept, &[None, None]).unwrap_err();
    assert_eq!(
        (error.kind(), error.place()),
        (ErrorKind::OutOfRange, "field history")
    );
    let error = resolved(Answer::Clip, Answer::Refuse, &[None]).unwrap_err();
    assert_eq!(error.place(), "field history, row 1, column amount");
    let clipped = resolved(Answer::Clip, Answer::Accept, &[Some(900)]).unwrap();
    assert!(clipped.out_of_range.contains(0));
}

#[test]
fn schemas_are_checked() {
    type Spoil = fn(&mut Field);
    fn parts(field: &mut Field) -> (&mut Vec<TableColumn>, &mut Option<u16>, &mut u16) {
        match &mut field.kind {
            FieldKind::Table {
                columns,
                order,
                max_rows,
                ..
            } => (columns, order, max_rows),
            _ => unreachable!("a table"),
        }
    }
    let spoils: [Spoil; 11] = [
        |f| parts(f).0.clear(),
        |f| *parts(f).1 = Some(3),
        |f| *parts(f).1 = Some(2),
        |f| *parts(f).2 = 0,
        |f| *parts(f).2 = MAX_ROWS + 1,
        |f| f.out_of_range = Answer::AsMissing,
        |f| f.range = Some((0, 1)),
        |f| parts(f).0[1].0.name = "day".to_owned(),
        |f| parts(f).0[1].0.kind = FieldKind::Decimal { decimals: 10 },
        |f| parts(f).0[1].0.kind = FieldKind::Tensor { shape: vec![1] },
        |f| {
            let column = parts(f).0[0].clone();
            parts(f).0.extend((0..MAX_COLUMNS).map(|at| {
                let name = format!("c{at}");
                TableColumn(Field {
                    name,
                    ..column.0.clone()
                })
            }));
        },
    ];
    assert!(schema(vec![table(Some(1), 10, Keep::Last)]).is_ok());
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut field = table(Some(1), 10, Keep::Last);
        spoil(&mut field);
        let error = schema(vec![field]).err();
        let error = error.unwrap_or_else(|| panic!("spoil {number} is taken"));
        assert!(error.place().contains("field history"), "{number}: {error}");
    }
    let tensor = |shape: &[u32]| {
        schema(vec![field(
            "t",
            FieldKind::Tensor {
                shape: shape.to_vec(),
            },
        )])
    };
    assert!(tensor(&[256, 256]).is_ok());
    for shape in [
        &[][..],
        &[0],
        &[256, 257],
        &[u32::MAX, u32::MAX, u32::MAX],
        &[1; 9],
    ] {
        assert!(tensor(shape).is_err(), "{shape:?}");
    }
    let two = ["a", "b"].map(|name| {
        let shape = vec![1 << 15, 2];
        field(name, FieldKind::Tensor { shape })
    });
    assert!(schema(two.to_vec()).is_err());
    for (buckets, count) in [(0, 1), (1, 0), (1 << 21, 1), (1, MAX_ROWS + 1)] {
        assert!(schema(vec![field("w", FieldKind::Words { buckets, count })]).is_err());
    }
}

#[test]
fn transforms_are_checked() {
    let schema = schema(vec![
        table(None, 4, Keep::Last),
        field("n", FieldKind::Integer),
    ])
    .unwrap();
    let sound =
        |source, encode| transforms(&schema, vec![block("b", source, None, encode)]).is_ok();
    assert!(sound(0, rows(columns(), 4, PLAIN)));
    assert!(!sound(1, rows(columns(), 4, PLAIN)));
    for count in [0, 3, 5, 12] {
        assert!(!sound(0, rows(columns(), count, PLAIN)), "{count}");
    }
    assert!(!sound(0, rows(Vec::new(), 4, PLAIN)));
    type Spoil = fn(&mut Vec<Block>);
    let spoils: [Spoil; 5] = [
        |c| c[0].source = 3,
        |c| c[1].impute = Some(f64::NAN),
        |c| c[2].encode = Encoding::OneHot { categories: 3 },
        |c| c[0].encode = Encoding::OneHot { categories: 2 },
        |c| c[0].encode = rows(columns(), 4, PLAIN),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut columns = columns();
        spoil(&mut columns);
        assert!(!sound(0, rows(columns, 4, PLAIN)), "{number}");
    }
    let mut with_flag = block("b", 0, None, rows(columns(), 4, PLAIN));
    with_flag.missing_flag = true;
    assert!(transforms(&schema, vec![with_flag]).is_err());
}

#[test]
fn nothing_nests_in_a_file() {
    use crate::bundle::{cbor, encode};
    let sound = encode(&table(Some(0), 4, Keep::Last));
    assert!(cbor::decode::<Field>(&sound, "section").is_ok());
    let mut nested = table(None, 4, Keep::Last);
    for _ in 0..3 {
        let FieldKind::Table { columns, .. } = &mut nested.kind else {
            unreachable!("a table")
        };
        columns.push(TableColumn(table(None, 4, Keep::Last)));
        assert!(cbor::decode::<Field>(&encode(&nested), "section").is_err());
        nested = Field {
            kind: FieldKind::Table {
                columns: vec![TableColumn(nested)],
                order: None,
                max_rows: 1,
                keep: Keep::First,
            },
            ..field("outer", FieldKind::Boolean)
        };
    }
    let mut block = block("b", 0, None, Encoding::Plain);
    for _ in 0..3 {
        let inner = cbor::decode::<Block>(&encode(&block), "section");
        assert_eq!(
            inner.is_ok(),
            !matches!(&block.encode, Encoding::Rows { columns, .. }
            if matches!(columns[0].0.encode, Encoding::Rows { .. }))
        );
        block.encode = rows(vec![block.clone()], 1, PLAIN);
    }
}
