//! Values: typed and text forms are one value; what the grammars take and what they refuse.

use fieldscore_runtime::schema::{FieldKind, Schema};
use fieldscore_runtime::{Application, Date, DecimalMark, ErrorKind, Scorer, Value};
use fieldscore_tests::fixture::{Parts, field, today};
use proptest::prelude::*;

/// One field of each kind, and two more decimals.
fn application() -> Application {
    let mut parts = Parts::small(1).schema;
    let more = [("fine", 9u8), ("coarse", 1)];
    for (name, decimals) in more {
        parts
            .fields
            .push(field(name, FieldKind::Decimal { decimals }, 0, name));
    }
    let schema = Schema::new(parts, [0; 32]).unwrap();
    Application::new(std::sync::Arc::new(schema), "A", today())
}

/// The record of an application: its values as they are kept.
fn record(application: &Application) -> Vec<u8> {
    fieldscore_runtime::decide::reference_record(application)
}

fn typed(name: &str, value: Value<'_>) -> Result<Vec<u8>, ErrorKind> {
    let mut application = application();
    application.set(name, value).map_err(|e| e.kind())?;
    Ok(record(&application))
}

fn text(name: &str, text: &str, mark: DecimalMark) -> Result<Vec<u8>, ErrorKind> {
    let mut application = application();
    application
        .set_text(name, text, mark)
        .map_err(|e| e.kind())?;
    Ok(record(&application))
}

/// The text form in each of its spellings.
fn spellings(plain: &str) -> Vec<(String, DecimalMark)> {
    let wide: String = plain
        .chars()
        .map(|c| match c {
            '0'..='9' => char::from_u32(u32::from(c) - 0x30 + 0xFF10).unwrap(),
            other => other,
        })
        .collect();
    let mut all = vec![
        (plain.to_owned(), DecimalMark::Point),
        (format!("  {plain}\t"), DecimalMark::Point),
        (wide, DecimalMark::Point),
        (plain.replace('.', ","), DecimalMark::Comma),
        (plain.replace('-', "\u{2212}"), DecimalMark::Point),
    ];
    if !plain.starts_with('-') {
        all.push((format!("+{plain}"), DecimalMark::Point));
        all.push((format!("000{plain}"), DecimalMark::Point));
    }
    if plain.contains('.') {
        all.push((format!("{plain}000"), DecimalMark::Point));
    }
    all
}

