//! The reference applicant: given in the recipe, or the medoid of the good training loans.

use std::sync::Arc;

use fieldscore_runtime::decide::reference_record;
use fieldscore_runtime::schema::{FieldKind, column_of};
use fieldscore_runtime::{Application, Date, DecimalMark, Value};

use crate::build::Workshop;
use crate::compile::net::Rows;
use crate::error::{Error, Result};
use crate::recipe::{Reference, parse_value};

/// More rows than this are thinned out evenly: a medoid costs the square of its rows.
const MOST_ROWS: usize = 3000;

/// The record of the reference applicant.
pub(super) fn choose(workshop: &Workshop<'_>) -> Result<Vec<u8>> {
    let application = match &workshop.recipe.reference {
        Some(reference) => given(workshop, reference)?,
        None => medoid(workshop)?,
    };
    Ok(reference_record(&application))
}

fn given(workshop: &Workshop<'_>, reference: &Reference) -> Result<Application> {
    let as_of = match &reference.as_of {
        Some(date) => Date::parse(&date.to_string()),
        None => workshop.lowered.dates.0.or(Date::from_ymd(2000, 1, 1)),
    };
    let as_of = as_of.ok_or_else(|| Error::input("reference.as_of", "a date without a time"))?;
    let mut application = Application::new(Arc::clone(&workshop.schema), "reference", as_of);
    for (name, value) in &reference.values {
        let key = format!("reference.values.{name}");
        let index = workshop
            .schema
            .index_of(name)
            .map_err(|e| Error::from(e).within(&key))?;
        let field = &workshop.schema.fields()[index];
        if let (FieldKind::Table { .. }, toml::Value::Array(rows)) = (&field.kind, value) {
            given_rows(&mut application, index, rows, &key)?;
            continue;
        }
        // The same reading as everywhere in a recipe; errors name the key.
        if field.kind.is_numeric() {
            parse_value(&field.kind, value, &key)?;
        }
        application
            .set_text_at(index, &text(value), DecimalMark::Point)
            .map_err(|e| Error::from(e).within(key))?;
    }
    Ok(application)
}

/// A recipe's value as the text that means it.
fn text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The reference applicant's rows of a table.
fn given_rows(
    application: &mut Application,
    index: usize,
    rows: &[toml::Value],
    key: &str,
) -> Result<()> {
    let schema = Arc::clone(application.schema());
    let field = schema.field_at(index)?;
    application.start_rows_at(index)?;
    for row in rows {
        let cells = row
            .as_table()
            .ok_or_else(|| Error::input(key, "a list of tables, one for each row"))?;
        application.add_row_at(index)?;
        for (name, value) in cells {
            let done = column_of(field, name).and_then(|column| {
                application.set_cell_text_at(index, column, &text(value), DecimalMark::Point)
            });
            done.map_err(|e| Error::from(e).within(key))?;
        }
    }
    Ok(())
}

fn medoid(workshop: &Workshop<'_>) -> Result<Application> {
    let mut fields = workshop.schema.fields().iter();
    if let Some(field) = fields.find(|field| field.kind.cells() > 0) {
        return Err(Error::input(
            format!("reference.values.{}", field.name),
            "a value that is nobody's: a real applicant's rows, bytes or words are not for a bundle",
        )
        .hint("give [reference] values for all fields"));
    }
    let mut good: Vec<usize> = workshop
        .train
        .iter()
        .copied()
        .filter(|&row| !workshop.bad[row])
        .collect();
    let step = good.len().div_ceil(MOST_ROWS).max(1);
    good = good.into_iter().step_by(step).collect();
    let features = workshop.features(&good)?;
    let best = medoid_row(&features.narrow());
    let Some(&row) = good.get(best) else {
        return Err(Error::input("reference", "good loans in the training part"));
    };
    let table = workshop.table.select(&[row]);
    let source = workshop.reading.applications(&table, &workshop.schema)?;
    let as_of = source
        .first()
        .map(Application::as_of)
        .ok_or_else(|| Error::input("reference", "a row"))?;
    // Nobody's id goes into a bundle.
    let mut application = Application::new(Arc::clone(&workshop.schema), "reference", as_of);
    for (index, field) in workshop.schema.fields().iter().enumerate() {
        let cell = &table.rows()[0][table.column(&field.name)?];
        if workshop.recipe.data.missing.iter().any(|m| m == cell) {
            application.set_at(index, Value::Missing)?;
        } else {
            application.set_text_at(index, cell, DecimalMark::Point)?;
        }
    }
    Ok(application)
}

/// The row with the least sum of distances to all rows, features scaled by their spread.
fn medoid_row(rows: &Rows) -> usize {
    let spreads: Vec<f32> = (0..rows.width)
        .map(|k| {
            let least = rows.column(k).fold(f32::INFINITY, f32::min);
            let greatest = rows.column(k).fold(f32::NEG_INFINITY, f32::max);
            if greatest > least {
                1.0 / (greatest - least)
            } else {
                0.0
            }
        })
        .collect();
    let scaled: Vec<Vec<f32>> = rows
        .iter()
        .map(|row| row.iter().zip(&spreads).map(|(x, s)| x * s).collect())
        .collect();
    let mut sums = vec![0.0f64; scaled.len()];
    for i in 0..scaled.len() {
        for j in i + 1..scaled.len() {
            let squared: f32 = scaled[i]
                .iter()
                .zip(&scaled[j])
                .map(|(a, b)| squared(*a, *b))
                .sum();
            let distance = f64::from(squared).sqrt();
            sums[i] += distance;
            sums[j] += distance;
        }
    }
    (0..sums.len())
        .min_by(|&a, &b| sums[a].total_cmp(&sums[b]))
        .unwrap_or(0)
}

/// The squared distance of two scaled features; a gap is as far from a value as values can be.
fn squared(a: f32, b: f32) -> f32 {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => (a - b) * (a - b),
        (true, true) => 0.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_near_gaps_and_far_from_values() {
        let gap = f32::NAN;
        let rows = Rows::new(2, vec![0.1, 0.0, gap, 0.5, gap, 0.6, gap, 0.7, 1.0, 1.0]);
        assert_eq!(medoid_row(&rows), 2);
    }

    #[test]
    fn the_middle_row_is_the_medoid() {
        let rows = Rows::new(2, vec![0.0, 0.0, 10.0, 1.0, 4.0, 0.5, 5.0, 0.5, 6.0, 0.5]);
        assert_eq!(medoid_row(&rows), 3);
    }
}
