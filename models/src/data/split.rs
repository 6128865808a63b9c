//! Parting rows into train, validation and test.

use fieldscore_runtime::Date;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::data::{Table, labels};
use crate::error::{Error, Result};
use crate::recipe::{Recipe, Split};

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Ranges and corrections are fitted on it.
    Train,
    /// Choices are made on it.
    Validation,
    /// It is read once, at the end.
    Test,
}

/// The recipe's labelled rows and what each is for.
///
/// # Errors
/// Where files or columns are missing, a row has no part, or a part has no rows.
pub fn parts(recipe: &Recipe) -> Result<(Table, Vec<Part>)> {
    let mut table = Table::read(&recipe.data.file)?;
    let split = &recipe.split;
    let ways = [
        split.file.is_some() || split.column.is_some(),
        split.seed.is_some(),
        split.validation_from.is_some() || split.test_from.is_some(),
        split.files.is_some(),
    ];
    if ways.iter().filter(|&&way| way).count() > 1 {
        return Err(Error::input(
            "split",
            "one of file and column, seed, dates, or files",
        ));
    }
    let parts = if let Some(files) = &split.files {
        let mut parts = vec![Part::Train; table.rows().len()];
        for (file, part) in [
            (&files.validation, Part::Validation),
            (&files.test, Part::Test),
        ] {
            let more = Table::read(file)?;
            parts.extend(more.rows().iter().map(|_| part));
            table = table.join(more)?;
        }
        parts
    } else if ways[0] {
        from_file(recipe, &table)?
    } else if ways[2] {
        from_dates(recipe, &table)?
    } else {
        from_seed(split, &labels(&table, &recipe.data.label)?)?
    };
    for (part, name) in [
        (Part::Train, "train"),
        (Part::Validation, "validation"),
        (Part::Test, "test"),
    ] {
        if !parts.contains(&part) {
            return Err(Error::input("split", format!("rows in the {name} part")));
        }
    }
    Ok((table, parts))
}

fn from_file(recipe: &Recipe, table: &Table) -> Result<Vec<Part>> {
    let (Some(file), Some(column), Some(id)) =
        (&recipe.split.file, &recipe.split.column, &recipe.data.id)
    else {
        return Err(Error::input(
            "split",
            "file and column together, and data.id",
        ));
    };
    let split = Table::read(file)?;
    let (split_id, split_part) = (split.column(id)?, split.column(column)?);
    let id = table.column(id)?;
    let mut by_id = std::collections::BTreeMap::new();
    for (number, row) in split.rows().iter().enumerate() {
        let part = match &row[split_part] {
            "train" => Part::Train,
            "validation" => Part::Validation,
            "test" => Part::Test,
            _ => {
                return Err(Error::input(
                    split.place(number, column),
                    "train, validation or test",
                ));
            }
        };
        by_id.insert(&row[split_id], part);
    }
    let rows = table.rows().iter().enumerate();
    rows.map(|(number, row)| {
        by_id.get(&row[id]).copied().ok_or_else(|| {
            Error::input(
                table.place(number, ""),
                format!("a row of the same id in {}", split.name()),
            )
        })
    })
    .collect()
}

fn from_dates(recipe: &Recipe, table: &Table) -> Result<Vec<Part>> {
    let (Some(column), Some(validation), Some(test)) = (
        &recipe.data.date,
        &recipe.split.validation_from,
        &recipe.split.test_from,
    ) else {
        return Err(Error::input(
            "split",
            "data.date, validation_from and test_from together",
        ));
    };
    let date = |d: &toml::value::Datetime, key| {
        Date::parse(&d.to_string()).ok_or_else(|| Error::input(key, "a date without a time"))
    };
    let validation = date(validation, "split.validation_from")?;
    let test = date(test, "split.test_from")?;
    let at = table.column(column)?;
    let rows = table.rows().iter().enumerate();
    rows.map(|(number, row)| {
        let day = Date::parse(row[at].trim())
            .ok_or_else(|| Error::input(table.place(number, column), "a date as YYYY-MM-DD"))?;
        Ok(if day >= test {
            Part::Test
        } else if day >= validation {
            Part::Validation
        } else {
            Part::Train
        })
    })
    .collect()
}

/// Good and bad rows are shuffled and cut apart, each by itself.
fn from_seed(split: &Split, bad: &[bool]) -> Result<Vec<Part>> {
    let (validation, test) = (split.validation.unwrap_or(0.2), split.test.unwrap_or(0.2));
    if !(validation > 0.0 && test > 0.0 && validation + test < 1.0) {
        return Err(Error::input(
            "split",
            "shares above 0 that leave rows to train on",
        ));
    }
    let mut random = ChaCha8Rng::seed_from_u64(split.seed.unwrap_or(1));
    let mut parts = vec![Part::Train; bad.len()];
    for class in [false, true] {
        let mut rows: Vec<usize> = (0..bad.len()).filter(|&row| bad[row] == class).collect();
        for end in (1..rows.len()).rev() {
            let other = (random.next_u64() % (end as u64 + 1)) as usize;
            rows.swap(end, other);
        }
        let count = |share: f64| (rows.len() as f64 * share).round() as usize;
        for &row in &rows[..count(test)] {
            parts[row] = Part::Test;
        }
        for &row in &rows[count(test)..count(test) + count(validation)] {
            parts[row] = Part::Validation;
        }
    }
    Ok(parts)
}