proptest! {
    #[test]
    fn money_is_one_value_however_it_is_given(minor in -99_999_999_999i64..99_999_999_999) {
        let expected = typed("income", Value::Minor(minor));
        prop_assert!(expected.is_ok());
        prop_assert_eq!(&typed("income", Value::Number(minor as f64 / 100.0)), &expected);
        if minor % 100 == 0 {
            prop_assert_eq!(&typed("income", Value::Integer(minor / 100)), &expected);
        }
        let sign = if minor < 0 { "-" } else { "" };
        let plain = format!("{sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100);
        for (spelling, mark) in spellings(&plain) {
            prop_assert_eq!(&text("income", &spelling, mark), &expected, "{}", spelling);
        }
    }

    #[test]
    fn whole_numbers_are_one_value_however_they_are_given(x in -999_999_999_999_999i64..=999_999_999_999_999) {
        let expected = typed("years", Value::Integer(x));
        prop_assert!(expected.is_ok());
        prop_assert_eq!(&typed("years", Value::Number(x as f64)), &expected);
        for (spelling, mark) in spellings(&x.to_string()) {
            prop_assert_eq!(&text("years", &spelling, mark), &expected, "{}", spelling);
        }
    }

    #[test]
    fn decimals_are_one_value_however_they_are_given(raw in -99_999_999_999_999i64..99_999_999_999_999) {
        let sign = if raw < 0 { "-" } else { "" };
        let unit = 1_000_000_000;
        let plain = format!("{sign}{}.{:09}", raw.abs() / unit, raw.abs() % unit);
        let expected = text("fine", &plain, DecimalMark::Point);
        prop_assert!(expected.is_ok());
        prop_assert_eq!(&typed("fine", Value::Number(raw as f64 / unit as f64)), &expected);
    }

    #[test]
    fn dates_are_one_value_however_they_are_given(days in -62_091i64..157_000) {
        let date = Date::from_days(days).unwrap();
        let expected = typed("since", Value::Date(date));
        prop_assert_eq!(text("since", &date.to_string(), DecimalMark::Point), expected);
    }

    #[test]
    fn texts_and_categories_are_one_value_however_they_are_given(words in "[ \u{3000}]{0,2}\\PC{0,40}[ \t]{0,2}") {
        for name in ["note", "home"] {
            let expected = typed(name, Value::Text(&words));
            prop_assert_eq!(text(name, &words, DecimalMark::Point), expected, "{}", name);
        }
    }

    #[test]
    fn no_text_makes_any_field_panic(words in "\\PC*") {
        for name in ["income", "expenses", "home", "employed", "since", "years", "note"] {
            for mark in [DecimalMark::Point, DecimalMark::Comma] {
                if let Err(kind) = text(name, &words, mark) {
                    prop_assert_eq!(kind, ErrorKind::WrongType);
                }
            }
        }
    }
}

fn refused(name: &str, texts: &[&str]) {
    for given in texts {
        assert_eq!(
            text(name, given, DecimalMark::Point),
            Err(ErrorKind::WrongType),
            "{name}: {given:?}"
        );
    }
}

#[test]
fn numbers_outside_the_grammar_are_refused() {
    refused(
        "years",
        &[
            "12.5",
            "1e3",
            "0x10",
            "1_000",
            "1,000",
            "1 000",
            "1'000",
            "1\u{a0}000",
            "--1",
            "+-1",
            "+",
            "-",
            ".",
            "5.",
            ".5",
            "NaN",
            "inf",
            "Infinity",
            "1-",
            "(1)",
            "€5",
            "5 EUR",
            "٣",
            "३",
            "Ⅷ",
            "１．５",
            "1000000000000000",
            "-1000000000000000",
            "99999999999999999999999999",
        ],
    );
    refused("income", &["1.234", "1,23", "1.2.3", "0.001"]);
    refused("coarse", &["0.25"]);
}

#[test]
fn a_decimal_comma_counts_only_where_the_caller_says_so() {
    let with = |given: &str, mark| text("expenses", given, mark);
    assert_eq!(
        with("1,5", DecimalMark::Comma),
        with("1.5", DecimalMark::Point)
    );
    assert_eq!(with("1,5", DecimalMark::Point), Err(ErrorKind::WrongType));
    assert_eq!(with("1.5", DecimalMark::Comma), Err(ErrorKind::WrongType));
    assert_eq!(
        with("1.234,5", DecimalMark::Comma),
        Err(ErrorKind::WrongType)
    );
}

#[test]
fn dates_outside_the_grammar_are_refused() {
    refused(
        "since",
        &[
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-04-31",
            "1799-12-31",
            "2400-01-01",
            "2026-1-1",
            "26-01-01",
            "01-02-2026",
            "01/02/2026",
            "20260101",
            "2026-01-01T00:00",
            "2026–01–01",
            "-026-01-01",
            "+026-01-01",
        ],
    );
    for edge in ["1800-01-01", "2399-12-31", "2000-02-29", " 2026-01-01 "] {
        assert!(text("since", edge, DecimalMark::Point).is_ok(), "{edge}");
    }
}

#[test]
fn truths_are_these_words_and_no_others() {
    let expected = typed("employed", Value::Boolean(true));
    for given in ["true", "TRUE", "Yes", "yes", "1"] {
        assert_eq!(
            text("employed", given, DecimalMark::Point),
            expected,
            "{given}"
        );
    }
    let expected = typed("employed", Value::Boolean(false));
    for given in ["false", "No", "NO", "0"] {
        assert_eq!(
            text("employed", given, DecimalMark::Point),
            expected,
            "{given}"
        );
    }
    refused("employed", &["y", "n", "2", "on", "ja", "да", "10"]);
}

#[test]
fn blank_text_is_a_missing_value() {
    let missing = Ok(record(&application()));
    for name in [
        "income", "expenses", "home", "employed", "since", "years", "note",
    ] {
        for blank in ["", " ", "\t\n", "\u{3000}"] {
            assert_eq!(
                text(name, blank, DecimalMark::Point),
                missing,
                "{name}: {blank:?}"
            );
        }
        assert_eq!(typed(name, Value::Missing), missing, "{name}");
    }
    assert_eq!(typed("home", Value::Text(" ")), missing);
}

#[test]
fn typed_values_of_another_type_are_refused() {
    let date = Value::Date(today());
    for (name, value) in [
        ("income", Value::Text("12")),
        ("income", Value::Boolean(true)),
        ("income", date),
        ("expenses", Value::Minor(5)),
        ("years", Value::Number(1.5)),
        ("years", Value::Number(f64::NAN)),
        ("years", Value::Number(f64::INFINITY)),
        ("years", Value::Number(1e18)),
        ("years", Value::Integer(i64::MAX)),
        ("years", Value::Integer(i64::MIN)),
        ("income", Value::Integer(i64::MAX / 50)),
        ("income", Value::Minor(i64::MIN)),
        ("income", Value::Number(0.001)),
        ("income", Value::Number(f64::MIN_POSITIVE)),
        ("home", Value::Integer(1)),
        ("home", Value::Boolean(false)),
        ("employed", Value::Integer(1)),
        ("employed", Value::Text("yes")),
        ("since", Value::Text("2026-01-01")),
        ("since", Value::Integer(0)),
        ("note", Value::Integer(5)),
    ] {
        assert_eq!(typed(name, value), Err(ErrorKind::WrongType), "{name}");
    }
}

#[test]
fn a_text_over_its_cap_is_refused() {
    let long = "x".repeat(1024);
    assert!(typed("note", Value::Text(&long)).is_ok());
    let longer = "x".repeat(1025);
    for name in ["note", "home"] {
        assert_eq!(typed(name, Value::Text(&longer)), Err(ErrorKind::WrongType));
    }
}

#[test]
fn a_refused_value_leaves_the_one_before() {
    let mut application = application();
    application.set("years", 7).unwrap();
    let before = record(&application);
    assert!(
        application
            .set_text("years", "seven", DecimalMark::Point)
            .is_err()
    );
    assert!(application.set("years", 0.5).is_err());
    assert_eq!(record(&application), before);
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    let mut application = application();
    let error = application.set("shoe size", 43).unwrap_err();
    assert_eq!(
        (error.kind(), error.place()),
        (ErrorKind::UnknownField, "field shoe size")
    );
    let error = application.set_at(99, Value::Integer(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownField);
    let long = "n".repeat(5000);
    let error = application.set(&long, 43).unwrap_err();
    assert!(error.to_string().len() < 200, "a name is shown cut short");
}

#[test]
fn a_date_counts_as_whole_months_to_the_day_of_scoring() {
    let mut parts = Parts::small(1);
    parts.transforms.blocks[5] = fieldscore_tests::fixture::block(
        "since",
        4,
        fieldscore_runtime::schema::transform::Encoding::Plain,
    );
    let scorer: Scorer = parts.scorer();
    let months = |since: &str, as_of: &str| {
        let mut application = scorer.application("A", Date::parse(as_of).unwrap());
        fieldscore_tests::fixture::fill(&mut application);
        application
            .set_text("since", since, DecimalMark::Point)
            .unwrap();
        let before: usize = parts.transforms.blocks[..5].iter().map(|b| b.width()).sum();
        scorer.features(&application).unwrap()[before]
    };
    assert_eq!(months("2025-09-15", "2026-09-14"), 11.0);
    assert_eq!(months("2025-09-15", "2026-09-15"), 12.0);
    assert_eq!(months("2026-09-15", "2026-09-14"), 0.0);
    assert_eq!(months("2026-10-15", "2026-09-15"), -1.0);
}
