//! Labelled rows: reading, splitting, and turning them into applications.

mod split;
mod table;

pub use split::{Part, parts};
pub use table::Table;

use std::sync::Arc;

use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::{Application, Date, DecimalMark};

use crate::error::{Error, Result};
use crate::recipe::{GroupColumn, Recipe};

/// The day that rows without a date of their own are scored as of, where the recipe has no first
/// day.
const SOME_DAY: &str = "2000-01-01";

/// A table's rows as applications for one schema.
///
/// # Errors
/// With file, row and field where a cell is not of its field's type; where a column is missing.
pub fn applications(
    table: &Table,
    recipe: &Recipe,
    schema: &Arc<Schema>,
) -> Result<Vec<Application>> {
    let fields: Vec<(usize, usize)> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| Ok((index, table.column(&field.name)?)))
        .collect::<Result<_>>()?;
    let id = recipe
        .data
        .id
        .as_deref()
        .map(|id| table.column(id))
        .transpose()?;
    let date = recipe
        .data
        .date
        .as_deref()
        .map(|date| table.column(date))
        .transpose()?;
    let default = default_day(recipe)?;
    let mut all = Vec::with_capacity(table.rows().len());
    for (number, row) in table.rows().iter().enumerate() {
        let as_of = match date {
            None => default,
            Some(at) => Date::parse(row[at].trim()).ok_or_else(|| {
                Error::input(
                    table.place(number, &table.header()[at]),
                    "a date as YYYY-MM-DD",
                )
            })?,
        };
        let row_id = id.map_or_else(|| (number + 1).to_string(), |at| row[at].to_owned());
        let mut application = Application::new(Arc::clone(schema), &row_id, as_of);
        for &(field, column) in &fields {
            let text = if recipe.data.missing.iter().any(|m| *m == row[column]) {
                ""
            } else {
                &row[column]
            };
            application
                .set_text_at(field, text, DecimalMark::Point)
                .map_err(|e| Error::from(e).within(table.place(number, "")))?;
        }
        all.push(application);
    }
    Ok(all)
}

fn default_day(recipe: &Recipe) -> Result<Date> {
    let first = recipe.product.not_before.as_ref();
    let day = first
        .map(ToString::to_string)
        .unwrap_or_else(|| SOME_DAY.to_owned());
    Date::parse(&day).ok_or_else(|| Error::input("product.not_before", "a date without a time"))
}

/// Whether each row is bad.
///
/// # Errors
/// Where the column is missing, or no row is bad or none is good.
pub fn labels(table: &Table, recipe: &Recipe) -> Result<Vec<bool>> {
    let label = &recipe.data.label;
    let at = table.column(&label.column)?;
    let bad: Vec<bool> = table
        .rows()
        .iter()
        .map(|row| row[at] == label.bad)
        .collect();
    let count = bad.iter().filter(|&&bad| bad).count();
    if count == 0 || count == bad.len() {
        return Err(Error::input(
            format!("{}, column {}", table.name(), label.column),
            format!("rows with and rows without the bad value {}", label.bad),
        )
        .hint("data.label.bad in the recipe says which value is bad"));
    }
    Ok(bad)
}

/// The group of each row in a column that only evaluation reads.
///
/// # Errors
/// Where the column is missing, or a band column holds something other than numbers.
pub fn group_of_rows(
    table: &Table,
    name: &str,
    column: &GroupColumn,
    missing: &[String],
) -> Result<Vec<String>> {
    let at = table.column(name)?;
    let band = |number: usize, cell: &str| -> Result<String> {
        let x: f64 = cell.parse().map_err(|_| {
            Error::input(
                table.place(number, name),
                "a number, because the column has bands",
            )
        })?;
        let bands = &column.bands;
        let above = bands.partition_point(|&edge| edge <= x);
        Ok(
            match (above.checked_sub(1).map(|i| bands[i]), bands.get(above)) {
                (None, Some(edge)) => format!("below {edge}"),
                (Some(low), Some(high)) => format!("{low} to below {high}"),
                (Some(low), None) => format!("{low} and above"),
                (None, None) => "all".to_owned(),
            },
        )
    };
    let rows = table.rows().iter().enumerate();
    rows.map(|(number, row)| {
        if missing.iter().any(|m| *m == row[at]) {
            Ok("(missing)".to_owned())
        } else if column.bands.is_empty() {
            Ok(row[at].to_owned())
        } else {
            band(number, row[at].trim())
        }
    })
    .collect()
}
