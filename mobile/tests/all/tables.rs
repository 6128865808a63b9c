//! Tables through the exported API: the same records as the runtime's own.

use fieldscore_mobile::{Application, Entry, FieldKind, Flag, Scorer, Value};

use crate::common;

/// The golden bundle with a table.
fn bundle() -> Vec<u8> {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/families/inputs");
    std::fs::read(folder.join("inputs.fsb")).unwrap()
}

#[test]
fn rows_of_text_are_the_runtimes_rows() {
    let scorer = Scorer::open(bundle(), common::keys()).unwrap();
    let at = |name: &str| scorer.field(name).unwrap();
    let FieldKind::Table { columns, max_rows } =
        &scorer.info().unwrap().fields[usize::from(at("history"))].kind
    else {
        panic!("a table");
    };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((names, *max_rows), (vec!["day", "amount", "kind"], 12));
    let days: Vec<String> = (1..15).map(|day| format!("2026-06-{day:02}")).collect();
    let rows = days
        .iter()
        .map(|day| vec![day.clone(), "12,5".to_owned(), "in".to_owned()]);
    let entry = |name: &str, value| Entry {
        field: at(name),
        value,
    };
    let text = |value: &str| Value::Text {
        value: value.to_owned(),
    };
    let application = Application {
        id: "A".to_owned(),
        as_of: "2026-06-30".to_owned(),
        automation: true,
        values: vec![
            entry("amount", Value::Integer { value: 900 }),
            entry("months", Value::Integer { value: 9 }),
            entry("note", text("new roof")),
            entry(
                "history",
                Value::Rows {
                    rows: rows.collect(),
                    comma: true,
                },
            ),
        ],
    };
    let decision = scorer.score(&application).unwrap();
    assert!(decision.flags.contains(&Flag::Truncated));

    let key = common::keys()[0].clone().try_into().unwrap();
    let own = fieldscore_runtime::Scorer::open(bundle(), &[key]).unwrap();
    let as_of = fieldscore_runtime::Date::parse("2026-06-30").unwrap();
    let mut same = own.application("A", as_of);
    same.set("amount", 900).unwrap();
    same.set("months", 9).unwrap();
    same.set("note", "new roof").unwrap();
    for day in &days {
        let cells = [
            ("day", fieldscore_runtime::Date::parse(day).unwrap().into()),
            ("amount", 12.5.into()),
            ("kind", "in".into()),
        ];
        same.add_row("history", &cells).unwrap();
    }
    let mut record = Vec::new();
    own.record(&same, &own.score(&same).unwrap(), &mut record);
    assert!(record == decision.record);
}

#[test]
fn a_row_too_long_or_for_no_table_is_refused() {
    let scorer = Scorer::open(bundle(), common::keys()).unwrap();
    for (field, cells) in [("history", 4), ("amount", 1)] {
        let application = Application {
            id: "A".to_owned(),
            as_of: "2026-06-30".to_owned(),
            automation: true,
            values: vec![Entry {
                field: scorer.field(field).unwrap(),
                value: Value::Rows {
                    rows: vec![vec![String::new(); cells]],
                    comma: false,
                },
            }],
        };
        let error = scorer.score(&application).unwrap_err().to_string();
        assert!(error.contains(&format!("field {field}")), "{error}");
    }
}
