//! Columns that only evaluation reads: the groups whose treatment is compared.

use indexmap::IndexMap;

use crate::data::Table;
use crate::error::{Error, Result};
use crate::evaluate::fairness::{Column, Limits, MISSING, Rows};
use crate::recipe::GroupColumn;

/// How decisions on a table's rows treat the groups of each column; `missing` are the cells without a
/// value. The groups of `rows` are taken from the table, whatever they are.
///
/// # Errors
/// Where a column is missing, a column with bands holds something other than numbers, or there are no
/// rows of the group that is to be the reference.
pub fn compare_groups<T: PartialEq>(
    table: &Table,
    groups: &IndexMap<String, GroupColumn>,
    missing: &[String],
    rows: Rows<'_, T>,
    limits: Limits,
) -> Result<Vec<Column>> {
    let measure = |(name, column): (&String, &GroupColumn)| {
        let of_rows = group_of_rows(table, name, column, missing)?;
        let order = (&band_names(column)[..], column.reference.as_deref());
        let rows = Rows {
            group: &of_rows,
            ..rows
        };
        Column::measure(name, &rows, order, limits).map_err(|e| {
            let place = format!("{}, column {name}", table.name());
            Error::input(place, format!("groups that can be compared ({e})"))
        })
    };
    groups.iter().map(measure).collect()
}

/// Whether any of a table's rows is of the group that the column's others are to be compared with; so too
/// where none is named.
///
/// # Errors
/// Where the column is missing, or a column with bands holds something other than numbers.
pub fn has_reference(
    table: &Table,
    name: &str,
    column: &GroupColumn,
    missing: &[String],
) -> Result<bool> {
    let Some(reference) = &column.reference else {
        return Ok(true);
    };
    Ok(group_of_rows(table, name, column, missing)?.contains(reference))
}

/// The band that holds a number; a band holds its lower end.
pub fn band_of(bands: &[f64], x: f64) -> String {
    let above = bands.partition_point(|&edge| edge <= x);
    match (above.checked_sub(1).map(|i| bands[i]), bands.get(above)) {
        (None, Some(edge)) => format!("below {edge}"),
        (Some(low), Some(high)) => format!("{low} to below {high}"),
        (Some(low), None) => format!("{low} and above"),
        (None, None) => "all".to_owned(),
    }
}

/// The names of the bands that a group column cuts its numbers into, in rising order; none where its
/// values are the groups.
fn band_names(column: &GroupColumn) -> Vec<String> {
    let edges = column.bands.iter();
    let least = edges.clone().take(1).map(|_| f64::NEG_INFINITY);
    let inside = least.chain(edges.copied());
    inside.map(|x| band_of(&column.bands, x)).collect()
}

/// The group of each row in a column that only evaluation reads.
fn group_of_rows(
    table: &Table,
    name: &str,
    column: &GroupColumn,
    missing: &[String],
) -> Result<Vec<String>> {
    let at = table.column(name)?;
    let rows = table.rows().iter().enumerate();
    rows.map(|(number, row)| {
        let cell = &row[at];
        if missing.iter().any(|missing| missing == cell) {
            return Ok(MISSING.to_owned());
        }
        if column.bands.is_empty() {
            return Ok(cell.to_owned());
        }
        let value = cell.trim().parse::<f64>().ok().filter(|x| !x.is_nan());
        let band = value.map(|x| band_of(&column.bands, x));
        band.ok_or_else(|| {
            Error::input(
                table.place(number, name),
                "a number, because the column has bands",
            )
        })
    })
    .collect()
}
