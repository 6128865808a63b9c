//! Labelled rows: reading, splitting, and turning them into applications.

mod groups;
mod split;
mod table;

pub use groups::{band_of, compare_groups, has_reference};
pub use split::{Part, parts};
pub use table::Table;

use std::sync::Arc;

use fieldscore_cli::applications::{TableFile, TableRows, Tables};
use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::{Application, Date, DecimalMark};

use crate::error::{Error, Result};
use crate::recipe::{Label, Recipe};

/// The day that rows without a date of their own are scored as of, where nothing else says.
const SOME_DAY: &str = "2000-01-01";

/// How a table's rows are read as applications.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Cells that mean a missing value.
    pub missing: Vec<String>,
    /// The column that identifies a row; without it rows are numbered.
    pub id: Option<String>,
    /// The column with a row's `as_of`.
    pub date: Option<String>,
    /// `as_of` of rows without a date.
    pub day: Option<Date>,
    /// Tables in files of their own, by a row's id.
    pub tables: Vec<Arc<TableRows>>,
}

impl Reading {
    /// As a recipe says.
    ///
    /// # Errors
    /// Where `product.not_before` is no date, or a table cannot be read.
    pub fn of(recipe: &Recipe) -> Result<Self> {
        let first = recipe.product.not_before.as_ref();
        let files = recipe.data.tables.iter();
        let files = files.map(|(field, file)| TableFile {
            field: field.clone(),
            file: file.clone(),
        });
        let tables = tables(&files.collect::<Vec<_>>(), recipe.data.id.as_deref())?;
        Ok(Self {
            missing: recipe.data.missing.clone(),
            id: recipe.data.id.clone(),
            date: recipe.data.date.clone(),
            day: first
                .map(|day| crate::recipe::to_date(day, "product.not_before"))
                .transpose()?,
            tables,
        })
    }

    /// A table's rows as applications for one schema.
    ///
    /// # Errors
    /// With file, row and field where a cell is not of its field's type; where a column is missing.
    pub fn applications(&self, table: &Table, schema: &Arc<Schema>) -> Result<Vec<Application>> {
        self.each(table, schema)?.collect()
    }

    /// As [`Reading::applications`], one result a row.
    ///
    /// # Errors
    /// Where a column is missing.
    pub fn each<'t>(
        &'t self,
        table: &'t Table,
        schema: &'t Arc<Schema>,
    ) -> Result<impl Iterator<Item = Result<Application>> + 't> {
        let tables = Tables::bind(&self.tables, schema, false)?;
        let fields: Vec<(usize, usize)> = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(index, _)| !tables.has(*index))
            .map(|(index, field)| Ok((index, table.column(&field.name)?)))
            .collect::<Result<_>>()?;
        let column = |name: &Option<String>| name.as_deref().map(|n| table.column(n)).transpose();
        let (id, date) = (column(&self.id)?, column(&self.date)?);
        let default = self.day.or_else(|| Date::parse(SOME_DAY));
        Ok(table.rows().iter().enumerate().map(move |(number, row)| {
            let as_of = date
                .map_or(default, |at| Date::parse(row[at].trim()))
                .ok_or_else(|| {
                    let name = date.map_or("", |at| table.header()[at].as_str());
                    Error::input(table.place(number, name), "a date as YYYY-MM-DD")
                })?;
            let row_id = id.map_or_else(|| (number + 1).to_string(), |at| row[at].to_owned());
            let mut application = Application::new(Arc::clone(schema), &row_id, as_of);
            let is_missing = |cell: &str| self.missing.iter().any(|missing| missing == cell);
            for &(field, column) in &fields {
                let cell = &row[column];
                let text = if is_missing(cell) { "" } else { cell };
                application
                    .set_text_at(field, text, DecimalMark::Point)
                    .map_err(|e| Error::from(e).within(table.place(number, "")))?;
            }
            tables
                .fill(&mut application, DecimalMark::Point, is_missing)
                .map_err(|e| {
                    let field = e.field.unwrap_or_default();
                    Error::input(
                        format!("{}, field {field}", table.place(number, "")),
                        e.expected,
                    )
                })?;
            Ok(application)
        }))
    }
}

/// Reads tables whose column `id` says whose row it is.
///
/// # Errors
/// Where a file cannot be read, or rows have no id.
pub fn tables(files: &[TableFile], id: Option<&str>) -> Result<Vec<Arc<TableRows>>> {
    let read = |table: &TableFile| {
        let id = id.ok_or_else(|| {
            Error::input(
                "data.id",
                "the column that identifies a row, because tables go by it",
            )
        })?;
        Ok(Arc::new(TableRows::read(
            &table.field,
            &table.file,
            id,
            b',',
        )?))
    };
    files.iter().map(read).collect()
}

/// Whether each row is bad.
///
/// # Errors
/// Where the column is missing, or no row is bad or none is good.
pub fn labels(table: &Table, label: &Label) -> Result<Vec<bool>> {
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
