//! JSON that a bundle holds, as tables: with a layout that is known, or with any.

use serde_json::{Map, Value};

use crate::evaluate::intervals::Interval;
use crate::evaluate::report::{Column, Section, Table};
use crate::pages::words::Words;

/// A value with its interval, as [`Interval`] is written.
pub(super) fn interval(value: &Value) -> Option<Interval> {
    let own = value.as_object().filter(|own| own.len() == 3)?;
    let number = |key: &str| own.get(key)?.as_f64();
    Some(Interval {
        value: number("value")?,
        low: number("low")?,
        high: number("high")?,
    })
}

/// Whether it fits into one cell: a scalar, an interval, a list of scalars.
pub(super) fn is_plain(value: &Value) -> bool {
    match value {
        Value::Object(own) => own.is_empty() || interval(value).is_some(),
        Value::Array(items) => items
            .iter()
            .all(|item| !item.is_array() && !item.is_object()),
        _ => true,
    }
}

/// A value in one cell; a dash where there is none, JSON of what is more than plain.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(x) => decimal(x),
            None => number.to_string(),
        },
        Value::Array(items) if items.is_empty() => "–".to_owned(),
        Value::Array(items) if is_plain(value) => {
            let item = |item: &Value| match item.as_str() {
                Some("") => "\"\"".to_owned(),
                _ => shown(item),
            };
            items.iter().map(item).collect::<Vec<_>>().join(", ")
        }
        other => match interval(other) {
            Some(interval) => format!("{interval:.3}"),
            None => other.to_string(),
        },
    }
}

/// At most four decimals; very small numbers in scientific notation.
fn decimal(x: f64) -> String {
    if x != 0.0 && x.abs() < 5e-5 {
        return signed(&format!("{x:.2e}"));
    }
    let text = format!("{x:.4}");
    signed(text.trim_end_matches('0').trim_end_matches('.'))
}

/// A number with a true minus sign before it.
fn signed(number: &str) -> String {
    match number.strip_prefix('-') {
        Some(size) => format!("−{size}"),
        None => number.to_owned(),
    }
}

/// What an object has of these keys, in one cell.
pub(super) fn row_of(object: &Value, keys: &[&str]) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for key in keys {
        if let Some(text) = object[key].as_str().filter(|text| !text.is_empty())
            && !parts.contains(&text)
        {
            parts.push(text);
        }
    }
    parts.join(", ")
}

/// A table of names with values, empty yet.
pub(super) fn facts(caption: &str, words: &Words) -> Table {
    Table::new(
        caption,
        [
            Column::text(words.say("What")),
            Column::text(words.say("Value")),
        ],
    )
}

/// Objects as rows, their keys as columns in the order in which they come; inner objects are taken
/// apart, and a key's name is its path.
pub(super) fn keyed(caption: &str, objects: &[Value], words: &Words) -> Table {
    let rows: Vec<Vec<(String, &Value)>> = objects.iter().map(apart).collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // What names a row comes first.
    names.sort_by_key(|name| !["name", "column", "code", "field"].contains(&name.as_str()));
    let number = |name: &&String| {
        let mut own = rows.iter().flatten().filter(|(own, _)| own == *name);
        own.all(|(_, value)| value.is_number() || value.is_null() || interval(value).is_some())
    };
    let columns = names.iter().map(|name| match number(name) {
        true => Column::number(words.title(name)),
        false => Column::text(words.title(name)),
    });
    let mut table = Table::new(caption, columns.collect::<Vec<_>>());
    for row in &rows {
        let cell = |name: &&String| {
            let own = row.iter().find(|(own, _)| own == *name);
            own.map_or_else(|| shown(&Value::Null), |(_, value)| shown(value))
        };
        table = table.row(names.iter().map(cell).collect::<Vec<_>>());
    }
    table
}

/// The parts of a value that fit into cells, with their paths.
fn apart(value: &Value) -> Vec<(String, &Value)> {
    fn walk<'v>(path: &str, value: &'v Value, out: &mut Vec<(String, &'v Value)>) {
        match value {
            Value::Object(entries) if !is_plain(value) => {
                for (key, value) in entries {
                    let path = match path {
                        "" => key.clone(),
                        path => format!("{path} {key}"),
                    };
                    walk(&path, value, out);
                }
            }
            _ => out.push((
                if path.is_empty() { "value" } else { path }.to_owned(),
                value,
            )),
        }
    }
    let mut out = Vec::new();
    walk("", value, &mut out);
    out
}

/// Adds a value of any layout to a section: what is plain as one table of names and values, lists of
/// objects and inner objects as tables of their own below it.
pub(super) fn tables(section: Section, caption: &str, value: &Value, words: &Words) -> Section {
    match value {
        Value::Array(items) if !is_plain(value) => section.table(keyed(caption, items, words)),
        Value::Object(entries) if !is_plain(value) => object(section, caption, entries, words),
        _ => section.table(facts(caption, words).row([caption.to_owned(), shown(value)])),
    }
}

fn object(
    mut section: Section,
    caption: &str,
    entries: &Map<String, Value>,
    words: &Words,
) -> Section {
    let (plain, further): (Vec<_>, Vec<_>) = entries.iter().partition(|(_, value)| is_plain(value));
    if !plain.is_empty() {
        let rows = plain.into_iter();
        section = section.table(rows.fold(facts(caption, words), |table, (key, value)| {
            table.row([words.title(key), shown(value)])
        }));
    }
    let is_row = |value: &Value| {
        value
            .as_object()
            .is_some_and(|own| own.values().all(is_plain))
    };
    // Objects of the same keys beside each other are rows of one table.
    if further.len() > 1 && further.iter().all(|(_, value)| is_row(value)) {
        let rows: Vec<Value> = further
            .iter()
            .map(|(key, value)| {
                let mut row = Map::new();
                row.insert("name".to_owned(), Value::String(words.title(key)));
                row.extend(value.as_object().cloned().unwrap_or_default());
                Value::Object(row)
            })
            .collect();
        return section.table(keyed(caption, &rows, words));
    }
    for (key, value) in further {
        let caption = format!("{caption}: {}", words.title(key));
        section = tables(section, &caption, value, words);
    }
    section
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::evaluate::report::Report;

    #[test]
    fn nothing_of_an_unknown_layout_is_hidden() {
        let value = json!({
            "rule": "four fifths",
            "ratio": { "value": 0.79, "low": 0.7, "high": 0.88 },
            "by_group": [
                { "name": "a", "rates": { "float": 0.5, "bundle": 0.51 } },
                { "name": "b", "odd": [{ "deep": [1, { "x": 1 }] }] },
            ],
            "inner": { "one": { "two": { "three": "found" } } },
        });
        let section = tables(Section::new("s"), "Fairness", &value, &Words::of("en"));
        let text = Report::new("t", "").section(section).to_markdown().unwrap();
        for part in [
            "four fifths",
            "0.790 (0.700–0.880)",
            "Rates float",
            "0.51",
            "deep",
            "found",
            "Fairness: By group",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn cells_are_short() {
        for (value, expected) in [
            (json!(0.5), "0.5"),
            (json!(-0.25), "−0.25"),
            (json!(-1.5e-9), "−1.50e-9"),
            (json!(["", "NA"]), "\"\", NA"),
            (json!(12), "12"),
            (json!([1, "a", true]), "1, a, yes"),
            (json!([]), "–"),
            (json!(null), "–"),
        ] {
            assert_eq!(shown(&value), expected);
        }
    }
}
