//! CARD's tables: objects of the same keys, beside each other, name their keys once.
//! `docs/bundle-format.md` has the layout.

use serde_json::{Map, Value, json};

/// The keys of a table: those of its rows, and the rows, a list or an object of lists.
const HEADER: &str = "header";
const ROWS: &str = "rows";
/// The longest key that a header has: rows repeat it, and a file of whatever origin is not to grow without
/// bound as it is read.
const LONGEST: usize = 64;

/// A document with its objects of the same keys as tables, wherever that is shorter. [`loose`] gives it
/// back.
pub fn tight(value: Value) -> Value {
    let table = match &value {
        Value::Array(items) => header(&items.iter().collect::<Vec<_>>()).map(|header| {
            let rows: Vec<Value> = items.iter().map(|item| row(&header, item)).collect();
            json!({ HEADER: header, ROWS: rows })
        }),
        Value::Object(entries) => header(&entries.values().collect::<Vec<_>>()).map(|header| {
            let rows = entries.iter();
            let rows: Map<_, _> = rows.map(|(k, v)| (k.clone(), row(&header, v))).collect();
            json!({ HEADER: header, ROWS: rows })
        }),
        _ => None,
    };
    match table {
        Some(table) if table.to_string().len() < value.to_string().len() => table,
        _ => each(value, tight),
    }
}

/// A document with its tables as the objects that they stand for.
pub fn loose(value: Value) -> Value {
    match (&value[HEADER], &value[ROWS]) {
        (Value::Array(header), Value::Array(rows)) => {
            rows.iter().map(|row| object(header, row)).collect()
        }
        (Value::Array(header), Value::Object(rows)) => {
            let rows = rows.iter();
            Value::Object(rows.map(|(k, v)| (k.clone(), object(header, v))).collect())
        }
        _ => each(value, loose),
    }
}

/// What a change makes of the parts of a document.
fn each(mut value: Value, change: fn(Value) -> Value) -> Value {
    match &mut value {
        Value::Array(items) => items.iter_mut().for_each(|v| *v = change(v.take())),
        Value::Object(entries) => entries.values_mut().for_each(|v| *v = change(v.take())),
        _ => {}
    }
    value
}

/// The keys that all of several objects have, in the same order; of objects in turn where it is a pair of
/// a key and a header. None where they are no such objects.
fn header(values: &[&Value]) -> Option<Vec<Value>> {
    let objects = || values.iter().filter_map(|value| value.as_object());
    let keys: Vec<&String> = objects().next()?.keys().collect();
    let short = !keys.is_empty() && keys.iter().all(|key| key.len() <= LONGEST);
    let alike = |value: &&Value| match value {
        Value::Object(own) => own.keys().eq(keys.iter().copied()),
        other => other.is_null(),
    };
    (short && values.iter().all(alike)).then(|| {
        let keys = keys.iter().map(|&key| {
            let inner: Vec<&Value> = objects().map(|own| &own[key]).collect();
            match header(&inner) {
                Some(inner) => json!([key, inner]),
                None => json!(key),
            }
        });
        keys.collect()
    })
}

/// An object's values in a header's order.
fn row(header: &[Value], object: &Value) -> Value {
    if object.is_null() {
        return Value::Null;
    }
    let cells = header.iter().map(|key| match (key.as_str(), &key[1]) {
        (Some(key), _) => tight(object[key].clone()),
        (None, Value::Array(inner)) => row(inner, &object[key[0].as_str().unwrap_or_default()]),
        _ => Value::Null,
    });
    cells.collect()
}

/// The object that a row stands for.
fn object(header: &[Value], row: &Value) -> Value {
    if row.is_null() {
        return Value::Null;
    }
    let entries = header.iter().zip(row.as_array().into_iter().flatten());
    let entries = entries.filter_map(|(key, cell)| match (key.as_str(), &key[1]) {
        (Some(key), _) => Some((key, loose(cell.clone()))),
        (None, Value::Array(inner)) => Some((key[0].as_str()?, object(inner, cell))),
        _ => None,
    });
    let entries = entries.filter(|(key, _)| key.len() <= LONGEST);
    Value::Object(entries.map(|(key, cell)| (key.to_owned(), cell)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_give_back_what_they_stand_for() {
        let share = |value: f64| json!({ "value": value, "low": 0.25, "high": null });
        let document = json!({
            "test": { "float": { "rows": 8, "auc": share(0.5) }, "bundle": { "rows": 8, "auc": share(0.75) } },
            "columns": [
                { "column": "age", "groups": [{ "group": "young", "ratio": null }, { "group": "old", "ratio": share(1.0) }] },
                { "column": "home", "groups": [] },
            ],
            "fields": [{ "name": "income", "edges": [1, 2] }, { "name": "home" }],
            "one": [{ "name": "alone" }],
            "none": [null, {}],
        });
        let tables = tight(document.clone());
        assert_eq!(
            tables["test"],
            json!({ "header": ["rows", ["auc", ["value", "low", "high"]]],
                "rows": { "float": [8, [0.5, 0.25, null]], "bundle": [8, [0.75, 0.25, null]] } })
        );
        assert_eq!(tables["fields"], document["fields"]);
        assert!(tables.to_string().len() < document.to_string().len());
        assert_eq!(loose(tables), document);
    }

    /// Whatever a signed card holds where a table is expected.
    #[test]
    fn what_is_no_table_does_no_harm() {
        let odd =
            json!({ "header": ["a", ["b"], [1, []], 7], "rows": [[1, 2], 3, null, { "x": 1 }] });
        assert_eq!(loose(odd), json!([{ "a": 1 }, {}, null, {}]));
        let plain = json!({ "header": "a", "rows": [1] });
        assert_eq!(loose(plain.clone()), plain);
    }
}
